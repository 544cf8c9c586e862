// Internal to the silhouettes: which edges are one, where an edge crosses a line of pixel centres, how a crossing blends.
#pragma once
#include "../math/seen_triangle.h"
#include "../math/triangle.h"
#include "silhouettes.h"

namespace gk {

// Crossings of rows use the image's own axes, crossings of columns the axes exchanged.
template <class T> struct Axes {
  bool columns;
  T focal_u, focal_v, center_u, center_v;
  int64_t size_u, size_v;
  GK_HD Axes(const SilhouetteView<T>& view, bool columns)
      : columns(columns), focal_u(columns ? view.fy : view.fx), focal_v(columns ? view.fx : view.fy), center_u(columns ? view.cy : view.cx),
        center_v(columns ? view.cx : view.cy), size_u(columns ? view.height : view.width), size_v(columns ? view.width : view.height) {}
  GK_HD Vec3<T> point(const T* p) const { return columns ? Vec3<T>{p[1], p[0], p[2]} : Vec3<T>{p[0], p[1], p[2]}; }
  GK_HD T line(int64_t v) const { return (T(v) + T(0.5) - center_v) / focal_v; }
  GK_HD int64_t pixel(int64_t u, int64_t v) const { return columns ? u * size_v + v : v * size_u + u; }
  GK_HD int64_t step() const { return columns ? size_v : 1; }  // from a pixel to its neighbour along u
  GK_HD int64_t map() const { return columns ? size_u * size_v : 0; }  // where these crossings begin
};

template <class T> GK_HD Vec3<T> point_of(const SilhouetteView<T>& view, int64_t i) {
  return {view.points[3 * i], view.points[3 * i + 1], view.points[3 * i + 2]};
}

// The side of the plane through the camera and the edge from a that c lies on; differences first, for small faces.
template <class T> GK_HD T side_of(const Vec3<T>& a, const Vec3<T>& along, const Vec3<T>& c) { return dot(a, cross(along, c - a)); }

// The surface's side, or 0 where the edge is no silhouette.
template <class T> GK_HD T silhouette_side(const SilhouetteView<T>& view, const int64_t* edge) {
  const Vec3<T> a = point_of(view, edge[0]), along = point_of(view, edge[1]) - a;
  const T first = side_of(a, along, point_of(view, edge[2]));
  if (!(first - first == T(0))) return T(0);  // not finite
  if (edge[3] < 0) return first;
  return first * side_of(a, along, point_of(view, edge[3])) > 0 ? first : T(0);
}

template <class T> GK_HD bool known(const SilhouetteView<T>& view, const int64_t* edge) {
  for (int k = 0; k < 3; ++k)
    if (uint64_t(edge[k]) >= uint64_t(view.vertices)) return false;
  return edge[3] < view.vertices;
}

// The end p of the edge to q, cut by the near plane, on the screen.
template <class T> GK_HD Vec2<T> shown_end(const SilhouetteView<T>& view, const Vec3<T>& p, const Vec3<T>& q) {
  const T near = view.near_plane;
  Vec3<T> s = p;
  if (!(p.z >= near)) {
    const T t = (near - p.z) / (q.z - p.z);
    s = {p.x + t * (q.x - p.x), p.y + t * (q.y - p.y), near};
  }
  return {view.fx * s.x / s.z + view.cx, view.fy * s.y / s.z + view.cy};
}

// The lines of pixel centres, [first, end), that the shown part of an edge may cross, and how its side of the plane
// through the camera changes along them.
template <class T> struct CrossedLines {
  Vec3<T> a, b;
  int64_t first, end;
  T grows;
};
template <class T> GK_HD CrossedLines<T> crossed_lines(const SilhouetteView<T>& view, const Axes<T>& axes, const int64_t* ends, T side) {
  CrossedLines<T> lines = {axes.point(view.points + 3 * ends[0]), axes.point(view.points + 3 * ends[1]), 0, 0, T(0)};
  const Vec3<T> p = point_of(view, ends[0]), q = point_of(view, ends[1]);
  if (!(p.z >= view.near_plane || q.z >= view.near_plane)) return lines;
  const Vec2<T> from = shown_end(view, p, q), to = shown_end(view, q, p);
  const T sum = from.x + from.y + to.x + to.y, most = T(axes.size_v);
  if (!(sum - sum == T(0))) return lines;
  const T low = axes.columns ? minimum(from.x, to.x) : minimum(from.y, to.y), high = axes.columns ? maximum(from.x, to.x) : maximum(from.y, to.y);
  lines.first = int64_t(ceil(minimum(maximum(low - T(0.5), T(0)), most)));
  lines.end = int64_t(ceil(minimum(maximum(high - T(0.5), T(-1)), most)));
  // Along a line the side changes with the normal's first component; exchanging the axes turns a determinant's sign.
  const Vec3<T>&a = lines.a, &b = lines.b;
  lines.grows = (a.y * (b.z - a.z) - a.z * (b.y - a.y)) * (axes.columns ? T(-1) : T(1)) * side;
  return lines;
}

// The crossing of one edge with one line.
template <class T> struct SeenCrossing {
  bool seen, inner_first;  // whether nothing nearer hides it; whether the surface is on the first pixel's side
  int64_t slot;            // in the crossings
  T distance, depth;       // from the inner centre, pixels
};
template <class T>
GK_HD SeenCrossing<T> crossing_at(const Axes<T>& axes, const CrossedLines<T>& lines, int64_t v, const int64_t* face_ids, const T* depth) {
  SeenCrossing<T> found = {false, lines.grows < 0, 0, T(0), T(0)};
  const Crossing<T> c = cross_line(lines.a, lines.b, axes.line(v));
  const T at = axes.focal_u * c.u + axes.center_u - T(0.5);
  if (!(at >= 0 && at < T(axes.size_u - 1)) || !(c.depth > 0)) return found;
  const int64_t u = int64_t(at), first = axes.pixel(u, v), second = first + axes.step();
  const int64_t in = found.inner_first ? first : second, out = found.inner_first ? second : first;
  if (face_ids[in] < 0 || face_ids[in] == face_ids[out]) return found;
  if (face_ids[out] >= 0 && !(depth[out] > c.depth)) return found;
  found.seen = true, found.slot = axes.map() + first;
  found.distance = found.inner_first ? at - T(u) : T(u + 1) - at, found.depth = c.depth;
  return found;
}

// Rows and columns each find the whole change of the covered area; they share it by the squares of the normal's components,
// so that no edge changes suddenly from one to the other. The shares are weights of a sum: no derivative is taken of them.
template <class T> GK_HD T share_of(T du, T dv) { return dv * dv / (du * du + dv * dv); }

// A crossing as the blend needs it.
template <class T> struct Blend {
  int64_t in, out;         // pixels
  int64_t changed, taken;  // pixels: |share| of the colour of one goes to the other
  T share;
  T sign;                  // change of the crossing's distance from the inner centre with u
  Vec3<T> a, b;
  T line;
  T weight;
  Crossing<T> crossing;
};

template <class T> GK_HD Blend<T> blend_of(const SilhouetteView<T>& view, const Axes<T>& axes, int32_t code, int64_t pixel) {
  const bool first = code > 0;
  const int64_t* ends = view.ends + 4 * (int64_t(first ? code : -code) - 1);
  const int64_t u = axes.columns ? pixel / axes.size_v : pixel % axes.size_u, v = axes.columns ? pixel % axes.size_v : pixel / axes.size_u;
  Blend<T> blend;
  blend.a = axes.point(view.points + 3 * ends[0]), blend.b = axes.point(view.points + 3 * ends[1]);
  blend.line = axes.line(v);
  blend.crossing = cross_line(blend.a, blend.b, blend.line);
  const T du = (blend.b.x - blend.crossing.u * blend.b.z) - (blend.a.x - blend.crossing.u * blend.a.z);
  const T dv = (blend.b.y - blend.line * blend.b.z) - (blend.a.y - blend.line * blend.a.z);
  blend.weight = share_of(axes.focal_u * du, axes.focal_v * dv);
  const T at = axes.focal_u * blend.crossing.u + axes.center_u - T(0.5) - T(u);
  const T distance = minimum(maximum(first ? at : T(1) - at, T(0)), T(1));
  blend.in = first ? pixel : pixel + axes.step(), blend.out = first ? pixel + axes.step() : pixel;
  blend.sign = first ? T(1) : T(-1);
  blend.share = blend.weight * (distance - T(0.5));
  blend.changed = blend.share > 0 ? blend.out : blend.in, blend.taken = blend.share > 0 ? blend.in : blend.out;
  return blend;
}

// Whether the crossing noted for a pixel and its neighbour along u names an edge that is there.
template <class T> GK_HD bool known_crossing(const SilhouetteView<T>& view, const Axes<T>& axes, int32_t code, int64_t pixel) {
  const int64_t edge = int64_t(code > 0 ? code : -int64_t(code)) - 1, u = axes.columns ? pixel / view.width : pixel % view.width;
  return edge < view.edges && u + 1 < axes.size_u && known(view, view.ends + 4 * edge);
}

// What a cotangent of the crossing's distance from the inner centre pulls back to the ends of its edge, in camera axes.
template <class T> GK_HD void blend_vjp(const Axes<T>& axes, const Blend<T>& blend, T distance_bar, Vec3<T>& a_bar, Vec3<T>& b_bar) {
  cross_line_vjp(blend.a, blend.b, blend.line, blend.crossing, distance_bar * blend.weight * blend.sign * axes.focal_u, a_bar, b_bar);
  if (!axes.columns) return;
  a_bar = {a_bar.y, a_bar.x, a_bar.z}, b_bar = {b_bar.y, b_bar.x, b_bar.z};
}

}  // namespace gk
