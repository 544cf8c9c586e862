// A warp a task: 32 rows of cells of one kernel, however long, so that a kernel over everything is the work of many warps.
// Its lanes find the run of queries of a row each, and then ask all runs together, 32 queries at a time.
#include <cub/cub.cuh>

#include "../cuda/search.h"
#include "../cuda/warp.h"
#include "radial_extent.h"

namespace gk::cuda {
namespace {

constexpr int kThreads = 128;
static_assert(kRowsOfTask == 32, "a row for each lane");

template <class T> __global__ void __launch_bounds__(kThreads) find_cells(const T* x, QueryGrid<T> grid, int32_t* cells) {
  const int64_t q = thread_index();
  if (q >= grid.queries) return;
  int32_t cell = 0;
  for (int k = grid.dimension - 1; k >= 0; --k) cell = cell * grid.cells[k] + cell_of(grid, k, double(x[q * grid.dimension + k]));
  cells[q] = cell;
}

template <int D, class T>
__global__ void __launch_bounds__(kThreads) count_tasks(QueryGrid<T> grid, Supports<T> supports, int64_t* tasks) {
  const int64_t i = thread_index();
  if (i >= supports.kernels) return;
  const CrossedRows rows = crossed_rows<D>(grid, ellipsoid_of<D>(grid, supports, i));
  const int64_t count = int64_t(rows.last[1] - rows.first[1] + 1) * (rows.last[2] - rows.first[2] + 1);
  tasks[i] = (count + kRowsOfTask - 1) / kRowsOfTask;
}

template <int D, class T>
__device__ __forceinline__ bool inside(const Supports<T>& supports, const T* c, const T* a, const QueryGrid<T>& grid, int64_t at) {
  T y[D], u[D];
  for (int k = 0; k < D; ++k) y[k] = grid.sorted[k * grid.stride() + at] - c[k];
  times_factor<D>(a, y, u);
  if (!supports.hat) return dot_of<D>(u, u) < supports.support * supports.support;
  bool in = true;
  for (int k = 0; k < D; ++k) in = in && maximum(u[k], -u[k]) < T(1);
  return in;
}

template <int D, class T>
__global__ void __launch_bounds__(kThreads) find_pairs(QueryGrid<T> grid, Supports<T> supports, FoundPairs pairs) {
  const int64_t task = thread_index() / 32;
  if (task >= pairs.tasks) return;
  const int lane = threadIdx.x % 32;
  const int64_t kernel = last_not_above(pairs.first, supports.kernels, task);
  T c[D], a[packed_size(D)];
  for (int k = 0; k < D; ++k) c[k] = supports.centres[kernel * D + k];
  for (int k = 0; k < packed_size(D); ++k) a[k] = supports.factors[kernel * packed_size(D) + k];

  const Ellipsoid e = ellipsoid_of<D>(grid, supports, kernel);
  const CrossedRows rows = crossed_rows<D>(grid, e);
  const int32_t across = rows.last[1] - rows.first[1] + 1;
  const int64_t row = (task - pairs.first[kernel]) * kRowsOfTask + lane;
  const int32_t cell[3] = {0, rows.first[1] + int32_t(row % across), int32_t(rows.first[2] + row / across)};
  int64_t begin = 0, end = 0;
  if (cell[2] > rows.last[2] || !run_in_row<D>(grid, e, cell, begin, end)) begin = end = 0;

  // Runs one after the other: that of this lane ends at `upto` among all of them.
  int upto = int(end - begin);
  for (int by = 1; by < 32; by *= 2) {
    const int before = __shfl_up_sync(kWholeWarp, upto, by);
    if (lane >= by) upto += before;
  }
  const int start = int(begin) - (upto - int(end - begin)), total = __shfl_sync(kWholeWarp, upto, 31);
  int64_t to = pairs.ids ? pairs.found[task] : 0;
  for (int from = 0; from < total; from += 32) {
    const int place = from + lane;
    int run = 0;
    for (int step = 16; step; step /= 2)
      if (__shfl_sync(kWholeWarp, upto, run + step - 1) <= place) run += step;
    const int at = __shfl_sync(kWholeWarp, start, run) + place;
    const bool in = place < total && inside<D>(supports, c, a, grid, at);
    const unsigned votes = __ballot_sync(kWholeWarp, in);
    if (in && pairs.ids) {
      const int64_t mine = to + __popc(votes & ((1u << lane) - 1));
      pairs.ids[mine] = grid.order[at], pairs.kernels[mine] = int32_t(kernel);
    }
    to += __popc(votes);
  }
  if (!pairs.ids && lane == 0) pairs.found[task] = to;
}

int bits_for(int64_t count) {
  int bits = 1;
  while (bits < 31 && int64_t(1) << bits < count) ++bits;
  return bits;
}

size_t radix_sort(int64_t pairs, int64_t queries, const int32_t* ids, const int32_t* owners, int32_t* sorted, int32_t* kernels, void* room,
                  size_t bytes) {
  check(cub::DeviceRadixSort::SortPairs(room, bytes, ids, sorted, owners, kernels, int(pairs), 0, bits_for(queries), stream), "a sort");
  return bytes;
}

}  // namespace

template <class T> void query_cells(const T* x, const QueryGrid<T>& grid, int32_t* cells) {
  launch(find_cells<T>, blocks_for(grid.queries, kThreads), kThreads, 0, x, grid, cells);
}

template <class T> void kernel_tasks(const QueryGrid<T>& grid, const Supports<T>& supports, int64_t* tasks) {
  const auto kernel = grid.dimension == 1 ? count_tasks<1, T> : grid.dimension == 2 ? count_tasks<2, T> : count_tasks<3, T>;
  launch(kernel, blocks_for(supports.kernels, kThreads), kThreads, 0, grid, supports, tasks);
}

template <class T> void kernel_pairs(const QueryGrid<T>& grid, const Supports<T>& supports, const FoundPairs& pairs) {
  const auto kernel = grid.dimension == 1 ? find_pairs<1, T> : grid.dimension == 2 ? find_pairs<2, T> : find_pairs<3, T>;
  launch(kernel, blocks_for(32 * pairs.tasks, kThreads), kThreads, 0, grid, supports, pairs);
}

int64_t sort_room(int64_t pairs, int64_t queries) {
  return int64_t(radix_sort(pairs, queries, nullptr, nullptr, nullptr, nullptr, nullptr, 0));
}

void sort_pairs(int64_t pairs, int64_t queries, const int32_t* ids, const int32_t* owners, int32_t* sorted, int32_t* kernels, void* room,
                int64_t bytes) {
  radix_sort(pairs, queries, ids, owners, sorted, kernels, room, size_t(bytes));
}

#define GK_INSTANCES(T)                                                               \
  template void query_cells(const T*, const QueryGrid<T>&, int32_t*);                \
  template void kernel_tasks(const QueryGrid<T>&, const Supports<T>&, int64_t*);     \
  template void kernel_pairs(const QueryGrid<T>&, const Supports<T>&, const FoundPairs&);
GK_INSTANCES(float)
GK_INSTANCES(double)
#undef GK_INSTANCES

}  // namespace gk::cuda
