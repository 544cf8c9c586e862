// Work of different sizes spread evenly over the lanes of a warp, and a search by all of them.
#pragma once
#include "warp.h"

namespace gk::cuda {

// `amount` pieces of work in this lane, numbered through over the warp; all 32 lanes take part.
//   for (int piece = lane; piece - lane < spread.total; piece += 32) spread.owner(piece) ...
struct Spread {
  int begin, total;  // the first piece of this lane; the pieces of the warp

  __device__ __forceinline__ explicit Spread(int amount) {
    const int lane = threadIdx.x & 31;
    int end = amount;
    for (int by = 1; by < 32; by *= 2) {
      const int before = __shfl_up_sync(kWholeWarp, end, by);
      if (lane >= by) end += before;
    }
    begin = end - amount, total = __shfl_sync(kWholeWarp, end, 31);
  }

  // The lane that brought the piece, and the piece's number there; some lane and number for a piece beyond the total.
  __device__ __forceinline__ int owner(int piece, int& number) const {
    int lane = 0, first = 0;
    for (int by = 16; by; by /= 2) {
      const int there = __shfl_sync(kWholeWarp, begin, lane + by);
      if (there <= piece) lane += by, first = there;
    }
    number = piece - first;
    return lane;
  }
};

// The last index below n whose value is at most `wanted`: values ascend, and the first is at most `wanted`. The warp
// looks at 32 places at a time.
template <class V> __device__ __forceinline__ int64_t warp_last_at_most(const V* values, int64_t n, V wanted) {
  int64_t low = 0, high = n;
  while (high - low > 1) {
    const int64_t step = (high - low + 31) / 32, probe = low + ((threadIdx.x & 31) + 1) * step;
    low += __popc(__ballot_sync(kWholeWarp, probe < high && values[probe] <= wanted)) * step;
    high = low + step < high ? low + step : high;
  }
  return low;
}

}  // namespace gk::cuda
