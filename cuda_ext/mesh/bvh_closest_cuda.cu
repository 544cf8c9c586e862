// Closest points: eight lanes find the face, then a thread a query refines the place on it in double precision.
#include "add_to_vertices.h"
#include "bvh_answers.h"
#include "bvh_walk.h"

namespace gk::cuda {
namespace {

constexpr int kThreads = 128;

// The faces are left as places in the tree.
template <class T>
__global__ void __launch_bounds__(kWalkThreads) find(Bvh<T> tree, int64_t count, const T* queries, const int32_t* order, int64_t* places) {
  const int64_t k = thread_index() / kBvhWidth;
  if (k >= count) return;
  const int64_t i = order[k];
  const Eight eight;
  const T q[3] = {queries[3 * i] * tree.scale, queries[3 * i + 1] * tree.scale, queries[3 * i + 2] * tree.scale};
  // Below infinity, where the empty places of a node are.
  const int64_t place = least_place(
      tree, eight, kLargest<T>, [&](const Column<T>& box, T) { return squared_to_box(box, q); },
      [&](const Column<T>& triangle, T) { return squared_to_triangle(triangle, q); });
  if (eight.lane == 0) places[i] = place < 0 ? 0 : place;  // so far that squares overflow: any face will do
}

template <class T> __global__ void __launch_bounds__(kThreads) answer(Bvh<T> tree, int64_t count, const T* queries, ClosestOutput<T> out) {
  const int64_t i = thread_index();
  if (i >= count) return;
  const T q[3] = {queries[3 * i] * tree.scale, queries[3 * i + 1] * tree.scale, queries[3 * i + 2] * tree.scale};
  T point[3];
  answer_closest(tree, q, out.faces[i], 1 / double(tree.scale), i, out, point);
}

// Either adds to vertices_bar or writes rows (Q, 3, 3), whichever is there.
template <class T>
__global__ void __launch_bounds__(kThreads) pull(BvhMesh<T> mesh, ClosestCotangent<T> bar, T* queries_bar, T* vertices_bar, T* rows) {
  const int64_t i = thread_index();
  const bool mine = i < bar.count;
  T g[9] = {};
  if (mine) {
    const TriangleGradient<double> found = pull_closest(mesh, bar, i);
    queries_bar[3 * i] = T(found.query.x), queries_bar[3 * i + 1] = T(found.query.y), queries_bar[3 * i + 2] = T(found.query.z);
#pragma unroll
    for (int k = 0; k < 3; ++k) g[3 * k] = T(found.corners[k].x), g[3 * k + 1] = T(found.corners[k].y), g[3 * k + 2] = T(found.corners[k].z);
  }
  if (vertices_bar) add_to_vertices<3>(mesh.faces, mine ? int32_t(bar.faces[i]) : -1, g, 3, 3, vertices_bar);
  if (rows && mine)
    for (int k = 0; k < 9; ++k) rows[9 * i + k] = g[k];
}

}  // namespace

template <class T>
void bvh_closest(const Bvh<T>& tree, int64_t count, const T* queries, const int32_t* order, T* points, T* distances, int64_t* faces, T* weights) {
  launch(find<T>, blocks_for(count, kQueriesPerBlock), kWalkThreads, 0, tree, count, queries, order, faces);
  launch(answer<T>, blocks_for(count, kThreads), kThreads, 0, tree, count, queries, ClosestOutput<T>{points, distances, faces, weights});
}

template <class T> void bvh_closest_backward(const BvhMesh<T>& mesh, const ClosestCotangent<T>& bar, T* queries_bar, T* vertices_bar) {
  launch(pull<T>, blocks_for(bar.count, kThreads), kThreads, 0, mesh, bar, queries_bar, vertices_bar, nullptr);
}
template <class T> void bvh_closest_rows(const BvhMesh<T>& mesh, const ClosestCotangent<T>& bar, T* queries_bar, T* rows) {
  launch(pull<T>, blocks_for(bar.count, kThreads), kThreads, 0, mesh, bar, queries_bar, nullptr, rows);
}

#define GK_INSTANTIATE(T)                                                                                 \
  template void bvh_closest(const Bvh<T>&, int64_t, const T*, const int32_t*, T*, T*, int64_t*, T*);      \
  template void bvh_closest_backward(const BvhMesh<T>&, const ClosestCotangent<T>&, T*, T*);              \
  template void bvh_closest_rows(const BvhMesh<T>&, const ClosestCotangent<T>&, T*, T*);
GK_INSTANTIATE(float)
GK_INSTANTIATE(double)
#undef GK_INSTANTIATE

}  // namespace gk::cuda
