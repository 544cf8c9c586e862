// How the warp of a query goes down the tree, and what it keeps of the points that it meets.
#pragma once
#include "sort_warp.h"
#include "tree_warp.h"

namespace gk::cuda {

// Values of shared memory that a warp goes down a tree with: the children's distances on every level but the last.
__host__ __device__ constexpr int path_values(int levels) { return levels * kTreeWidth; }

// Offers the points of every leaf that can hold one wanted to `keep`: a node's nearest child first where the bound
// (keep.worst, keep.worst_id) shrinks. A child is left out if even a point of its smallest index in the nearest place of
// its box came after the bound. All lanes are always at the same node, and `path` is shared memory of the warp's own.
template <class T, class Keep>
__device__ __forceinline__ void traverse(const PointTree<T>& tree, const Vec3<T>& q, int32_t self, T* path, Keep& keep) {
  if (!tree.sizes.nodes) return;
  const int lane = threadIdx.x & 31;
  const T visited = T(NAN);  // comes before nothing
  int level = 0;
  int32_t node = 0, path_node = 0;  // lane l holds the node on level l
  T d2 = distance_to_box(tree.boxes, 0, lane, q);
  for (;;) {
    const int32_t first_id = tree.first_ids[int64_t(node) * kTreeWidth + lane], begin = tree.children[2 * node];
    const bool bottom = node >= tree.sizes.bottom;
    int child;
    for (;;) {
      const bool wanted = comes_before(d2, first_id, keep.worst, keep.worst_id);
      unsigned candidates = __ballot_sync(kWholeWarp, wanted);
      if constexpr (Keep::kShrinks)
        if (candidates & (candidates - 1)) {
          const T nearest = warp_min(wanted ? d2 : T(INFINITY));
          candidates = __ballot_sync(kWholeWarp, wanted && d2 == nearest);
        }
      child = __ffs(int(candidates)) - 1;
      if (child < 0) break;
      if (lane == child) d2 = visited;
      if (!bottom) break;
      const int64_t leaf = begin + child;
      const int32_t id = tree.leaf_ids[leaf * kTreeWidth + lane];
      const T to_point = distance_to_point(tree.leaf_points, leaf, lane, q);
      keep.offer(id == self ? visited : to_point, id, lane);
    }
    if (child >= 0) {
      path[level * kTreeWidth + lane] = d2;
      if (lane == level) path_node = node;
      ++level, node = begin + child;
      d2 = distance_to_box(tree.boxes, node, lane, q);
    } else {
      if (!level--) return;
      node = __shfl_sync(kWholeWarp, path_node, level);
      d2 = path[level * kTreeWidth + lane];
    }
  }
}

// The nearest k up to 32, in a register each, ascending; places that k does not fill come first and are before every point.
template <class T> struct RegisterList {
  static constexpr bool kShrinks = true;
  T d2, worst;
  int32_t id, worst_id, k;

  __device__ RegisterList(int k, int lane)
      : d2(lane < 32 - k ? -T(INFINITY) : T(INFINITY)), worst(INFINITY), id(kNone), worst_id(kNone), k(k) {}

  __device__ __forceinline__ void offer(T other, int32_t other_id, int lane) {
    unsigned hits = hits_of(other, other_id);
    // Sorting costs as much as putting in seven.
    if (__popc(hits) > 7 && k > 4) {
      if (!(hits >> lane & 1)) other = T(INFINITY), other_id = kNone;
      sort_warp<ByDistance>(other, other_id, lane);
      other = __shfl_sync(kWholeWarp, other, 31 - lane), other_id = __shfl_sync(kWholeWarp, other_id, 31 - lane);
      if (comes_before(other, other_id, d2, id)) d2 = other, id = other_id;
      merge_warp<ByDistance>(d2, id, lane);
      note_worst();
      return;
    }
    while (hits) {
      const int from = __ffs(int(hits)) - 1;
      put(__shfl_sync(kWholeWarp, other, from), __shfl_sync(kWholeWarp, other_id, from), lane);
      hits &= hits_of(other, other_id) & ~(1u << from);
    }
  }

 private:
  __device__ __forceinline__ unsigned hits_of(T other, int32_t other_id) const {
    return __ballot_sync(kWholeWarp, comes_before(other, other_id, worst, worst_id));
  }
  __device__ __forceinline__ void note_worst() {
    worst = __shfl_sync(kWholeWarp, d2, 31), worst_id = __shfl_sync(kWholeWarp, id, 31);
  }
  __device__ __forceinline__ void put(T other, int32_t other_id, int lane) {
    const unsigned later = __ballot_sync(kWholeWarp, comes_before(other, other_id, d2, id));
    const T d2_before = __shfl_up_sync(kWholeWarp, d2, 1);
    const int32_t id_before = __shfl_up_sync(kWholeWarp, id, 1);
    if (later >> lane & 1) {
      const bool moves = lane && later >> (lane - 1) & 1;
      d2 = moves ? d2_before : other, id = moves ? id_before : other_id;
    }
    note_worst();
  }
};

// The nearest k, more than 32, in memory, ascending. The wanted points of a leaf are sorted and merged into the list in one
// pass from its end: what comes after the j-th of them moves on by j places.
template <class T, class Id> struct MemoryList {
  static constexpr bool kShrinks = true;
  T* d2;
  Id* ids;
  int32_t k, worst_id;
  T worst;

  __device__ MemoryList(int k, int lane, T* d2, Id* ids) : d2(d2), ids(ids), k(k), worst_id(kNone), worst(INFINITY) {
    for (int i = lane; i < k; i += 32) d2[i] = T(INFINITY), ids[i] = kNone;
    __syncwarp();
  }

  __device__ __forceinline__ void offer(T other, int32_t other_id, int lane) {
    const bool wanted = comes_before(other, other_id, worst, worst_id);
    const unsigned hits = __ballot_sync(kWholeWarp, wanted);
    if (!hits) return;
    if (!wanted) other = T(INFINITY), other_id = kNone;
    sort_warp<ByDistance>(other, other_id, lane);
    const int place = lane < __popc(hits) ? places_before(other, other_id) : k;
    const int first = __shfl_sync(kWholeWarp, place, 0);
    for (int chunk = (k - 1) & ~31; chunk + 31 >= first; chunk -= 32) {
      const int i = chunk + lane, to = i + count_at_most(place, i);
      const bool moves = i >= first && to < k;
      T moved_d2;
      Id moved_id;
      if (moves) moved_d2 = d2[i], moved_id = ids[i];
      __syncwarp();
      if (moves) d2[to] = moved_d2, ids[to] = moved_id;
    }
    __syncwarp();
    if (place + lane < k) d2[place + lane] = other, ids[place + lane] = other_id;
    __syncwarp();
    worst = d2[k - 1], worst_id = int32_t(ids[k - 1]);
  }

 private:
  __device__ int places_before(T other, int32_t other_id) const {
    int low = 0;
    for (int high = k; low < high;) {
      const int middle = (low + high) / 2;
      if (comes_before(d2[middle], ids[middle], other, other_id)) low = middle + 1;
      else high = middle;
    }
    return low;
  }
  // Of the lanes' ascending places.
  __device__ static int count_at_most(int place, int i) {
    int count = 0;
#pragma unroll
    for (int step = 16; step; step /= 2)
      if (const int there = __shfl_sync(kWholeWarp, place, count + step - 1); there <= i) count += step;
    return count + (__shfl_sync(kWholeWarp, place, count) <= i);
  }
};

// The number of points within the radius.
template <class T> struct Counter {
  static constexpr bool kShrinks = false;
  T worst;
  int32_t worst_id = kNone, count = 0;

  __device__ explicit Counter(T radius2) : worst(radius2) {}
  __device__ __forceinline__ void offer(T other, int32_t other_id, int) {
    count += __popc(__ballot_sync(kWholeWarp, comes_before(other, other_id, worst, worst_id)));
  }
};

// Writes the points within the radius.
template <class T> struct Collector {
  static constexpr bool kShrinks = false;
  T worst;
  int32_t worst_id = kNone;
  int64_t* indices;
  T* distances;

  __device__ Collector(T radius2, int64_t* indices, T* distances) : worst(radius2), indices(indices), distances(distances) {}
  __device__ __forceinline__ void offer(T other, int32_t other_id, int lane) {
    const bool wanted = comes_before(other, other_id, worst, worst_id);
    const unsigned hits = __ballot_sync(kWholeWarp, wanted);
    const int place = __popc(hits & ((1u << lane) - 1)), count = __popc(hits);
    if (wanted) indices[place] = other_id, distances[place] = sqrt(other);
    indices += count, distances += count;
  }
};

}  // namespace gk::cuda
