// One thread a splat; a culled one reads no coefficients.
#include "../cuda/launch.h"
#include "../math/spherical_harmonics.h"
#include "harmonics.h"

namespace gk::cuda {
namespace {

constexpr int kThreads = 128;

template <int kDegree, class T> __global__ void __launch_bounds__(kThreads) forward(HarmonicsInput<T> in, T* colors) {
  constexpr int kCount = sh_count(kDegree);
  const int64_t i = thread_index();
  if (i >= in.splats) return;
  T color[3] = {T(0), T(0), T(0)};
  if (!in.visible || in.visible[i]) {
    T basis[kCount], inverse_norm;
    sh_basis<kDegree>(unit_of(in.directions + 3 * i, inverse_norm), basis);
    const T* c = in.coeffs + 3 * in.stored * i;
#pragma unroll
    for (int b = 0; b < kCount; ++b)
      for (int channel = 0; channel < 3; ++channel) color[channel] += basis[b] * c[3 * b + channel];
  }
  for (int channel = 0; channel < 3; ++channel) colors[3 * i + channel] = color[channel];
}

template <int kDegree, class T>
__global__ void __launch_bounds__(kThreads) backward(HarmonicsInput<T> in, const T* colors_bar, T* directions_bar, T* coeffs_bar) {
  constexpr int kCount = sh_count(kDegree);
  const int64_t i = thread_index();
  if (i >= in.splats) return;
  T* c_bar = coeffs_bar + 3 * in.stored * i;
  const bool seen = !in.visible || in.visible[i];
  for (int64_t j = seen ? 3 * kCount : 0; j < 3 * in.stored; ++j) c_bar[j] = T(0);
  Vec3<T> pulled = {T(0), T(0), T(0)};
  if (seen) {
    T basis[kCount], basis_bar[kCount], inverse_norm;
    const Vec3<T> d = unit_of(in.directions + 3 * i, inverse_norm);
    sh_basis<kDegree>(d, basis);
    const T *c = in.coeffs + 3 * in.stored * i, *bar = colors_bar + 3 * i;
#pragma unroll
    for (int b = 0; b < kCount; ++b) {
      for (int channel = 0; channel < 3; ++channel) c_bar[3 * b + channel] = basis[b] * bar[channel];
      basis_bar[b] = dot(c + 3 * b, bar);
    }
    pulled = unit_vjp(d, inverse_norm, sh_basis_vjp<kDegree>(d, basis_bar));
  }
  directions_bar[3 * i] = pulled.x, directions_bar[3 * i + 1] = pulled.y, directions_bar[3 * i + 2] = pulled.z;
}

template <class T, class Launch> void by_degree(const HarmonicsInput<T>& in, const Launch& with) {
  const unsigned blocks = blocks_for(in.splats, kThreads);
  switch (in.degree) {
    case 0: return with(blocks, std::integral_constant<int, 0>());
    case 1: return with(blocks, std::integral_constant<int, 1>());
    case 2: return with(blocks, std::integral_constant<int, 2>());
    default: return with(blocks, std::integral_constant<int, 3>());
  }
}

}  // namespace

template <class T> void harmonics_forward(const HarmonicsInput<T>& in, T* colors) {
  by_degree(in, [&](unsigned blocks, auto degree) { launch(forward<degree(), T>, blocks, kThreads, 0, in, colors); });
}

template <class T>
void harmonics_backward(const HarmonicsInput<T>& in, const T* colors_bar, T* directions_bar, T* coeffs_bar) {
  by_degree(in, [&](unsigned blocks, auto degree) {
    launch(backward<degree(), T>, blocks, kThreads, 0, in, colors_bar, directions_bar, coeffs_bar);
  });
}

template void harmonics_forward(const HarmonicsInput<float>&, float*);
template void harmonics_forward(const HarmonicsInput<double>&, double*);
template void harmonics_backward(const HarmonicsInput<float>&, const float*, float*, float*);
template void harmonics_backward(const HarmonicsInput<double>&, const double*, double*, double*);

}  // namespace gk::cuda
