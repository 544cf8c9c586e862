// What a query asks of a box or a triangle of the tree. V is one value on a GPU, where a thread has one child of a node or
// one triangle of a leaf, or a vector of eight on the CPU. `rows(i)` is row i of the node or leaf.
#pragma once
#include <cmath>
#include <cstring>
#include <type_traits>

#include "../math/triangle.h"
#include "bvh.h"

namespace gk {

constexpr double kPi = 3.14159265358979323846;

template <class V> GK_HD V low_of(const V& a, const V& b) { return a < b ? a : b; }
template <class V> GK_HD V high_of(const V& a, const V& b) { return a > b ? a : b; }
template <class Rows> GK_HD auto three_rows(const Rows& rows, int row) -> Vec3<decltype(rows(0))> { return {rows(row), rows(row + 1), rows(row + 2)}; }
template <class V, class T> GK_HD Vec3<V> from_place(const Vec3<V>& a, const T* b) { return {a.x - b[0], a.y - b[1], a.z - b[2]}; }

// A scalar function for each value of V.
template <class V, class F> GK_HD V each_value(const V& a, const V& b, const F& function) {
  if constexpr (std::is_floating_point_v<V>) {
    return function(a, b);
  } else {
    std::decay_t<decltype(a[0])> x[8], y[8];
    std::memcpy(x, &a, sizeof(a)), std::memcpy(y, &b, sizeof(b));
    for (int i = 0; i < 8; ++i) x[i] = function(x[i], y[i]);
    V result;
    std::memcpy(&result, x, sizeof(result));
    return result;
  }
}
template <class V> GK_HD V root_of(const V& a) {
  return each_value(a, a, [](auto x, auto) { return square_root(x); });
}

// ------------------------------------------------------------------------------------------------------ closest points

template <class Rows, class T> GK_HD auto squared_to_box(const Rows& rows, const T* q) {
  using V = decltype(rows(0));
  const V zero = {};
  const V x = high_of<V>(high_of<V>(rows(0) - q[0], q[0] - rows(3)), zero);
  const V y = high_of<V>(high_of<V>(rows(1) - q[1], q[1] - rows(4)), zero);
  const V z = high_of<V>(high_of<V>(rows(2) - q[2], q[2] - rows(5)), zero);
  return V(x * x + y * y + z * z);
}

template <class V> GK_HD V squared_to_segment(const Vec3<V>& from, const Vec3<V>& edge, const V& place) {
  const V zero = {}, one = zero + 1;
  const V t = low_of<V>(high_of<V>(place, zero), one);
  const Vec3<V> rest = {from.x - t * edge.x, from.y - t * edge.y, from.z - t * edge.z};
  return dot(rest, rest);
}

// To the plane where the foot lies inside, else to the nearest edge.
template <class Rows, class T> GK_HD auto squared_to_triangle(const Rows& rows, const T* q) {
  using V = decltype(rows(0));
  const Vec3<V> a = three_rows(rows, kCornerA), b = three_rows(rows, kCornerB), c = three_rows(rows, kCornerC);
  const Vec3<V> ab = b - a, ac = c - a, bc = c - b;
  const Vec3<V> ap = {q[0] - a.x, q[1] - a.y, q[2] - a.z}, bp = {q[0] - b.x, q[1] - b.y, q[2] - b.z};
  const V along_b = dot(ab, ap), along_c = dot(ac, ap);
  const V to_ab = squared_to_segment<V>(ap, ab, along_b * rows(kInverseAB)), to_ac = squared_to_segment<V>(ap, ac, along_c * rows(kInverseAC));
  const V to_bc = squared_to_segment<V>(bp, bc, (along_c - along_b + rows(kOffsetBC)) * rows(kInverseBC));
  const V u = dot(ap, three_rows(rows, kDualU)), v = dot(ap, three_rows(rows, kDualV)), height = dot(ap, three_rows(rows, kNormal));
  const V inside = low_of<V>(low_of<V>(u, v), 1 - u - v), edges = low_of<V>(low_of<V>(to_ab, to_ac), to_bc);
  return V(inside > 0 ? height * height : edges);
}

// --------------------------------------------------------------------------------------------------------------- rays

// A ray in the tree's coordinates, direction of length 1 without zeros.
template <class T> struct Ray {
  T origin[3], direction[3], inverse[3];
};

// False for a direction of length zero, which hits nothing.
template <class T> GK_HD bool make_ray(const T* origin, const Vec3<double>& d, T scale, Ray<T>& ray) {
  const double length = square_root(dot(d, d)), inverse = 1 / length, unit[3] = {d.x * inverse, d.y * inverse, d.z * inverse};
  for (int axis = 0; axis < 3; ++axis) {
    const T small = T(1e-18);
    const double size = unit[axis] < 0 ? -unit[axis] : unit[axis];
    ray.origin[axis] = origin[axis] * scale;
    ray.direction[axis] = size > small ? T(unit[axis]) : (unit[axis] < 0 ? -small : small);
    ray.inverse[axis] = 1 / ray.direction[axis];
  }
  return length > 0;
}

// Where the ray enters the box, or infinity where it misses it before `best`.
template <class Rows, class T> GK_HD auto entry_into_box(const Rows& rows, const Ray<T>& ray, T best) {
  using V = decltype(rows(0));
  const T inf = kInfinity<T>, slack = 1 + 4 * kEpsilon<T>;
  const V zero = {};
  V enter = {}, leave = enter + best;
  for (int axis = 0; axis < 3; ++axis) {
    const V low = (rows(axis) - ray.origin[axis]) * ray.inverse[axis], high = (rows(axis + 3) - ray.origin[axis]) * ray.inverse[axis];
    enter = high_of<V>(enter, low_of<V>(low, high)), leave = low_of<V>(leave, high_of<V>(low, high) * slack);
  }
  return V(enter <= leave ? enter : zero + inf);
}

// Where the ray meets the triangle within [0, best], or infinity.
template <class Rows, class T> GK_HD auto hit_of_triangle(const Rows& rows, const Ray<T>& ray, T best) {
  using V = decltype(rows(0));
  const T inf = kInfinity<T>;
  const V zero = {};
  const Vec3<V> d = {zero + ray.direction[0], zero + ray.direction[1], zero + ray.direction[2]};
  const Vec3<V> a = from_place(three_rows(rows, kCornerA), ray.origin), b = from_place(three_rows(rows, kCornerB), ray.origin);
  const Vec3<V> c = from_place(three_rows(rows, kCornerC), ray.origin);
  V wa, wb, wc;
  ray_weights<V>(a, b, c, d, wa, wb, wc);
  const V least = low_of<V>(low_of<V>(wa, wb), wc), most = high_of<V>(high_of<V>(wa, wb), wc);
  const Vec3<V> normal = three_rows(rows, kNormal);
  const V slope = dot(normal, d), safe = slope > 0 ? slope : (slope < 0 ? slope : zero + 1);
  const V t = dot(normal, a) / safe;
  const V size = high_of<V>(slope, -slope), miss = zero - 1, inside = high_of<V>(least, -most);
  const V valid = low_of<V>(low_of<V>(inside, size > 0 ? zero : miss), low_of<V>(t, best - t));
  return V(valid >= 0 ? t : zero + inf);
}

// ---------------------------------------------------------------------------------------------------- winding numbers

// The arc tangent of y / x in the right quadrant; (0, 0) gives 0. In float32 Abramowitz and Stegun 4.4.49, error 2e-8.
template <class V> GK_HD V arc_tangent(const V& y, const V& x) {
  if constexpr (std::is_same_v<V, double> || sizeof(V) == 8 * sizeof(double)) {
    return each_value(y, x, [](double a, double b) { return atan2(a, b); });
  } else {
    const V zero = {}, ax = high_of<V>(x, -x), ay = high_of<V>(y, -y);
    const V large = high_of<V>(high_of<V>(ax, ay), zero + 1.17549435e-38f), z = low_of<V>(ax, ay) / large, z2 = z * z;
    V p = zero + 0.0028662257f;
    p = p * z2 - 0.0161657367f, p = p * z2 + 0.0429096138f, p = p * z2 - 0.0752896400f, p = p * z2 + 0.1065626393f;
    p = p * z2 - 0.1420889944f, p = p * z2 + 0.1999355085f, p = p * z2 - 0.3333314528f, p = p * z2 + 1.f;
    p = p * z;
    p = ay > ax ? float(kPi / 2) - p : p;
    p = x < 0 ? float(kPi) - p : p;
    return y < 0 ? -p : p;
  }
}

// Half the solid angle of a triangle (Van Oosterom and Strackee 1983).
template <class Rows, class T> GK_HD auto half_solid_angle(const Rows& rows, const T* q) {
  using V = decltype(rows(0));
  const Vec3<V> a = from_place(three_rows(rows, kCornerA), q), b = from_place(three_rows(rows, kCornerB), q);
  const Vec3<V> c = from_place(three_rows(rows, kCornerC), q);
  const V la = root_of<V>(dot(a, a)), lb = root_of<V>(dot(b, b)), lc = root_of<V>(dot(c, c));
  // The volume by edges: a large triangle and a near point lose fewer digits.
  const V volume = dot(a, cross(b - a, c - a));
  return arc_tangent<V>(volume, la * lb * lc + dot(a, b) * lc + dot(b, c) * la + dot(c, a) * lb);
}

// 4 pi times what a subtree adds, by its moments (a MomentRow each) at r from the query, squared length r2.
template <class Rows, class V> GK_HD V winding_series(const Rows& row, const Vec3<V>& r, const V& r2) {
  const V inverse = root_of<V>(1 / r2);
  // Along the unit vector, so that nothing overflows however far the query is.
  const V x = r.x * inverse, y = r.y * inverse, z = r.z * inverse;
  const V dipole = row(kOrder0) * x + row(kOrder0 + 1) * y + row(kOrder0 + 2) * z;
  const V quadrupole = x * (row(kOrder1) * x + 2 * (row(kOrder1 + 1) * y + row(kOrder1 + 2) * z)) +
                       y * (row(kOrder1 + 3) * y + 2 * (row(kOrder1 + 4) * z)) + row(kOrder1 + 5) * z * z;
  const V of_x = x * row(kOrder2) + 3 * (y * row(kOrder2 + 1) + z * row(kOrder2 + 2));
  const V of_y = y * row(kOrder2 + 6) + 3 * (x * row(kOrder2 + 3) + z * row(kOrder2 + 7));
  const V of_z = z * row(kOrder2 + 9) + 3 * (x * row(kOrder2 + 5) + y * row(kOrder2 + 8));
  const V octupole = x * x * of_x + y * y * of_y + z * z * of_z + 6 * (x * y * z * row(kOrder2 + 4));
  return inverse * inverse * (dipole + inverse * (octupole * inverse * 7.5f - 3 * quadrupole));
}

}  // namespace gk
