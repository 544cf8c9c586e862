// When a parallel region pays: on a busy machine an idle one costs a millisecond, so small work stays on one thread.
#pragma once
#include <cstdint>
#ifdef _OPENMP
#include <omp.h>
#endif

namespace gk {

// Roughly 30 microseconds of work on one core.
constexpr int64_t kParallelWork = 1 << 15;

inline int thread_count() {
#ifdef _OPENMP
  return omp_get_max_threads();
#else
  return 1;
#endif
}

// This thread's number inside a parallel region, below thread_count().
inline int thread_index() {
#ifdef _OPENMP
  return omp_get_thread_num();
#else
  return 0;
#endif
}

}  // namespace gk
