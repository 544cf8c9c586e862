#include "search.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>
#include <vector>

#include "../cpu/aligned.h"
#include "../cpu/parallel.h"
#include "tree_lanes.h"

namespace gk {
namespace {

constexpr int64_t kQueryBlock = 256;  // queries a task answers
constexpr int kStack = 8 * kTreeWidth;  // 8 levels hold 2^31 points

template <class T> struct Neighbor {
  T d2;
  int32_t id;
  GK_INLINE bool operator<(const Neighbor& o) const { return d2 < o.d2 || (d2 == o.d2 && id < o.id); }
};

// A subtree that is still to be visited, its distance, and the smallest index in it.
template <class T> struct Visit {
  Neighbor<T> nearest;
  int32_t child;
  bool leaf;
};

// Goes down the tree, the nearest child first. A child is left out if even a point of its smallest index in the nearest
// place of its box came after `worst()`: boxes and points round alike, so no neighbour is lost to rounding.
template <class T, class Worst, class Scan>
GK_INLINE void traverse(const PointTree<T>& tree, const T* q, Worst worst, Scan scan) {
  if (!tree.sizes.nodes) return;
  const Lanes<T> bits = bit_values<T>();
  Visit<T> stack[kStack];
  int top = 0;
  int32_t node = 0;
  for (;;) {
    T d2[kLanes];
    const Lanes<T> to_boxes = distance_to_boxes(tree.boxes + int64_t(node) * 6 * kLanes, q);
    store(d2, to_boxes);
    const int32_t begin = tree.children[2 * node], end = tree.children[2 * node + 1];
    const int32_t* first_ids = tree.first_ids + int64_t(node) * kLanes;
    uint32_t hits = bits_of(to_boxes <= Lanes<T>(worst().d2), bits) & ((1u << (end - begin)) - 1);
    const int bottom = top;
    for (; hits; hits &= hits - 1) {
      const int lane = __builtin_ctz(hits);
      const Visit<T> visit = {{d2[lane], first_ids[lane]}, begin + lane, node >= tree.sizes.bottom};
      int i = top++;
      for (; i > bottom && stack[i - 1].nearest < visit.nearest; --i) stack[i] = stack[i - 1];
      stack[i] = visit;
    }
    for (;;) {
      if (!top) return;
      const Visit<T> visit = stack[--top];
      if (!(visit.nearest < worst())) continue;
      if (!visit.leaf) {
        node = visit.child;
        break;
      }
      const Lanes<T> to_points = distance_to_points(tree.leaf_points + int64_t(visit.child) * 3 * kLanes, q);
      scan(to_points, bits_of(to_points <= Lanes<T>(worst().d2), bits), tree.leaf_ids + int64_t(visit.child) * kLanes);
    }
  }
}

// The k nearest of one query, ascending.
template <class T> GK_INLINE void nearest_of(const PointTree<T>& tree, const T* q, int32_t self, int64_t k, Neighbor<T>* best) {
  const Neighbor<T> none = {std::numeric_limits<T>::infinity(), std::numeric_limits<int32_t>::max()};
  for (int64_t i = 0; i < k; ++i) best[i] = none;
  traverse(tree, q, [&]() GK_INLINE_LAMBDA { return best[k - 1]; },
           [&](const Lanes<T>& to_points, uint32_t hits, const int32_t* ids) GK_INLINE_LAMBDA {
             T d2[kLanes];
             store(d2, to_points);
             for (; hits; hits &= hits - 1) {
               const int lane = __builtin_ctz(hits);
               const Neighbor<T> found = {d2[lane], ids[lane]};
               if (!(found < best[k - 1]) || found.id == self) continue;
               int64_t i = k - 1;
               for (; i > 0 && found < best[i - 1]; --i) best[i] = best[i - 1];
               best[i] = found;
             }
           });
}

template <class T> GK_INLINE int64_t query_at(const SearchInput<T>& in, int64_t i) { return in.order ? in.order[i] : i; }
template <class T> GK_INLINE int32_t self_of(const SearchInput<T>& in, int64_t query) {
  return in.exclude_self ? int32_t(query) : -1;
}

template <class T>
GK_INLINE void nearest_range(const SearchInput<T>& in, int64_t k, int64_t begin, int64_t end, Neighbor<T>* best, T* distances,
                             int64_t* indices) {
  for (int64_t i = begin; i < end; ++i) {
    const int64_t query = query_at(in, i);
    nearest_of(in.tree, in.queries + 3 * query, self_of(in, query), k, best);
    for (int64_t j = 0; j < k; ++j) {
      distances[query * k + j] = std::sqrt(best[j].d2);
      indices[query * k + j] = best[j].id;
    }
  }
}

// Everything of one query within the radius; `found(id, d2)`.
template <class T, class Found> GK_INLINE void within(const SearchInput<T>& in, int64_t query, T radius2, Found found) {
  const Neighbor<T> worst = {radius2, std::numeric_limits<int32_t>::max()};
  const int32_t self = self_of(in, query);
  traverse(in.tree, in.queries + 3 * query, [&]() GK_INLINE_LAMBDA { return worst; },
           [&](const Lanes<T>& to_points, uint32_t hits, const int32_t* ids) GK_INLINE_LAMBDA {
             T d2[kLanes];
             store(d2, to_points);
             for (; hits; hits &= hits - 1) {
               const int lane = __builtin_ctz(hits);
               if (ids[lane] != self) found(ids[lane], d2[lane]);
             }
           });
}

template <class T>
GK_INLINE void count_range(const SearchInput<T>& in, T radius2, int64_t begin, int64_t end, int64_t* counts) {
  for (int64_t i = begin; i < end; ++i) {
    const int64_t query = query_at(in, i);
    int64_t count = 0;
    within(in, query, radius2, [&](int32_t, T) GK_INLINE_LAMBDA { ++count; });
    counts[query] = count;
  }
}

template <class T>
GK_INLINE void fill_range(const SearchInput<T>& in, T radius2, int64_t begin, int64_t end, const int64_t* offsets,
                          std::vector<std::pair<int32_t, T>>& list, int64_t* indices, T* distances) {
  for (int64_t i = begin; i < end; ++i) {
    const int64_t query = query_at(in, i);
    list.clear();
    within(in, query, radius2, [&](int32_t id, T d2) GK_INLINE_LAMBDA { list.push_back({id, d2}); });
    std::sort(list.begin(), list.end());
    const int64_t at = offsets[query];
    for (size_t j = 0; j < list.size(); ++j) indices[at + j] = list[j].first, distances[at + j] = std::sqrt(list[j].second);
  }
}

#define GK_SEARCH_VERSIONS(ATTRIBUTE, T)                                                                                   \
  ATTRIBUTE void run_nearest(const SearchInput<T>& in, int64_t k, int64_t begin, int64_t end, Neighbor<T>* best, T* d,      \
                             int64_t* ids) {                                                                                \
    nearest_range(in, k, begin, end, best, d, ids);                                                                         \
  }                                                                                                                         \
  ATTRIBUTE void run_count(const SearchInput<T>& in, T radius2, int64_t begin, int64_t end, int64_t* counts) {              \
    count_range(in, radius2, begin, end, counts);                                                                           \
  }                                                                                                                         \
  ATTRIBUTE void run_fill(const SearchInput<T>& in, T radius2, int64_t begin, int64_t end, const int64_t* offsets,          \
                          std::vector<std::pair<int32_t, T>>& list, int64_t* ids, T* d) {                                   \
    fill_range(in, radius2, begin, end, offsets, list, ids, d);                                                             \
  }
GK_SEARCH_VERSIONS(GK_MULTIVERSION, float)
GK_SEARCH_VERSIONS(GK_MULTIVERSION, double)
#undef GK_SEARCH_VERSIONS

template <class F> void for_query_blocks(int64_t count, F block) {
#pragma omp parallel for schedule(dynamic) if (count > kQueryBlock)
  for (int64_t begin = 0; begin < count; begin += kQueryBlock) block(begin, std::min(begin + kQueryBlock, count));
}

}  // namespace

template <class T> void nearest(const SearchInput<T>& in, int64_t k, T* distances, int64_t* indices) {
  for_query_blocks(in.count, [&](int64_t begin, int64_t end) {
    AlignedVector<Neighbor<T>> best(k);
    run_nearest(in, k, begin, end, best.data(), distances, indices);
  });
}

template <class T> void radius_count(const SearchInput<T>& in, T radius2, int64_t* counts) {
  for_query_blocks(in.count, [&](int64_t begin, int64_t end) { run_count(in, radius2, begin, end, counts); });
}

template <class T>
void radius_fill(const SearchInput<T>& in, T radius2, const int64_t* offsets, int64_t* indices, T* distances) {
  for_query_blocks(in.count, [&](int64_t begin, int64_t end) {
    std::vector<std::pair<int32_t, T>> list;
    run_fill(in, radius2, begin, end, offsets, list, indices, distances);
  });
}

#define GK_INSTANTIATE(T)                                                            \
  template void nearest(const SearchInput<T>&, int64_t, T*, int64_t*);               \
  template void radius_count(const SearchInput<T>&, T, int64_t*);                    \
  template void radius_fill(const SearchInput<T>&, T, const int64_t*, int64_t*, T*);
GK_INSTANTIATE(float)
GK_INSTANTIATE(double)
#undef GK_INSTANTIATE

}  // namespace gk
