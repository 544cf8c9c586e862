// Internal to grid_*_cuda.cu: the lattice sites around the point of a thread, at the levels that a launch is told of.
#pragma once
#include <algorithm>
#include <initializer_list>
#include <type_traits>

#include "../cuda/launch.h"
#include "grid_index.h"

namespace gk::cuda {

constexpr int kMostLevels = 16;  // of a launch: their numbers are a kernel's arguments

template <int D> struct DeviceLevel : LevelIndex<D> {
  int32_t number;       // among all levels
  uint32_t reciprocal;  // 2^32 / entries, rounded down
  int64_t first;

  DeviceLevel() = default;
  DeviceLevel(const GridShape& s, int64_t level)
      : LevelIndex<D>(s.levels[level], s.basis), number(int32_t(level)),
        reciprocal(uint32_t(std::min<int64_t>((INT64_C(1) << 32) / s.levels[level].entries, UINT32_MAX))), first(s.levels[level].first) {}

  // The remainder by the number of rows. The quotient, of a reciprocal that is a little small, is right or one short.
  __device__ __forceinline__ uint32_t row(uint32_t h) const {
    if (this->whole) return h;
    h += this->shift;
    if ((this->entries & (this->entries - 1)) == 0) return h & (this->entries - 1);
    const uint32_t rest = h - uint32_t(uint64_t(h) * reciprocal >> 32) * this->entries;
    return rest < this->entries ? rest : rest - this->entries;
  }
};

template <int D> struct DeviceLevels {
  int count;
  DeviceLevel<D> level[kMostLevels];
};

template <class T, int D, int Taps> struct DeviceCell : LatticeWeights<T, D> {
  uint32_t term[D][Taps];

  template <int Orders> __device__ __forceinline__ void find(const DeviceLevel<D>& level, GridBasis basis, const T* x, int64_t stride) {
#pragma unroll
    for (int k = 0; k < D; ++k) {
      const T cells = T(level.cells[k]), p = x[k * stride] * cells;
      // A NaN is put into the first cell, and stays a NaN in the weights.
      const int32_t site = int32_t(minimum(maximum(p, T(0)), cells - 1));
      axis_weights<Orders>(Taps == 3 ? GridBasis::kSpline : basis, cells, p - T(site), k, *this);
#pragma unroll
      for (int tap = 0; tap < Taps; ++tap) term[k][tap] = uint32_t(site + tap) * level.factor[k];
    }
  }

  // Calls visit(row, tap along each axis) for every site around the cell.
  template <class Visit> __device__ __forceinline__ void each_site(const DeviceLevel<D>& level, const Visit& visit) const {
#pragma unroll
    for (int c = 0; c < (D == 3 ? Taps : 1); ++c)
#pragma unroll
      for (int b = 0; b < Taps; ++b) {
        uint32_t other = term[1][b];
        if (D == 3) other = level.hashed ? other ^ term[D - 1][c] : other + term[D - 1][c];
#pragma unroll
        for (int a = 0; a < Taps; ++a) {
          const int tap[3] = {a, b, c};
          visit(level.row(level.hashed ? term[0][a] ^ other : term[0][a] + other), tap);
        }
      }
  }

  __device__ __forceinline__ T weight(const int* tap) const { return site_weight(*this, tap, {0, 0, 0}); }
  __device__ __forceinline__ T slope(const int* tap, int k) const { return site_weight(*this, tap, {k == 0, k == 1, k == 2}); }
  __device__ __forceinline__ T bend(const int* tap, int k, int j) const {
    return site_weight(*this, tap, {(k == 0) + (j == 0), (k == 1) + (j == 1), (k == 2) + (j == 2)});
  }
  // The derivative of a site's weight along `direction`.
  __device__ __forceinline__ T slope_along(const int* tap, const T (&direction)[D]) const {
    T sum = T(0);
    for (int k = 0; k < D; ++k) sum += slope(tap, k) * direction[k];
    return sum;
  }
};

// P values of a row, beside each other in memory: by one load.
template <int P, class T> __device__ __forceinline__ void read_row(const T* from, T (&values)[P]) {
  struct alignas(P * sizeof(T) > 16 ? 16 : P * sizeof(T)) Row { T values[P]; };
  const Row row = *reinterpret_cast<const Row*>(from);
#pragma unroll
  for (int f = 0; f < P; ++f) values[f] = row.values[f];
}

template <int P, class T> __device__ __forceinline__ T dot_row(const T* from, const T (&bar)[P]) {
  T values[P], sum = T(0);
  read_row(from, values);
#pragma unroll
  for (int f = 0; f < P; ++f) sum += bar[f] * values[f];
  return sum;
}

// `D` values of a point from an array over the points fastest, or zeros without one.
template <int D, class T> __device__ __forceinline__ void read_point(const T* from, int64_t stride, T (&values)[D]) {
#pragma unroll
  for (int k = 0; k < D; ++k) values[k] = from ? from[k * stride] : T(0);
}

// Calls body(dimension, taps, features at once), known to the compiler: as many features as the memory of all `rows` lets
// one load take.
template <class T, class Body> void with_kind(const GridShape& s, std::initializer_list<const T*> rows, const Body& body) {
  const auto fits = [&](int p) {
    bool all = s.features % p == 0;
    for (const T* r : rows) all = all && reinterpret_cast<uintptr_t>(r) % std::min<size_t>(p * sizeof(T), 16) == 0;
    return all;
  };
  const auto with = [&](auto dimension, auto taps) {
    if (sizeof(T) == 4 && fits(4)) body(dimension, taps, std::integral_constant<int, sizeof(T) == 4 ? 4 : 2>());
    else if (fits(2)) body(dimension, taps, std::integral_constant<int, 2>());
    else body(dimension, taps, std::integral_constant<int, 1>());
  };
  using Two = std::integral_constant<int, 2>;
  using Three = std::integral_constant<int, 3>;
  const bool spline = s.basis == GridBasis::kSpline;
  if (s.dimension == 2 && spline) with(Two(), Three());
  else if (s.dimension == 2) with(Two(), Two());
  else if (spline) with(Three(), Three());
  else with(Three(), Two());
}

// Calls body(levels) for those that `chosen` names, kMostLevels at a time.
template <int D, class Chosen, class Body> void each_group(const GridShape& s, const Chosen& chosen, const Body& body) {
  DeviceLevels<D> levels;
  levels.count = 0;
  for (int64_t l = 0; l < s.level_count; ++l) {
    if (chosen(s.levels[l])) levels.level[levels.count++] = DeviceLevel<D>(s, l);
    if (levels.count && (levels.count == kMostLevels || l + 1 == s.level_count)) body(levels), levels.count = 0;
  }
}

}  // namespace gk::cuda
