// Eight lanes of a warp answer one query on a GPU: each has a child of the node that they are at, or a triangle of the leaf,
// so that a row is read with one access and no lane waits for another query's place in the tree.
#pragma once
#include "../cuda/launch.h"
#include "bvh_formulas.h"

namespace gk::cuda {

constexpr int kWalkThreads = 128, kQueriesPerBlock = kWalkThreads / kBvhWidth;
constexpr int kBvhLevels = kBvhDepth + 1;

// The eight lanes that this thread is one of.
struct Eight {
  unsigned mask;
  int first, lane;  // the first of them in the warp; this thread's number among them
  __device__ Eight() : first(int(threadIdx.x) & 24), lane(int(threadIdx.x) & 7) { mask = 0xffu << first; }

  template <class V> __device__ V least(V value) const {
    for (int flip = 4; flip; flip /= 2) value = low_of(value, __shfl_xor_sync(mask, value, flip));
    return value;
  }
  template <class V> __device__ V sum(V value) const {
    for (int flip = 4; flip; flip /= 2) value += __shfl_xor_sync(mask, value, flip);
    return value;
  }
  template <class V> __device__ V from(int other, V value) const { return __shfl_sync(mask, value, first + other); }
  __device__ unsigned which(bool condition) const { return __ballot_sync(mask, condition) >> first & 0xffu; }
  __device__ int first_of(bool condition) const { return __ffs(int(which(condition))) - 1; }
};

// A thread's column of a node or leaf.
template <class T> struct Column {
  const T* values;
  __device__ T operator()(int row) const { return values[kBvhWidth * row]; }
};
template <class T> __device__ __forceinline__ Column<T> box_of(const Bvh<T>& tree, int32_t node, int lane) {
  return {tree.boxes + int64_t(node) * kBoxRows * kBvhWidth + lane};
}
template <class T> __device__ __forceinline__ Column<T> triangle_of(const Bvh<T>& tree, int32_t block, int lane) {
  return {tree.triangles + int64_t(block) * kTriangleRows * kBvhWidth + lane};
}

// The place, 8 block + lane, of the triangle with the least key of at most `most`, of equal ones of the lowest face; -1 if
// there is none. `of_box` bounds from below what `of_triangle` gives inside it. Children are visited nearest first: on each
// level a lane keeps the key of its child until that has been visited.
template <class T, class OfBox, class OfTriangle>
__device__ __forceinline__ int64_t least_place(const Bvh<T>& tree, const Eight& eight, T most, OfBox of_box, OfTriangle of_triangle) {
  const T inf = kInfinity<T>;
  T keys[kBvhLevels], best = most;
  int32_t children[kBvhLevels], face = -1;
  int64_t place = -1;
  int level = -1;
  for (int32_t node = 0;;) {
    if (node >= 0) {
      ++level, keys[level] = of_box(box_of(tree, node, eight.lane), best), children[level] = tree.children[kBvhWidth * int64_t(node) + eight.lane];
    } else {
      const int32_t block = ~node, id = tree.face_ids[kBvhWidth * int64_t(block) + eight.lane];
      const T key = of_triangle(triangle_of(tree, block, eight.lane), best), least = eight.least(key <= best ? key : inf);
      if (least <= best) {
        const int32_t lowest = eight.least(key == least ? id : INT32_MAX);
        if (least < best || face < 0 || lowest < face)
          best = least, face = lowest, place = kBvhWidth * int64_t(block) + eight.first_of(key == least && id == lowest);
      }
    }
    T nearest = eight.least(keys[level]);
    while (!(nearest <= best)) {
      if (level-- == 0) return place;
      nearest = eight.least(keys[level]);
    }
    const int next = eight.first_of(keys[level] == nearest);
    node = eight.from(next, children[level]);
    if (eight.lane == next) keys[level] = inf;
  }
}

}  // namespace gk::cuda
