// A warp a sum: its lanes take the rows in turns. Few rows to a sum are the rule.
#include "sum_rows.h"
#include "warp.h"

namespace gk::cuda {
namespace {

constexpr int kThreads = 128;

template <class T>
__global__ void __launch_bounds__(kThreads)
    sum(int64_t keys, int64_t columns, const T* rows, const int64_t* order, const int64_t* starts, T* sums) {
  const int64_t key = thread_index() / 32;
  if (key >= keys) return;
  for (int64_t column = 0; column < columns; ++column) {
    T total = 0;
    for (int64_t i = starts[key] + threadIdx.x % 32; i < starts[key + 1]; i += 32) total += rows[columns * order[i] + column];
    total = warp_sum(total);
    if (threadIdx.x % 32 == 0) sums[columns * key + column] = total;
  }
}

}  // namespace

template <class T>
void sum_rows(int64_t keys, int64_t columns, const T* rows, const int64_t* order, const int64_t* starts, T* sums) {
  launch(sum<T>, blocks_for(32 * keys, kThreads), kThreads, 0, keys, columns, rows, order, starts, sums);
}

template void sum_rows(int64_t, int64_t, const float*, const int64_t*, const int64_t*, float*);
template void sum_rows(int64_t, int64_t, const double*, const int64_t*, const int64_t*, double*);

}  // namespace gk::cuda
