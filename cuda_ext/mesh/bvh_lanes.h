// Eight values at once, for a node's children and a leaf's triangles, in vectors of the CPU.
#pragma once
#include <cstdint>
#include <cstring>
#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#include "../cpu/multiversion.h"
#include "bvh_answers.h"
#include "bvh_formulas.h"

namespace gk {

template <class T> struct EightOf;
template <> struct EightOf<float> {
  typedef float Vector __attribute__((vector_size(32)));
  typedef int32_t Bits __attribute__((vector_size(32)));
};
template <> struct EightOf<double> {
  typedef double Vector __attribute__((vector_size(64)));
  typedef int64_t Bits __attribute__((vector_size(64)));
};
template <class T> using Eight = typename EightOf<T>::Vector;

template <class T> GK_INLINE Eight<T> eight(const T* p) {
  Eight<T> v;
  std::memcpy(&v, p, sizeof(v));
  return v;
}
// Row after row of a block of eight.
template <class T> struct EightRows {
  const T* block;
  GK_INLINE Eight<T> operator()(int row) const { return eight(block + 8 * row); }
};

// Bit i: lane i of the comparison holds.
GK_INLINE unsigned bits_of(const EightOf<float>::Bits& mask) {
#if defined(__SSE2__)
  __m128 halves[2];
  std::memcpy(halves, &mask, sizeof(mask));
  return unsigned(_mm_movemask_ps(halves[0])) | unsigned(_mm_movemask_ps(halves[1])) << 4;
#else
  unsigned bits = 0;
  for (int i = 0; i < 8; ++i) bits |= unsigned(mask[i] & 1) << i;
  return bits;
#endif
}
GK_INLINE unsigned bits_of(const EightOf<double>::Bits& mask) {
#if defined(__SSE2__)
  __m128d quarters[4];
  std::memcpy(quarters, &mask, sizeof(mask));
  unsigned bits = 0;
  for (int i = 0; i < 4; ++i) bits |= unsigned(_mm_movemask_pd(quarters[i])) << (2 * i);
  return bits;
#else
  unsigned bits = 0;
  for (int i = 0; i < 8; ++i) bits |= unsigned(mask[i] & 1) << i;
  return bits;
#endif
}

// What waits on a query's stack: a node or ~block, and how far it is.
template <class T> struct Waiting {
  T key;
  int32_t node;
};
// The nearest of the children named by `bits`, of which there is one at least; the others are pushed, the next nearest on
// top. One and two are the rule.
template <class T>
GK_INLINE int32_t nearest_child(Waiting<T>* stack, int& top, unsigned bits, const T* keys, const int32_t* children) {
  const int first = __builtin_ctz(bits);
  bits &= bits - 1;
  if (!bits) return children[first];
  const int second = __builtin_ctz(bits);
  bits &= bits - 1;
  const bool swap = keys[second] < keys[first];
  const int near = swap ? second : first, far = swap ? first : second;
  if (!bits) {
    stack[top++] = {keys[far], children[far]};
    return children[near];
  }
  const int base = top;
  stack[top++] = {keys[far], children[far]}, stack[top++] = {keys[near], children[near]};
  for (; bits; bits &= bits - 1) {
    const int child = __builtin_ctz(bits);
    const Waiting<T> entry = {keys[child], children[child]};
    int at = top++;
    for (; at > base && stack[at - 1].key < entry.key; --at) stack[at] = stack[at - 1];
    stack[at] = entry;
  }
  return stack[--top].node;
}

// Queries are answered out of order: the memory of one to come is asked for in time.
constexpr int64_t kAhead = 6;
template <class T> GK_INLINE void ask_for(const T* rows, int64_t columns, const int32_t* order, int64_t k, int64_t count) {
  if (k + kAhead < count) __builtin_prefetch(rows + columns * order[k + kAhead]);
}

constexpr int64_t kQueryChunk = 128;  // queries that one thread answers in a row, whatever the number of threads

}  // namespace gk
