// First hits of rays: boxes by slabs, triangles by their edges' signed areas, the hit refined in double precision.
#include <algorithm>
#include <limits>

#include "../cpu/parallel.h"
#include "../math/triangle.h"
#include "bvh_lanes.h"

namespace gk {
namespace {

// A ray in the tree's coordinates, direction of length 1 without zeros.
template <class T> struct Ray {
  T origin[3], direction[3], inverse[3];
};

// Where the ray enters each box, or infinity where it misses it before `best`.
template <class T> GK_INLINE Eight<T> entry_into_boxes(const T* boxes, const Ray<T>& ray, T best) {
  const T inf = std::numeric_limits<T>::infinity(), slack = 1 + 4 * std::numeric_limits<T>::epsilon();
  Eight<T> enter = {}, leave = enter + best;
  for (int axis = 0; axis < 3; ++axis) {
    const Eight<T> low = (eight(boxes + 8 * axis) - ray.origin[axis]) * ray.inverse[axis];
    const Eight<T> high = (eight(boxes + 24 + 8 * axis) - ray.origin[axis]) * ray.inverse[axis];
    enter = high_of(enter, low_of(low, high)), leave = low_of(leave, high_of(low, high) * slack);
  }
  return enter <= leave ? enter : (Eight<T>{} + inf);
}

// Where the ray meets each triangle of a block within [0, best], or infinity.
template <class T> GK_INLINE Eight<T> hits_of_block(const T* block, const Ray<T>& ray, T best) {
  const T inf = std::numeric_limits<T>::infinity();
  const Eight<T> zero = {};
  const Eight3<T> d = {zero + ray.direction[0], zero + ray.direction[1], zero + ray.direction[2]};
  const Eight3<T> a = minus<T>(eight3(block, kCornerA), ray.origin), b = minus<T>(eight3(block, kCornerB), ray.origin);
  const Eight3<T> c = minus<T>(eight3(block, kCornerC), ray.origin);
  const Eight3<T> ab = minus<T>(b, a), bc = minus<T>(c, b), ca = minus<T>(a, c);
  const Eight<T> wa = dot8<T>(cross8<T>(bc, plus<T>(b, c)), d), wb = dot8<T>(cross8<T>(ca, plus<T>(c, a)), d);
  const Eight<T> wc = dot8<T>(cross8<T>(ab, plus<T>(a, b)), d);
  const Eight<T> least = low_of(low_of(wa, wb), wc), most = high_of(high_of(wa, wb), wc);
  const Eight3<T> normal = eight3(block, kNormal);
  const Eight<T> slope = dot8<T>(normal, d), safe = slope > 0 ? slope : (slope < 0 ? slope : zero + T(1));
  const Eight<T> t = dot8<T>(normal, a) / safe;
  const Eight<T> size = high_of(slope, -slope), miss = zero - T(1);
  const Eight<T> inside = high_of(least, -most);
  const Eight<T> valid = low_of(low_of(inside, size > 0 ? zero : miss), low_of(t, best - t));
  return valid >= 0 ? t : zero + inf;
}

// The place of the first face hit, 8 block + lane; -1 if there is none.
template <class T> GK_INLINE int64_t first_place(const Bvh<T>& tree, const Ray<T>& ray) {
  Waiting<T> stack[kBvhStack];
  T best = std::numeric_limits<T>::max();
  int top = 0;
  int32_t node = 0, face = -1;
  int64_t place = -1;
  for (;;) {
    T values[8];
    if (node >= 0) {
      const Eight<T> enter = entry_into_boxes(tree.boxes + int64_t(node) * kBoxRows * 8, ray, best);
      if (const unsigned near = bits_of(enter <= best)) {
        std::memcpy(values, &enter, sizeof(enter));
        node = nearest_child(stack, top, near, values, tree.children + 8 * int64_t(node));
        continue;
      }
    } else {
      const int64_t block = ~node;
      const Eight<T> t = hits_of_block(tree.triangles + block * kTriangleRows * 8, ray, best);
      unsigned hit = bits_of(t <= best);
      if (hit) std::memcpy(values, &t, sizeof(t));
      for (; hit; hit &= hit - 1) {
        const int lane = __builtin_ctz(hit);
        const int32_t id = tree.face_ids[8 * block + lane];
        if (values[lane] < best || (values[lane] == best && (face < 0 || id < face)))
          best = values[lane], face = id, place = 8 * block + lane;
      }
    }
    do {
      if (!top) return place;
      --top;
    } while (stack[top].key > best);
    node = stack[top].node;
  }
}

template <class T> struct RayOutput {
  T* t;
  int64_t* faces;
  T* weights;
};

template <class T>
GK_INLINE void ray_chunk(const Bvh<T>& tree, const T* origins, const T* directions, const int32_t* order, int64_t count,
                         const RayOutput<T>& out) {
  const double inverse_scale = 1 / double(tree.scale);
  for (int64_t k = 0; k < count; ++k) {
    const int64_t i = order[k];
    ask_for(origins, 3, order, k, count), ask_for(directions, 3, order, k, count), ask_for(out.t, 1, order, k, count);
    ask_for(out.faces, 1, order, k, count), ask_for(out.weights, 3, order, k, count);
    const Vec3<double> d = {double(directions[3 * i]), double(directions[3 * i + 1]), double(directions[3 * i + 2])};
    const double length = std::sqrt(dot(d, d)), inverse = 1 / length, unit[3] = {d.x * inverse, d.y * inverse, d.z * inverse};
    Ray<T> ray;
    for (int axis = 0; axis < 3; ++axis) {
      const T small = T(1e-18);
      ray.origin[axis] = origins[3 * i + axis] * tree.scale;
      ray.direction[axis] = std::abs(unit[axis]) > small ? T(unit[axis]) : (unit[axis] < 0 ? -small : small);
      ray.inverse[axis] = 1 / ray.direction[axis];
    }
    int64_t place = length > 0 ? first_place(tree, ray) : -1;
    T t = std::numeric_limits<T>::infinity();
    double w[3] = {0, 0, 0};
    if (place >= 0) {
      const Vec3<double> a = seen_from(ray.origin, tree, place, 0), b = seen_from(ray.origin, tree, place, 1);
      const Vec3<double> c = seen_from(ray.origin, tree, place, 2), normal = cross(b - a, c - a);
      ray_weights(a, b, c, d, w[0], w[1], w[2]);
      const double sign = w[0] + w[1] + w[2] < 0 ? -1 : 1;
      for (double& weight : w) weight = std::max(weight * sign, 0.);  // an edge hit may round below zero
      const double sum = w[0] + w[1] + w[2], slope = dot(normal, d);
      if (sum > 0 && slope != 0) {
        for (double& weight : w) weight /= sum;
        t = T(std::max(dot(normal, a) / slope, 0.) * inverse_scale);
      } else {
        place = -1, w[0] = w[1] = w[2] = 0;  // so far away that the face is a point
      }
    }
    out.t[i] = t, out.faces[i] = place < 0 ? -1 : tree.face_ids[place];
    for (int corner = 0; corner < 3; ++corner) out.weights[3 * i + corner] = T(w[corner]);
  }
}
GK_MULTIVERSION void cast(const Bvh<float>& tree, const float* origins, const float* directions,
                          const int32_t* order, int64_t count, const RayOutput<float>& out) {
  ray_chunk(tree, origins, directions, order, count, out);
}
GK_MULTIVERSION void cast(const Bvh<double>& tree, const double* origins,
                          const double* directions, const int32_t* order, int64_t count, const RayOutput<double>& out) {
  ray_chunk(tree, origins, directions, order, count, out);
}

}  // namespace

template <class T>
void bvh_ray_cast(const Bvh<T>& tree, int64_t count, const T* origins, const T* directions, T* t,
                  int64_t* faces, T* weights) {
  const std::vector<int32_t> order = morton_order(tree, count, origins);
#pragma omp parallel for schedule(dynamic) if (count > 2 * kQueryChunk)
  for (int64_t begin = 0; begin < count; begin += kQueryChunk)
    cast(tree, origins, directions, order.data() + begin, std::min(kQueryChunk, count - begin), {t, faces, weights});
}

template void bvh_ray_cast(const Bvh<float>&, int64_t, const float*, const float*, float*, int64_t*, float*);
template void bvh_ray_cast(const Bvh<double>&, int64_t, const double*, const double*, double*, int64_t*, double*);

}  // namespace gk
