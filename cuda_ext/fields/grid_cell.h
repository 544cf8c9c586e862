// The lattice sites around sixteen points at a level: their entries in the table and the weights with two derivatives.
#pragma once
#include <type_traits>

#include "../cpu/lanes.h"
#include "grid_index.h"
#include "grid_lanes.h"

namespace gk {

struct Words {  // sixteen entries of a table
  typedef uint32_t Vector __attribute__((vector_size(kLanes * sizeof(uint32_t))));
  Vector v;
};

template <class T, int D> struct GridCell : LatticeWeights<Lanes<T>, D> {
  int taps;
  Words term[D][kMostTaps];
};

// A level as the loops want it.
template <int D> struct GridIndex : LevelIndex<D> {
  double inverse;

  GridIndex(const GridLevel& level, GridBasis basis) : LevelIndex<D>(level, basis), inverse((1 - 1e-14) / double(level.entries)) {}

  // The remainder by the number of rows. The quotient, of a reciprocal that is a little small, is right or one short.
  GK_INLINE Words::Vector row(Words::Vector h) const {
    if (this->whole) return h;
    h += this->shift;
    const uint32_t entries = this->entries;
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
