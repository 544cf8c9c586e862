// The tree on the GPU: points sorted along Morton's curve, 32 in succession to a leaf, 32 leaves in succession to a node,
// and so on upwards; one launch a level and nothing waits. Points are compared, not numbered by cells of a grid, so that
// the curve resolves whatever the coordinates resolve: outliers and clusters of any scale cost nothing.
#include "tree_warp.h"

#include <cub/cub.cuh>

namespace gk::cuda {
namespace {

constexpr int kThreads = 256;
constexpr int kWarps = kThreads / 32;
constexpr int kMostLevels = 7;

template <class T> struct Item {
  T at[3];
  int32_t id;
};

struct Float {
  int exponent;  // of the first digit; 1 for numbers too small for one
  uint64_t digits;
};
__device__ __forceinline__ Float parts(float x) {
  const unsigned bits = __float_as_uint(x) & 0x7fffffffu;
  return {max(int(bits >> 23), 1), (bits & 0x7fffffu) | (bits >> 23 ? 0x800000u : 0)};
}
__device__ __forceinline__ Float parts(double x) {
  const uint64_t bits = uint64_t(__double_as_longlong(x)) & 0x7fffffffffffffffull;
  return {max(int(bits >> 52), 1), (bits & 0xfffffffffffffull) | (bits >> 52 ? 0x10000000000000ull : 0)};
}

// The place of the first binary digit in which two different numbers differ, larger for higher ones; the sign is first.
template <class T> __device__ __forceinline__ int first_difference(T x, T y) {
  if ((x < 0) != (y < 0)) return 1 << 20;
  const Float p = parts(x), q = parts(y);
  if (p.exponent != q.exponent) return 64 + max(p.exponent, q.exponent);
  constexpr int unused = sizeof(T) == 4 ? 40 : 11;  // digits of 64
  return 64 + p.exponent - (__clzll((long long)(p.digits ^ q.digits)) - unused);
}

// Morton's order of points with as many digits as they have (Connor & Kumar 2010): by the coordinate that differs in the
// highest digit. Points at one place are in order of index, so that a search among equal distances finds the lowest first.
template <class T> struct Before {
  __device__ bool operator()(const Item<T>& p, const Item<T>& q) const {
    int highest = -1, axis = -1;
    for (int a = 0; a < 3; ++a) {
      if (p.at[a] == q.at[a]) continue;
      const int place = first_difference(p.at[a], q.at[a]);
      if (place > highest) highest = place, axis = a;
    }
    if (axis < 0) return p.id < q.id;
    return axis == 0 ? p.at[0] < q.at[0] : axis == 1 ? p.at[1] < q.at[1] : p.at[2] < q.at[2];
  }
};

template <class T> __global__ void __launch_bounds__(kThreads) write_items(const T* points, int64_t count, Item<T>* items) {
  const int64_t i = thread_index();
  if (i < count) items[i] = {{points[3 * i], points[3 * i + 1], points[3 * i + 2]}, int32_t(i)};
}

// Children of the nodes of one level, a warp each: leaves, which are written too, or nodes.
struct Level {
  int64_t first_node, nodes, first_child, children;
};

template <class T, bool kLeaves>
__global__ void __launch_bounds__(kThreads) write_boxes(Level level, const Item<T>* items, int64_t count, PointTreeOutput<T> out) {
  const int lane = threadIdx.x & 31;
  const int64_t number = int64_t(blockIdx.x) * kWarps + threadIdx.x / 32, child = level.first_child + number;
  const int64_t node = level.first_node + number / kTreeWidth;
  if (number >= level.nodes * kTreeWidth) return;
  const bool exists = number < level.children;
  const T far = INFINITY;
  T low[3] = {far, far, far}, high[3] = {-far, -far, -far};
  int32_t id = kNone;
  if constexpr (kLeaves) {
    const int64_t place = number * kTreeWidth + lane;
    if (place < count) {
      const Item<T> item = items[place];
      id = item.id;
      for (int a = 0; a < 3; ++a) low[a] = high[a] = item.at[a];
    }
    if (exists) {
      out.leaf_ids[place] = id;
      for (int a = 0; a < 3; ++a) out.leaf_points[(number * 3 + a) * kTreeWidth + lane] = low[a];
    }
  } else if (exists) {
    const T* boxes = out.boxes + child * 6 * kTreeWidth + lane;
    id = out.first_ids[child * kTreeWidth + lane];
    if (id != kNone)
      for (int a = 0; a < 3; ++a) low[a] = boxes[a * kTreeWidth], high[a] = boxes[(a + 3) * kTreeWidth];
  }
  id = warp_min(id);
  T side = far;  // lanes 0 to 5 hold one each of the box
  for (int a = 0; a < 3; ++a) {
    const T lowest = warp_min(low[a]), highest = warp_max(high[a]);
    if (exists && lane == a) side = lowest;
    if (exists && lane == a + 3) side = highest;
  }
  const int64_t place = number % kTreeWidth;
  if (lane < 6) out.boxes[(node * 6 + lane) * kTreeWidth + place] = side;
  if (lane == 6) out.first_ids[node * kTreeWidth + place] = id;
  if (place == 0 && lane < 2)
    out.children[2 * node + lane] = int32_t(lane ? min(child + kTreeWidth, level.first_child + level.children) : child);
}

// The number of nodes on each level, from the lowest, and the levels.
int count_levels(int64_t leaves, int64_t* nodes) {
  int levels = 0;
  for (int64_t below = leaves; levels == 0 || below > 1; ++levels)
    nodes[levels] = below = (below + kTreeWidth - 1) / kTreeWidth;
  return levels;
}

template <class T> size_t items_bytes(int64_t points) { return (points * sizeof(Item<T>) + 255) / 256 * 256; }

template <class T> cudaError_t sort(void* temporary, size_t& bytes, Item<T>* items, int64_t count) {
  return cub::DeviceMergeSort::SortKeys(temporary, bytes, items, int(count), Before<T>(), stream);
}

}  // namespace

TreeSizes tree_sizes(int64_t points) {
  const int64_t leaves = (points + kTreeWidth - 1) / kTreeWidth;
  if (!leaves) return {0, 0, 0};
  int64_t nodes[kMostLevels], above = 0;
  for (int level = count_levels(leaves, nodes) - 1; level > 0; --level) above += nodes[level];
  return {leaves, above + nodes[0], above};
}

template <class T> size_t tree_scratch(int64_t points) {
  size_t bytes = 0;
  if (points) check(sort<T>(nullptr, bytes, nullptr, points), "sorting points");
  return items_bytes<T>(points) + bytes;
}

template <class T> void tree_build(const T* points, int64_t count, const PointTreeOutput<T>& out, void* scratch, size_t scratch_bytes) {
  if (!count) return;
  Item<T>* items = static_cast<Item<T>*>(scratch);
  launch(write_items<T>, blocks_for(count, kThreads), kThreads, 0, points, count, items);
  size_t bytes = scratch_bytes - items_bytes<T>(count);
  check(sort(static_cast<char*>(scratch) + items_bytes<T>(count), bytes, items, count), "sorting points");
  const TreeSizes sizes = tree_sizes(count);
  int64_t nodes[kMostLevels];
  const int levels = count_levels(sizes.leaves, nodes);
  Level level = {sizes.bottom, nodes[0], 0, sizes.leaves};
  for (int i = 0; i < levels; ++i) {
    const auto kernel = i ? write_boxes<T, false> : write_boxes<T, true>;
    launch(kernel, blocks_for(nodes[i] * kTreeWidth, kWarps), kThreads, 0, level, items, count, out);
    const int64_t above = i + 1 < levels ? nodes[i + 1] : 0;
    level = {level.first_node - above, above, level.first_node, nodes[i]};
  }
}

#define GK_INSTANTIATE(T)                          \
  template size_t tree_scratch<T>(int64_t points); \
  template void tree_build(const T*, int64_t, const PointTreeOutput<T>&, void*, size_t);
GK_INSTANTIATE(float)
GK_INSTANTIATE(double)
#undef GK_INSTANTIATE

}  // namespace gk::cuda
