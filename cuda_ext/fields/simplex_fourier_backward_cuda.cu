// A warp is a simplex, and its lanes take turns at the frequencies of a tile: all sums over frequencies stay in registers, to
// be added up over the warp once a tile, in float64 from there on.
#include "../cuda/warp.h"
#include "simplex_corners.h"

namespace gk::cuda {
namespace {

constexpr int kWarps = 4;
constexpr int kChannels = 4;  // of a warp's gradient by the weights
constexpr int kPlaces = 12;
constexpr int kSums = kPlaces + kChannels;

template <int J, class T> struct Room {
  Halves<J, T> halves;
  Axes<double> exact;
  Axes<T> axes;
};

// kSlopes: the gradients by the places too, for which all channels of out_bar are read.
template <int J, bool kGrid, bool kSlopes, class T>
__global__ void __launch_bounds__(32 * kWarps)
    pull(SimplexInput<T> in, Frequencies at, Tiles tiles, const T* out_bar, unsigned chunk, int64_t width, double* sums) {
  __shared__ Room<J, T> rooms[kGrid ? kWarps : 1];
  const int lane = threadIdx.x % 32;
  const int64_t n = int64_t(blockIdx.x) * kWarps + threadIdx.x / 32, K = tiles.frequencies;
  if (n >= in.count) return;
  const T *places = in.places + n * 3 * (J + 1), *weights = in.weights + n * in.channels;
  Room<J, T>& room = rooms[kGrid ? threadIdx.x / 32 : 0];
  chunk += blockIdx.z;
  const int64_t channel = int64_t(chunk) * kChannels;

  double total = 0;  // lane l has sum number l / 2
  const int64_t first = tiles.count * blockIdx.y / gridDim.y, last = tiles.count * (blockIdx.y + 1) / gridDim.y;
  for (int64_t tile = first; tile < last; ++tile) {
    const int64_t row = tile / tiles.across * tiles.height, column = tile % tiles.across * tiles.width;
    if constexpr (kGrid) {
      __syncwarp();
      room.exact.fill(lane, row, column, at), room.axes.fill(lane, row, column, at);
      __syncwarp();
      for (int i = lane; i < (tiles.width + tiles.height) * (J + 1); i += 32) room.halves.fill(i, tiles, room.exact, places);
      __syncwarp();
    }
    T values[kSums] = {};
    int next_row = lane / tiles.width, next_column = lane % tiles.width;
    for (int seen = 0; seen < tiles.width * tiles.height; seen += 32) {
      const bool inside = next_row < tiles.height && row + next_row < tiles.rows && column + next_column < tiles.columns;
      const int r = inside ? next_row : 0, c = inside ? next_column : 0;
      next_row += 32 / tiles.width, next_column += 32 % tiles.width;
      if (next_column >= tiles.width) next_column -= tiles.width, ++next_row;
      const int64_t frequency = (row + r) * tiles.columns + column + c;
      T phases[J + 1], f[3];
      Complex<T> phasors[J + 1], slopes[J + 1];
      if constexpr (kGrid) {
        room.halves.read(r, c, phases, phasors);
        f[0] = room.axes.rows[r][0], f[1] = room.axes.rows[r][1], f[2] = room.axes.columns[c];
      } else {
        corners_at<J>(at.list + 3 * frequency, places, phases, phasors);
        for (int a = 0; a < 3; ++a) f[a] = T(at.list[3 * frequency + a]);
      }
      const Complex<T> value = value_at<J, kSlopes>(phases, phasors, slopes);
      const T* bars = out_bar + 2 * frequency;
      T re = T(0), im = T(0);  // of the weighted bars
      const auto weigh = [&](int64_t k, T bar_re, T bar_im) { re += weights[k] * bar_re, im += weights[k] * bar_im; };
#pragma unroll
      for (int k = 0; k < kChannels; ++k)
        if (inside && channel + k < in.channels) {
          const T bar_re = bars[2 * (channel + k) * K], bar_im = bars[2 * (channel + k) * K + 1];
          values[kPlaces + k] += bar_re * value.re + bar_im * value.im;
          if constexpr (kSlopes) weigh(channel + k, bar_re, bar_im);
        }
      if constexpr (kSlopes) {
        for (int64_t k = kChannels; inside && k < in.channels; ++k) weigh(k, bars[2 * k * K], bars[2 * k * K + 1]);
#pragma unroll
        for (int t = 0; t <= J; ++t) {  // by the phase: the real part of -i slope, with the bar's conjugate
          const T pull = re * slopes[t].im - im * slopes[t].re;
          for (int a = 0; a < 3; ++a) values[3 * t + a] += pull * f[a];
        }
      }
    }
    total += double(warp_sums(values));
  }
  const int sum = lane / 2;
  double* to = sums + (int64_t(blockIdx.y) * in.count + n) * width;
  if (lane % 2) return;
  if (sum >= kPlaces) to[kPlaces + channel + sum - kPlaces] = total;
  else if (kSlopes) to[sum] = kTurn * total;
}

}  // namespace

int64_t simplex_fourier_backward_parts(int64_t simplices, const Frequencies& at) {
  constexpr int64_t kSimplices = 1 << 13;  // that fill the device
  return std::clamp<int64_t>(std::min(kSimplices / std::max<int64_t>(simplices, 1), Tiles(at, kSide * kSide).count), 1, 1024);
}

template <class T>
void simplex_fourier_backward(const SimplexInput<T>& in, const Frequencies& at, const T* out_bar, bool by_places, int64_t parts,
                              double* sums) {
  const Tiles tiles(at, kSide * kSide);
  const unsigned chunks = blocks_for(in.channels, kChannels), blocks = blocks_for(in.count, kWarps);
  const int64_t width = kPlaces + int64_t(chunks) * kChannels;
  by_kind(in.corners, at.grid, [&](auto degree, auto grid) {
    if (by_places)
      launch(pull<degree(), grid(), true, T>, dim3(blocks, unsigned(parts)), 32 * kWarps, 0, in, at, tiles, out_bar, 0u, width, sums);
    launch(pull<degree(), grid(), false, T>, dim3(blocks, unsigned(parts), chunks - by_places), 32 * kWarps, 0, in, at, tiles, out_bar,
           unsigned(by_places), width, sums);
  });
}

template void simplex_fourier_backward(const SimplexInput<float>&, const Frequencies&, const float*, bool, int64_t, double*);
template void simplex_fourier_backward(const SimplexInput<double>&, const Frequencies&, const double*, bool, int64_t, double*);

}  // namespace gk::cuda
