// The order in which queries are answered: a stable radix sort of Morton codes.
#include <algorithm>
#include <utility>
#include <vector>

#include "../cpu/parallel.h"
#include "bvh_lanes.h"

namespace gk {
namespace {

constexpr int kDigit = 10;
constexpr int64_t kSorted = 1 << 17;  // queries sorted together: what they read and write stays in the cache
constexpr int64_t kFewQueries = 64;  // not worth sorting

struct Key {
  uint32_t code;
  int32_t id;
};

template <class T> void sort_some(const QueryCells<T>& cells, const T* queries, int64_t begin, int64_t end, int32_t* order) {
  std::vector<Key> keys(end - begin), other(end - begin);
  for (int64_t i = begin; i < end; ++i) keys[i - begin] = {cells.code(queries + 3 * i), int32_t(i)};
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

// A Morton curve, so many queries at a time; equal codes keep their order.
template <class T> void bvh_order(const Bvh<T>& tree, int64_t count, const T* queries, int32_t* order) {
  for (int64_t i = 0; i < count; ++i) order[i] = int32_t(i);
  if (count <= kFewQueries) return;
  const QueryCells<T> cells(tree);
#pragma omp parallel for schedule(static) if (count > kParallelWork)
  for (int64_t begin = 0; begin < count; begin += kSorted)
    sort_some(cells, queries, begin, std::min(begin + kSorted, count), order);
}

template void bvh_order(const Bvh<float>&, int64_t, const float*, int32_t*);
template void bvh_order(const Bvh<double>&, int64_t, const double*, int32_t*);

}  // namespace gk
