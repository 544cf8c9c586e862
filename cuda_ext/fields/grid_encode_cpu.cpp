#include "grid_encode.h"

#include "../cpu/parallel.h"
#include "grid_cell.h"

namespace gk {
namespace {

constexpr int64_t kChunk = 4096;  // points of a task: a level's table stays in the second cache while they pass

// Points [begin, end) at one level, P features at once.
template <class T, int D, int P>
GK_INLINE void encode(const GridShape& s, const GridLevel& level, int64_t begin, int64_t end, const T* x, const T* table, T* out) {
  const GridIndex<D> index(level, s.basis);
  const int32_t F = s.features;
  for (int32_t first = 0; first < F; first += P) {
    const T* __restrict rows = table + level.first * F + first;
    for (int64_t n = begin; n < end; n += kLanes) {
      const int count = int(std::min<int64_t>(kLanes, end - n));
      GridCell<T, D> cell;
      find_cells<1>(index, s.basis, x + n, s.points, count, cell);
      Lanes<T> sums[P];
      for (int f = 0; f < P; ++f) sums[f] = Lanes<T>(T(0));
      each_site(index, cell, F, [&](const int32_t (&at)[kLanes], const int* tap) GK_INLINE_LAMBDA {
        add_rows(site_weight(cell, tap, {0, 0, 0}), rows, at, sums);
      });
      for (int f = 0; f < P; ++f) store_lanes(sums[f], count, out + (first + f) * s.points + n);
    }
  }
}

template <class T>
GK_INLINE void encode_any(const GridShape& s, const GridLevel& level, int64_t begin, int64_t end, const T* x, const T* table, T* out) {
  with_sizes(s, [&](auto d, auto f) GK_INLINE_LAMBDA { encode<T, d.value, f.value>(s, level, begin, end, x, table, out); });
}

GK_MULTIVERSION void encode_points(const GridShape& s, const GridLevel& level, int64_t begin, int64_t end, const float* x,
                                   const float* table, float* out) {
  encode_any(s, level, begin, end, x, table, out);
}
void encode_points(const GridShape& s, const GridLevel& level, int64_t begin, int64_t end, const double* x, const double* table,
                   double* out) {
  encode_any(s, level, begin, end, x, table, out);
}

}  // namespace

template <class T> void grid_encode(const GridShape& s, const T* x, const T* table, T* features) {
  const int64_t chunks = (s.points + kChunk - 1) / kChunk;
#pragma omp parallel for schedule(dynamic) if (s.points * s.level_count * 4 > kParallelWork)
  for (int64_t task = 0; task < s.level_count * chunks; ++task) {
    const int64_t l = task / chunks, begin = task % chunks * kChunk;
    encode_points(s, s.levels[l], begin, std::min(begin + kChunk, s.points), x, table, features + l * s.features * s.points);
  }
}

template void grid_encode(const GridShape&, const float*, const float*, float*);
template void grid_encode(const GridShape&, const double*, const double*, double*);

}  // namespace gk
