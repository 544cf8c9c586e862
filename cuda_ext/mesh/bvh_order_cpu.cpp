// The order in which queries are answered: a stable radix sort of Morton codes.
#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "../cpu/parallel.h"
#include "bvh_lanes.h"

namespace gk {
namespace {

constexpr int kBitsPerAxis = 10, kDigit = 10;
constexpr int64_t kSorted = 1 << 17;  // queries sorted together: what they read and write stays in the cache
constexpr int64_t kFewQueries = 64;  // not worth sorting

// The lowest ten bits, two zeros after each.
GK_INLINE uint32_t spread_bits(uint32_t x) {
  x = (x | x << 16) & 0x030000ffu;
  x = (x | x << 8) & 0x0300f00fu;
  x = (x | x << 4) & 0x030c30c3u;
  return (x | x << 2) & 0x09249249u;
}

struct Key {
  uint32_t code;
  int32_t id;
};

template <class T>
void sort_some(const Bvh<T>& tree, const T* queries, const T* low, const T* factor, int64_t begin, int64_t end, int32_t* order) {
  std::vector<Key> keys(end - begin), other(end - begin);
  for (int64_t i = begin; i < end; ++i) {
    uint32_t code = 0;
    for (int axis = 0; axis < 3; ++axis) {
      const T cell = (queries[3 * i + axis] * tree.scale - low[axis]) * factor[axis];
      code |= spread_bits(uint32_t(std::min(std::max(cell, T(0)), T((1 << kBitsPerAxis) - 1)))) << axis;
    }
    keys[i - begin] = {code, int32_t(i)};
  }
  for (int shift = 0; shift < 3 * kBitsPerAxis; shift += kDigit) {
    uint32_t start[1 << kDigit] = {}, total = 0;
    for (const Key& key : keys) ++start[key.code >> shift & ((1 << kDigit) - 1)];
    for (uint32_t& bucket : start) total += std::exchange(bucket, total);
    for (const Key& key : keys) other[start[key.code >> shift & ((1 << kDigit) - 1)]++] = key;
    keys.swap(other);
  }
  for (int64_t i = begin; i < end; ++i) order[i] = keys[i - begin].id;
}

}  // namespace

template <class T> std::vector<int32_t> morton_order(const Bvh<T>& tree, int64_t count, const T* queries) {
  std::vector<int32_t> order(count);
  for (int64_t i = 0; i < count; ++i) order[i] = int32_t(i);
  if (count <= kFewQueries) return order;
  T low[3], factor[3];
  for (int axis = 0; axis < 3; ++axis) {
    // Twice the mesh's box: queries further out share the outermost cells.
    T begin = std::numeric_limits<T>::infinity(), end = -begin;
    for (int child = 0; child < kBvhWidth; ++child)
      if (tree.children[child] != kNoChild) {
        begin = std::min(begin, tree.boxes[8 * axis + child]), end = std::max(end, tree.boxes[24 + 8 * axis + child]);
      }
    const T extent = std::max(end - begin, std::numeric_limits<T>::epsilon());
    low[axis] = begin - extent / 2, factor[axis] = T(1 << kBitsPerAxis) / (2 * extent);
  }
#pragma omp parallel for schedule(static) if (count > kParallelWork)
  for (int64_t begin = 0; begin < count; begin += kSorted)
    sort_some(tree, queries, low, factor, begin, std::min(begin + kSorted, count), order.data());
  return order;
}

template std::vector<int32_t> morton_order(const Bvh<float>&, int64_t, const float*);
template std::vector<int32_t> morton_order(const Bvh<double>&, int64_t, const double*);

}  // namespace gk
