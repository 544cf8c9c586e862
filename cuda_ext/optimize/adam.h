// One step of Adam (Kingma & Ba 2015) on N rows of D columns, each column with its own learning rate: contract.
#pragma once
#include <cstdint>

namespace gk {

template <class T> struct AdamStep {
  int64_t rows, columns;  // N, D
  const T* gradient;      // (N, D)
  const T* rates;         // (D,)
  T beta1, beta2, epsilon;
  int64_t step;           // 1 for the first
  const bool* skip;       // (1,) or null: where true, nothing changes
  T *parameter, *first_moment, *second_moment;  // (N, D), updated in place
};

template <class T> void adam_step(const AdamStep<T>& s);

// The same on the GPU, asynchronously on the current stream.
namespace cuda {
template <class T> void adam_step(const AdamStep<T>& s);
}  // namespace cuda

}  // namespace gk
