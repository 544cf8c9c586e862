// One thread holds 4 x 4 results of one channel: of four nodes and four orientations, or of four and four orientations.
//
// A batched product of matrices would need the channels first: two more passes over features and result each, where this
// reads one and writes the other as they lie, 8 bytes for 2 O operations. On a device with 10 operations a byte that is the time
// up to some 40 orientations; the rest, 8 loads for 16 multiplications, is from the first cache, by threads of one block.
#include <algorithm>

#include "../cuda/launch.h"
#include "orientation_convolution.h"

namespace gk::cuda {
namespace {

constexpr int kTile = 4;
constexpr int64_t kThreads = 1 << 16;  // that fill the device

__host__ __device__ int64_t tiles_of(int64_t count) { return (count + kTile - 1) / kTile; }

// Four places `step` apart from `first` on; beyond the last of `count` that one again.
struct Rows {
  int64_t at[kTile];
  __device__ Rows(int64_t first, int64_t count, int64_t step) {
    for (int r = 0; r < kTile; ++r) at[r] = min(first + r, count - 1) * step;
  }
};

template <class T>
__device__ __forceinline__ void add_products(const T* first, const Rows& rows, const T* second, const Rows& columns,
                                             T (&sums)[kTile][kTile]) {
  T a[kTile], b[kTile];
  for (int r = 0; r < kTile; ++r) a[r] = first[rows.at[r]], b[r] = second[columns.at[r]];
  for (int r = 0; r < kTile; ++r)
    for (int s = 0; s < kTile; ++s) sums[r][s] += a[r] * b[s];
}

template <class T>
__device__ __forceinline__ void write(const T (&sums)[kTile][kTile], int64_t rows, int64_t columns, int64_t row, int64_t column, T* out) {
#pragma unroll
  for (int r = 0; r < kTile; ++r)
#pragma unroll
    for (int s = 0; s < kTile; ++s)
      if (r < rows && s < columns) out[r * row + s * column] = sums[r][s];
}

// threadIdx.x: channels, then nodes; threadIdx.y: orientations of the result.
template <class T> __global__ void __launch_bounds__(256) turn(OrientationSizes size, const T* kernel, const T* features, T* out) {
  const int64_t i = thread_index(), C = size.channels, row = size.orientations * C, four = quotient(i, unsigned(C));
  const int64_t node = four * kTile, c = i - four * C;
  if (node >= size.nodes) return;
  const Rows nodes(node, size.nodes, row);
  for (int64_t p = threadIdx.y * kTile; p < size.orientations; p += blockDim.y * kTile) {
    const Rows orientations(p, size.orientations, row);
    T sums[kTile][kTile] = {};
#pragma unroll 4
    for (int64_t o = 0; o < size.orientations; ++o) add_products(features + o * C + c, nodes, kernel + o * C + c, orientations, sums);
    write(sums, size.nodes - node, size.orientations - p, row, C, out + node * row + p * C + c);
  }
}

// x: channels, then pairs of four orientations; blockIdx.y: some of the nodes.
template <class T>
__global__ void __launch_bounds__(256) gather(OrientationSizes size, const T* features, const T* out_bar, T* kernel_bar) {
  const int64_t i = thread_index(), C = size.channels, row = size.orientations * C, tiles = tiles_of(size.orientations);
  const int64_t pair = i / C, c = i % C, p = pair / tiles * kTile, o = pair % tiles * kTile;
  if (pair >= tiles * tiles) return;
  const Rows results(p, size.orientations, C), sources(o, size.orientations, C);
  const int64_t begin = size.nodes * blockIdx.y / gridDim.y, end = size.nodes * (blockIdx.y + 1) / gridDim.y;
  T sums[kTile][kTile] = {};
#pragma unroll 4
  for (int64_t n = begin; n < end; ++n) add_products(out_bar + n * row + c, results, features + n * row + c, sources, sums);
  T* part = kernel_bar + blockIdx.y * size.orientations * row;
  write(sums, size.orientations - p, size.orientations - o, row, C, part + p * row + o * C + c);
}

}  // namespace

template <class T> void orientation_convolution(const OrientationSizes& size, const T* kernel, const T* features, T* out) {
  const dim3 threads(32, unsigned(std::min<int64_t>(tiles_of(size.orientations), 8)));
  launch(turn<T>, blocks_for(tiles_of(size.nodes) * size.channels, 32), threads, 0, size, kernel, features, out);
}

int64_t orientation_parts(const OrientationSizes& size) {
  const int64_t threads = tiles_of(size.orientations) * tiles_of(size.orientations) * size.channels;
  return std::clamp<int64_t>(std::min(kThreads / threads, size.nodes / 8), 1, 1024);
}

template <class T>
void orientation_convolution_backward(const OrientationSizes& size, const T* features, const T* out_bar, int64_t parts, T* kernel_bar) {
  const int64_t threads = tiles_of(size.orientations) * tiles_of(size.orientations) * size.channels;
  launch(gather<T>, dim3(blocks_for(threads, 128), unsigned(parts)), 128, 0, size, features, out_bar, kernel_bar);
}

template void orientation_convolution(const OrientationSizes&, const float*, const float*, float*);
template void orientation_convolution(const OrientationSizes&, const double*, const double*, double*);
template void orientation_convolution_backward(const OrientationSizes&, const float*, const float*, int64_t, float*);
template void orientation_convolution_backward(const OrientationSizes&, const double*, const double*, int64_t, double*);

}  // namespace gk::cuda
