// A triangle seen through a pixel, and a mesh edge crossing a line of pixel centres; each beside its vector-Jacobian
// product. All points in camera space, x right, y down, z forward.
#pragma once
#include "scalar.h"

namespace gk {

template <class V> struct SeenCorners { Vec3<V> a, b, c; };
template <class V> struct Seen {
  Vec3<V> barycentrics;  // not negative, of sum 1
  V depth;               // camera z of the seen point
};

// The corners minus their own depth times the ray (rx, ry, 1): small differences, so that small triangles far away keep
// their accuracy. The ray meets the triangle where the barycentrics are in the ratio of the cross products of these.
template <class V> struct RaySides {
  Vec2<V> a, b, c;
  Vec3<V> inside;  // doubled areas opposite the corners, positive inside, cut at 0
  V sign, total;
};

template <class V> GK_HD V cross(const Vec2<V>& p, const Vec2<V>& q) { return p.x * q.y - p.y * q.x; }
template <class V> GK_HD RaySides<V> ray_sides(const SeenCorners<V>& t, const V& rx, const V& ry) {
  RaySides<V> s;
  s.a = {t.a.x - t.a.z * rx, t.a.y - t.a.z * ry};
  s.b = {t.b.x - t.b.z * rx, t.b.y - t.b.z * ry};
  s.c = {t.c.x - t.c.z * rx, t.c.y - t.c.z * ry};
  const V a = cross(s.b, s.c), b = cross(s.c, s.a), c = cross(s.a, s.b), zero = V(0);
  s.sign = select(a + b + c < zero, V(-1), V(1));
  // Coverage is decided on rounded corners: a pixel centre may lie outside the triangle by that rounding.
  s.inside = {maximum(a * s.sign, zero), maximum(b * s.sign, zero), maximum(c * s.sign, zero)};
  const V sum = s.inside.x + s.inside.y + s.inside.z;
  s.inside.x = select(sum > zero, s.inside.x, V(1));
  s.total = select(sum > zero, sum, V(1));
  return s;
}

template <class V> GK_HD Seen<V> see(const SeenCorners<V>& t, const RaySides<V>& s) {
  const V scale = V(1) / s.total;
  Seen<V> seen;
  seen.barycentrics = {s.inside.x * scale, s.inside.y * scale, s.inside.z * scale};
  seen.depth = seen.barycentrics.x * t.a.z + seen.barycentrics.y * t.b.z + seen.barycentrics.z * t.c.z;
  return seen;
}

template <class V>
GK_HD SeenCorners<V> see_vjp(const SeenCorners<V>& t, const V& rx, const V& ry, const Vec3<V>& barycentrics_bar, const V& depth_bar) {
  const RaySides<V> s = ray_sides(t, rx, ry);
  const Seen<V> seen = see(t, s);
  const Vec3<V>& w = seen.barycentrics;
  const Vec3<V> bar = {barycentrics_bar.x + depth_bar * t.a.z, barycentrics_bar.y + depth_bar * t.b.z, barycentrics_bar.z + depth_bar * t.c.z};
  const V mean = bar.x * w.x + bar.y * w.y + bar.z * w.z, scale = s.sign / s.total, zero = V(0);
  const V a = select(s.inside.x > zero, (bar.x - mean) * scale, zero);
  const V b = select(s.inside.y > zero, (bar.y - mean) * scale, zero);
  const V c = select(s.inside.z > zero, (bar.z - mean) * scale, zero);
  SeenCorners<V> g;
  g.a.x = c * s.b.y - b * s.c.y, g.a.y = b * s.c.x - c * s.b.x;
  g.b.x = a * s.c.y - c * s.a.y, g.b.y = c * s.a.x - a * s.c.x;
  g.c.x = b * s.a.y - a * s.b.y, g.c.y = a * s.b.x - b * s.a.x;
  g.a.z = depth_bar * w.x - (g.a.x * rx + g.a.y * ry);
  g.b.z = depth_bar * w.y - (g.b.x * rx + g.b.y * ry);
  g.c.z = depth_bar * w.z - (g.c.x * rx + g.c.y * ry);
  return g;
}

// Where the edge from a to b meets the line of pixels on which the second image coordinate is v (y / z = v): the first
// coordinate u = x / z there, and the depth. For lines along the other axis exchange x and y of all arguments.
template <class V> struct Crossing {
  V along, u, depth;  // along: 0 at a, 1 at b
};

template <class V> GK_HD Crossing<V> cross_line(const Vec3<V>& a, const Vec3<V>& b, V v) {
  const V above = a.y - a.z * v, below = b.y - b.z * v;
  const V along = above / (above - below);
  const V x = a.x + along * (b.x - a.x), z = a.z + along * (b.z - a.z);
  return {along, x / z, z};
}

template <class V>
GK_HD void cross_line_vjp(const Vec3<V>& a, const Vec3<V>& b, V v, const Crossing<V>& c, V u_bar, Vec3<V>& a_bar, Vec3<V>& b_bar) {
  const V above = a.y - a.z * v, below = b.y - b.z * v;
  const V shear = ((b.x - a.x) - c.u * (b.z - a.z)) / (above - below);
  const V to_b = u_bar / c.depth * c.along, to_a = u_bar / c.depth - to_b;
  const V slope = -(c.u + shear * v);
  a_bar = {to_a, to_a * shear, to_a * slope};
  b_bar = {to_b, to_b * shear, to_b * slope};
}

}  // namespace gk
