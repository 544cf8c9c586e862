// Gradients of what pixels see: a warp walks down eight columns of pixels and keeps a sum for as long as all of it sees one
// face, so that large faces are added to memory seldom, and small ones as they come.
#include "../math/seen_triangle.h"
#include "add_to_vertices.h"
#include "pinhole.h"
#include "triangles.h"

namespace gk::cuda {
namespace {

constexpr int kThreads = 128;
constexpr int kWide = 8, kHigh = 4, kSteps = 8;  // pixels of a warp side by side, one below the other, and how often it steps down
constexpr int kTileWidth = kWide * kThreads / 32, kTileHeight = kHigh * kSteps;

template <class T> __device__ __forceinline__ Vec3<T> point_of(const TriangleInput<T>& in, int64_t face, int corner) {
  const T* p = in.points + 3 * in.corners[3 * face + corner];
  return {p[0], p[1], p[2]};
}

template <class T>
__device__ __forceinline__ void pull(const TriangleInput<T>& in, const TriangleCotangent<T>& bar, int32_t face, int x, int y, int64_t pixel, T (&g)[9]) {
  const SeenCorners<T> t = {point_of(in, face, 0), point_of(in, face, 1), point_of(in, face, 2)};
  const T* b = bar.barycentrics + 3 * pixel;
  const SeenCorners<T> by = see_vjp(t, ray_x(in, x), ray_y(in, y), Vec3<T>{b[0], b[1], b[2]}, bar.depth[pixel]);
  g[0] = by.a.x, g[1] = by.a.y, g[2] = by.a.z, g[3] = by.b.x, g[4] = by.b.y, g[5] = by.b.z, g[6] = by.c.x, g[7] = by.c.y, g[8] = by.c.z;
}

template <class T>
__global__ void __launch_bounds__(kThreads) add_gradients(TriangleInput<T> given, TriangleCotangent<T> bar, T* points_bar) {
  const TriangleInput<T> in = with_intrinsics(given);
  const int columns = (int(in.width) + kTileWidth - 1) / kTileWidth, lane = threadIdx.x % 32;
  const int x = int(blockIdx.x) % columns * kTileWidth + int(threadIdx.x) / 32 * kWide + lane % kWide;
  const int top = int(blockIdx.x) / columns * kTileHeight + lane / kWide;
  int32_t held = -1;  // the face that the sum is of, the same in all lanes
  T sum[9] = {};
  for (int y = top; y < top + kTileHeight; y += kHigh) {
    const int64_t pixel = y * in.width + x;
    const int32_t face = x < in.width && y < in.height ? int32_t(bar.face_ids[pixel]) : -1;
    T g[9] = {};
    if (face >= 0) pull(in, bar, face, x, y, pixel, g);
    if (!__all_sync(kWholeWarp, face == held)) {
      if (held >= 0) add_to_vertices<3>(in.corners, held, sum, 3, 3, points_bar);
      for (T& s : sum) s = T(0);
      held = __shfl_sync(kWholeWarp, face, 0);
      if (!__all_sync(kWholeWarp, face == held)) {
        add_to_vertices<3>(in.corners, face, g, 3, 3, points_bar);
        held = -1;
        continue;
      }
    }
    for (int k = 0; k < 9; ++k) sum[k] += g[k];
  }
  if (held >= 0) add_to_vertices<3>(in.corners, held, sum, 3, 3, points_bar);
}

template <class T> __global__ void __launch_bounds__(kThreads) write_gradients(TriangleInput<T> given, TriangleCotangent<T> bar, T* rows) {
  const TriangleInput<T> in = with_intrinsics(given);
  const int64_t pixel = thread_index();
  if (pixel >= in.width * in.height) return;
  const int32_t face = int32_t(bar.face_ids[pixel]), y = int32_t(uint32_t(pixel) / uint32_t(in.width)), x = int32_t(pixel - y * in.width);
  T g[9] = {};
  if (face >= 0) pull(in, bar, face, x, y, pixel, g);
  for (int k = 0; k < 9; ++k) rows[9 * pixel + k] = g[k];
}

}  // namespace

template <class T> void draw_triangles_backward(const TriangleInput<T>& in, const TriangleCotangent<T>& bar, T* points_bar) {
  launch(add_gradients<T>, blocks_for(in.width, kTileWidth) * blocks_for(in.height, kTileHeight), kThreads, 0, in, bar, points_bar);
}
template <class T> void draw_triangles_rows(const TriangleInput<T>& in, const TriangleCotangent<T>& bar, T* rows) {
  launch(write_gradients<T>, blocks_for(in.width * in.height, kThreads), kThreads, 0, in, bar, rows);
}

#define GK_INSTANTIATE(T)                                                                                     \
  template void draw_triangles_backward(const TriangleInput<T>&, const TriangleCotangent<T>&, T*);            \
  template void draw_triangles_rows(const TriangleInput<T>&, const TriangleCotangent<T>&, T*);
GK_INSTANTIATE(float)
GK_INSTANTIATE(double)
#undef GK_INSTANTIATE

}  // namespace gk::cuda
