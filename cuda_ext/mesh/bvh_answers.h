// Internal to the tree's queries: what is said about the face that the tree has found, in double precision, and the order
// in which queries are answered.
#pragma once

#include "../math/triangle.h"
#include "bvh.h"

namespace gk {

// One corner of a triangle as the query sees it; its place is 8 block + lane.
template <class T> GK_HD Vec3<double> seen_from(const T* query, const Bvh<T>& tree, int64_t place, int corner) {
  const T* row = tree.triangles + (place / 8) * kTriangleRows * 8 + 24 * corner + place % 8;
  return {double(row[0]) - double(query[0]), double(row[8]) - double(query[1]), double(row[16]) - double(query[2])};
}

template <class T> struct ClosestOutput {
  T *points, *distances;
  int64_t* faces;
  T* weights;
};

// Answers query i, at q in the tree's coordinates; `point` is the answer there.
template <class T>
GK_HD void answer_closest(const Bvh<T>& tree, const T* q, int64_t place, double inverse_scale, int64_t i, const ClosestOutput<T>& out, T* point) {
  const auto found = closest_on_triangle(seen_from(q, tree, place, 0), seen_from(q, tree, place, 1), seen_from(q, tree, place, 2));
  const double offset[3] = {found.offset.x, found.offset.y, found.offset.z};
  for (int axis = 0; axis < 3; ++axis) {
    const double there = double(q[axis]) + offset[axis];
    point[axis] = T(there), out.points[3 * i + axis] = T(there * inverse_scale);
    out.weights[3 * i + axis] = T(found.weights[axis]);
  }
  out.distances[i] = T(square_root(found.squared) * inverse_scale), out.faces[i] = tree.face_ids[place];
}

template <class T> GK_HD TriangleGradient<double> pull_closest(const BvhMesh<T>& mesh, const ClosestCotangent<T>& bar, int64_t i) {
  const T *q = bar.queries + 3 * i, *p = bar.points_bar + 3 * i;
  Vec3<double> corners[3];
  double w[3], w_bar[3];
  for (int k = 0; k < 3; ++k) {
    const T* v = mesh.vertices + 3 * mesh.faces[3 * bar.faces[i] + k];
    corners[k] = {double(v[0]) - double(q[0]), double(v[1]) - double(q[1]), double(v[2]) - double(q[2])};
    w[k] = bar.weights[3 * i + k], w_bar[k] = bar.weights_bar[3 * i + k];
  }
  return closest_on_triangle_vjp(corners, w, Vec3<double>{double(p[0]), double(p[1]), double(p[2])}, w_bar, double(bar.distances_bar[i]));
}

template <class T> struct RayOutput {
  T* t;
  int64_t* faces;
  T* weights;
};

// Answers ray i, from `origin` in the tree's coordinates along its given direction d. place: -1 for no hit.
template <class T>
GK_HD void answer_ray(const Bvh<T>& tree, const T* origin, const Vec3<double>& d, int64_t place, double inverse_scale, int64_t i, const RayOutput<T>& out) {
  T t = kInfinity<T>;
  double w[3] = {0, 0, 0};
  if (place >= 0) {
    const Vec3<double> a = seen_from(origin, tree, place, 0), b = seen_from(origin, tree, place, 1), c = seen_from(origin, tree, place, 2);
    const Vec3<double> normal = cross(b - a, c - a);
    ray_weights(a, b, c, d, w[0], w[1], w[2]);
    const double sign = w[0] + w[1] + w[2] < 0 ? -1 : 1;
    for (double& weight : w) weight = maximum(weight * sign, 0.);  // an edge hit may round below zero
    const double sum = w[0] + w[1] + w[2], slope = dot(normal, d);
    if (sum > 0 && slope != 0) {
      for (double& weight : w) weight /= sum;
      t = T(maximum(dot(normal, a) / slope, 0.) * inverse_scale);
    } else {
      place = -1, w[0] = w[1] = w[2] = 0;  // so far away that the face is a point
    }
  }
  out.t[i] = t, out.faces[i] = place < 0 ? -1 : tree.face_ids[place];
  for (int corner = 0; corner < 3; ++corner) out.weights[3 * i + corner] = T(w[corner]);
}

// ---------------------------------------------------------------------------------------------- the order of queries

constexpr int kBitsPerAxis = 10;

// The lowest ten bits, two zeros after each.
GK_HD uint32_t spread_bits(uint32_t x) {
  x = (x | x << 16) & 0x030000ffu;
  x = (x | x << 8) & 0x0300f00fu;
  x = (x | x << 4) & 0x030c30c3u;
  return (x | x << 2) & 0x09249249u;
}

// Cells for a Morton curve over twice the tree's box: queries further out share the outermost cells.
template <class T> struct QueryCells {
  T scale, low[3], factor[3];
  GK_HD explicit QueryCells(const Bvh<T>& tree) : scale(tree.scale) {
    for (int axis = 0; axis < 3; ++axis) {
      T begin = kInfinity<T>, end = -begin;
      for (int child = 0; child < kBvhWidth; ++child)
        if (tree.children[child] != kNoChild) begin = minimum(begin, tree.boxes[8 * axis + child]), end = maximum(end, tree.boxes[24 + 8 * axis + child]);
      const T extent = maximum(end - begin, kEpsilon<T>);
      low[axis] = begin - extent / 2, factor[axis] = T(1 << kBitsPerAxis) / (2 * extent);
    }
  }
  GK_HD uint32_t code(const T* query) const {
    uint32_t code = 0;
    for (int axis = 0; axis < 3; ++axis) {
      const T cell = (query[axis] * scale - low[axis]) * factor[axis];
      code |= spread_bits(uint32_t(minimum(maximum(cell, T(0)), T((1 << kBitsPerAxis) - 1)))) << axis;
    }
    return code;
  }
};

}  // namespace gk
