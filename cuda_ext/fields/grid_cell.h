// The lattice sites around sixteen points at a level: their entries in the table and the weights with two derivatives.
#pragma once
#include <type_traits>

#include "../cpu/lanes.h"
#include "grid_encode.h"
#include "grid_lanes.h"

namespace gk {

constexpr int kMostTaps = 3;

struct Words {  // sixteen entries of a table
  typedef uint32_t Vector __attribute__((vector_size(kLanes * sizeof(uint32_t))));
  Vector v;
};

template <class T, int D> struct GridCell {
  int taps;
  Lanes<T> weight[3][D][kMostTaps];  // by order of the derivative along the axis, in units of the box
  Words term[D][kMostTaps];
};

// Weights of the sites along an axis at t in [0, 1] of the cell, and their derivatives up to `Orders` - 1; one cell is
// 1 / `cells` long. Linear; 3 t^2 - 2 t^3, whose first derivative is continuous and 0 at the sites (Mueller et al. 2022,
// appendix A); or the quadratic B-spline, whose sites are the centres of the cells.
template <int Orders, class T, int D>
GK_INLINE void axis_weights(GridBasis basis, T cells, const Lanes<T>& t, int k, GridCell<T, D>& cell) {
  using L = Lanes<T>;
  L (&value)[kMostTaps] = cell.weight[0][k], (&slope)[kMostTaps] = cell.weight[1][k], (&bend)[kMostTaps] = cell.weight[2][k];
  const T square = cells * cells;
  if (basis == GridBasis::kSpline) {
    const L v = T(1) - t;
    value[0] = v * v * T(0.5), value[1] = t * v + T(0.5), value[2] = t * t * T(0.5);
    if (Orders > 1) slope[0] = v * -cells, slope[1] = (v - t) * cells, slope[2] = t * cells;
    if (Orders > 2) bend[0] = L(square), bend[1] = L(-2 * square), bend[2] = L(square);
  } else if (basis == GridBasis::kSmoothstep) {
    value[1] = t * t * (T(3) - t * T(2)), value[0] = T(1) - value[1];
    if (Orders > 1) slope[1] = t * (T(1) - t) * (6 * cells), slope[0] = -slope[1];
    if (Orders > 2) bend[1] = (T(1) - t * T(2)) * (6 * square), bend[0] = -bend[1];
  } else {
    value[0] = T(1) - t, value[1] = t;
    if (Orders > 1) slope[0] = L(-cells), slope[1] = L(cells);
    if (Orders > 2) bend[0] = L(T(0)), bend[1] = L(T(0));
  }
}

// A level as the loops want it.
template <int D> struct GridIndex {
  bool hashed, whole;  // whole: no site's number is beyond the rows
  uint32_t shift, entries, factor[D];
  int32_t cells[D];
  double inverse;

  GridIndex(const GridLevel& level, GridBasis basis)
      : hashed(level.hashed), whole(!level.hashed && level.shift == 0), shift(level.shift), entries(uint32_t(level.entries)),
        inverse((1 - 1e-14) / double(level.entries)) {
    constexpr uint32_t primes[3] = {1u, 2654435761u, 805459861u};
    uint32_t stride = 1;
    for (int k = 0; k < D; ++k) {
      cells[k] = level.cells[k];
      factor[k] = hashed ? primes[k] : stride;
      stride *= uint32_t(cells[k] + (basis == GridBasis::kSpline ? 2 : 1));
    }
  }

  // The remainder by the number of rows. The quotient, of a reciprocal that is a little small, is right or one short.
  GK_INLINE Words::Vector row(Words::Vector h) const {
    if (whole) return h;
    h += shift;
    if ((entries & (entries - 1)) == 0) return h & (entries - 1);
    typedef double Doubles __attribute__((vector_size(kLanes * sizeof(double))));
    const Doubles quotient = __builtin_convertvector(h, Doubles) * inverse;
    const Words::Vector rest = h - __builtin_convertvector(quotient, Words::Vector) * entries, less = rest - entries;
    return rest < entries ? rest : less;
  }
};

// The cells of up to sixteen points, x[k * stride + i] for i < count; lanes beyond are those of the box's corner.
template <int Orders, class T, int D>
GK_INLINE void find_cells(const GridIndex<D>& index, GridBasis basis, const T* x, int64_t stride, int count, GridCell<T, D>& cell) {
  typedef int32_t Sites __attribute__((vector_size(kLanes * sizeof(int32_t))));
  cell.taps = basis == GridBasis::kSpline ? 3 : 2;
  for (int k = 0; k < D; ++k) {
    const T cells = T(index.cells[k]);
    const Lanes<T> p = load_lanes(x + k * stride, count) * cells;
    // A NaN is put into the first cell, and stays a NaN in the weights.
    const Lanes<T> inside = minimum(maximum(p, Lanes<T>(T(0))), Lanes<T>(cells - 1));
    const Sites site = __builtin_convertvector(inside.v, Sites);
    axis_weights<Orders>(basis, cells, p - wrap<T>(__builtin_convertvector(site, typename Lanes<T>::Vector)), k, cell);
    Words::Vector term = (Words::Vector)site * index.factor[k];
    for (int tap = 0; tap < cell.taps; ++tap, term += index.factor[k]) cell.term[k][tap].v = term;
  }
}

// Calls visit(offsets of the lanes' rows of `width` values, tap along each axis) for every site around the cells.
template <class T, int D, class Visit>
GK_INLINE void each_site(const GridIndex<D>& index, const GridCell<T, D>& cell, uint32_t width, Visit visit) {
  for (int c = 0; c < (D == 3 ? cell.taps : 1); ++c)
    for (int b = 0; b < cell.taps; ++b) {
      Words::Vector other = cell.term[1][b].v;
      if (D == 3) other = index.hashed ? other ^ cell.term[D - 1][c].v : other + cell.term[D - 1][c].v;
      for (int a = 0; a < cell.taps; ++a) {
        const Words::Vector first = cell.term[0][a].v;
        const Words::Vector offset = index.row(index.hashed ? first ^ other : first + other) * width;
        int32_t at[kLanes];
        std::memcpy(at, &offset, sizeof(at));
        const int tap[3] = {a, b, c};
        visit(at, tap);
      }
    }
}

// The product over the axes of the weights of a site, derived along the axes that `orders` counts.
template <class T, int D> GK_INLINE Lanes<T> site_weight(const GridCell<T, D>& cell, const int* tap, const int (&orders)[3]) {
  Lanes<T> w = cell.weight[orders[0]][0][tap[0]];
  for (int k = 1; k < D; ++k) w = w * cell.weight[orders[k]][k][tap[k]];
  return w;
}

// Calls body(dimension, features at once) with both as numbers known to the compiler: features go by pairs, an odd number
// of them one by one.
template <class Body> GK_INLINE void with_sizes(const GridShape& s, Body body) {
  using One = std::integral_constant<int, 1>;
  using Two = std::integral_constant<int, 2>;
  using Three = std::integral_constant<int, 3>;
  if (s.dimension == 2 && s.features % 2) body(Two(), One());
  else if (s.dimension == 2) body(Two(), Two());
  else if (s.features % 2) body(Three(), One());
  else body(Three(), Two());
}

}  // namespace gk
