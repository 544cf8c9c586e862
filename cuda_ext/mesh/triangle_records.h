// Internal to draw_triangles: corners on the screen's grid, near and far clipping, and the record that the tiles draw.
//
// Every device makes the same records and takes the same steps to a pixel's depth, without fused multiply-add: so all of
// them see the same face where two are as good as equally near.
#pragma once
#include <cstdint>

#include "../math/scalar.h"
#include "triangles.h"

#ifdef __CUDACC__
#define GK_SELDOM __host__ __device__ __noinline__  // what few faces need takes no registers from the others
#else
#define GK_SELDOM
#endif

namespace gk {

constexpr int kMostPieces = 6;  // triangles that a triangle cut by five planes becomes
constexpr int kTile = 32, kBlock = 4;  // pixels; on the CPU a block of 4x4 is one vector

template <class I> GK_HD I least(I a, I b) { return a < b ? a : b; }
template <class I> GK_HD I most(I a, I b) { return a < b ? b : a; }
GK_HD int32_t rounded(float x) { return int32_t(lrintf(x)); }
GK_HD int32_t rounded(double x) { return int32_t(lrint(x)); }

// The screen's grid: 2^bits steps a pixel, so that a difference of two coordinates stays below 2^25 steps, and an edge
// function of a small triangle below 2^30 wherever the triangle is.
constexpr int kSmall = 64;  // pixels
struct ScreenGrid {
  int bits;
  double reach;  // coordinates lie in [-reach, reach] pixels
};
inline ScreenGrid make_grid(int64_t width, int64_t height) {
  int log_reach = 1;
  while ((int64_t(1) << log_reach) < 2 * (width > height ? width : height)) ++log_reach;
  return {least(24 - log_reach, 16), double((int64_t(1) << log_reach) - 1)};
}

enum VertexState : int32_t { kUsable = 0, kBehind = 1, kFarOut = 2, kNotFinite = 4 };

template <class T> struct ScreenVertex {
  int32_t x, y;  // grid steps
  T closeness;   // 1 / z
  int32_t state;
};

template <class T> struct alignas(sizeof(T) * 16) TriangleRecord {
  int32_t x[3], y[3];                 // grid steps; the doubled area is positive
  int32_t id;
  int16_t left, top, right, bottom;   // first and last pixel whose centre may be inside
  bool small;                         // fewer than kSmall pixels wide and high
  T closeness, closeness_x, closeness_y;  // at the centre of pixel (left, top), and its change a pixel
};

template <class T> GK_HD ScreenVertex<T> to_screen(const TriangleInput<T>& in, const ScreenGrid& grid, const T* p) {
  ScreenVertex<T> s = {0, 0, T(0), kUsable};
  const T inverse = T(1) / p[2], x = in.fx * p[0] * inverse + in.cx, y = in.fy * p[1] * inverse + in.cy, reach = T(grid.reach);
  const T steps = T(1 << grid.bits);
  const bool behind = !(p[2] >= in.near_plane), inside = x >= -reach && x <= reach && y >= -reach && y <= reach;
  s.state = behind ? kBehind : inside ? kUsable : kFarOut;
  const T sum = p[0] + p[1] + p[2];
  if (!(sum - sum == T(0))) s.state = kNotFinite;
  s.x = rounded(inside ? x * steps : T(0)), s.y = rounded(inside ? y * steps : T(0));
  s.closeness = inverse;
  return s;
}

// A face's corners begun at the smallest index, so that two faces with the same corners have the same bits of depth.
GK_HD void turn_corners(const int64_t* corner, int64_t (&turned)[3]) {
  const int64_t a = corner[0], b = corner[1], c = corner[2];
  const bool from_b = b < a && b <= c, from_c = !from_b && c < a;
  turned[0] = from_b ? b : from_c ? c : a, turned[1] = from_b ? c : from_c ? a : b, turned[2] = from_b ? a : from_c ? b : c;
}

// False where no pixel centre of the picture can be inside, or where the triangle is culled.
template <class T>
GK_HD bool make_record(const TriangleInput<T>& in, const ScreenGrid& grid, const ScreenVertex<T>& a, const ScreenVertex<T>& b,
                       const ScreenVertex<T>& c, int32_t id, TriangleRecord<T>& r) {
  const int half = 1 << (grid.bits - 1), one = 1 << grid.bits;
  const int32_t low_x = least(a.x, least(b.x, c.x)), high_x = most(a.x, most(b.x, c.x));
  const int32_t low_y = least(a.y, least(b.y, c.y)), high_y = most(a.y, most(b.y, c.y));
  const int32_t left = most((low_x + half - 1) >> grid.bits, 0), right = least((high_x - half) >> grid.bits, int32_t(in.width) - 1);
  const int32_t top = most((low_y + half - 1) >> grid.bits, 0), bottom = least((high_y - half) >> grid.bits, int32_t(in.height) - 1);
  if (left > right || top > bottom) return false;
  const int64_t turned = int64_t(b.x - a.x) * (c.y - a.y) - int64_t(b.y - a.y) * (c.x - a.x), area = turned < 0 ? -turned : turned;
  if (area == 0 || (in.cull_back_faces && turned > 0)) return false;
  const bool swap = turned < 0;
  r.x[0] = a.x, r.x[1] = swap ? c.x : b.x, r.x[2] = swap ? b.x : c.x;
  r.y[0] = a.y, r.y[1] = swap ? c.y : b.y, r.y[2] = swap ? b.y : c.y;
  r.id = id;
  r.small = most(high_x - low_x, high_y - low_y) < (kSmall << grid.bits);
  r.left = int16_t(left), r.right = int16_t(right), r.top = int16_t(top), r.bottom = int16_t(bottom);
  const double qa = double(a.closeness), qb = double(swap ? c.closeness : b.closeness) - qa, qc = double(swap ? b.closeness : c.closeness) - qa;
  const double bx = r.x[1] - a.x, by = r.y[1] - a.y, cx = r.x[2] - a.x, cy = r.y[2] - a.y, inverse = 1.0 / double(area);
  const double dx = (qb * cy - qc * by) * inverse, dy = (qc * bx - qb * cx) * inverse;  // a grid step
  const double start_x = double((left << grid.bits) + half - a.x), start_y = double((top << grid.bits) + half - a.y);
  r.closeness = T(qa + dx * start_x + dy * start_y);
  r.closeness_x = T(dx * one), r.closeness_y = T(dy * one);
  return true;
}

// An edge function of a record: inside means at >= 0, with at = floor((E + bias) / one) exactly, E the function in grid
// steps squared at a pixel's centre. A pixel further on it grows by whole a or b.
struct RecordEdge { int64_t at, a, b; };
template <class T> GK_HD RecordEdge edge_of(const TriangleRecord<T>& r, int k, int bits, int x, int y) {
  const int n = k == 2 ? 0 : k + 1;
  const int64_t half = int64_t(1) << (bits - 1), px = (int64_t(x) << bits) + half, py = (int64_t(y) << bits) + half;
  const int64_t a = r.y[k] - r.y[n], b = r.x[n] - r.x[k];
  const int64_t bias = (a > 0) | ((a == 0) & (b > 0)) ? 0 : -1;  // left and top edges own the centres on them
  return {(a * (px - r.x[k]) + b * (py - r.y[k]) + bias) >> bits, a, b};
}

// 1 / z of the record at a pixel's centre, by the steps of the CPU: from the corner of its box in the pixel's tile to the
// pixel's block, then within the block.
template <class T> GK_HD T closeness_at(const TriangleRecord<T>& r, int x, int y) {
  const int block_x = x & ~(kBlock - 1), block_y = y & ~(kBlock - 1), first_x = most(r.left & ~(kBlock - 1), x & ~(kTile - 1));
  const T row_start = r.closeness + r.closeness_y * T(block_y - r.top) + r.closeness_x * T(first_x - r.left);
  return (T(x - block_x) * r.closeness_x + T(y - block_y) * r.closeness_y) +
         (row_start + r.closeness_x * T(kBlock) * T((block_x - first_x) / kBlock));
}

// A corner of a polygon on its way through the clipping planes. Corners of the mesh keep their place on the grid, so that
// a neighbour that needs no clipping meets them there.
template <class T> struct ClipCorner {
  double x, y, z;
  const ScreenVertex<T>* on_screen;
};

// What clipping needs at hand: on a GPU memory of the warp, not of every thread.
constexpr int kMostCorners = 10;
template <class T> struct ClipRoom {
  ClipCorner<T> now[kMostCorners], next[kMostCorners];
  double side[kMostCorners];
  ScreenVertex<T> corners[kMostCorners];
};

// Cuts the triangle by the near plane and by the four sides of the grid, and writes the records of a fan. A cut is found
// from its inside end to its outside end, which two faces that share the edge do alike. Returns their number.
template <class T>
GK_SELDOM int clip_face(const TriangleInput<T>& in, const ScreenGrid& grid, const int64_t* corner, const ScreenVertex<T>* const (&screen)[3],
                        int32_t id, ClipRoom<T>& room, TriangleRecord<T>* records) {
  ClipCorner<T>*now = room.now, *next = room.next;
  double* side = room.side;
  int count = 3;
  for (int i = 0; i < 3; ++i) {
    const T* p = in.points + 3 * corner[i];
    const ScreenVertex<T>* s = screen[i];
    if (s->state == kNotFinite) return 0;
    now[i] = {double(p[0]), double(p[1]), double(p[2]), s->state == kUsable ? s : nullptr};
  }
  const double fx = in.fx, fy = in.fy, cx = in.cx, cy = in.cy, reach = grid.reach, planes[5][4] = {
    {0, 0, 1, double(in.near_plane)}, {fx, 0, cx + reach, 0}, {-fx, 0, reach - cx, 0}, {0, fy, cy + reach, 0}, {0, -fy, reach - cy, 0}};
  for (const auto& plane : planes) {
    for (int i = 0; i < count; ++i)
      side[i] = now[i].on_screen ? 1.0 : now[i].x * plane[0] + now[i].y * plane[1] + now[i].z * plane[2] - plane[3];
    int kept = 0;
    for (int i = 0; i < count; ++i) {
      const int j = i + 1 < count ? i + 1 : 0;
      if (side[i] >= 0) next[kept++] = now[i];
      if ((side[i] >= 0) == (side[j] >= 0)) continue;
      const ClipCorner<T>&p = side[i] >= 0 ? now[i] : now[j], &q = side[i] >= 0 ? now[j] : now[i];
      const double at_p = p.x * plane[0] + p.y * plane[1] + p.z * plane[2] - plane[3];
      const double at_q = q.x * plane[0] + q.y * plane[1] + q.z * plane[2] - plane[3], t = at_p / (at_p - at_q);
      next[kept++] = {p.x + t * (q.x - p.x), p.y + t * (q.y - p.y), p.z + t * (q.z - p.z), nullptr};
    }
    count = kept;
    for (int i = 0; i < count; ++i) now[i] = next[i];
  }
  ScreenVertex<T>* corners = room.corners;
  for (int i = 0; i < count; ++i) {
    if (now[i].on_screen) {
      corners[i] = *now[i].on_screen;
      continue;
    }
    const double z = most(now[i].z, double(in.near_plane)), steps = double(1 << grid.bits);
    const double x = fx * now[i].x / z + cx, y = fy * now[i].y / z + cy;
    corners[i] = {rounded(least(most(x, -reach), reach) * steps), rounded(least(most(y, -reach), reach) * steps), T(1 / z), kUsable};
  }
  int made = 0;
  for (int i = 2; i < count; ++i)
    if (make_record(in, grid, corners[0], corners[i - 1], corners[i], id, records[made])) ++made;
  return made;
}

}  // namespace gk
