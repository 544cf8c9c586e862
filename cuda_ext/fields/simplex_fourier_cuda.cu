// A thread is a frequency, and adds up the simplices: those of float32 some at a time, and the sums of these in float64.
//
// Arithmetic is all of it: some 100 operations for a triangle and 200 for a tetrahedron, fewer where all phases are far apart.
// The halves of phases take at most 64 sines and cosines a simplex and corner for 256 frequencies.
#include "simplex_corners.h"

namespace gk::cuda {
namespace {

constexpr int kThreads = 256;
constexpr int kChannels = 4;   // of a thread
constexpr int kBatch = 4;      // simplices whose halves are in shared memory
constexpr int kSummed = 64;    // simplices that are summed up in T before their sum joins that in float64

template <int J, bool kGrid, class T>
__global__ void __launch_bounds__(kThreads) transform(SimplexInput<T> in, Frequencies at, Tiles tiles, double* sums) {
  __shared__ Halves<J, T> halves[kGrid ? kBatch : 1];
  __shared__ Axes<double> axes;
  const int64_t row = blockIdx.x / tiles.across * tiles.height, column = blockIdx.x % tiles.across * tiles.width;
  const int r = int(threadIdx.x) / tiles.width, c = int(threadIdx.x) % tiles.width;  // further threads only fill halves
  const bool inside = r < tiles.height && row + r < tiles.rows && column + c < tiles.columns;
  const int64_t frequency = inside ? (row + r) * tiles.columns + column + c : 0;
  const int64_t begin = in.count * blockIdx.y / gridDim.y, end = in.count * (blockIdx.y + 1) / gridDim.y;
  const int64_t channel = int64_t(blockIdx.z) * kChannels;
  double f[3] = {};
  if constexpr (kGrid) {
    if (threadIdx.x < kSide) axes.fill(threadIdx.x, row, column, at);
  } else {
    for (int a = 0; a < 3; ++a) f[a] = at.list[3 * frequency + a];
  }

  double total[kChannels][2] = {};
  for (int64_t summed = begin; summed < end; summed += kSummed) {
    T sum[kChannels][2] = {};
    const int64_t last = min(summed + kSummed, end);
    for (int64_t first = summed; first < last; first += kBatch) {
      const int count = int(min(int64_t(kBatch), last - first));
      if constexpr (kGrid) {
        __syncthreads();
        for (int n = 0; n < count; ++n)
          for (int i = threadIdx.x; i < (tiles.width + tiles.height) * (J + 1); i += kThreads)
            halves[n].fill(i, tiles, axes, in.places + (first + n) * 3 * (J + 1));
        __syncthreads();
      }
      for (int n = 0; n < count; ++n) {
        T phases[J + 1];
        Complex<T> phasors[J + 1];
        if constexpr (kGrid) halves[n].read(inside ? r : 0, inside ? c : 0, phases, phasors);
        else corners_at<J>(f, in.places + (first + n) * 3 * (J + 1), phases, phasors);
        const Complex<T> value = value_at<J, false>(phases, phasors, (Complex<T>*)nullptr);
        const T* weights = in.weights + (first + n) * in.channels + channel;
#pragma unroll
        for (int k = 0; k < kChannels; ++k) {
          const T weight = channel + k < in.channels ? weights[k] : T(0);
          sum[k][0] += weight * value.re, sum[k][1] += weight * value.im;
        }
      }
    }
    for (int k = 0; k < kChannels; ++k)
      for (int part = 0; part < 2; ++part) total[k][part] += double(sum[k][part]);
  }
  if (!inside) return;
  sums += int64_t(blockIdx.y) * in.channels * tiles.frequencies * 2;
#pragma unroll
  for (int k = 0; k < kChannels; ++k)
    if (channel + k < in.channels) {
      double* to = sums + 2 * ((channel + k) * tiles.frequencies + frequency);
      to[0] = total[k][0], to[1] = total[k][1];
    }
}

}  // namespace

int64_t simplex_fourier_parts(int64_t simplices, const Frequencies& at) {
  constexpr int64_t kFrequencies = 1 << 17;  // that fill the device
  return std::clamp<int64_t>(std::min(kFrequencies / at.count(), simplices / kSummed), 1, 1024);
}

template <class T> void simplex_fourier(const SimplexInput<T>& in, const Frequencies& at, int64_t parts, double* sums) {
  const Tiles tiles(at, kThreads);
  const dim3 blocks(unsigned(tiles.count), unsigned(parts), blocks_for(in.channels, kChannels));
  by_kind(in.corners, at.grid, [&](auto degree, auto grid) {
    launch(transform<degree(), grid(), T>, blocks, kThreads, 0, in, at, tiles, sums);
  });
}

template void simplex_fourier(const SimplexInput<float>&, const Frequencies&, int64_t, double*);
template void simplex_fourier(const SimplexInput<double>&, const Frequencies&, int64_t, double*);

}  // namespace gk::cuda
