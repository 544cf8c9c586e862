// Binary search in sorted memory, for threads that look for their share of work.
#pragma once
#include "launch.h"

namespace gk::cuda {

// The last i below `count` with starts[i] <= value, where starts ascends and starts[0] <= value.
template <class T> __device__ __forceinline__ int64_t last_not_above(const T* starts, int64_t count, T value) {
  int64_t low = 0;
  while (count > 1) {
    const int64_t half = count / 2;
    if (starts[low + half] <= value) low += half;
    count -= half;
  }
  return low;
}

}  // namespace gk::cuda
