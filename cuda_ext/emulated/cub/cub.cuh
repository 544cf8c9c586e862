// The device-wide primitives of CUB that the kernels use, in their two-call form, for the emulated GPU.
#pragma once
#include "../cuda_runtime.h"

#include <numeric>
#include <vector>

namespace cub {

namespace emulated_cub {

template <class K> uint64_t sortable(K key) {  // order of the bits = order of the values
  uint64_t bits = ::emulated::bits_of(key);
  constexpr uint64_t top = uint64_t(1) << (8 * sizeof(K) - 1);
  if constexpr (std::is_floating_point_v<K>) return bits & top ? ~bits & (top | (top - 1)) : bits | top;
  if constexpr (std::is_signed_v<K>) return bits ^ top;
  return bits;
}

template <class K> std::vector<int64_t> order(const K* keys, int64_t n, int begin_bit, int end_bit, bool descending) {
  std::vector<int64_t> places(n);
  std::iota(places.begin(), places.end(), 0);
  const uint64_t mask = (end_bit - begin_bit >= 64 ? ~uint64_t(0) : (uint64_t(1) << (end_bit - begin_bit)) - 1) << begin_bit;
  std::stable_sort(places.begin(), places.end(), [&](int64_t a, int64_t b) {
    const uint64_t x = sortable(keys[a]) & mask, y = sortable(keys[b]) & mask;
    return descending ? y < x : x < y;
  });
  return places;
}

template <class T, class I> void take(const T* from, T* to, const std::vector<I>& places) {
  for (size_t i = 0; i < places.size(); ++i) to[i] = from[places[i]];
}

}  // namespace emulated_cub

template <class T> struct DoubleBuffer {
  T* d_buffers[2];
  int selector = 0;
  DoubleBuffer(T* current, T* other) : d_buffers{current, other} {}
  T* Current() { return d_buffers[selector]; }
  T* Alternate() { return d_buffers[selector ^ 1]; }
};

struct DeviceRadixSort {
  template <class K, class V, class N>
  static cudaError_t SortPairs(void* temporary, size_t& bytes, const K* keys, K* keys_out, const V* values, V* values_out, N n,
                               int begin_bit = 0, int end_bit = 8 * sizeof(K), cudaStream_t = nullptr) {
    if (!temporary) return bytes = 16, cudaSuccess;
    const auto places = emulated_cub::order(keys, int64_t(n), begin_bit, end_bit, false);
    emulated_cub::take(keys, keys_out, places), emulated_cub::take(values, values_out, places);
    return cudaSuccess;
  }
  template <class K, class V, class N>
  static cudaError_t SortPairs(void* temporary, size_t& bytes, DoubleBuffer<K>& keys, DoubleBuffer<V>& values, N n,
                               int begin_bit = 0, int end_bit = 8 * sizeof(K), cudaStream_t stream = nullptr) {
    SortPairs(temporary, bytes, keys.Current(), keys.Alternate(), values.Current(), values.Alternate(), n, begin_bit, end_bit, stream);
    if (temporary) keys.selector ^= 1, values.selector ^= 1;
    return cudaSuccess;
  }
  template <class K, class N>
  static cudaError_t SortKeys(void* temporary, size_t& bytes, const K* keys, K* keys_out, N n, int begin_bit = 0,
                              int end_bit = 8 * sizeof(K), cudaStream_t = nullptr) {
    if (!temporary) return bytes = 16, cudaSuccess;
    emulated_cub::take(keys, keys_out, emulated_cub::order(keys, int64_t(n), begin_bit, end_bit, false));
    return cudaSuccess;
  }
};

struct DeviceMergeSort {
  template <class K, class N, class Before>
  static cudaError_t SortKeys(void* temporary, size_t& bytes, K keys, N n, Before before, cudaStream_t = nullptr) {
    if (!temporary) return bytes = 16, cudaSuccess;
    std::sort(keys, keys + n, before);
    return cudaSuccess;
  }
};

struct DeviceScan {
  template <class In, class Out, class N>
  static cudaError_t InclusiveSum(void* temporary, size_t& bytes, In in, Out out, N n, cudaStream_t = nullptr) {
    if (!temporary) return bytes = 16, cudaSuccess;
    auto sum = std::decay_t<decltype(out[0])>(0);
    for (N i = 0; i < n; ++i) sum = sum + in[i], out[i] = sum;
    return cudaSuccess;
  }
  template <class In, class Out, class N>
  static cudaError_t ExclusiveSum(void* temporary, size_t& bytes, In in, Out out, N n, cudaStream_t = nullptr) {
    if (!temporary) return bytes = 16, cudaSuccess;
    auto sum = std::decay_t<decltype(out[0])>(0);
    for (N i = 0; i < n; ++i) {
      const auto value = in[i];
      out[i] = sum, sum = sum + value;
    }
    return cudaSuccess;
  }
};

}  // namespace cub
