// Real spherical harmonics of degree 0 to 3 in the sign convention of 3D Gaussian splatting (Kerbl et al. 2023), with
// their gradients to the unit direction.
#pragma once
#include "scalar.h"

namespace gk {

GK_HD constexpr int sh_count(int degree) { return (degree + 1) * (degree + 1); }

template <int Degree, class V> GK_HD void sh_basis(const Vec3<V>& d, V* basis) {
  const V x = d.x, y = d.y, z = d.z;
  basis[0] = V(0.28209479177387814);
  if constexpr (Degree >= 1) {
    const V c = V(0.48860251190291992);
    basis[1] = -c * y, basis[2] = c * z, basis[3] = -c * x;
  }
  if constexpr (Degree >= 2) {
    basis[4] = V(1.0925484305920792) * x * y;
    basis[5] = V(-1.0925484305920792) * y * z;
    basis[6] = V(0.94617469575756008) * z * z - V(0.31539156525252005);
    basis[7] = V(-1.0925484305920792) * x * z;
    basis[8] = V(0.54627421529603959) * (x * x - y * y);
  }
  if constexpr (Degree >= 3) {
    const V xx = x * x, yy = y * y, zz = z * z;
    basis[9] = V(-0.59004358992664352) * y * (V(3) * xx - yy);
    basis[10] = V(2.8906114426405538) * x * y * z;
    basis[11] = V(-0.45704579946446572) * y * (V(5) * zz - V(1));
    basis[12] = V(0.37317633259011546) * z * (V(5) * zz - V(3));
    basis[13] = V(-0.45704579946446572) * x * (V(5) * zz - V(1));
    basis[14] = V(1.4453057213202769) * z * (xx - yy);
    basis[15] = V(-0.59004358992664352) * x * (xx - V(3) * yy);
  }
}

// Gradient to the unit direction of sum_b bar[b] basis[b], taking x, y, z as independent.
template <int Degree, class V> GK_HD Vec3<V> sh_basis_vjp(const Vec3<V>& d, const V* bar) {
  const V x = d.x, y = d.y, z = d.z;
  Vec3<V> g = {V(0), V(0), V(0)};
  if constexpr (Degree >= 1) {
    const V c = V(0.48860251190291992);
    g = {-c * bar[3], -c * bar[1], c * bar[2]};
  }
  if constexpr (Degree >= 2) {
    const V a = V(1.0925484305920792), e = V(1.8923493915151202);
    g.x = g.x + a * (bar[4] * y - bar[7] * z + bar[8] * x);
    g.y = g.y + a * (bar[4] * x - bar[5] * z - bar[8] * y);
    g.z = g.z - a * (bar[5] * y + bar[7] * x) + e * bar[6] * z;
  }
  if constexpr (Degree >= 3) {
    const V xx = x * x, yy = y * y, zz = z * z, three = V(3), six = V(6);
    const V c0 = V(0.59004358992664352), c1 = V(2.8906114426405538), c2 = V(0.45704579946446572);
    const V c3 = V(0.37317633259011546), c4 = V(1.4453057213202769), ring = V(5) * zz - V(1);
    g.x = g.x - c0 * six * bar[9] * x * y + c1 * bar[10] * y * z - c2 * bar[13] * ring + V(2) * c4 * bar[14] * x * z -
          c0 * three * bar[15] * (xx - yy);
    g.y = g.y - c0 * three * bar[9] * (xx - yy) + c1 * bar[10] * x * z - c2 * bar[11] * ring -
          V(2) * c4 * bar[14] * y * z + c0 * six * bar[15] * x * y;
    g.z = g.z + c1 * bar[10] * x * y - V(10) * c2 * z * (bar[11] * y + bar[13] * x) +
          three * c3 * bar[12] * (V(5) * zz - V(1)) + c4 * bar[14] * (xx - yy);
  }
  return g;
}

}  // namespace gk
