// A GPU made of the CPU: enough of CUDA to run the kernels of *_cuda.cu where there is no device, for tests.
//
// Every CUDA thread of a block is a fiber, so barriers, votes and shuffles mean what they mean on a device; blocks run
// one after the other. Which fiber goes first is chosen by `set_order`: a kernel whose result depends on it has a race.
// A barrier that some thread never reaches ends the process with a sentence. Shared memory that a launch asks for is
// filled with NaN. CMakeLists.txt says how to look for stray accesses and races. Nothing of this is in a wheel.
#pragma once
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <functional>

#define __global__
#define __device__
#define __host__
#define __forceinline__ inline __attribute__((always_inline))
#define __launch_bounds__(...)
#define __shared__ static
#define __constant__ static
#define __grid_constant__

struct dim3 {
  unsigned x, y, z;
  dim3(unsigned x = 1, unsigned y = 1, unsigned z = 1) : x(x), y(y), z(z) {}
};

#define GK_VECTORS(T, NAME)                                                                               \
  struct alignas(2 * sizeof(T)) NAME##2 { T x, y; };                                                      \
  struct NAME##3 { T x, y, z; };                                                                          \
  struct alignas(sizeof(T) < 8 ? 4 * sizeof(T) : 16) NAME##4 { T x, y, z, w; };                           \
  inline NAME##2 make_##NAME##2(T x, T y) { return {x, y}; }                                              \
  inline NAME##3 make_##NAME##3(T x, T y, T z) { return {x, y, z}; }                                      \
  inline NAME##4 make_##NAME##4(T x, T y, T z, T w) { return {x, y, z, w}; }
GK_VECTORS(float, float)
GK_VECTORS(double, double)
GK_VECTORS(int, int)
GK_VECTORS(unsigned, uint)
GK_VECTORS(short, short)
GK_VECTORS(unsigned char, uchar)
#undef GK_VECTORS

namespace emulated {

struct Place {
  uint3 thread, block;
  dim3 threads, blocks;
  int lane;
};
extern thread_local const Place* here;  // of the fiber that runs

void run(dim3 blocks, dim3 threads, size_t shared_bytes, const std::function<void()>& kernel);
void set_order(unsigned seed);  // 0: by index, 1: from the last, others: shuffled
void* shared_memory();
int wait_block(int value, int& count, int& all);  // returns the "or"; all three over the block
// Gives `bits` to the lanes of the mask and fills in what each of them gave.
const uint64_t* exchange(unsigned mask, uint64_t bits);
unsigned active_lanes();  // of this warp: those that have not returned

template <class T> uint64_t bits_of(T value) {
  static_assert(sizeof(T) <= 8, "a shuffle moves at most eight bytes");
  uint64_t bits = 0;
  std::memcpy(&bits, &value, sizeof(T));
  return bits;
}
template <class T> T value_of(uint64_t bits) {
  T value;
  std::memcpy(&value, &bits, sizeof(T));
  return value;
}
template <class T> T shuffle(unsigned mask, T value, int from) {
  const uint64_t* given = exchange(mask, bits_of(value));
  return value_of<T>(given[from & 31]);
}

}  // namespace emulated

#define threadIdx (::emulated::here->thread)
#define blockIdx (::emulated::here->block)
#define blockDim (::emulated::here->threads)
#define gridDim (::emulated::here->blocks)
constexpr int warpSize = 32;

inline int __syncthreads_or(int value) { int count, all; return ::emulated::wait_block(value, count, all); }
inline int __syncthreads_and(int value) { int count, all; ::emulated::wait_block(value, count, all); return all; }
inline int __syncthreads_count(int value) { int count, all; ::emulated::wait_block(value, count, all); return count; }
inline void __syncthreads() { __syncthreads_or(0); }
inline void __syncwarp(unsigned mask = ~0u) { ::emulated::exchange(mask, 0); }
inline unsigned __activemask() { return ::emulated::active_lanes(); }
inline void __threadfence() {}
inline void __threadfence_block() {}

template <class T> T __shfl_sync(unsigned mask, T value, int from, int width = 32) {
  const int lane = ::emulated::here->lane;
  return ::emulated::shuffle(mask, value, (lane & ~(width - 1)) | (from & (width - 1)));
}
template <class T> T __shfl_xor_sync(unsigned mask, T value, int flip, int = 32) {
  return ::emulated::shuffle(mask, value, ::emulated::here->lane ^ flip);
}
template <class T> T __shfl_down_sync(unsigned mask, T value, unsigned by, int width = 32) {
  const int lane = ::emulated::here->lane, from = lane + int(by);
  return ::emulated::shuffle(mask, value, (from ^ lane) & ~(width - 1) ? lane : from);
}
template <class T> T __shfl_up_sync(unsigned mask, T value, unsigned by, int width = 32) {
  const int lane = ::emulated::here->lane, from = lane - int(by);
  return ::emulated::shuffle(mask, value, from < (lane & ~(width - 1)) ? lane : from);
}
inline unsigned __ballot_sync(unsigned mask, int predicate) {
  const uint64_t* given = ::emulated::exchange(mask, predicate != 0);
  unsigned votes = 0;
  for (int i = 0; i < 32; ++i)
    if (mask >> i & 1 && given[i]) votes |= 1u << i;
  return votes;
}
inline int __any_sync(unsigned mask, int predicate) { return __ballot_sync(mask, predicate) != 0; }
inline int __all_sync(unsigned mask, int predicate) { return __ballot_sync(mask, !predicate) == 0; }
template <class T> unsigned __match_any_sync(unsigned mask, T value) {
  const uint64_t mine = ::emulated::bits_of(value), *given = ::emulated::exchange(mask, mine);
  unsigned same = 0;
  for (int i = 0; i < 32; ++i)
    if (mask >> i & 1 && given[i] == mine) same |= 1u << i;
  return same;
}

