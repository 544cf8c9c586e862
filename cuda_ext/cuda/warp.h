// Sums over the lanes of a warp and over the threads of a block, in a fixed order.
#pragma once
#include "launch.h"

namespace gk::cuda {

constexpr unsigned kWholeWarp = ~0u;

// The sum over the warp, in every lane; all 32 lanes take part.
template <class T> __device__ __forceinline__ T warp_sum(T value) {
  for (int flip = 16; flip; flip /= 2) value += __shfl_xor_sync(kWholeWarp, value, flip);
  return value;
}

// Halves the number of sums that a lane holds, again and again, between lanes that are kFlip apart.
template <int kHalf, int kFlip, int N, class T> __device__ __forceinline__ void fold(T (&values)[N]) {
  const bool upper = threadIdx.x & kFlip;
#pragma unroll
  for (int i = 0; i < kHalf; ++i) {
    const T mine = upper ? values[kHalf + i] : values[i], other = upper ? values[i] : values[kHalf + i];
    values[i] = mine + __shfl_xor_sync(kWholeWarp, other, kFlip);
  }
  if constexpr (kHalf > 1) fold<kHalf / 2, kFlip / 2>(values);
}

// Many sums over each kLanes lanes of the warp for the price of one: turns N values a lane, N a power of two up to kLanes,
// into one. Lane l of these returns the sum of values[l * N / kLanes]: for whole warps N - 1 + log2(32 / N) shuffles
// instead of 5 N.
template <int N, int kLanes = 32, class T> __device__ __forceinline__ T warp_sums(T (&values)[N]) {
  static_assert(N >= 1 && N <= kLanes && (N & (N - 1)) == 0, "a power of two up to the number of lanes");
  if constexpr (N > 1) fold<N / 2, kLanes / 2>(values);
  for (int flip = kLanes / N / 2; flip; flip /= 2) values[0] += __shfl_xor_sync(kWholeWarp, values[0], flip);
  return values[0];
}

// The sum over a block of kThreads threads in one dimension, in thread 0. `room` is shared memory of kThreads / 32
// values, free again after the next barrier.
template <int kThreads, class T> __device__ __forceinline__ T block_sum(T value, T* room) {
  value = warp_sum(value);
  if (threadIdx.x % 32 == 0) room[threadIdx.x / 32] = value;
  __syncthreads();
  T total = T(0);
  if (threadIdx.x == 0)
    for (int i = 0; i < kThreads / 32; ++i) total += room[i];
  return total;
}

}  // namespace gk::cuda
