// A warp at the tree: a lane for each of the 32 points of a leaf or children of a node. Distances round as on the CPU: no
// multiplication is fused with an addition, so that every neighbour and every tie is the same.
#pragma once
#include "../cuda/warp.h"
#include "search.h"

namespace gk::cuda {

static_assert(kTreeWidth == 32);

__device__ __forceinline__ float product(float a, float b) { return __fmul_rn(a, b); }
__device__ __forceinline__ double product(double a, double b) { return __dmul_rn(a, b); }
__device__ __forceinline__ float sum(float a, float b) { return __fadd_rn(a, b); }
__device__ __forceinline__ double sum(double a, double b) { return __dadd_rn(a, b); }

template <class T> __device__ __forceinline__ T squared_norm(T x, T y, T z) {
  return sum(sum(product(x, x), product(y, y)), product(z, z));
}

template <class T> __device__ __forceinline__ T distance_to_point(const T* leaf_points, int64_t leaf, int lane, const Vec3<T>& q) {
  const T* p = leaf_points + leaf * 3 * kTreeWidth + lane;
  return squared_norm(p[0] - q.x, p[kTreeWidth] - q.y, p[2 * kTreeWidth] - q.z);
}

template <class T> __device__ __forceinline__ T distance_to_box(const T* boxes, int64_t node, int lane, const Vec3<T>& q) {
  const T* box = boxes + node * 6 * kTreeWidth + lane;
  const auto outside = [&](int axis, T x) {
    return maximum(maximum(box[axis * kTreeWidth] - x, x - box[(axis + 3) * kTreeWidth]), T(0));
  };
  return squared_norm(outside(0, q.x), outside(1, q.y), outside(2, q.z));
}

template <class T> __device__ __forceinline__ T warp_min(T value) {
  for (int flip = 16; flip; flip /= 2) value = minimum(value, __shfl_xor_sync(kWholeWarp, value, flip));
  return value;
}
template <class T> __device__ __forceinline__ T warp_max(T value) {
  for (int flip = 16; flip; flip /= 2) value = maximum(value, __shfl_xor_sync(kWholeWarp, value, flip));
  return value;
}
__device__ __forceinline__ int32_t warp_min(int32_t value) {
  for (int flip = 16; flip; flip /= 2) value = min(value, __shfl_xor_sync(kWholeWarp, value, flip));
  return value;
}

}  // namespace gk::cuda
