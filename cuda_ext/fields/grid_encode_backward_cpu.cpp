#include <algorithm>

#include "../cpu/parallel.h"
#include "grid_cell.h"
#include "grid_encode.h"

namespace gk {
namespace {

constexpr int64_t kChunk = 1024;  // points of a task that goes through all levels

// One level, all points, P features at once: table_bar has been set to zero.
template <class T, int D, int P>
GK_INLINE void scatter(const GridShape& s, const GridLevel& level, const T* x, const T* features_bar, T* table_bar) {
  const GridIndex<D> index(level, s.basis);
  const int32_t F = s.features;
  for (int32_t first = 0; first < F; first += P) {
    T* rows = table_bar + level.first * F + first;
    for (int64_t n = 0; n < s.points; n += kLanes) {
      const int count = int(std::min<int64_t>(kLanes, s.points - n));
      GridCell<T, D> cell;
      find_cells<1>(index, s.basis, x + n, s.points, count, cell);
      T bar[kLanes][P];
      load_beside(features_bar + first * s.points + n, s.points, count, bar);
      each_site(index, cell, F, [&](const int32_t (&at)[kLanes], const int* tap) GK_INLINE_LAMBDA {
        scatter_lanes(site_weight(cell, tap, {0, 0, 0}), bar, at, count, rows);
      });
    }
  }
}

// Points [begin, end), all levels and features in their order.
template <class T, int D, int P>
GK_INLINE void gather(const GridShape& s, int64_t begin, int64_t end, const T* x, const T* table, const T* features_bar, T* x_bar) {
  const int32_t F = s.features;
  for (int k = 0; k < D; ++k) std::fill(x_bar + k * s.points + begin, x_bar + k * s.points + end, T(0));
  for (int64_t pass = 0; pass < s.level_count * F; pass += P) {
    const GridLevel& level = s.levels[pass / F];
    const GridIndex<D> index(level, s.basis);
    const T* __restrict rows = table + level.first * F + pass % F;
    for (int64_t n = begin; n < end; n += kLanes) {
      const int count = int(std::min<int64_t>(kLanes, end - n));
      GridCell<T, D> cell;
      find_cells<2>(index, s.basis, x + n, s.points, count, cell);
      Lanes<T> bar[P], sums[D];
      for (int f = 0; f < P; ++f) bar[f] = load_lanes(features_bar + (pass + f) * s.points + n, count);
      for (int k = 0; k < D; ++k) sums[k] = load_lanes(x_bar + k * s.points + n, count);
      each_site(index, cell, F, [&](const int32_t (&at)[kLanes], const int* tap) GK_INLINE_LAMBDA {
        const Lanes<T> dot = row_products(bar, rows, at);
        for (int k = 0; k < D; ++k) sums[k] = sums[k] + site_weight(cell, tap, {k == 0, k == 1, k == 2}) * dot;
      });
      for (int k = 0; k < D; ++k) store_lanes(sums[k], count, x_bar + k * s.points + n);
    }
  }
}

template <class T>
GK_INLINE void scatter_any(const GridShape& s, const GridLevel& level, const T* x, const T* features_bar, T* table_bar) {
  with_sizes(s, [&](auto d, auto f) GK_INLINE_LAMBDA { scatter<T, d.value, f.value>(s, level, x, features_bar, table_bar); });
}
template <class T>
GK_INLINE void gather_any(const GridShape& s, int64_t begin, int64_t end, const T* x, const T* table, const T* features_bar, T* x_bar) {
  with_sizes(s, [&](auto d, auto f) GK_INLINE_LAMBDA { gather<T, d.value, f.value>(s, begin, end, x, table, features_bar, x_bar); });
}

GK_MULTIVERSION void scatter_level(const GridShape& s, const GridLevel& level, const float* x, const float* features_bar,
                                   float* table_bar) {
  scatter_any(s, level, x, features_bar, table_bar);
}
void scatter_level(const GridShape& s, const GridLevel& level, const double* x, const double* features_bar, double* table_bar) {
  scatter_any(s, level, x, features_bar, table_bar);
}
GK_MULTIVERSION void gather_points(const GridShape& s, int64_t begin, int64_t end, const float* x, const float* table,
                                   const float* features_bar, float* x_bar) {
  gather_any(s, begin, end, x, table, features_bar, x_bar);
}
void gather_points(const GridShape& s, int64_t begin, int64_t end, const double* x, const double* table, const double* features_bar,
                   double* x_bar) {
  gather_any(s, begin, end, x, table, features_bar, x_bar);
}

}  // namespace

template <class T>
void grid_encode_backward(const GridShape& s, const T* x, const T* table, const T* features_bar, T* table_bar, T* x_bar) {
  const bool worth = s.points * s.level_count * 4 > kParallelWork;
  if (table_bar) {
#pragma omp parallel for schedule(dynamic) if (worth)
    for (int64_t l = 0; l < s.level_count; ++l) {
      const GridLevel& level = s.levels[l];
      std::fill_n(table_bar + level.first * s.features, level.entries * s.features, T(0));
      scatter_level(s, level, x, features_bar + l * s.features * s.points, table_bar);
    }
  }
  if (x_bar) {
#pragma omp parallel for schedule(dynamic) if (worth)
    for (int64_t begin = 0; begin < s.points; begin += kChunk)
      gather_points(s, begin, std::min(begin + kChunk, s.points), x, table, features_bar, x_bar);
  }
}

template void grid_encode_backward(const GridShape&, const float*, const float*, const float*, float*, float*);
template void grid_encode_backward(const GridShape&, const double*, const double*, const double*, double*, double*);

}  // namespace gk
