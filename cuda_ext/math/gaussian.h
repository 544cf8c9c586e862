// The anisotropic Gaussian: its square root factor, its image under an affine camera, and the value of a pixel.
#pragma once
#include "scalar.h"

namespace gk {

// Rotation matrix of a quaternion (w, x, y, z) of any non-zero length.
template <class V> struct Rotation {
  V unit[4];
  V inverse_norm;
  Mat3<V> matrix;
};

template <class V> GK_HD Rotation<V> rotation_from_quaternion(const V q[4]) {
  Rotation<V> r;
  const V norm2 = q[0] * q[0] + q[1] * q[1] + q[2] * q[2] + q[3] * q[3];
  r.inverse_norm = V(1) / square_root(maximum(norm2, V(1e-24)));
  for (int i = 0; i < 4; ++i) r.unit[i] = q[i] * r.inverse_norm;
  const V w = r.unit[0], x = r.unit[1], y = r.unit[2], z = r.unit[3], two = V(2);
  r.matrix = {{{V(1) - two * (y * y + z * z), two * (x * y - w * z), two * (x * z + w * y)},
               {two * (x * y + w * z), V(1) - two * (x * x + z * z), two * (y * z - w * x)},
               {two * (x * z - w * y), two * (y * z + w * x), V(1) - two * (x * x + y * y)}}};
  return r;
}

template <class V> GK_HD void rotation_vjp(const Rotation<V>& r, const Mat3<V>& bar, V q_bar[4]) {
  const V w = r.unit[0], x = r.unit[1], y = r.unit[2], z = r.unit[3], two = V(2);
  const auto& b = bar.m;
  const V unit_bar[4] = {
      two * (x * (b[2][1] - b[1][2]) + y * (b[0][2] - b[2][0]) + z * (b[1][0] - b[0][1])),
      two * (y * (b[0][1] + b[1][0]) + z * (b[0][2] + b[2][0]) + w * (b[2][1] - b[1][2]) - two * x * (b[1][1] + b[2][2])),
      two * (x * (b[0][1] + b[1][0]) + z * (b[1][2] + b[2][1]) + w * (b[0][2] - b[2][0]) - two * y * (b[0][0] + b[2][2])),
      two * (x * (b[0][2] + b[2][0]) + y * (b[1][2] + b[2][1]) + w * (b[1][0] - b[0][1]) - two * z * (b[0][0] + b[1][1]))};
  V radial = V(0);
  for (int i = 0; i < 4; ++i) radial = radial + unit_bar[i] * r.unit[i];
  for (int i = 0; i < 4; ++i) q_bar[i] = (unit_bar[i] - radial * r.unit[i]) * r.inverse_norm;
}

// The Gaussian seen by an affine camera P: M = R diag(s) with S = M M', G = P M, A = G G' + dilation I.
template <class V> struct ProjectedGaussian {
  Mat3<V> factor;        // M, sigma units -> world
  Mat23<V> image_factor; // G, sigma units -> pixels
  Sym2<V> plain;         // G G'
  Sym2<V> dilated;       // A
  Sym2<V> conic;         // A^-1
  V compensation;        // sqrt(det(G G') / det A): keeps the energy of the dilated splat (Mip-Splatting, Yu et al. 2024)
};

template <class V>
GK_HD ProjectedGaussian<V> project_gaussian(const Mat3<V>& rotation, const V scales[3], const Mat23<V>& map, V dilation) {
  ProjectedGaussian<V> g;
  for (int i = 0; i < 3; ++i)
    for (int j = 0; j < 3; ++j) g.factor.m[i][j] = rotation.m[i][j] * scales[j];
  for (int i = 0; i < 2; ++i)
    for (int j = 0; j < 3; ++j)
      g.image_factor.m[i][j] =
          map.m[i][0] * g.factor.m[0][j] + map.m[i][1] * g.factor.m[1][j] + map.m[i][2] * g.factor.m[2][j];
  const auto& G = g.image_factor.m;
  g.plain = {dot(G[0], G[0]), dot(G[0], G[1]), dot(G[1], G[1])};
  g.dilated = {g.plain.xx + dilation, g.plain.xy, g.plain.yy + dilation};
  const V det = maximum(determinant(g.dilated), V(1e-10)), inverse = V(1) / det;
  g.conic = {g.dilated.yy * inverse, -g.dilated.xy * inverse, g.dilated.xx * inverse};
  g.compensation = square_root(maximum(determinant(g.plain) * inverse, V(0)));
  return g;
}

// Gradient to G from the gradients of the conic (as three independent numbers) and the compensation.
template <class V>
GK_HD Mat23<V> conic_vjp(const ProjectedGaussian<V>& g, const Sym2<V>& conic_bar, V compensation_bar) {
  const V half = V(0.5);
  // Abar = -Q Qbar Q, with the off-diagonal of Qbar shared by its two places.
  const Sym2<V>& q = g.conic;
  const V b_xx = conic_bar.xx, b_xy = half * conic_bar.xy, b_yy = conic_bar.yy;
  const V t_xx = q.xx * b_xx + q.xy * b_xy, t_xy = q.xx * b_xy + q.xy * b_yy;
  const V t_yx = q.xy * b_xx + q.yy * b_xy, t_yy = q.xy * b_xy + q.yy * b_yy;
  Sym2<V> bar = {-(t_xx * q.xx + t_xy * q.xy), -(t_xx * q.xy + t_xy * q.yy), -(t_yx * q.xy + t_yy * q.yy)};
  // compensation^2 = det(G G') / det A.
  const V det_plain = determinant(g.plain), det = maximum(determinant(g.dilated), V(1e-10));
  const auto flat = det_plain <= V(1e-12) * det;
  const V plain_bar = select(flat, V(0), half * compensation_bar * g.compensation / select(flat, V(1), det_plain));
  const V dilated_bar = select(flat, V(0), -half * compensation_bar * g.compensation / det);
  bar.xx = bar.xx + plain_bar * g.plain.yy + dilated_bar * g.dilated.yy;
  bar.xy = bar.xy - plain_bar * g.plain.xy - dilated_bar * g.dilated.xy;
  bar.yy = bar.yy + plain_bar * g.plain.xx + dilated_bar * g.dilated.xx;
  const auto& G = g.image_factor.m;
  Mat23<V> factor_bar;
  for (int j = 0; j < 3; ++j) {
    factor_bar.m[0][j] = V(2) * (bar.xx * G[0][j] + bar.xy * G[1][j]);
    factor_bar.m[1][j] = V(2) * (bar.xy * G[0][j] + bar.yy * G[1][j]);
  }
  return factor_bar;
}

// VJP of M = R diag(s) and G = P M: from the gradients of G and M to those of R, s and P.
template <class V>
GK_HD void factor_vjp(const ProjectedGaussian<V>& g, const Mat3<V>& rotation, const V scales[3], const Mat23<V>& map,
                      const Mat23<V>& image_factor_bar, const Mat3<V>& extra_factor_bar, Mat3<V>& rotation_bar,
                      V scales_bar[3], Mat23<V>& map_bar) {
  for (int j = 0; j < 3; ++j) scales_bar[j] = V(0);
  for (int i = 0; i < 3; ++i)
    for (int j = 0; j < 3; ++j) {
      const V bar = extra_factor_bar.m[i][j] + map.m[0][i] * image_factor_bar.m[0][j] + map.m[1][i] * image_factor_bar.m[1][j];
      rotation_bar.m[i][j] = bar * scales[j];
      scales_bar[j] = scales_bar[j] + bar * rotation.m[i][j];
    }
  for (int i = 0; i < 2; ++i)
    for (int j = 0; j < 3; ++j) map_bar.m[i][j] = dot(image_factor_bar.m[i], g.factor.m[j]);
}

}  // namespace gk
