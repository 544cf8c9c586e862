// A block walks down a band of rows, a thread a column of values. Rows lie in shared memory while they are blurred across;
// the sums down the columns, of which eleven are always under way, stay in registers. Forward reads the two pictures once
// but for the margins and writes the three slopes, backward reads all five: blurring twice in place of the slopes would
// move half the bytes, for twice the arithmetic, which takes as long as the bytes do.
#include "../cuda/warp.h"
#include "../math/similarity.h"
#include "compare.h"

namespace gk::cuda {
namespace {

constexpr int kThreads = 128;
constexpr int kMostChannels = 4;  // that a block takes: its margin is ten times as many values
constexpr int kPitch = kThreads + 2 * kRadius * kMostChannels;
constexpr int kChunks = 4, kBand = kChunks * kTaps - 2 * kRadius;  // rows of a block, after a margin above and below

// Blocks are numbered by channels, then along the row, then downwards.
struct Tiling {
  int64_t groups, columns, bands;
  __host__ __device__ Tiling(int64_t height, int64_t width, int64_t channels)
      : groups((channels + kMostChannels - 1) / kMostChannels),
        columns((width * (groups > 1 ? kMostChannels : channels) + kThreads - 1) / kThreads), bands((height + kBand - 1) / kBand) {}
  __host__ __device__ int64_t count() const { return groups * columns * bands; }
};

// The values of the picture that the block takes: rows of `length` values, neighbouring pixels `step` apart.
struct Strip {
  int64_t height, width, channels;
  int step, first_channel;
  int64_t left, top;
  template <class T> __device__ explicit Strip(const CompareInput<T>& in) : height(in.height), width(in.width), channels(in.channels) {
    const Tiling tiling(height, width, channels);
    const unsigned groups = unsigned(tiling.groups), columns = unsigned(tiling.columns), along = blockIdx.x / groups;
    step = groups > 1 ? kMostChannels : int(channels), first_channel = int(blockIdx.x % groups) * kMostChannels;
    left = int64_t(along % columns) * kThreads, top = int64_t(along / columns) * kBand;
  }
  // The place within its row, or -1 outside the picture.
  __device__ int64_t place(int64_t i) const {
    if (i < 0 || i >= width * step) return -1;
    if (step == channels) return i;
    const int64_t channel = first_channel + i % kMostChannels;
    return channel < channels ? i / kMostChannels * channels + channel : -1;
  }
};

// Blurs kPlanes pictures (kPitch values of kTaps rows of each are in `rows`) into kSums: `mix` adds a weighted value of
// each plane to the sums, `emit(row, sums)` takes what belongs to this thread's value of a row.
template <class T, int kPlanes, int kSums, class Mix, class Emit>
__device__ __forceinline__ void blur(const Strip& strip, const Window<T>& window, const T* const (&planes)[kPlanes], T* rows, Mix mix, Emit emit) {
  const int margin = kRadius * strip.step;
  const int64_t pitch = strip.width * strip.channels;
  const bool mine = strip.place(strip.left + threadIdx.x) >= 0;
  T held[kTaps][kSums] = {};
#pragma unroll 1
  for (int chunk = 0; chunk < kChunks && strip.top + chunk * kTaps < strip.height + 2 * kRadius; ++chunk) {
    const int64_t first = strip.top - kRadius + chunk * kTaps;
    __syncthreads();
    for (int i = threadIdx.x; i < kThreads + 2 * margin; i += kThreads) {
      const int64_t place = strip.place(strip.left - margin + i);
#pragma unroll
      for (int r = 0; r < kTaps; ++r) {
        const bool inside = place >= 0 && first + r >= 0 && first + r < strip.height;
        for (int p = 0; p < kPlanes; ++p) rows[(r * kPlanes + p) * kPitch + i] = inside ? planes[p][(first + r) * pitch + place] : T(0);
      }
    }
    __syncthreads();
#pragma unroll
    for (int r = 0; r < kTaps; ++r) {
      T across[kSums] = {};
#pragma unroll
      for (int k = 0; k < kTaps; ++k) {
        T values[kPlanes];
        for (int p = 0; p < kPlanes; ++p) values[p] = rows[(r * kPlanes + p) * kPitch + threadIdx.x + k * strip.step];
        mix(window.weight[k], values, across);
      }
      // The row begins one sum, ends that begun ten rows before, and adds to those between.
#pragma unroll
      for (int k = 0; k < kTaps; ++k) {
        T(&sums)[kSums] = held[(r - k + kTaps) % kTaps];
        for (int q = 0; q < kSums; ++q) sums[q] = k ? sums[q] + window.weight[k] * across[q] : window.weight[k] * across[q];
      }
      const int64_t row = first + r - kRadius;
      if (mine && row >= strip.top && row < strip.height) emit(row, held[(r + 1) % kTaps]);
    }
  }
}

template <class T> __global__ void __launch_bounds__(kThreads) forward(CompareInput<T> in, Window<T> window, T* parts, T* slopes) {
  const Strip strip(in);
  const int64_t pitch = in.width * in.channels, plane = in.height * pitch, place = strip.place(strip.left + threadIdx.x);
  const T* const planes[2] = {in.image, in.target};
  T total = 0, absolute = 0, square = 0;
  blur<T, 2, 5>(
      strip, window, planes, dynamic_shared<T>(),
      [](T w, const T(&values)[2], T(&sums)[5]) {
        const T a = w * values[0], b = w * values[1];
        sums[0] += a, sums[1] += b, sums[2] += a * values[0], sums[3] += b * values[1], sums[4] += a * values[1];
      },
      [&](int64_t row, const T(&means)[5]) {
        const int64_t at = row * pitch + place;
        const T difference = in.image[at] - in.target[at];
        const Similarity<T> found = similarity(means[0], means[1], means[2], means[3], means[4]);
        total += found.value, absolute += difference < T(0) ? -difference : difference, square += difference * difference;
        if (slopes) slopes[at] = found.by_mean, slopes[plane + at] = found.by_square, slopes[2 * plane + at] = found.by_product;
      });
  __shared__ T room[3][kThreads / 32];
  T* part = parts + 3 * int64_t(blockIdx.x);
  const T sums[3] = {block_sum<kThreads>(total, room[0]), block_sum<kThreads>(absolute, room[1]), block_sum<kThreads>(square, room[2])};
  if (threadIdx.x == 0) part[0] = sums[0], part[1] = sums[1], part[2] = sums[2];
}

template <class T>
__global__ void __launch_bounds__(kThreads) backward(CompareInput<T> in, Window<T> window, const T* slopes, const T* bar, T* image_bar) {
  const Strip strip(in);
  const int64_t pitch = in.width * in.channels, plane = in.height * pitch, place = strip.place(strip.left + threadIdx.x);
  const T* const planes[3] = {slopes, slopes + plane, slopes + 2 * plane};
  const T similarity_bar = bar[0], absolute_bar = bar[1], square_bar = bar[2];
  blur<T, 3, 3>(
      strip, window, planes, dynamic_shared<T>(),
      [](T w, const T(&values)[3], T(&sums)[3]) {
        for (int q = 0; q < 3; ++q) sums[q] += w * values[q];
      },
      [&](int64_t row, const T(&means)[3]) {
        const int64_t at = row * pitch + place;
        const T u = in.image[at], v = in.target[at], difference = u - v;
        const T sign = difference > T(0) ? T(1) : difference < T(0) ? T(-1) : T(0);
        const T by_similarity = means[0] + 2 * u * means[1] + v * means[2];
        image_bar[at] = by_similarity * similarity_bar + sign * absolute_bar + difference * (2 * square_bar);
      });
}

template <class T> size_t room_for(int planes) { return size_t(planes) * kTaps * kPitch * sizeof(T); }

}  // namespace

template <class T> int64_t compare_parts(const CompareInput<T>& in) { return Tiling(in.height, in.width, in.channels).count(); }

template <class T> void compare_forward(const CompareInput<T>& in, T* parts, T* slopes) {
  launch(forward<T>, unsigned(cuda::compare_parts(in)), kThreads, room_for<T>(2), in, Window<T>(), parts, slopes);
}

template <class T> void compare_backward(const CompareInput<T>& in, const T* slopes, const T* bar, T* image_bar) {
  launch(backward<T>, unsigned(cuda::compare_parts(in)), kThreads, room_for<T>(3), in, Window<T>(), slopes, bar, image_bar);
}

#define GK_INSTANTIATE(T)                                              \
  template int64_t compare_parts(const CompareInput<T>&);              \
  template void compare_forward(const CompareInput<T>&, T*, T*);       \
  template void compare_backward(const CompareInput<T>&, const T*, const T*, T*);
GK_INSTANTIATE(float)
GK_INSTANTIATE(double)
#undef GK_INSTANTIATE

}  // namespace gk::cuda
