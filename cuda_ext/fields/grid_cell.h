// The lattice sites around sixteen points at a level: their entries in the table and the weights with two derivatives.
#pragma once
#include <algorithm>
#include <type_traits>

#include "../cpu/lanes.h"
#include "grid_encode.h"

namespace gk {

constexpr int kMostTaps = 3;

// Loops over the lanes of a block are plain: compilers turn them into vectors.
#define GK_EACH_LANE for (int i = 0; i < kLanes; ++i)

template <class T, int D> struct GridCell {
  int taps;
  T weight[3][D][kMostTaps][kLanes];  // by order of the derivative along the axis, in units of the box
  uint32_t term[D][kMostTaps][kLanes];
};

// Weights of the sites along an axis at t in [0, 1] of the cell, and their derivatives up to `Orders` - 1; one cell is
// 1 / `cells` long. Linear; 3 t^2 - 2 t^3, whose first derivative is continuous and 0 at the sites (Mueller et al. 2022,
// appendix A); or the quadratic B-spline, whose sites are the centres of the cells.
template <int Orders, class T>
GK_INLINE void axis_weights(GridBasis basis, T cells, const T* __restrict t, T (&w)[3][kMostTaps][kLanes]) {
  if (basis == GridBasis::kSpline) {
    GK_EACH_LANE {
      const T u = t[i], v = 1 - u;
      w[0][0][i] = T(0.5) * v * v, w[0][1][i] = T(0.5) + u * v, w[0][2][i] = T(0.5) * u * u;
    }
    if (Orders > 1) GK_EACH_LANE {
      const T u = t[i];
      w[1][0][i] = cells * (u - 1), w[1][1][i] = cells * (1 - 2 * u), w[1][2][i] = cells * u;
    }
    if (Orders > 2) GK_EACH_LANE w[2][0][i] = cells * cells, w[2][1][i] = -2 * cells * cells, w[2][2][i] = cells * cells;
  } else if (basis == GridBasis::kSmoothstep) {
    GK_EACH_LANE {
      const T u = t[i], s = u * u * (3 - 2 * u);
      w[0][0][i] = 1 - s, w[0][1][i] = s;
    }
    if (Orders > 1) GK_EACH_LANE {
      const T u = t[i], s = cells * 6 * u * (1 - u);
      w[1][0][i] = -s, w[1][1][i] = s;
    }
    if (Orders > 2) GK_EACH_LANE {
      const T s = cells * cells * (6 - 12 * t[i]);
      w[2][0][i] = -s, w[2][1][i] = s;
    }
  } else {
    GK_EACH_LANE w[0][0][i] = 1 - t[i], w[0][1][i] = t[i];
    if (Orders > 1) GK_EACH_LANE w[1][0][i] = -cells, w[1][1][i] = cells;
    if (Orders > 2) GK_EACH_LANE w[2][0][i] = 0, w[2][1][i] = 0;
  }
}

// A level as the loops want it.
template <int D> struct GridIndex {
  bool hashed;
  uint32_t shift, entries, inverse, factor[D];
  int32_t cells[D];

  explicit GridIndex(const GridLevel& level, GridBasis basis)
      : hashed(level.hashed), shift(level.shift), entries(uint32_t(level.entries)), inverse(0xffffffffu / entries) {
    constexpr uint32_t primes[3] = {1u, 2654435761u, 805459861u};
    uint32_t stride = 1;
    for (int k = 0; k < D; ++k) {
      cells[k] = level.cells[k];
      factor[k] = hashed ? primes[k] : stride;
      stride *= uint32_t(cells[k] + (basis == GridBasis::kSpline ? 2 : 1));
    }
  }

  // The remainder by a number known only now, as a vector: the quotient from the upper half of a product is at most one short.
  GK_INLINE void reduce(uint32_t* __restrict h) const {
    GK_EACH_LANE {
      const uint32_t quotient = uint32_t((uint64_t(h[i]) * inverse) >> 32), rest = h[i] - quotient * entries;
      h[i] = rest >= entries ? rest - entries : rest;
    }
  }
};

template <class T> GK_INLINE void load_lanes(const T* from, int count, T* to) {
  if (count == kLanes) std::memcpy(to, from, kLanes * sizeof(T));
  else std::copy_n(from, count, to);
}
template <class T> GK_INLINE void store_lanes(const T* from, int count, T* to) {
  if (count == kLanes) std::memcpy(to, from, kLanes * sizeof(T));
  else std::copy_n(from, count, to);
}

// The cells of up to sixteen points, x[k * stride + i] for i < count; lanes beyond are those of the box's corner.
template <int Orders, class T, int D>
GK_INLINE void find_cells(const GridIndex<D>& index, GridBasis basis, const T* x, int64_t stride, int count, GridCell<T, D>& cell) {
  cell.taps = basis == GridBasis::kSpline ? 3 : 2;
  for (int k = 0; k < D; ++k) {
    T at[kLanes] = {}, t[kLanes], w[3][kMostTaps][kLanes];
    int32_t site[kLanes];
    load_lanes(x + k * stride, count, at);
    const T cells = T(index.cells[k]);
    GK_EACH_LANE {
      const T p = at[i] * cells;
      T inside = p > 0 ? p : T(0);  // a NaN has the first cell, and stays a NaN in the weights
      inside = inside < cells - 1 ? inside : cells - 1;
      site[i] = int32_t(inside);
      t[i] = p - T(site[i]);
    }
    axis_weights<Orders>(basis, cells, t, w);
    for (int tap = 0; tap < cell.taps; ++tap) {
      for (int order = 0; order < Orders; ++order) GK_EACH_LANE cell.weight[order][k][tap][i] = w[order][tap][i];
      GK_EACH_LANE cell.term[k][tap][i] = uint32_t(site[i] + tap) * index.factor[k];
    }
  }
}

// Calls visit(entries of the lanes, tap along each axis) for every site around the cells.
template <class T, int D, class Visit> GK_INLINE void each_site(const GridIndex<D>& index, const GridCell<T, D>& cell, Visit visit) {
  for (int c = 0; c < (D == 3 ? cell.taps : 1); ++c)
    for (int b = 0; b < cell.taps; ++b)
      for (int a = 0; a < cell.taps; ++a) {
        const int tap[3] = {a, b, c};
        uint32_t entry[kLanes];
        GK_EACH_LANE entry[i] = cell.term[0][a][i];
        for (int k = 1; k < D; ++k) {
          const uint32_t* term = cell.term[k][tap[k]];
          if (index.hashed) GK_EACH_LANE entry[i] ^= term[i];
          else GK_EACH_LANE entry[i] += term[i];
        }
        GK_EACH_LANE entry[i] += index.shift;
        index.reduce(entry);
        visit(entry, tap);
      }
}

// The product over the axes of the weights of a site, derived along the axes that `orders` counts.
template <class T, int D> GK_INLINE void site_weight(const GridCell<T, D>& cell, const int* tap, const int (&orders)[3], T* __restrict w) {
  GK_EACH_LANE w[i] = cell.weight[orders[0]][0][tap[0]][i];
  for (int k = 1; k < D; ++k) GK_EACH_LANE w[i] *= cell.weight[orders[k]][k][tap[k]][i];
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
