// One triangle and one point: closest point with its vector-Jacobian product, a ray's hit.
//
// Scalar code with branches: a CUDA thread or a float64 refinement calls it once a query; the loops over many triangles
// have their own wide code. Points are relative to the query where it says so, which keeps digits far from the origin.
#pragma once
#include "scalar.h"

namespace gk {

template <class V> GK_HD Vec3<V> operator+(const Vec3<V>& a, const Vec3<V>& b) { return {a.x + b.x, a.y + b.y, a.z + b.z}; }
template <class V> GK_HD Vec3<V> operator-(const Vec3<V>& a, const Vec3<V>& b) { return {a.x - b.x, a.y - b.y, a.z - b.z}; }
template <class V> GK_HD Vec3<V> operator*(V s, const Vec3<V>& a) { return {s * a.x, s * a.y, s * a.z}; }
template <class V> GK_HD V dot(const Vec3<V>& a, const Vec3<V>& b) { return a.x * b.x + a.y * b.y + a.z * b.z; }
template <class V> GK_HD Vec3<V> cross(const Vec3<V>& a, const Vec3<V>& b) {
  return {a.y * b.z - a.z * b.y, a.z * b.x - a.x * b.z, a.x * b.y - a.y * b.x};
}

// The place on a triangle nearest to the origin: weights of the corners, at least 0, sum 1; a weight is exactly 0 where
// the corner plays no part. Offset is the place itself. Degenerate triangles are segments or points.
template <class V> struct TrianglePlace {
  V weights[3];
  Vec3<V> offset;
  V squared;
};

template <class V> GK_HD TrianglePlace<V> closest_on_segment(const Vec3<V>& a, const Vec3<V>& b, int i, int j) {
  const Vec3<V> edge = b - a;
  const V length2 = dot(edge, edge);
  const V t = length2 > V(0) ? minimum(maximum(-dot(a, edge) / length2, V(0)), V(1)) : V(0);
  // From the nearer end, so that a place close to it is not rounded away.
  TrianglePlace<V> place = {{V(0), V(0), V(0)}, t < V(0.5) ? a + t * edge : b - (V(1) - t) * edge, V(0)};
  place.weights[i] = V(1) - t, place.weights[j] = t;
  place.squared = dot(place.offset, place.offset);
  return place;
}

// Corners relative to the query. The weights inside are those of sub-triangles seen along the normal: their error is that
// of the coordinates however thin the triangle.
template <class V> GK_HD TrianglePlace<V> closest_on_triangle(const Vec3<V>& a, const Vec3<V>& b, const Vec3<V>& c) {
  const Vec3<V> normal = cross(b - a, c - a);
  const V wa = dot(normal, cross(b, c)), wb = dot(normal, cross(c, a)), wc = dot(normal, cross(a, b));
  if (wa > V(0) && wb > V(0) && wc > V(0)) {
    const V inverse = V(1) / (wa + wb + wc), height = dot(normal, a) / dot(normal, normal);
    TrianglePlace<V> place = {{wa * inverse, wb * inverse, wc * inverse}, height * normal, V(0)};
    place.squared = dot(place.offset, place.offset);
    return place;
  }
  TrianglePlace<V> best = closest_on_segment(a, b, 0, 1);
  const TrianglePlace<V> second = closest_on_segment(b, c, 1, 2), third = closest_on_segment(c, a, 2, 0);
  if (second.squared < best.squared) best = second;
  if (third.squared < best.squared) best = third;
  return best;
}

// Cotangents of the place (of its point, its weights and its distance from the query) pulled back to query and corners.
//
// The active corners, those of non-zero weight, span a point, a line or a plane: p = a + E w with E'(q - p) = 0, so that
// E'E dw = dE'r + E'(dq - da - dE w), r = q - p. A distance of zero has no direction and pulls nothing back.
template <class V> struct TriangleGradient {
  Vec3<V> query, corners[3];
};
template <class V>
GK_HD TriangleGradient<V> closest_on_triangle_vjp(const Vec3<V>* corners, const V* weights, const Vec3<V>& point_bar,
                                                  const V* weights_bar, V distance_bar) {
  TriangleGradient<V> bar = {};
  int active[3] = {0, 0, 0}, count = 0;
  for (int i = 0; i < 3; ++i)
    if (weights[i] != V(0)) active[count++] = i;
  const Vec3<V> a = corners[active[0]];
  const Vec3<V> e = corners[active[1]] - a, f = corners[active[2]] - a;
  const V we = count > 1 ? weights[active[1]] : V(0), wf = count > 2 ? weights[active[2]] : V(0);
  Vec3<V> place = a;
  if (count > 1) place = place + we * e;
  if (count > 2) place = place + wf * f;
  const Vec3<V> r = V(-1) * place;  // corners are relative to the query
  const V distance = square_root(dot(r, r));
  const Vec3<V> pull = distance > V(0) ? (distance_bar / distance) * r : Vec3<V>{V(0), V(0), V(0)};
  bar.query = pull;
  for (int k = 0; k < count; ++k) {
    Vec3<V>& corner = bar.corners[active[k]];
    corner = weights[active[k]] * (point_bar - pull);
  }
  if (count == 1) return bar;
  // Cotangent of w, then z solves E'E z = w_bar.
  const V bar_e = dot(e, point_bar) + weights_bar[active[1]] - weights_bar[active[0]];
  V ze, zf = V(0);
  if (count == 2) {
    ze = bar_e / dot(e, e);
  } else {
    const V bar_f = dot(f, point_bar) + weights_bar[active[2]] - weights_bar[active[0]];
    const Vec3<V> normal = cross(e, f);
    const V det = dot(normal, normal);
    ze = (dot(f, f) * bar_e - dot(e, f) * bar_f) / det, zf = (dot(e, e) * bar_f - dot(e, f) * bar_e) / det;
  }
  Vec3<V> slide = ze * e;
  if (count > 2) slide = slide + zf * f;
  const Vec3<V> along_e = ze * r - we * slide, along_f = zf * r - wf * slide;
  bar.query = bar.query + slide;
  Vec3<V>& first = bar.corners[active[0]];
  first = first - slide - along_e;
  bar.corners[active[1]] = bar.corners[active[1]] + along_e;
  if (count > 2) {
    first = first - along_f;
    bar.corners[active[2]] = bar.corners[active[2]] + along_f;
  }
  return bar;
}

// Twice the signed areas of the sub-triangles that the ray from the origin along `direction` cuts: antisymmetric in the two
// ends of an edge to the last bit, so that a ray through an edge hits one of its triangles. All of one sign: a hit.
template <class V>
GK_HD void ray_weights(const Vec3<V>& a, const Vec3<V>& b, const Vec3<V>& c, const Vec3<V>& direction, V& wa, V& wb, V& wc) {
  wa = dot(cross(c - b, b + c), direction), wb = dot(cross(a - c, c + a), direction), wc = dot(cross(b - a, a + b), direction);
}

}  // namespace gk
