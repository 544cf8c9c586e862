// Closest points: the tree finds the face in wide code, the place on it is refined in double precision.
#include <algorithm>
#include <limits>

#include "../cpu/parallel.h"
#include "../math/triangle.h"
#include "bvh_lanes.h"

namespace gk {
namespace {

template <class T> GK_INLINE Eight<T> squared_to_boxes(const T* boxes, const T* q) {
  const Eight<T> zero = {};
  const Eight<T> x = high_of(high_of(eight(boxes) - q[0], q[0] - eight(boxes + 24)), zero);
  const Eight<T> y = high_of(high_of(eight(boxes + 8) - q[1], q[1] - eight(boxes + 32)), zero);
  const Eight<T> z = high_of(high_of(eight(boxes + 16) - q[2], q[2] - eight(boxes + 40)), zero);
  return x * x + y * y + z * z;
}

template <class T> GK_INLINE Eight<T> squared_to_segments(const Eight3<T>& from, const Eight3<T>& edge, const Eight<T>& place) {
  const Eight<T> zero = {}, one = zero + T(1);
  const Eight<T> t = low_of(high_of(place, zero), one);
  const Eight3<T> rest = {from.x - t * edge.x, from.y - t * edge.y, from.z - t * edge.z};
  return dot8<T>(rest, rest);
}

// Squared distances to the eight triangles of a block: to the plane where the foot lies inside, else to the nearest edge.
template <class T> GK_INLINE Eight<T> squared_to_triangles(const T* block, const T* q) {
  const Eight3<T> a = eight3(block, kCornerA), b = eight3(block, kCornerB), c = eight3(block, kCornerC);
  const Eight3<T> ab = minus<T>(b, a), ac = minus<T>(c, a), bc = minus<T>(c, b);
  const Eight3<T> ap = {q[0] - a.x, q[1] - a.y, q[2] - a.z}, bp = {q[0] - b.x, q[1] - b.y, q[2] - b.z};
  const Eight<T> along_b = dot8<T>(ab, ap), along_c = dot8<T>(ac, ap);
  const Eight<T> to_ab = squared_to_segments<T>(ap, ab, along_b * eight(block + 8 * kInverseAB));
  const Eight<T> to_ac = squared_to_segments<T>(ap, ac, along_c * eight(block + 8 * kInverseAC));
  const Eight<T> place = (along_c - along_b + eight(block + 8 * kOffsetBC)) * eight(block + 8 * kInverseBC);
  const Eight<T> to_bc = squared_to_segments<T>(bp, bc, place);
  const Eight<T> u = dot8<T>(ap, eight3(block, kDualU)), v = dot8<T>(ap, eight3(block, kDualV));
  const Eight<T> height = dot8<T>(ap, eight3(block, kNormal));
  const Eight<T> inside = low_of(low_of(u, v), T(1) - u - v), edges = low_of(low_of(to_ab, to_ac), to_bc);
  return inside > 0 ? height * height : edges;
}

// The place of the nearest face within `best`, a squared distance that is lowered: 8 block + lane, or -1 if none is.
template <class T> GK_INLINE int64_t nearest_place(const Bvh<T>& tree, const T* q, T& best) {
  Waiting<T> stack[kBvhStack];
  int top = 0;
  int32_t node = 0, face = -1;
  int64_t place = -1;
  for (;;) {
    if (node >= 0) {
      const Eight<T> squared = squared_to_boxes(tree.boxes + int64_t(node) * kBoxRows * 8, q);
      const unsigned near = bits_of(squared <= best);
      if (near) {
        T keys[8];
        std::memcpy(keys, &squared, sizeof(squared));
        node = nearest_child(stack, top, near, keys, tree.children + 8 * int64_t(node));
        continue;
      }
    } else {
      const int64_t block = ~node;
      const Eight<T> squared = squared_to_triangles(tree.triangles + block * kTriangleRows * 8, q);
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

template <class T> struct ClosestOutput {
  T *points, *distances;
  int64_t* faces;
  T* weights;
};

// Neighbours in the order are neighbours in space: the last answer bounds the next.
template <class T>
GK_INLINE void closest_chunk(const Bvh<T>& tree, const T* queries, const int32_t* order, int64_t count,
                             const ClosestOutput<T>& out) {
  // Below infinity, where the empty places of a node are.
  const T inf = std::numeric_limits<T>::infinity(), most = std::numeric_limits<T>::max();
  const T slack = 1 + 64 * std::numeric_limits<T>::epsilon();
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
    const auto found = closest_on_triangle(seen_from(q, tree, place, 0), seen_from(q, tree, place, 1), seen_from(q, tree, place, 2));
    const double offset[3] = {found.offset.x, found.offset.y, found.offset.z};
    for (int axis = 0; axis < 3; ++axis) {
      const double point = double(q[axis]) + offset[axis];
      last[axis] = T(point), out.points[3 * i + axis] = T(point * inverse_scale);
      out.weights[3 * i + axis] = T(found.weights[axis]);
    }
    out.distances[i] = T(std::sqrt(found.squared) * inverse_scale), out.faces[i] = tree.face_ids[place];
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

template <class T> Vec3<double> offset_to(const BvhMesh<T>& mesh, int64_t face, int corner, const T* q) {
  const T* v = mesh.vertices + 3 * mesh.faces[3 * face + corner];
  return {double(v[0]) - double(q[0]), double(v[1]) - double(q[1]), double(v[2]) - double(q[2])};
}
template <class T> Vec3<double> vector_at(const T* p, int64_t i) { return {double(p[3 * i]), double(p[3 * i + 1]), double(p[3 * i + 2])}; }

}  // namespace

template <class T>
void bvh_closest(const Bvh<T>& tree, int64_t count, const T* queries, T* points, T* distances, int64_t* faces, T* weights) {
  const std::vector<int32_t> order = morton_order(tree, count, queries);
  const ClosestOutput<T> out = {points, distances, faces, weights};
#pragma omp parallel for schedule(dynamic) if (count > 2 * kQueryChunk)
  for (int64_t begin = 0; begin < count; begin += kQueryChunk)
    closest(tree, queries, order.data() + begin, std::min(kQueryChunk, count - begin), out);
}

template <class T>
void bvh_closest_backward(const BvhMesh<T>& mesh, int64_t count, const T* queries, const int64_t* faces, const T* weights,
                          const T* points_bar, const T* distances_bar, const T* weights_bar, T* queries_bar, T* vertices_bar) {
  std::fill(vertices_bar, vertices_bar + 3 * mesh.vertex_count, T(0));
  for (int64_t i = 0; i < count; ++i) {
    Vec3<double> corners[3];
    double w[3], w_bar[3];
    for (int k = 0; k < 3; ++k) {
      corners[k] = offset_to(mesh, faces[i], k, queries + 3 * i);
      w[k] = weights[3 * i + k], w_bar[k] = weights_bar[3 * i + k];
    }
    const auto bar = closest_on_triangle_vjp(corners, w, vector_at(points_bar, i), w_bar, double(distances_bar[i]));
    queries_bar[3 * i] = T(bar.query.x), queries_bar[3 * i + 1] = T(bar.query.y), queries_bar[3 * i + 2] = T(bar.query.z);
    for (int k = 0; k < 3; ++k) {
      T* v = vertices_bar + 3 * mesh.faces[3 * faces[i] + k];
      v[0] += T(bar.corners[k].x), v[1] += T(bar.corners[k].y), v[2] += T(bar.corners[k].z);
    }
  }
}

#define GK_INSTANTIATE(T)                                                                                              \
  template void bvh_closest(const Bvh<T>&, int64_t, const T*, T*, T*, int64_t*, T*);                                    \
  template void bvh_closest_backward(const BvhMesh<T>&, int64_t, const T*, const int64_t*, const T*, const T*, const T*, \
                                     const T*, T*, T*);
GK_INSTANTIATE(float)
GK_INSTANTIATE(double)

}  // namespace gk
