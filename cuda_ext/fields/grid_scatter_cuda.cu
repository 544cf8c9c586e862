// A coarse level, whose rows are few and wanted by all, is summed up in the shared memory of each block first: a block takes
// so many points that it adds far less to the table than its threads have added up. The rows of a fine one are many.
#include "grid_scatter_cuda.h"

#include "grid_cell_cuda.h"

namespace gk::cuda {
namespace {

constexpr int kThreads = 256;
constexpr int kPointsOfBlock = 4096;     // at a coarse level
constexpr int64_t kCoarse = 32 << 10;  // bytes of its rows

template <int P, class T> __device__ __forceinline__ void add_row(T* to, const T (&bar)[P], T weight) {
#if __CUDA_ARCH__ >= 900
  if constexpr (P == 4) {
    atomicAdd(reinterpret_cast<float4*>(to), make_float4(weight * bar[0], weight * bar[1], weight * bar[2], weight * bar[3]));
  } else if constexpr (P == 2 && sizeof(T) == 4) {
    atomicAdd(reinterpret_cast<float2*>(to), make_float2(weight * bar[0], weight * bar[1]));
  } else
#endif
    for (int f = 0; f < P; ++f) atomicAdd(to + f, weight * bar[f]);
}

template <class T, int D, int Taps, int P, bool Second, bool Coarse>
__device__ __forceinline__ void add_point(const DeviceLevel<D>& level, int64_t points, int32_t features, GridBasis basis,
                                          const GridSecond<T>& a, int64_t n, T* sums) {
  DeviceCell<T, D, Taps> cell;
  cell.template find<Second ? 2 : 1>(level, basis, a.x + n, points);
  T direction[D];
  if constexpr (Second) read_point<D>(a.x_probe ? a.x_probe + n : nullptr, points, direction);
  for (int32_t first = 0; first < features; first += P) {
    T bar[P];
    read_point<P>(a.features_bar + (int64_t(level.number) * features + first) * points + n, points, bar);
    cell.each_site(level, [&](uint32_t row, const int* tap) {
      const T w = Second ? cell.slope_along(tap, direction) : cell.weight(tap);
      T* to = sums + row * uint32_t(features) + first;
      if constexpr (Coarse)
        for (int f = 0; f < P; ++f) atomicAdd(to + f, w * bar[f]);
      else
        add_row(to, bar, w);
    });
  }
}

template <class T, int D, int Taps, int P, bool Second>
__global__ void __launch_bounds__(kThreads) scatter_fine(int64_t points, int32_t features, GridBasis basis, GridSecond<T> a,
                                                         const __grid_constant__ DeviceLevels<D> levels) {
  const int64_t n = thread_index();
  if (n >= points) return;
  const DeviceLevel<D>& level = levels.level[blockIdx.y];
  add_point<T, D, Taps, P, Second, false>(level, points, features, basis, a, n, a.table_bar + level.first * features);
}

template <class T, int D, int Taps, int P, bool Second>
__global__ void __launch_bounds__(kThreads) scatter_coarse(int64_t points, int32_t features, GridBasis basis, GridSecond<T> a,
                                                           const __grid_constant__ DeviceLevels<D> levels) {
  const DeviceLevel<D>& level = levels.level[blockIdx.y];
  T *sums = dynamic_shared<T>(), *to = a.table_bar + level.first * features;
  const int size = int(level.entries) * features;
  for (int i = threadIdx.x; i < size; i += kThreads) sums[i] = T(0);
  __syncthreads();
  const int64_t begin = int64_t(blockIdx.x) * kPointsOfBlock, end = begin + kPointsOfBlock < points ? begin + kPointsOfBlock : points;
  for (int64_t n = begin + threadIdx.x; n < end; n += kThreads)
    add_point<T, D, Taps, P, Second, true>(level, points, features, basis, a, n, sums);
  __syncthreads();
  for (int i = threadIdx.x; i < size; i += kThreads)
    if (sums[i] != T(0)) atomicAdd(to + i, sums[i]);
}

template <bool Second, class T> void launch_both(const GridShape& s, const GridSecond<T>& a) {
  const auto bytes_of = [&](const GridLevel& level) { return int64_t(level.entries * s.features * sizeof(T)); };
  const auto is_coarse = [&](const GridLevel& level) { return bytes_of(level) <= kCoarse; };
  with_kind(s, {a.table_bar}, [&](auto d, auto taps, auto p) {
    each_group<d()>(s, is_coarse, [&](const auto& levels) {
      int64_t bytes = 0;
      for (int l = 0; l < levels.count; ++l) bytes = std::max(bytes, bytes_of(s.levels[levels.level[l].number]));
      const dim3 blocks(blocks_for(s.points, kPointsOfBlock), levels.count);
      launch(scatter_coarse<T, d(), taps(), p(), Second>, blocks, kThreads, bytes, s.points, s.features, s.basis, a, levels);
    });
    each_group<d()>(s, [&](const GridLevel& level) { return !is_coarse(level); }, [&](const auto& levels) {
      const dim3 blocks(blocks_for(s.points, kThreads), levels.count);
      launch(scatter_fine<T, d(), taps(), p(), Second>, blocks, kThreads, 0, s.points, s.features, s.basis, a, levels);
    });
  });
}

}  // namespace

template <class T> void scatter(const GridShape& s, const GridSecond<T>& a, bool second) {
  const GridLevel& last = s.levels[s.level_count - 1];
  const size_t bytes = size_t((last.first + last.entries) * s.features) * sizeof(T);
  check(cudaMemsetAsync(a.table_bar, 0, bytes, stream), "setting memory to zero");
  if (second) launch_both<true>(s, a);
  else launch_both<false>(s, a);
}

template void scatter(const GridShape&, const GridSecond<float>&, bool);
template void scatter(const GridShape&, const GridSecond<double>&, bool);

}  // namespace gk::cuda
