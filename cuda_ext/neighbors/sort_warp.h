// Sorting 32 items, one a lane, by a bitonic network (Batcher 1968).
#pragma once
#include "../cuda/warp.h"
#include "search.h"

namespace gk::cuda {

// By distance, equal ones by index.
struct ByDistance {
  template <class T> __device__ bool operator()(T d2, int32_t id, T other_d2, int32_t other_id) const {
    return comes_before(d2, id, other_d2, other_id);
  }
};
// By index alone.
struct ByIndex {
  template <class T> __device__ bool operator()(T, int32_t id, T, int32_t other_id) const { return id < other_id; }
};

// Of this lane's item and that of lane ^ flip the first or the last.
template <class Before, class T> __device__ __forceinline__ void keep_one(T& d2, int32_t& id, int flip, bool first) {
  const T other = __shfl_xor_sync(kWholeWarp, d2, flip);
  const int32_t other_id = __shfl_xor_sync(kWholeWarp, id, flip);
  if (first ? Before()(other, other_id, d2, id) : Before()(d2, id, other, other_id)) d2 = other, id = other_id;
}

// Brings items that ascend and then descend, or the other way round, into ascending order.
template <class Before, class T> __device__ __forceinline__ void merge_warp(T& d2, int32_t& id, int lane) {
#pragma unroll
  for (int flip = 16; flip; flip /= 2) keep_one<Before>(d2, id, flip, !(lane & flip));
}

template <class Before, class T> __device__ __forceinline__ void sort_warp(T& d2, int32_t& id, int lane) {
#pragma unroll
  for (int size = 2; size < 32; size *= 2)
#pragma unroll
    for (int flip = size / 2; flip; flip /= 2) keep_one<Before>(d2, id, flip, !(lane & flip) == !(lane & size));
  merge_warp<Before>(d2, id, lane);
}

}  // namespace gk::cuda
