#include "silhouettes.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "../cpu/parallel.h"
#include "../math/seen_triangle.h"
#include "../math/triangle.h"

namespace gk {
namespace {

constexpr int64_t kBlock = 2048;  // edges that one task looks at

// Crossings of rows use the image's own axes, crossings of columns the axes exchanged.
template <class T> struct Axes {
  bool columns;
  T focal_u, focal_v, center_u, center_v;
  int64_t size_u, size_v;
  Axes(const SilhouetteView<T>& view, bool columns)
      : columns(columns), focal_u(columns ? view.fy : view.fx), focal_v(columns ? view.fx : view.fy), center_u(columns ? view.cy : view.cx),
        center_v(columns ? view.cx : view.cy), size_u(columns ? view.height : view.width), size_v(columns ? view.width : view.height) {}
  Vec3<T> point(const T* p) const { return columns ? Vec3<T>{p[1], p[0], p[2]} : Vec3<T>{p[0], p[1], p[2]}; }
  T line(int64_t v) const { return (T(v) + T(0.5) - center_v) / focal_v; }
  int64_t pixel(int64_t u, int64_t v) const { return columns ? u * size_v + v : v * size_u + u; }
  int64_t step() const { return columns ? size_v : 1; }  // from a pixel to its neighbour along u
};

template <class T> Vec3<T> point_of(const SilhouetteView<T>& view, int64_t i) {
  return {view.points[3 * i], view.points[3 * i + 1], view.points[3 * i + 2]};
}

// The side of the plane through the camera and the edge from a that c lies on; differences first, for small faces.
template <class T> T side_of(const Vec3<T>& a, const Vec3<T>& along, const Vec3<T>& c) { return dot(a, cross(along, c - a)); }

// The surface's side, or 0 where the edge is no silhouette.
template <class T> T silhouette_side(const SilhouetteView<T>& view, const int64_t* edge) {
  const Vec3<T> a = point_of(view, edge[0]), along = point_of(view, edge[1]) - a;
  const T first = side_of(a, along, point_of(view, edge[2]));
  if (edge[3] < 0) return first;
  return first * side_of(a, along, point_of(view, edge[3])) > 0 ? first : T(0);
}

template <class T> bool known(const SilhouetteView<T>& view, const int64_t* edge) {
  for (int k = 0; k < 3; ++k)
    if (uint64_t(edge[k]) >= uint64_t(view.vertices)) return false;
  return edge[3] < view.vertices;
}

// The nearer end of what is before the near plane, on the screen.
template <class T> bool shown_part(const SilhouetteView<T>& view, const Vec3<T>& a, const Vec3<T>& b, Vec2<T>& from, Vec2<T>& to) {
  const T near = view.near_plane;
  if (!(a.z >= near || b.z >= near)) return false;
  const auto cut = [&](const Vec3<T>& p, const Vec3<T>& q) {
    Vec3<T> s = p;
    if (!(p.z >= near)) {
      const T t = (near - p.z) / (q.z - p.z);
      s = {p.x + t * (q.x - p.x), p.y + t * (q.y - p.y), near};
    }
    return Vec2<T>{view.fx * s.x / s.z + view.cx, view.fy * s.y / s.z + view.cy};
  };
  from = cut(a, b), to = cut(b, a);
  return std::isfinite(from.x + from.y + to.x + to.y);
}

// Pictures of what has been found between pixels so far.
template <class T> struct Found {
  const int64_t* face_ids;
  const T* depth;
  int32_t* crossings;      // (2, H, W)
  std::vector<T> distance, place;  // (2, H, W), of the crossing: from the inner centre in pixels, and its depth
};

// The crossing of one edge with one line enters the picture if nothing nearer hides it. Of several between two centres
// the outermost counts, since the union of what they bound is seen; of two with their surfaces on opposite sides the nearest.
template <class T>
void note_crossing(const Axes<T>& axes, const Vec3<T>& a, const Vec3<T>& b, int64_t v, T side, int64_t map, int32_t edge, Found<T>& found) {
  const Crossing<T> c = cross_line(a, b, axes.line(v));
  const T at = axes.focal_u * c.u + axes.center_u - T(0.5);
  if (!(at >= 0 && at < T(axes.size_u - 1)) || !(c.depth > 0)) return;
  const int64_t u = int64_t(at), first = axes.pixel(u, v), second = first + axes.step();
  const bool inner_first = side < 0;
  const int64_t in = inner_first ? first : second, out = inner_first ? second : first;
  if (found.face_ids[in] < 0 || found.face_ids[in] == found.face_ids[out]) return;
  if (found.face_ids[out] >= 0 && !(found.depth[out] > c.depth)) return;
  const T distance = inner_first ? at - T(u) : T(u + 1) - at;
  const int64_t slot = map + first;
  const int32_t code = found.crossings[slot];
  if (code != 0) {
    const bool same_side = (code > 0) == inner_first;
    if (same_side ? distance <= found.distance[slot] : c.depth >= found.place[slot]) return;
  }
  found.crossings[slot] = inner_first ? edge + 1 : -(edge + 1);
  found.distance[slot] = distance, found.place[slot] = c.depth;
}

template <class T> void follow_edge(const SilhouetteView<T>& view, int32_t edge, T side, Found<T>& found) {
  const int64_t* ends = view.ends + 4 * int64_t(edge);
  Vec2<T> from, to;
  if (!shown_part(view, point_of(view, ends[0]), point_of(view, ends[1]), from, to)) return;
  for (const bool columns : {false, true}) {
    const Axes<T> axes(view, columns);
    const Vec3<T> a = axes.point(view.points + 3 * ends[0]), b = axes.point(view.points + 3 * ends[1]);
    const T low = columns ? std::min(from.x, to.x) : std::min(from.y, to.y), high = columns ? std::max(from.x, to.x) : std::max(from.y, to.y);
    const T lines = T(axes.size_v);
    const int64_t first = int64_t(std::ceil(std::min(std::max(low - T(0.5), T(0)), lines)));
    const int64_t end = int64_t(std::ceil(std::min(std::max(high - T(0.5), T(-1)), lines)));
    // Along a line the side of the plane through the camera and the edge changes with the normal's first component;
    // exchanging the axes turns a determinant's sign.
    const T grows = (a.y * (b.z - a.z) - a.z * (b.y - a.y)) * (columns ? T(-1) : T(1)) * side;
    for (int64_t v = first; v < end; ++v) note_crossing(axes, a, b, v, grows, columns ? view.width * view.height : 0, edge, found);
  }
}

}  // namespace

template <class T>
int64_t find_crossings(const SilhouetteView<T>& view, const int64_t* face_ids, const T* depth, int32_t* crossings) {
  const int64_t pixels = view.width * view.height;
  std::vector<T> sides(view.edges);
  int64_t bad = view.edges;
#pragma omp parallel for schedule(static) reduction(min : bad) if (view.edges * 16 > kParallelWork)
  for (int64_t begin = 0; begin < view.edges; begin += kBlock)
    for (int64_t i = begin; i < std::min(view.edges, begin + kBlock); ++i) {
      if (known(view, view.ends + 4 * i)) sides[i] = silhouette_side(view, view.ends + 4 * i);
      else bad = std::min(bad, i);
    }
  if (bad < view.edges) return bad;
  std::fill_n(crossings, 2 * pixels, 0);
  Found<T> found = {face_ids, depth, crossings, std::vector<T>(2 * pixels), std::vector<T>(2 * pixels)};
  for (int64_t i = 0; i < view.edges; ++i)
    if (sides[i] != T(0) && std::isfinite(sides[i])) follow_edge(view, int32_t(i), sides[i], found);
  return -1;
}

namespace {

// Rows and columns each find the whole change of the covered area; they share it by the squares of the normal's components,
// so that no edge changes suddenly from one to the other. The shares are weights of a sum: no derivative is taken of them.
template <class T> T share_of(T du, T dv) { return dv * dv / (du * du + dv * dv); }

// A crossing as the blend needs it.
template <class T> struct Blend {
  int64_t in, out;      // pixels
  T distance;           // of the crossing from the inner centre, pixels
  T sign;               // change of distance with u
  Vec3<T> a, b;
  T line;
  T weight;
  Crossing<T> crossing;
};

template <class T> Blend<T> blend_of(const SilhouetteView<T>& view, const Axes<T>& axes, int32_t code, int64_t pixel) {
  const int64_t* ends = view.ends + 4 * (int64_t(std::abs(code)) - 1);
  const int64_t u = axes.columns ? pixel / axes.size_v : pixel % axes.size_u, v = axes.columns ? pixel % axes.size_v : pixel / axes.size_u;
  Blend<T> blend;
  blend.a = axes.point(view.points + 3 * ends[0]), blend.b = axes.point(view.points + 3 * ends[1]);
  blend.line = axes.line(v);
  blend.crossing = cross_line(blend.a, blend.b, blend.line);
  const T du = (blend.b.x - blend.crossing.u * blend.b.z) - (blend.a.x - blend.crossing.u * blend.a.z);
  const T dv = (blend.b.y - blend.line * blend.b.z) - (blend.a.y - blend.line * blend.a.z);
  blend.weight = share_of(axes.focal_u * du, axes.focal_v * dv);
  const T at = axes.focal_u * blend.crossing.u + axes.center_u - T(0.5) - T(u);
  const bool first = code > 0;
  blend.in = first ? pixel : pixel + axes.step(), blend.out = first ? pixel + axes.step() : pixel;
  blend.distance = std::min(std::max(first ? at : T(1) - at, T(0)), T(1)), blend.sign = first ? T(1) : T(-1);
  return blend;
}

// Calls visit(blend, axes, edge) for every crossing, in order.
template <class T, class Visit> int64_t each_blend(const SilhouetteView<T>& view, const int32_t* crossings, Visit visit) {
  for (const bool columns : {false, true}) {
    const Axes<T> axes(view, columns);
    const int32_t* map = crossings + (columns ? view.width * view.height : 0);
    for (int64_t i = 0; i < view.width * view.height; ++i) {
      if (!map[i]) continue;
      const int64_t edge = int64_t(std::abs(map[i])) - 1, u = columns ? i / view.width : i % view.width;
      if (edge >= view.edges || u + 1 >= axes.size_u || !known(view, view.ends + 4 * edge)) return i;
      const Blend<T> blend = blend_of(view, axes, map[i], i);
      if (blend.weight != 0) visit(blend, axes, edge);
    }
  }
  return -1;
}

}  // namespace

template <class T>
int64_t antialias(const SilhouetteView<T>& view, const int32_t* crossings, const T* image, int64_t channels, T* result) {
  std::copy_n(image, view.width * view.height * channels, result);
  return each_blend(view, crossings, [&](const Blend<T>& blend, const Axes<T>&, int64_t) {
    const T share = blend.weight * (blend.distance - T(0.5));
    const int64_t changed = share > 0 ? blend.out : blend.in, taken = share > 0 ? blend.in : blend.out;
    for (int64_t c = 0; c < channels; ++c)
      result[channels * changed + c] += std::fabs(share) * (image[channels * taken + c] - image[channels * changed + c]);
  });
}

template <class T>
int64_t antialias_backward(const SilhouetteView<T>& view, const int32_t* crossings, const T* image, int64_t channels, const T* result_bar,
                           T* image_bar, T* points_bar) {
  std::copy_n(result_bar, view.width * view.height * channels, image_bar);
  std::fill_n(points_bar, 3 * view.vertices, T(0));
  return each_blend(view, crossings, [&](const Blend<T>& blend, const Axes<T>& axes, int64_t edge) {
    const T share = blend.weight * (blend.distance - T(0.5));
    const int64_t changed = share > 0 ? blend.out : blend.in, taken = share > 0 ? blend.in : blend.out;
    T distance_bar = 0;
    for (int64_t c = 0; c < channels; ++c) {
      const T bar = result_bar[channels * changed + c];
      image_bar[channels * taken + c] += std::fabs(share) * bar;
      image_bar[channels * changed + c] -= std::fabs(share) * bar;
      distance_bar += bar * (image[channels * blend.in + c] - image[channels * blend.out + c]);
    }
    Vec3<T> a_bar, b_bar;
    cross_line_vjp(blend.a, blend.b, blend.line, blend.crossing, distance_bar * blend.weight * blend.sign * axes.focal_u, a_bar, b_bar);
    T *a = points_bar + 3 * view.ends[4 * edge], *b = points_bar + 3 * view.ends[4 * edge + 1];
    const int u = axes.columns ? 1 : 0, v = 1 - u;
    a[u] += a_bar.x, a[v] += a_bar.y, a[2] += a_bar.z;
    b[u] += b_bar.x, b[v] += b_bar.y, b[2] += b_bar.z;
  });
}

#define GK_INSTANTIATE(T)                                                                                                  \
  template int64_t find_crossings(const SilhouetteView<T>&, const int64_t*, const T*, int32_t*);                           \
  template int64_t antialias(const SilhouetteView<T>&, const int32_t*, const T*, int64_t, T*);                             \
  template int64_t antialias_backward(const SilhouetteView<T>&, const int32_t*, const T*, int64_t, const T*, T*, T*);
GK_INSTANTIATE(float)
GK_INSTANTIATE(double)
#undef GK_INSTANTIATE

}  // namespace gk
