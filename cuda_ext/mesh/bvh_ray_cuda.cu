// First hits of rays: eight lanes find the face, then a thread a ray refines the hit in double precision. And the keys that
// queries of all kinds are sorted by.
#include "bvh_answers.h"
#include "bvh_walk.h"

namespace gk::cuda {
namespace {

constexpr int kThreads = 128;

template <class T> __device__ __forceinline__ Vec3<double> direction_of(const T* directions, int64_t i) {
  return {double(directions[3 * i]), double(directions[3 * i + 1]), double(directions[3 * i + 2])};
}

// The faces are left as places in the tree.
template <class T>
__global__ void __launch_bounds__(kWalkThreads)
    find(Bvh<T> tree, int64_t count, const T* origins, const T* directions, const int32_t* order, int64_t* places) {
  const int64_t k = thread_index() / kBvhWidth;
  if (k >= count) return;
  const int64_t i = order[k];
  const Eight eight;
  Ray<T> ray;
  int64_t place = -1;
  if (make_ray(origins + 3 * i, direction_of(directions, i), tree.scale, ray))
    place = least_place(
        tree, eight, kLargest<T>, [&](const Column<T>& box, T best) { return entry_into_box(box, ray, best); },
        [&](const Column<T>& triangle, T best) { return hit_of_triangle(triangle, ray, best); });
  if (eight.lane == 0) places[i] = place;
}

template <class T>
__global__ void __launch_bounds__(kThreads) answer(Bvh<T> tree, int64_t count, const T* origins, const T* directions, RayOutput<T> out) {
  const int64_t i = thread_index();
  if (i >= count) return;
  const T origin[3] = {origins[3 * i] * tree.scale, origins[3 * i + 1] * tree.scale, origins[3 * i + 2] * tree.scale};
  answer_ray(tree, origin, direction_of(directions, i), out.faces[i], 1 / double(tree.scale), i, out);
}

template <class T> __global__ void __launch_bounds__(kThreads) encode(Bvh<T> tree, int64_t count, const T* queries, int32_t* codes) {
  const int64_t i = thread_index();
  if (i < count) codes[i] = int32_t(QueryCells<T>(tree).code(queries + 3 * i));
}

}  // namespace

template <class T>
void bvh_ray_cast(const Bvh<T>& tree, int64_t count, const T* origins, const T* directions, const int32_t* order, T* t, int64_t* faces, T* weights) {
  launch(find<T>, blocks_for(count, kQueriesPerBlock), kWalkThreads, 0, tree, count, origins, directions, order, faces);
  launch(answer<T>, blocks_for(count, kThreads), kThreads, 0, tree, count, origins, directions, RayOutput<T>{t, faces, weights});
}

template <class T> void bvh_codes(const Bvh<T>& tree, int64_t count, const T* queries, int32_t* codes) {
  launch(encode<T>, blocks_for(count, kThreads), kThreads, 0, tree, count, queries, codes);
}

#define GK_INSTANTIATE(T)                                                                                                     \
  template void bvh_ray_cast(const Bvh<T>&, int64_t, const T*, const T*, const int32_t*, T*, int64_t*, T*);                   \
  template void bvh_codes(const Bvh<T>&, int64_t, const T*, int32_t*);
GK_INSTANTIATE(float)
GK_INSTANTIATE(double)
#undef GK_INSTANTIATE

}  // namespace gk::cuda
