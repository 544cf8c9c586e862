// Closest points: the tree finds the face in wide code, the place on it is refined in double precision.
#include <algorithm>

#include "../cpu/parallel.h"
#include "bvh_lanes.h"

namespace gk {
namespace {

// The place of the nearest face within `best`, a squared distance that is lowered: 8 block + lane, or -1 if none is.
template <class T> GK_INLINE int64_t nearest_place(const Bvh<T>& tree, const T* q, T& best) {
  Waiting<T> stack[kBvhStack];
  int top = 0;
  int32_t node = 0, face = -1;
  int64_t place = -1;
  for (;;) {
    if (node >= 0) {
      const Eight<T> squared = squared_to_box(EightRows<T>{tree.boxes + int64_t(node) * kBoxRows * 8}, q);
      const unsigned near = bits_of(squared <= best);
      if (near) {
        T keys[8];
        std::memcpy(keys, &squared, sizeof(squared));
        node = nearest_child(stack, top, near, keys, tree.children + 8 * int64_t(node));
        continue;
      }
    } else {
      const int64_t block = ~node;
      const Eight<T> squared = squared_to_triangle(EightRows<T>{tree.triangles + block * kTriangleRows * 8}, q);
      unsigned near = bits_of(squared <= best);
      if (near) {
        T values[8];
        std::memcpy(values, &squared, sizeof(squared));
        for (; near; near &= near - 1) {
          const int lane = __builtin_ctz(near);
          const int32_t id = tree.face_ids[8 * block + lane];
          if (values[lane] < best || (values[lane] == best && (face < 0 || id < face)))
            best = values[lane], face = id, place = 8 * block + lane;
        }
      }
    }
    do {
      if (!top) return place;
      --top;
    } while (stack[top].key > best);
    node = stack[top].node;
  }
}

// Neighbours in the order are neighbours in space: the last answer bounds the next.
template <class T>
GK_INLINE void closest_chunk(const Bvh<T>& tree, const T* queries, const int32_t* order, int64_t count,
                             const ClosestOutput<T>& out) {
  // Below infinity, where the empty places of a node are.
  const T inf = kInfinity<T>, most = kLargest<T>;
  const T slack = 1 + 64 * kEpsilon<T>;
  const double inverse_scale = 1 / double(tree.scale);
  T last[3] = {inf, inf, inf};
  for (int64_t k = 0; k < count; ++k) {
    const int64_t i = order[k];
    ask_for(queries, 3, order, k, count), ask_for(out.points, 3, order, k, count), ask_for(out.weights, 3, order, k, count);
    ask_for(out.distances, 1, order, k, count), ask_for(out.faces, 1, order, k, count);
    const T q[3] = {queries[3 * i] * tree.scale, queries[3 * i + 1] * tree.scale, queries[3 * i + 2] * tree.scale};
    const T x = q[0] - last[0], y = q[1] - last[1], z = q[2] - last[2];
    T best = std::min((x * x + y * y + z * z) * slack, most);
    int64_t place = nearest_place(tree, q, best);
    if (place < 0) best = most, place = nearest_place(tree, q, best);  // the bound was rounded below the distance
    if (place < 0) place = 0;                                          // so far that squares overflow: any face will do
    answer_closest(tree, q, place, inverse_scale, i, out, last);
  }
}

GK_MULTIVERSION void closest(const Bvh<float>& tree, const float* q, const int32_t* order, int64_t count,
                             const ClosestOutput<float>& out) {
  closest_chunk(tree, q, order, count, out);
}
GK_MULTIVERSION void closest(const Bvh<double>& tree, const double* q, const int32_t* order, int64_t count,
                             const ClosestOutput<double>& out) {
  closest_chunk(tree, q, order, count, out);
}

}  // namespace

template <class T>
void bvh_closest(const Bvh<T>& tree, int64_t count, const T* queries, const int32_t* order, T* points, T* distances, int64_t* faces, T* weights) {
  const ClosestOutput<T> out = {points, distances, faces, weights};
#pragma omp parallel for schedule(dynamic) if (count > 2 * kQueryChunk)
  for (int64_t begin = 0; begin < count; begin += kQueryChunk)
    closest(tree, queries, order + begin, std::min(kQueryChunk, count - begin), out);
}

template <class T> void bvh_closest_backward(const BvhMesh<T>& mesh, const ClosestCotangent<T>& bar, T* queries_bar, T* vertices_bar) {
  std::fill(vertices_bar, vertices_bar + 3 * mesh.vertex_count, T(0));
  for (int64_t i = 0; i < bar.count; ++i) {
    const auto found = pull_closest(mesh, bar, i);
    queries_bar[3 * i] = T(found.query.x), queries_bar[3 * i + 1] = T(found.query.y), queries_bar[3 * i + 2] = T(found.query.z);
    for (int k = 0; k < 3; ++k) {
      T* v = vertices_bar + 3 * mesh.faces[3 * bar.faces[i] + k];
      v[0] += T(found.corners[k].x), v[1] += T(found.corners[k].y), v[2] += T(found.corners[k].z);
    }
  }
}

#define GK_INSTANTIATE(T)                                                                                         \
  template void bvh_closest(const Bvh<T>&, int64_t, const T*, const int32_t*, T*, T*, int64_t*, T*);              \
  template void bvh_closest_backward(const BvhMesh<T>&, const ClosestCotangent<T>&, T*, T*);
GK_INSTANTIATE(float)
GK_INSTANTIATE(double)
#undef GK_INSTANTIATE

}  // namespace gk
