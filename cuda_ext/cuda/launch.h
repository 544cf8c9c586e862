// How kernels are launched, on the device or on the emulated one, and what a failed launch says.
#pragma once
#include <cuda_runtime.h>

#include <stdexcept>
#include <string>

#include "stream.h"

namespace gk::cuda {

inline void check(cudaError_t error, const char* what) {
  if (error != cudaSuccess) throw std::runtime_error(std::string(what) + " failed on the GPU: " + cudaGetErrorString(error));
}

// Blocks of `threads` that cover `count` items.
inline unsigned blocks_for(int64_t count, int64_t threads) { return unsigned((count + threads - 1) / threads); }

// Runs `kernel` on the current stream with `shared_bytes` of memory that `dynamic_shared` finds; nothing waits for it.
// A grid of no blocks is no launch.
template <class... Wanted, class... Given>
void launch(void (*kernel)(Wanted...), dim3 blocks, dim3 threads, size_t shared_bytes, Given&&... arguments) {
  if (!blocks.x || !blocks.y || !blocks.z) return;
#ifdef __CUDACC__
  kernel<<<blocks, threads, shared_bytes, stream>>>(static_cast<Wanted>(arguments)...);
  check(cudaGetLastError(), "a kernel's launch");
#else
  emulated::run(blocks, threads, shared_bytes, [&] { kernel(static_cast<Wanted>(arguments)...); });
#endif
}

// The index of this thread in a one-dimensional grid.
__device__ __forceinline__ int64_t thread_index() { return int64_t(blockIdx.x) * blockDim.x + threadIdx.x; }

// index / by for an index that is not negative: a division by 64 bits takes ten times as long as one by 32.
__device__ __forceinline__ int64_t quotient(int64_t index, unsigned by) {
  return index <= int64_t(UINT32_MAX) ? int64_t(unsigned(index) / by) : index / by;
}

// The shared memory that the launch asked for; aligned to 16 bytes.
template <class T> __device__ __forceinline__ T* dynamic_shared() {
#ifdef __CUDACC__
  extern __shared__ __align__(16) unsigned char bytes[];
  return reinterpret_cast<T*>(bytes);
#else
  return static_cast<T*>(emulated::shared_memory());
#endif
}

}  // namespace gk::cuda
