// Vectors as wide as the machine's registers, and tiles of as many of them as it has registers for.
//
// cpu/lanes.h takes sixteen values for one whatever the machine; tiles of those GCC keeps in memory where a register is
// narrower. Here a function is compiled for each width, and the machine's is chosen when the module loads.
#pragma once
#include <cstdint>
#include <cstring>
#include <type_traits>
#include <utility>

#include "../cpu/multiversion.h"

// Defines a function once for each width of registers: DEFINE(bytes).
#if defined(__x86_64__) && defined(__linux__) && defined(__GNUC__) && !defined(__clang__)
#define GK_FOR_EACH_WIDTH(DEFINE)                      \
  __attribute__((target("arch=x86-64-v4"))) DEFINE(64) \
  __attribute__((target("arch=x86-64-v3"))) DEFINE(32) \
  __attribute__((target("default"))) DEFINE(16)
#else
#define GK_FOR_EACH_WIDTH(DEFINE) DEFINE(16)
#endif
#define GK_UNROLL _Pragma("GCC unroll 16")

namespace gk {

template <class T, int Bytes> struct Register {
  typedef T Vector __attribute__((vector_size(Bytes)));
  static constexpr int kWidth = Bytes / sizeof(T);
  static constexpr int kVectors = Bytes == 64 ? 4 : 2;  // of a tile of four rows, in 32 registers or in 16

  static GK_INLINE Vector load(const T* p) {
    Vector v;
    std::memcpy(&v, p, Bytes);
    return v;
  }
  static GK_INLINE void store(T* p, Vector v) { std::memcpy(p, &v, Bytes); }

  // The sum of each of kWidth vectors, in that order: 2 kWidth shuffles and kWidth additions for all.
  template <int Half = kWidth / 2> static GK_INLINE Vector sums(const Vector* vectors) {
    Vector halved[Half];
    GK_UNROLL
    for (int i = 0; i < Half; ++i) halved[i] = halve<Half>(vectors[i], vectors[i + Half], Indices());
    if constexpr (Half > 1) return sums<Half / 2>(halved);
    else return halved[0];
  }

 private:
  using Indices = std::make_index_sequence<kWidth>;
  // In every 2 Half lanes: the sums of the two halves of a's, then those of b's.
  template <int Half, size_t... Lane> static GK_INLINE Vector halve(Vector a, Vector b, std::index_sequence<Lane...>) {
    return __builtin_shufflevector(a, b, first_of<Half>(Lane)...) +
           __builtin_shufflevector(a, b, first_of<Half>(Lane) + Half...);
  }
  template <int Half> static constexpr int first_of(int lane) {
    return lane % (2 * Half) < Half ? lane : lane - Half + kWidth;
  }
};

template <int N> using Constant = std::integral_constant<int, N>;

// Calls f(first channel, number of vectors), the number known to the compiler. Channels are a multiple of 16.
template <class R, class F> GK_INLINE void each_channel_tile(int64_t channels, F f) {
  constexpr int64_t kTile = R::kVectors * R::kWidth;
  int64_t c = 0;
  for (; c + kTile <= channels; c += kTile) f(c, Constant<R::kVectors>());
  if constexpr (kTile > 32)
    if (c + 32 <= channels) f(c, Constant<32 / R::kWidth>()), c += 32;
  if constexpr (kTile > 16)
    if (c < channels) f(c, Constant<16 / R::kWidth>());
}

// Calls f(first row, number of rows), the number at most 4, known to the compiler and as even as can be.
template <class F> GK_INLINE void each_row_tile(int64_t rows, F f) {
  for (int64_t row = 0, count; row < rows; row += count) {
    const int64_t left = rows - row;
    count = left >= 8 ? 4 : left > 4 ? (left + 1) / 2 : left;
    switch (count) {
      case 1: f(row, Constant<1>()); break;
      case 2: f(row, Constant<2>()); break;
      case 3: f(row, Constant<3>()); break;
      default: f(row, Constant<4>());
    }
  }
}

}  // namespace gk
