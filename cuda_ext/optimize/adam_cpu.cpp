#include "adam.h"

#include <algorithm>
#include <cmath>

#include "../cpu/aligned.h"
#include "../cpu/multiversion.h"
#include "../cpu/parallel.h"

namespace gk {
namespace {

constexpr int64_t kBlock = 256;  // rows a task covers

// `rates` repeats the columns' rates over the rows of a block, so that the loop is flat and vectorises.
template <class T>
GK_INLINE void update(int64_t count, const T* __restrict g, const T* __restrict rates, T b1, T b2, T correction, T epsilon,
                      T* __restrict p, T* __restrict m, T* __restrict v) {
  for (int64_t i = 0; i < count; ++i) {
    m[i] = b1 * m[i] + (1 - b1) * g[i];
    v[i] = b2 * v[i] + (1 - b2) * g[i] * g[i];
    p[i] -= rates[i] * m[i] / (std::sqrt(v[i]) * correction + epsilon);
  }
}

GK_MULTIVERSION void update_block(int64_t n, const float* g, const float* r, float b1, float b2, float c, float e, float* p,
                                  float* m, float* v) {
  update(n, g, r, b1, b2, c, e, p, m, v);
}
void update_block(int64_t n, const double* g, const double* r, double b1, double b2, double c, double e, double* p, double* m,
                  double* v) {
  update(n, g, r, b1, b2, c, e, p, m, v);
}

}  // namespace

template <class T> void adam_step(const AdamStep<T>& s) {
  if (s.skip && *s.skip) return;
  const double unbias1 = 1 - std::pow(double(s.beta1), double(s.step)), unbias2 = 1 - std::pow(double(s.beta2), double(s.step));
  AlignedVector<T> rates(kBlock * s.columns);
  for (size_t i = 0; i < rates.size(); ++i) rates[i] = T(s.rates[i % s.columns] / unbias1);
  const T correction = T(1 / std::sqrt(unbias2));
#pragma omp parallel for schedule(static) if (s.rows * s.columns > kParallelWork)
  for (int64_t begin = 0; begin < s.rows; begin += kBlock) {
    const int64_t at = begin * s.columns, count = (std::min(begin + kBlock, s.rows) - begin) * s.columns;
    update_block(count, s.gradient + at, rates.data(), s.beta1, s.beta2, correction, s.epsilon, s.parameter + at,
                 s.first_moment + at, s.second_moment + at);
  }
}

template void adam_step(const AdamStep<float>&);
template void adam_step(const AdamStep<double>&);

}  // namespace gk
