#include <algorithm>

#include "../cpu/parallel.h"
#include "grid_cell.h"
#include "grid_encode.h"

// With v = x_probe, P = table_probe and g = features_bar, over the sites of all points and levels:
//   by features_bar  (v . grad W) table + W P
//   by the table     (v . grad W) g
//   by x             (Hessian W v) (table . g) + grad W (P . g)
namespace gk {
namespace {

constexpr int64_t kChunk = 1024;

// One level, all points, P features at once, for the gradients by the table and by features_bar.
template <class T, int D, int P> GK_INLINE void along(const GridShape& s, int64_t l, const GridSecond<T>& a) {
  const GridLevel& level = s.levels[l];
  const GridIndex<D> index(level, s.basis);
  const int32_t F = s.features;
  T* all = a.table_bar ? a.table_bar + level.first * F : nullptr;
  if (all) std::fill_n(all, level.entries * F, T(0));
  for (int32_t first = 0; first < F; first += P) {
    const T* __restrict rows = a.table + level.first * F + first;
    const T* __restrict probes = a.table_probe ? a.table_probe + level.first * F + first : nullptr;
    for (int64_t n = 0; n < s.points; n += kLanes) {
      const int count = int(std::min<int64_t>(kLanes, s.points - n));
      const int64_t at = (l * F + first) * s.points + n;
      GridCell<T, D> cell;
      find_cells<2>(index, s.basis, a.x + n, s.points, count, cell);
      Lanes<T> direction[D], sums[P];
      T bar[kLanes][P];
      for (int k = 0; k < D; ++k) direction[k] = a.x_probe ? load_lanes(a.x_probe + k * s.points + n, count) : Lanes<T>(T(0));
      for (int f = 0; f < P; ++f) sums[f] = Lanes<T>(T(0));
      load_beside(a.features_bar + at, s.points, count, bar);
      each_site(index, cell, F, [&](const int32_t (&at)[kLanes], const int* tap) GK_INLINE_LAMBDA {
        Lanes<T> slope = site_weight(cell, tap, {1, 0, 0}) * direction[0];
        for (int k = 1; k < D; ++k) slope = slope + site_weight(cell, tap, {0, k == 1, k == 2}) * direction[k];
        if (a.features_out) add_rows(slope, rows, at, sums);
        if (a.features_out && probes) add_rows(site_weight(cell, tap, {0, 0, 0}), probes, at, sums);
        if (all) scatter_lanes(slope, bar, at, count, all + first);
      });
      for (int f = 0; f < P && a.features_out; ++f) store_lanes(sums[f], count, a.features_out + at + f * s.points);
    }
  }
}

// Points [begin, end), all levels and features in their order, for the gradient by x.
template <class T, int D, int P> GK_INLINE void bend(const GridShape& s, int64_t begin, int64_t end, const GridSecond<T>& a) {
  const int32_t F = s.features;
  for (int k = 0; k < D; ++k) std::fill(a.x_bar + k * s.points + begin, a.x_bar + k * s.points + end, T(0));
  for (int64_t pass = 0; pass < s.level_count * F; pass += P) {
    const GridLevel& level = s.levels[pass / F];
    const GridIndex<D> index(level, s.basis);
    const int64_t offset = level.first * F + pass % F;
    const T* __restrict rows = a.table + offset;
    const T* __restrict probes = a.table_probe ? a.table_probe + offset : nullptr;
    for (int64_t n = begin; n < end; n += kLanes) {
      const int count = int(std::min<int64_t>(kLanes, end - n));
      GridCell<T, D> cell;
      find_cells<3>(index, s.basis, a.x + n, s.points, count, cell);
      Lanes<T> direction[D], bar[P], sums[D];
      for (int k = 0; k < D; ++k) direction[k] = a.x_probe ? load_lanes(a.x_probe + k * s.points + n, count) : Lanes<T>(T(0));
      for (int f = 0; f < P; ++f) bar[f] = load_lanes(a.features_bar + (pass + f) * s.points + n, count);
      for (int k = 0; k < D; ++k) sums[k] = load_lanes(a.x_bar + k * s.points + n, count);
      each_site(index, cell, F, [&](const int32_t (&at)[kLanes], const int* tap) GK_INLINE_LAMBDA {
        const Lanes<T> dot = row_products(bar, rows, at), probed = probes ? row_products(bar, probes, at) : Lanes<T>(T(0));
        for (int k = 0; k < D; ++k) {
          Lanes<T> bend(T(0));
          for (int j = 0; j < D; ++j)
            bend = bend + site_weight(cell, tap, {(k == 0) + (j == 0), (k == 1) + (j == 1), (k == 2) + (j == 2)}) * direction[j];
          sums[k] = sums[k] + bend * dot + site_weight(cell, tap, {k == 0, k == 1, k == 2}) * probed;
        }
      });
      for (int k = 0; k < D; ++k) store_lanes(sums[k], count, a.x_bar + k * s.points + n);
    }
  }
}

template <class T> GK_INLINE void along_any(const GridShape& s, int64_t l, const GridSecond<T>& a) {
  with_sizes(s, [&](auto d, auto f) GK_INLINE_LAMBDA { along<T, d.value, f.value>(s, l, a); });
}
template <class T> GK_INLINE void bend_any(const GridShape& s, int64_t begin, int64_t end, const GridSecond<T>& a) {
  with_sizes(s, [&](auto d, auto f) GK_INLINE_LAMBDA { bend<T, d.value, f.value>(s, begin, end, a); });
}

GK_MULTIVERSION void along_level(const GridShape& s, int64_t l, const GridSecond<float>& a) { along_any(s, l, a); }
void along_level(const GridShape& s, int64_t l, const GridSecond<double>& a) { along_any(s, l, a); }
GK_MULTIVERSION void bend_points(const GridShape& s, int64_t begin, int64_t end, const GridSecond<float>& a) { bend_any(s, begin, end, a); }
void bend_points(const GridShape& s, int64_t begin, int64_t end, const GridSecond<double>& a) { bend_any(s, begin, end, a); }

}  // namespace

template <class T> void grid_encode_second(const GridShape& s, const GridSecond<T>& a) {
  const bool worth = s.points * s.level_count * 4 > kParallelWork;
  if (a.table_bar || a.features_out) {
#pragma omp parallel for schedule(dynamic) if (worth)
    for (int64_t l = 0; l < s.level_count; ++l) along_level(s, l, a);
  }
  if (a.x_bar) {
#pragma omp parallel for schedule(dynamic) if (worth)
    for (int64_t begin = 0; begin < s.points; begin += kChunk) bend_points(s, begin, std::min(begin + kChunk, s.points), a);
  }
}

template void grid_encode_second(const GridShape&, const GridSecond<float>&);
template void grid_encode_second(const GridShape&, const GridSecond<double>&);

}  // namespace gk
