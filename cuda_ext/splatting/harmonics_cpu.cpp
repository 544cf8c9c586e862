#include "harmonics.h"

#include "../cpu/multiversion.h"
#include "../cpu/parallel.h"
#include "../math/spherical_harmonics.h"

namespace gk {
namespace {

template <int Degree, class T> GK_INLINE void forward_rows(const HarmonicsInput<T>& in, T* colors, int64_t begin, int64_t end) {
  constexpr int count = sh_count(Degree);
  for (int64_t i = begin; i < end; ++i) {
    T color[3] = {0, 0, 0};
    if (!in.visible || in.visible[i]) {
      T basis[count], inverse_norm;
      sh_basis<Degree>(unit_of(in.directions + 3 * i, inverse_norm), basis);
      const T* c = in.coeffs + 3 * in.stored * i;
      for (int b = 0; b < count; ++b)
        for (int channel = 0; channel < 3; ++channel) color[channel] += basis[b] * c[3 * b + channel];
    }
    for (int channel = 0; channel < 3; ++channel) colors[3 * i + channel] = color[channel];
  }
}

template <int Degree, class T>
GK_INLINE void backward_rows(const HarmonicsInput<T>& in, const T* colors_bar, T* directions_bar, T* coeffs_bar,
                             int64_t begin, int64_t end) {
  constexpr int count = sh_count(Degree);
  for (int64_t i = begin; i < end; ++i) {
    T* c_bar = coeffs_bar + 3 * in.stored * i;
    T* d_bar = directions_bar + 3 * i;
    const bool seen = !in.visible || in.visible[i];
    for (int64_t j = seen ? 3 * count : 0; j < 3 * in.stored; ++j) c_bar[j] = 0;
    if (!seen) {
      d_bar[0] = d_bar[1] = d_bar[2] = 0;
      continue;
    }
    T basis[count], basis_bar[count], inverse_norm;
    const Vec3<T> d = unit_of(in.directions + 3 * i, inverse_norm);
    sh_basis<Degree>(d, basis);
    const T* c = in.coeffs + 3 * in.stored * i;
    const T* bar = colors_bar + 3 * i;
    for (int b = 0; b < count; ++b) {
      for (int channel = 0; channel < 3; ++channel) c_bar[3 * b + channel] = basis[b] * bar[channel];
      basis_bar[b] = dot(c + 3 * b, bar);
    }
    const Vec3<T> g = sh_basis_vjp<Degree>(d, basis_bar);
    const Vec3<T> pulled = unit_vjp(d, inverse_norm, g);
    d_bar[0] = pulled.x, d_bar[1] = pulled.y, d_bar[2] = pulled.z;
  }
}

#define GK_BY_DEGREE(CALL)                       \
  switch (in.degree) {                           \
    case 0: CALL(0); break;                      \
    case 1: CALL(1); break;                      \
    case 2: CALL(2); break;                      \
    default: CALL(3);                            \
  }
#define GK_INSTANTIATE(T, ATTRIBUTES)                                                                             \
  ATTRIBUTES void forward_range(const HarmonicsInput<T>& in, T* colors, int64_t begin, int64_t end) {              \
    GK_BY_DEGREE(GK_FORWARD)                                                                                       \
  }                                                                                                                \
  ATTRIBUTES void backward_range(const HarmonicsInput<T>& in, const T* bar, T* d_bar, T* c_bar, int64_t begin,     \
                                 int64_t end) {                                                                    \
    GK_BY_DEGREE(GK_BACKWARD)                                                                                      \
  }
#define GK_FORWARD(D) forward_rows<D>(in, colors, begin, end)
#define GK_BACKWARD(D) backward_rows<D>(in, bar, d_bar, c_bar, begin, end)
GK_INSTANTIATE(float, GK_MULTIVERSION)
GK_INSTANTIATE(double, )
#undef GK_INSTANTIATE
#undef GK_BY_DEGREE

constexpr int64_t kRows = 2048;  // splats a task covers

}  // namespace

template <class T> void harmonics_forward(const HarmonicsInput<T>& in, T* colors) {
#pragma omp parallel for schedule(static) if (in.splats * 32 > kParallelWork)
  for (int64_t begin = 0; begin < in.splats; begin += kRows)
    forward_range(in, colors, begin, begin + kRows < in.splats ? begin + kRows : in.splats);
}

template <class T>
void harmonics_backward(const HarmonicsInput<T>& in, const T* colors_bar, T* directions_bar, T* coeffs_bar) {
#pragma omp parallel for schedule(static) if (in.splats * 32 > kParallelWork)
  for (int64_t begin = 0; begin < in.splats; begin += kRows)
    backward_range(in, colors_bar, directions_bar, coeffs_bar, begin, begin + kRows < in.splats ? begin + kRows : in.splats);
}

template void harmonics_forward(const HarmonicsInput<float>&, float*);
template void harmonics_forward(const HarmonicsInput<double>&, double*);
template void harmonics_backward(const HarmonicsInput<float>&, const float*, float*, float*);
template void harmonics_backward(const HarmonicsInput<double>&, const double*, double*, double*);

}  // namespace gk
