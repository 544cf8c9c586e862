// Features and the gradients that are read, not added to: a thread a point and level for features, level by level, so that
// one table at a time fills the second cache; a thread a point for the gradients by the points, which sum over the levels.
#include "grid_cell_cuda.h"
#include "grid_scatter_cuda.h"

namespace gk::cuda {
namespace {

constexpr int kThreads = 256;
constexpr int kPointThreads = 128;  // at least four blocks of them on a multiprocessor: many sites take many registers

struct Sizes {
  int64_t points;
  int32_t features;
  GridBasis basis;
};

Sizes sizes_of(const GridShape& s) { return {s.points, s.features, s.basis}; }
bool every_level(const GridLevel&) { return true; }

// Second: the gradient of the gradients by features_bar, else the features.
template <class T, int D, int Taps, int P, bool Second>
__global__ void __launch_bounds__(kThreads) gather(Sizes s, GridSecond<T> a, const __grid_constant__ DeviceLevels<D> levels) {
  const int64_t n = thread_index();
  if (n >= s.points) return;
  const DeviceLevel<D>& level = levels.level[blockIdx.y];
  DeviceCell<T, D, Taps> cell;
  cell.template find<Second ? 2 : 1>(level, s.basis, a.x + n, s.points);
  T direction[D];
  if constexpr (Second) read_point<D>(a.x_probe ? a.x_probe + n : nullptr, s.points, direction);
  for (int32_t first = 0; first < s.features; first += P) {
    const int64_t offset = level.first * s.features + first;
    T sums[P] = {};
    cell.each_site(level, [&](uint32_t row, const int* tap) {
      T values[P];
      read_row(a.table + offset + row * uint32_t(s.features), values);
      const T w = Second ? cell.slope_along(tap, direction) : cell.weight(tap);
#pragma unroll
      for (int f = 0; f < P; ++f) sums[f] += w * values[f];
      if (!Second || !a.table_probe) return;
      read_row(a.table_probe + offset + row * uint32_t(s.features), values);
#pragma unroll
      for (int f = 0; f < P; ++f) sums[f] += cell.weight(tap) * values[f];
    });
    T* to = a.features_out + (int64_t(level.number) * s.features + first) * s.points + n;
#pragma unroll
    for (int f = 0; f < P; ++f) to[f * s.points] = sums[f];
  }
}

// Second: the gradient of the gradients by x, else that of the features.
template <class T, int D, int Taps, int P, bool Second>
__global__ void __launch_bounds__(kPointThreads, 4)
    gather_points(Sizes s, GridSecond<T> a, const __grid_constant__ DeviceLevels<D> levels) {
  const int64_t n = thread_index();
  if (n >= s.points) return;
  T direction[D], sums[D];
  if constexpr (Second) read_point<D>(a.x_probe ? a.x_probe + n : nullptr, s.points, direction);
  read_point<D>(levels.level[0].number ? a.x_bar + n : nullptr, s.points, sums);  // of the levels before
  for (int l = 0; l < levels.count; ++l) {
    const DeviceLevel<D>& level = levels.level[l];
    DeviceCell<T, D, Taps> cell;
    cell.template find<Second ? 3 : 2>(level, s.basis, a.x + n, s.points);
    for (int32_t first = 0; first < s.features; first += P) {
      const int64_t offset = level.first * s.features + first;
      T bar[P];
      read_point<P>(a.features_bar + (int64_t(level.number) * s.features + first) * s.points + n, s.points, bar);
      cell.each_site(level, [&](uint32_t row, const int* tap) {
        const T along = dot_row(a.table + offset + row * uint32_t(s.features), bar);
        const T probed = Second && a.table_probe ? dot_row(a.table_probe + offset + row * uint32_t(s.features), bar) : T(0);
#pragma unroll
        for (int k = 0; k < D; ++k) {
          if constexpr (Second) {
            T bend = T(0);
            for (int j = 0; j < D; ++j) bend += cell.bend(tap, k, j) * direction[j];
            sums[k] += bend * along + cell.slope(tap, k) * probed;
          } else {
            sums[k] += cell.slope(tap, k) * along;
          }
        }
      });
    }
  }
#pragma unroll
  for (int k = 0; k < D; ++k) a.x_bar[k * s.points + n] = sums[k];
}

template <bool Second, class T> void launch_gather(const GridShape& s, const GridSecond<T>& a) {
  with_kind(s, {a.table, a.table_probe}, [&](auto d, auto taps, auto p) {
    each_group<d()>(s, every_level, [&](const auto& levels) {
      const dim3 blocks(blocks_for(s.points, kThreads), levels.count);
      launch(gather<T, d(), taps(), p(), Second>, blocks, kThreads, 0, sizes_of(s), a, levels);
    });
  });
}

template <bool Second, class T> void launch_gather_points(const GridShape& s, const GridSecond<T>& a) {
  with_kind(s, {a.table, a.table_probe}, [&](auto d, auto taps, auto p) {
    each_group<d()>(s, every_level, [&](const auto& levels) {
      launch(gather_points<T, d(), taps(), p(), Second>, blocks_for(s.points, kPointThreads), kPointThreads, 0, sizes_of(s), a, levels);
    });
  });
}

}  // namespace

template <class T> void grid_encode(const GridShape& s, const T* x, const T* table, T* features) {
  launch_gather<false>(s, GridSecond<T>{x, table, nullptr, nullptr, nullptr, nullptr, nullptr, features});
}

template <class T>
void grid_encode_backward(const GridShape& s, const T* x, const T* table, const T* features_bar, T* table_bar, T* x_bar) {
  const GridSecond<T> a = {x, table, features_bar, nullptr, nullptr, x_bar, table_bar, nullptr};
  if (table_bar) scatter(s, a, false);
  if (x_bar) launch_gather_points<false>(s, a);
}

template <class T> void grid_encode_second(const GridShape& s, const GridSecond<T>& a) {
  if (a.table_bar) scatter(s, a, true);
  if (a.features_out) launch_gather<true>(s, a);
  if (a.x_bar) launch_gather_points<true>(s, a);
}

#define GK_INSTANCES(T)                                                                        \
  template void grid_encode(const GridShape&, const T*, const T*, T*);                         \
  template void grid_encode_backward(const GridShape&, const T*, const T*, const T*, T*, T*);  \
  template void grid_encode_second(const GridShape&, const GridSecond<T>&);
GK_INSTANCES(float)
GK_INSTANCES(double)
#undef GK_INSTANCES

}  // namespace gk::cuda
