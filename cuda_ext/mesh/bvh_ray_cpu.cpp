// First hits of rays: boxes by slabs, triangles by their edges' signed areas, the hit refined in double precision.
#include <algorithm>

#include "../cpu/parallel.h"
#include "bvh_lanes.h"

namespace gk {
namespace {

// The place of the first face hit, 8 block + lane; -1 if there is none.
template <class T> GK_INLINE int64_t first_place(const Bvh<T>& tree, const Ray<T>& ray) {
  Waiting<T> stack[kBvhStack];
  T best = kLargest<T>;
  int top = 0;
  int32_t node = 0, face = -1;
  int64_t place = -1;
  for (;;) {
    T values[8];
    if (node >= 0) {
      const Eight<T> enter = entry_into_box(EightRows<T>{tree.boxes + int64_t(node) * kBoxRows * 8}, ray, best);
      if (const unsigned near = bits_of(enter <= best)) {
        std::memcpy(values, &enter, sizeof(enter));
        node = nearest_child(stack, top, near, values, tree.children + 8 * int64_t(node));
        continue;
      }
    } else {
      const int64_t block = ~node;
      const Eight<T> t = hit_of_triangle(EightRows<T>{tree.triangles + block * kTriangleRows * 8}, ray, best);
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

template <class T>
GK_INLINE void ray_chunk(const Bvh<T>& tree, const T* origins, const T* directions, const int32_t* order, int64_t count,
                         const RayOutput<T>& out) {
  const double inverse_scale = 1 / double(tree.scale);
  for (int64_t k = 0; k < count; ++k) {
    const int64_t i = order[k];
    ask_for(origins, 3, order, k, count), ask_for(directions, 3, order, k, count), ask_for(out.t, 1, order, k, count);
    ask_for(out.faces, 1, order, k, count), ask_for(out.weights, 3, order, k, count);
    const Vec3<double> d = {double(directions[3 * i]), double(directions[3 * i + 1]), double(directions[3 * i + 2])};
    Ray<T> ray;
    const int64_t place = make_ray(origins + 3 * i, d, tree.scale, ray) ? first_place(tree, ray) : -1;
    answer_ray(tree, ray.origin, d, place, inverse_scale, i, out);
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
void bvh_ray_cast(const Bvh<T>& tree, int64_t count, const T* origins, const T* directions, const int32_t* order, T* t,
                  int64_t* faces, T* weights) {
#pragma omp parallel for schedule(dynamic) if (count > 2 * kQueryChunk)
  for (int64_t begin = 0; begin < count; begin += kQueryChunk)
    cast(tree, origins, directions, order + begin, std::min(kQueryChunk, count - begin), {t, faces, weights});
}

template void bvh_ray_cast(const Bvh<float>&, int64_t, const float*, const float*, const int32_t*, float*, int64_t*, float*);
template void bvh_ray_cast(const Bvh<double>&, int64_t, const double*, const double*, const int32_t*, double*, int64_t*, double*);

}  // namespace gk
