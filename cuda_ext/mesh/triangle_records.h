// Internal to draw_triangles: corners on the screen's grid, near and far clipping, and the record that the tiles draw.
#pragma once
#include <algorithm>
#include <cmath>
#include <cstdint>

#include "../cpu/lanes.h"
#include "triangles.h"

namespace gk {

constexpr int kMostPieces = 6;  // triangles that a triangle cut by five planes becomes

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
  return {std::min(24 - log_reach, 16), double((int64_t(1) << log_reach) - 1)};
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

template <class T> GK_INLINE ScreenVertex<T> to_screen(const TriangleInput<T>& in, const ScreenGrid& grid, const T* p) {
  ScreenVertex<T> s = {0, 0, T(0), kUsable};
  const T inverse = T(1) / p[2], x = in.fx * p[0] * inverse + in.cx, y = in.fy * p[1] * inverse + in.cy, reach = T(grid.reach);
  const T steps = T(1 << grid.bits);
  const bool behind = !(p[2] >= in.near_plane), inside = std::fabs(x) <= reach && std::fabs(y) <= reach;
  s.state = behind ? kBehind : inside ? kUsable : kFarOut;
  if (!std::isfinite(p[0] + p[1] + p[2])) s.state = kNotFinite;
  s.x = int32_t(std::lrint(inside ? x * steps : T(0))), s.y = int32_t(std::lrint(inside ? y * steps : T(0)));
  s.closeness = inverse;
  return s;
}

// False where no pixel centre of the picture can be inside, or where the triangle is culled.
template <class T>
GK_INLINE bool make_record(const TriangleInput<T>& in, const ScreenGrid& grid, const ScreenVertex<T>* a, const ScreenVertex<T>* b,
                           const ScreenVertex<T>* c, int32_t id, TriangleRecord<T>& r) {
  const int half = 1 << (grid.bits - 1), one = 1 << grid.bits;
  const int32_t low_x = std::min(a->x, std::min(b->x, c->x)), high_x = std::max(a->x, std::max(b->x, c->x));
  const int32_t low_y = std::min(a->y, std::min(b->y, c->y)), high_y = std::max(a->y, std::max(b->y, c->y));
  const int32_t left = std::max((low_x + half - 1) >> grid.bits, 0), right = std::min((high_x - half) >> grid.bits, int32_t(in.width) - 1);
  const int32_t top = std::max((low_y + half - 1) >> grid.bits, 0), bottom = std::min((high_y - half) >> grid.bits, int32_t(in.height) - 1);
  if (left > right || top > bottom) return false;
  int64_t area = int64_t(b->x - a->x) * (c->y - a->y) - int64_t(b->y - a->y) * (c->x - a->x);
  if (area == 0 || (in.cull_back_faces && area > 0)) return false;
  const ScreenVertex<T>*second = area < 0 ? c : b, *third = area < 0 ? b : c;
  b = second, c = third, area = area < 0 ? -area : area;
  r.x[0] = a->x, r.x[1] = b->x, r.x[2] = c->x, r.y[0] = a->y, r.y[1] = b->y, r.y[2] = c->y;
  r.id = id;
  r.small = std::max(high_x - low_x, high_y - low_y) < (kSmall << grid.bits);
  r.left = int16_t(left), r.right = int16_t(right), r.top = int16_t(top), r.bottom = int16_t(bottom);
  const double qb = double(b->closeness) - double(a->closeness), qc = double(c->closeness) - double(a->closeness);
  const double bx = b->x - a->x, by = b->y - a->y, cx = c->x - a->x, cy = c->y - a->y, inverse = 1.0 / double(area);
  const double dx = (qb * cy - qc * by) * inverse, dy = (qc * bx - qb * cx) * inverse;  // a grid step
  const double start_x = double((left << grid.bits) + half - a->x), start_y = double((top << grid.bits) + half - a->y);
  r.closeness = T(double(a->closeness) + dx * start_x + dy * start_y);
  r.closeness_x = T(dx * one), r.closeness_y = T(dy * one);
  return true;
}

// A corner of a polygon on its way through the clipping planes. Corners of the mesh keep their place on the grid, so that
// a neighbour that needs no clipping meets them there.
template <class T> struct ClipCorner {
  double x, y, z;
  const ScreenVertex<T>* on_screen;
};

// Cuts the triangle by the near plane and by the four sides of the grid, and writes the records of a fan. A cut is found
// from its inside end to its outside end, which two faces that share the edge do alike. Returns their number.
template <class T>
int clip_face(const TriangleInput<T>& in, const ScreenGrid& grid, const int64_t* corner, const ScreenVertex<T>* screen, int32_t id, TriangleRecord<T>* records) {
  ClipCorner<T> now[10], next[10];
  int count = 3;
  for (int i = 0; i < 3; ++i) {
    const T* p = in.points + 3 * corner[i];
    const ScreenVertex<T>* s = screen + corner[i];
    if (s->state == kNotFinite) return 0;
    now[i] = {double(p[0]), double(p[1]), double(p[2]), s->state == kUsable ? s : nullptr};
  }
  const double fx = in.fx, fy = in.fy, cx = in.cx, cy = in.cy, reach = grid.reach, planes[5][4] = {
    {0, 0, 1, double(in.near_plane)}, {fx, 0, cx + reach, 0}, {-fx, 0, reach - cx, 0}, {0, fy, cy + reach, 0}, {0, -fy, reach - cy, 0}};
  for (const auto& plane : planes) {
    double side[10];
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
    std::copy(next, next + count, now);
  }
  ScreenVertex<T> corners[10];
  for (int i = 0; i < count; ++i) {
    if (now[i].on_screen) {
      corners[i] = *now[i].on_screen;
      continue;
    }
    const double z = std::max(now[i].z, double(in.near_plane)), steps = double(1 << grid.bits);
    const double x = fx * now[i].x / z + cx, y = fy * now[i].y / z + cy;
    corners[i] = {int32_t(std::lrint(std::min(std::max(x, -reach), reach) * steps)), int32_t(std::lrint(std::min(std::max(y, -reach), reach) * steps)),
                  T(1 / z), kUsable};
  }
  int made = 0;
  for (int i = 2; i < count; ++i)
    if (make_record(in, grid, &corners[0], &corners[i - 1], &corners[i], id, records[made])) ++made;
  return made;
}

}  // namespace gk
