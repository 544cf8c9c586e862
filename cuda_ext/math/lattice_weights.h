// The weights of the lattice sites around a point, as products over the axes, with two derivatives.
#pragma once
#include <cstdint>

#include "scalar.h"

namespace gk {

enum class GridBasis : int32_t { kLinear = 0, kSmoothstep = 1, kSpline = 2 };

constexpr int kMostTaps = 3;

template <class V, int D> struct LatticeWeights {
  V along[3][D][kMostTaps];  // by order of the derivative, in units of the box, and by axis
};

// Of the sites along an axis at t in [0, 1] of the cell, and their derivatives up to `Orders` - 1; one cell is 1 / `cells`
// long. Linear; 3 t^2 - 2 t^3, whose first derivative is continuous and 0 at the sites (Mueller et al. 2022, appendix A); or
// the quadratic B-spline, whose sites are the centres of the cells.
template <int Orders, class S, class V, int D>
GK_HD void axis_weights(GridBasis basis, S cells, const V& t, int k, LatticeWeights<V, D>& weights) {
  V (&value)[kMostTaps] = weights.along[0][k], (&slope)[kMostTaps] = weights.along[1][k], (&bend)[kMostTaps] = weights.along[2][k];
  const S square = cells * cells;
  if (basis == GridBasis::kSpline) {
    const V v = S(1) - t;
    value[0] = v * v * S(0.5), value[1] = t * v + S(0.5), value[2] = t * t * S(0.5);
    if (Orders > 1) slope[0] = v * -cells, slope[1] = (v - t) * cells, slope[2] = t * cells;
    if (Orders > 2) bend[0] = V(square), bend[1] = V(-2 * square), bend[2] = V(square);
  } else if (basis == GridBasis::kSmoothstep) {
    value[1] = t * t * (S(3) - t * S(2)), value[0] = S(1) - value[1];
    if (Orders > 1) slope[1] = t * (S(1) - t) * (6 * cells), slope[0] = -slope[1];
    if (Orders > 2) bend[1] = (S(1) - t * S(2)) * (6 * square), bend[0] = -bend[1];
  } else {
    value[0] = S(1) - t, value[1] = t;
    if (Orders > 1) slope[0] = V(-cells), slope[1] = V(cells);
    if (Orders > 2) bend[0] = V(S(0)), bend[1] = V(S(0));
  }
}

// The weight of a site, derived along the axes that `orders` counts.
template <class V, int D> GK_HD V site_weight(const LatticeWeights<V, D>& weights, const int* tap, const int (&orders)[3]) {
  V w = weights.along[orders[0]][0][tap[0]];
  for (int k = 1; k < D; ++k) w = w * weights.along[orders[k]][k][tap[k]];
  return w;
}

}  // namespace gk