// Fibers do not interrupt each other; atomic all the same, so that ThreadSanitizer takes them for what they are.
namespace emulated {
template <class T, class F> T atomically(T* place, F changed) {
  T old;
  __atomic_load(place, &old, __ATOMIC_RELAXED);
  for (T next = changed(old); !__atomic_compare_exchange(place, &old, &next, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED);)
    next = changed(old);
  return old;
}
}  // namespace emulated
template <class T> T atomicAdd(T* place, T value) { return ::emulated::atomically(place, [=](T old) { return T(old + value); }); }
template <class T> T atomicSub(T* place, T value) { return ::emulated::atomically(place, [=](T old) { return T(old - value); }); }
template <class T> T atomicMin(T* place, T value) { return ::emulated::atomically(place, [=](T old) { return std::min(old, value); }); }
template <class T> T atomicMax(T* place, T value) { return ::emulated::atomically(place, [=](T old) { return std::max(old, value); }); }
template <class T> T atomicOr(T* place, T value) { return ::emulated::atomically(place, [=](T old) { return T(old | value); }); }
template <class T> T atomicAnd(T* place, T value) { return ::emulated::atomically(place, [=](T old) { return T(old & value); }); }
template <class T> T atomicExch(T* place, T value) { return ::emulated::atomically(place, [=](T) { return value; }); }
template <class T> T atomicCAS(T* place, T expected, T value) {
  return ::emulated::atomically(place, [=](T old) { return old == expected ? value : old; });
}

template <class T> T __ldg(const T* place) { return *place; }
inline int __popc(unsigned x) { return __builtin_popcount(x); }
inline int __popcll(unsigned long long x) { return __builtin_popcountll(x); }
inline int __ffs(int x) { return __builtin_ffs(x); }
inline int __ffsll(long long x) { return __builtin_ffsll(x); }
inline int __clz(int x) { return x ? __builtin_clz(unsigned(x)) : 32; }
inline int __clzll(long long x) { return x ? __builtin_clzll((unsigned long long)x) : 64; }
inline unsigned __brev(unsigned x) {
  unsigned y = 0;
  for (int i = 0; i < 32; ++i) y |= (x >> i & 1) << (31 - i);
  return y;
}
inline float rsqrtf(float x) { return 1.f / std::sqrt(x); }
inline double rsqrt(double x) { return 1.0 / std::sqrt(x); }
inline void sincospi(double x, double* sine, double* cosine) { *sine = std::sin(M_PI * x), *cosine = std::cos(M_PI * x); }
inline void sincospif(float x, float* sine, float* cosine) { *sine = float(std::sin(M_PI * x)), *cosine = float(std::cos(M_PI * x)); }
inline float __fadd_rn(float a, float b) { return a + b; }
inline float __fmul_rn(float a, float b) { return a * b; }
inline double __dadd_rn(double a, double b) { return a + b; }
inline double __dmul_rn(double a, double b) { return a * b; }
inline int __float_as_int(float x) { return ::emulated::value_of<int>(::emulated::bits_of(x)); }
inline unsigned __float_as_uint(float x) { return ::emulated::value_of<unsigned>(::emulated::bits_of(x)); }
inline float __int_as_float(int x) { return ::emulated::value_of<float>(::emulated::bits_of(x)); }
inline float __uint_as_float(unsigned x) { return ::emulated::value_of<float>(::emulated::bits_of(x)); }
inline long long __double_as_longlong(double x) { return ::emulated::value_of<long long>(::emulated::bits_of(x)); }
inline double __longlong_as_double(long long x) { return ::emulated::value_of<double>(::emulated::bits_of(x)); }
template <class T> T min(T a, T b) { return b < a ? b : a; }
template <class T> T max(T a, T b) { return a < b ? b : a; }

using cudaStream_t = struct CUstream_st*;
enum cudaError_t { cudaSuccess = 0 };
constexpr int CUDART_VERSION = 0;
inline cudaError_t cudaGetLastError() { return cudaSuccess; }
inline const char* cudaGetErrorString(cudaError_t) { return "no error"; }
inline cudaError_t cudaDriverGetVersion(int* version) { *version = 0; return cudaSuccess; }
inline cudaError_t cudaMemsetAsync(void* to, int byte, size_t bytes, cudaStream_t) {
  std::memset(to, byte, bytes);
  return cudaSuccess;
}
