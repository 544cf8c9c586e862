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

// Many sums over each kLanes lanes of the warp for little more than the price of one: halving by halving, every lane gives
// half of what it holds to a partner and takes the other half from it, until it holds one of the N sums. Lane l of these
// returns the sum of values[l * N / kLanes] where N is a power of two, of values[place_of_sum<N>(l)] in a whole warp: some
// N + log2(kLanes / N) shuffles instead of 5 N.
template <int N, int kLanes = 32, class T> __device__ __forceinline__ T warp_sums(T (&values)[N]) {
  static_assert(N >= 1 && N <= kLanes, "a lane keeps one sum");
  if constexpr (kLanes == 1) {
    return values[0];
  } else {
    constexpr int kHalf = (N + 1) / 2, kFlip = kLanes / 2;
    const bool upper = threadIdx.x & kFlip;
    T kept[kHalf];
#pragma unroll
    for (int i = 0; i < kHalf; ++i) {
      if constexpr (N == 1) {
        kept[i] = values[i] + __shfl_xor_sync(kWholeWarp, values[i], kFlip);
      } else {
        const T second = kHalf + i < N ? values[(kHalf + i) % N] : T(0);
        kept[i] = (upper ? second : values[i]) + __shfl_xor_sync(kWholeWarp, upper ? values[i] : second, kFlip);
      }
    }
    return warp_sums<kHalf, kFlip>(kept);
  }
}

// Which of N sums `warp_sums` leaves in the lane; -1 where it is none, or another lane's too.
template <int N> __device__ __forceinline__ int place_of_sum(int lane) {
  int place = 0, room = N, held = N;  // of the `room` values that each lane carries along, some lanes hold fewer
  for (int flip = 16; flip; flip /= 2) {
    const bool upper = lane & flip;
    if (room == 1) {
      if (upper) return -1;
      continue;
    }
    room = (room + 1) / 2;
    held = upper ? held - room : min(held, room);
    if (upper) place += room;
  }
  return held > 0 ? place : -1;
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
