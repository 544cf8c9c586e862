// The Gabor wave under an affine camera and a Gaussian pixel filter: exact (docs/splatting.md, "The projected wave").
//
// Under the envelope, the phase f.x and the pixel are jointly Gaussian. Integrating over depth and over the pixel filter
// is conditioning the phase on the pixel: its mean is f2.p with f2 = A^-1 P S f, and its remaining variance
// s2 = f'Sf - f2'A f2 attenuates the wave by exp(-2 pi^2 s2).
#pragma once
#include "gaussian.h"

namespace gk {

template <class V> struct ProjectedWave {
  Vec3<V> whitened;   // u = M' f, cycles per sigma
  Vec2<V> moment;     // y = G u = P S f
  Vec2<V> frequency;  // f2, cycles per pixel
  V variance;         // s2 before clamping at zero
  V attenuation;
};

template <class V> GK_HD ProjectedWave<V> project_wave(const ProjectedGaussian<V>& g, const Vec3<V>& f) {
  ProjectedWave<V> w;
  const auto& M = g.factor.m;
  const auto& G = g.image_factor.m;
  const V u[3] = {M[0][0] * f.x + M[1][0] * f.y + M[2][0] * f.z, M[0][1] * f.x + M[1][1] * f.y + M[2][1] * f.z,
                  M[0][2] * f.x + M[1][2] * f.y + M[2][2] * f.z};
  w.whitened = {u[0], u[1], u[2]};
  w.moment = {dot(G[0], u), dot(G[1], u)};
  w.frequency = multiply(g.conic, w.moment);
  w.variance = dot(u, u) - w.frequency.x * w.moment.x - w.frequency.y * w.moment.y;
  w.attenuation = exponential(V(-19.739208802178716) * maximum(w.variance, V(0)));
  return w;
}

// Adds to the gradients of the conic, of G and of M; returns the gradient to f.
template <class V>
GK_HD Vec3<V> wave_vjp(const ProjectedGaussian<V>& g, const ProjectedWave<V>& w, const Vec3<V>& f,
                       const Vec2<V>& frequency_bar, V attenuation_bar, Sym2<V>& conic_bar, Mat23<V>& image_factor_bar,
                       Mat3<V>& factor_bar) {
  const V s2_bar =
      select(w.variance > V(0), V(-19.739208802178716) * w.attenuation * attenuation_bar, V(0));
  const Vec2<V> pulled = multiply(g.conic, frequency_bar);
  const Vec2<V> y = w.moment, y_bar = {pulled.x - V(2) * s2_bar * w.frequency.x, pulled.y - V(2) * s2_bar * w.frequency.y};
  conic_bar.xx = conic_bar.xx + frequency_bar.x * y.x - s2_bar * y.x * y.x;
  conic_bar.xy = conic_bar.xy + frequency_bar.x * y.y + frequency_bar.y * y.x - V(2) * s2_bar * y.x * y.y;
  conic_bar.yy = conic_bar.yy + frequency_bar.y * y.y - s2_bar * y.y * y.y;
  const V u[3] = {w.whitened.x, w.whitened.y, w.whitened.z}, frequency[3] = {f.x, f.y, f.z};
  V u_bar[3], f_bar[3] = {V(0), V(0), V(0)};
  for (int j = 0; j < 3; ++j) {
    u_bar[j] = V(2) * s2_bar * u[j] + g.image_factor.m[0][j] * y_bar.x + g.image_factor.m[1][j] * y_bar.y;
    image_factor_bar.m[0][j] = image_factor_bar.m[0][j] + y_bar.x * u[j];
    image_factor_bar.m[1][j] = image_factor_bar.m[1][j] + y_bar.y * u[j];
  }
  for (int i = 0; i < 3; ++i)
    for (int j = 0; j < 3; ++j) {
      f_bar[i] = f_bar[i] + g.factor.m[i][j] * u_bar[j];
      factor_bar.m[i][j] = factor_bar.m[i][j] + frequency[i] * u_bar[j];
    }
  return {f_bar[0], f_bar[1], f_bar[2]};
}

}  // namespace gk
