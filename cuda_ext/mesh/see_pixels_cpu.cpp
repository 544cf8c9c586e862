#include "see_pixels.h"

#include <algorithm>

#include "../cpu/aligned.h"
#include "../cpu/lanes.h"
#include "../cpu/parallel.h"
#include "../math/seen_triangle.h"

namespace gk {
namespace {

constexpr int64_t kBand = 1 << 14;  // pixels whose gradients are held at a time, for each of kBandsAtOnce
constexpr int64_t kBandsAtOnce = 16;

// The triangles seen by up to sixteen pixels that follow each other, through memory: pixels that see nothing repeat the
// triangle before them. Returns false where none sees anything.
template <class T> GK_INLINE bool gather(const TriangleInput<T>& in, const int64_t* ids, int64_t count, SeenCorners<Lanes<T>>& t) {
  alignas(64) T values[9][kLanes];
  int64_t last = -1;
  for (int64_t i = 0; i < count && last < 0; ++i) last = ids[i];
  if (last < 0) return false;
  const int64_t* corner = in.corners + 3 * last;
  for (int i = 0; i < kLanes; ++i) {
    if (i < count && ids[i] >= 0) corner = in.corners + 3 * ids[i];
    for (int k = 0; k < 3; ++k) {
      const T* p = in.points + 3 * corner[k];
      values[3 * k][i] = p[0], values[3 * k + 1][i] = p[1], values[3 * k + 2][i] = p[2];
    }
  }
  t.a = {load(values[0]), load(values[1]), load(values[2])};
  t.b = {load(values[3]), load(values[4]), load(values[5])};
  t.c = {load(values[6]), load(values[7]), load(values[8])};
  return true;
}

template <class T> struct Rays { Lanes<T> x; T y; };
template <class T> GK_INLINE Rays<T> rays(const TriangleInput<T>& in, int64_t x, int64_t y) {
  return {(lane_index<T>() + (T(x) + T(0.5) - in.cx)) / Lanes<T>(in.fx), (T(y) + T(0.5) - in.cy) / in.fy};
}

template <class T> GK_INLINE void see_pixels(const TriangleInput<T>& in, const TriangleOutput<T>& out, int64_t y) {
  for (int64_t x = 0; x < in.width; x += kLanes) {
    const int64_t first = y * in.width + x, count = std::min<int64_t>(kLanes, in.width - x);
    const int64_t* ids = out.face_ids + first;
    T *barycentrics = out.barycentrics + 3 * first, *depth = out.depth + first;
    SeenCorners<Lanes<T>> t;
    if (!gather(in, ids, count, t)) {
      std::fill_n(barycentrics, 3 * count, T(0)), std::fill_n(depth, count, T(0));
      continue;
    }
    const Rays<T> ray = rays(in, x, y);
    const Lanes<T> ray_y = ray.y;
    const Seen<Lanes<T>> seen = see(t, ray_sides(t, ray.x, ray_y));
    alignas(64) T values[4][kLanes];
    store(values[0], seen.barycentrics.x), store(values[1], seen.barycentrics.y), store(values[2], seen.barycentrics.z);
    store(values[3], seen.depth);
    for (int64_t i = 0; i < count; ++i) {
      const bool hit = ids[i] >= 0;
      for (int k = 0; k < 3; ++k) barycentrics[3 * i + k] = hit ? values[k][i] : T(0);
      depth[i] = hit ? values[3][i] : T(0);
    }
  }
}

// Gradients of the nine coordinates by each pixel of a row, (width, 9); rows of pixels that see nothing are left alone.
template <class T> GK_INLINE void row_backward(const TriangleInput<T>& in, const TriangleCotangent<T>& bar, int64_t y, T* rows) {
  for (int64_t x = 0; x < in.width; x += kLanes) {
    const int64_t first = y * in.width + x, count = std::min<int64_t>(kLanes, in.width - x);
    SeenCorners<Lanes<T>> t;
    if (!gather(in, bar.face_ids + first, count, t)) continue;
    alignas(64) T values[9][kLanes] = {};
    for (int64_t i = 0; i < count; ++i) {
      for (int k = 0; k < 3; ++k) values[k][i] = bar.barycentrics[3 * (first + i) + k];
      values[3][i] = bar.depth[first + i];
    }
    const Rays<T> ray = rays(in, x, y);
    const Lanes<T> ray_y = ray.y;
    const SeenCorners<Lanes<T>> g = see_vjp(t, ray.x, ray_y, Vec3<Lanes<T>>{load(values[0]), load(values[1]), load(values[2])}, load(values[3]));
    store(values[0], g.a.x), store(values[1], g.a.y), store(values[2], g.a.z);
    store(values[3], g.b.x), store(values[4], g.b.y), store(values[5], g.b.z);
    store(values[6], g.c.x), store(values[7], g.c.y), store(values[8], g.c.z);
    for (int64_t i = 0; i < count; ++i)
      for (int k = 0; k < 9; ++k) rows[9 * (x + i) + k] = values[k][i];
  }
}

#define GK_INSTANTIATE(T, ATTRIBUTES)                                                                                         \
  ATTRIBUTES void see_one_row(const TriangleInput<T>& in, const TriangleOutput<T>& out, int64_t y) { see_pixels(in, out, y); }   \
  ATTRIBUTES void one_row_backward(const TriangleInput<T>& in, const TriangleCotangent<T>& bar, int64_t y, T* rows) {         \
    row_backward(in, bar, y, rows);                                                                                           \
  }
GK_INSTANTIATE(float, GK_MULTIVERSION)
GK_INSTANTIATE(double, )
#undef GK_INSTANTIATE

}  // namespace

template <class T> void see_row(const TriangleInput<T>& in, const TriangleOutput<T>& out, int64_t y) { see_one_row(in, out, y); }

// Pixels find their gradients side by side, and hand them to the vertices one after the other, in order: the same bits
// on any number of threads.
template <class T> void draw_triangles_backward(const TriangleInput<T>& in, const TriangleCotangent<T>& bar, T* points_bar) {
  const int64_t rows_at_once = std::max<int64_t>(1, kBand * kBandsAtOnce / std::max<int64_t>(in.width, 1));
  AlignedVector<T> rows(std::min(rows_at_once, in.height) * in.width * 9);
  std::fill_n(points_bar, 3 * in.vertices, T(0));
  for (int64_t top = 0; top < in.height; top += rows_at_once) {
    const int64_t bottom = std::min(in.height, top + rows_at_once);
#pragma omp parallel for schedule(dynamic, 4) if (in.width * (bottom - top) > kParallelWork)
    for (int64_t y = top; y < bottom; ++y) one_row_backward(in, bar, y, rows.data() + (y - top) * in.width * 9);
    const int64_t* ids = bar.face_ids + top * in.width;
    for (int64_t i = 0; i < (bottom - top) * in.width; ++i) {
      if (ids[i] < 0) continue;
      for (int k = 0; k < 3; ++k) {
        T* p = points_bar + 3 * in.corners[3 * ids[i] + k];
        for (int j = 0; j < 3; ++j) p[j] += rows[9 * i + 3 * k + j];
      }
    }
  }
}

template void see_row(const TriangleInput<float>&, const TriangleOutput<float>&, int64_t);
template void see_row(const TriangleInput<double>&, const TriangleOutput<double>&, int64_t);
template void draw_triangles_backward(const TriangleInput<float>&, const TriangleCotangent<float>&, float*);
template void draw_triangles_backward(const TriangleInput<double>&, const TriangleCotangent<double>&, double*);

}  // namespace gk
