// One thread a value: four bytes times seven cross the memory bus, which is all the time that it takes.
#include "../cuda/launch.h"
#include "adam.h"

namespace gk::cuda {
namespace {

constexpr int kThreads = 256;

template <class T> struct Unbiased {
  T first, second;  // 1 / (1 - beta1^t), 1 / sqrt(1 - beta2^t)
};

// Index is unsigned where it suffices: a division by 64 bits costs more than the rest.
template <class T, class Index> __global__ void __launch_bounds__(kThreads) update(AdamStep<T> s, Unbiased<T> unbias) {
  const int64_t i = thread_index();
  if (i >= s.rows * s.columns || (s.skip && *s.skip)) return;
  const T g = s.gradient[i];
  const T m = s.beta1 * s.first_moment[i] + (1 - s.beta1) * g, v = s.beta2 * s.second_moment[i] + (1 - s.beta2) * g * g;
  s.first_moment[i] = m, s.second_moment[i] = v;
  s.parameter[i] -= s.rates[Index(i) % Index(s.columns)] * unbias.first * m / (sqrt(v) * unbias.second + s.epsilon);
}

}  // namespace

template <class T> void adam_step(const AdamStep<T>& s) {
  const double first = 1 - std::pow(double(s.beta1), double(s.step)), second = 1 - std::pow(double(s.beta2), double(s.step));
  const Unbiased<T> unbias = {T(1 / first), T(1 / std::sqrt(second))};
  const int64_t count = s.rows * s.columns;
  const bool small = count <= int64_t(UINT32_MAX);
  launch(small ? update<T, uint32_t> : update<T, uint64_t>, blocks_for(count, kThreads), kThreads, 0, s, unbias);
}

template void adam_step(const AdamStep<float>&);
template void adam_step(const AdamStep<double>&);

}  // namespace gk::cuda
