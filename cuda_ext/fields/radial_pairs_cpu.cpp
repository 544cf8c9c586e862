#include "radial_pairs.h"

#include <algorithm>

#include "../cpu/lanes.h"
#include "../cpu/parallel.h"
#include "radial_extent.h"

namespace gk {
namespace {

// Ids on their way to a kernel's list, which may end where that of a kernel already done begins.
struct Found {
  int32_t ids[1024 + kLanes];
  int32_t count;
  int32_t* to;
  void flush() { std::copy_n(ids, count, to), to += count, count = 0; }
};

template <class T> GK_INLINE int64_t whole(const Lanes<T>& counts) {
  int64_t total = 0;
  for (int lane = 0; lane < kLanes; ++lane) total += int64_t(counts[lane]);
  return total;
}

// Of the sorted queries from begin to end: counts those in the support into total, and adds them to what is found, if any.
template <int D, class T>
GK_INLINE void ask(const QueryGrid<T>& grid, const Supports<T>& supports, const Lanes<T>* c, const Lanes<T>* a,
                   int64_t begin, int64_t end, Lanes<T>& total, Found* found) {
  const Lanes<T> reach2(supports.support * supports.support), one(T(1)), zero(T(0));
  for (int64_t from = begin; from < end; from += kLanes) {
    Lanes<T> y[D], u[D], inside;
    for (int k = 0; k < D; ++k) y[k] = load(grid.sorted + k * grid.stride() + from) - c[k];
    times_factor<D>(a, y, u);
    if (supports.hat) {
      Lanes<T> largest = absolute(u[0]);
      for (int k = 1; k < D; ++k) largest = maximum(largest, absolute(u[k]));
      inside = select(largest < one, one, zero);
    } else {
      inside = select(dot_of<D>(u, u) < reach2, one, zero);
    }
    inside = select(lane_index<T>() < Lanes<T>(T(end - from)), inside, zero);
    if (!found) {
      total = total + inside;
      continue;
    }
    if (found->count > 1024) found->flush();
    T in[kLanes];
    store(in, inside);
    int32_t count = found->count;
    const int32_t* order = grid.order + from;
    const int here = int(std::min<int64_t>(kLanes, end - from));
    for (int lane = 0; lane < here; ++lane) found->ids[count] = order[lane], count += in[lane] > T(0);
    found->count = count;
  }
}

template <int D, class T>
GK_INLINE int64_t one_kernel(const QueryGrid<T>& grid, const Supports<T>& supports, int64_t i, int32_t* ids) {
  const Ellipsoid e = ellipsoid_of<D>(grid, supports, i);
  Lanes<T> c[D], a[packed_size(D)];
  for (int k = 0; k < D; ++k) c[k] = Lanes<T>(supports.centres[i * D + k]);
  for (int k = 0; k < packed_size(D); ++k) a[k] = Lanes<T>(supports.factors[i * packed_size(D) + k]);
  const CrossedRows rows = crossed_rows<D>(grid, e);
  int32_t cell[3] = {};
  Lanes<T> total(T(0));  // exact in every lane up to 2^24, and emptied before
  int64_t counted = 0, asked = 0;
  Found found;
  found.count = 0, found.to = ids;
  for (cell[2] = rows.first[2]; cell[2] <= rows.last[2]; ++cell[2])
    for (cell[1] = rows.first[1]; cell[1] <= rows.last[1]; ++cell[1]) {
      int64_t begin, end;
      if (!run_in_row<D>(grid, e, cell, begin, end)) continue;
      if ((asked += end - begin) > (1 << 24)) counted += whole(total), total = Lanes<T>(T(0)), asked = end - begin;
      ask<D>(grid, supports, c, a, begin, end, total, ids ? &found : nullptr);
    }
  if (ids) found.flush();
  return counted + whole(total);
}

template <class T>
GK_INLINE void some_kernels(const QueryGrid<T>& grid, const Supports<T>& s, int64_t begin, int64_t end,
                            int64_t* offsets, int32_t* ids) {
  for (int64_t j = begin; j < end; ++j) {
    const int64_t i = s.visit[j];
    int32_t* to = ids ? ids + offsets[i] : nullptr;
    const int64_t found = grid.dimension == 1   ? one_kernel<1>(grid, s, i, to)
                          : grid.dimension == 2 ? one_kernel<2>(grid, s, i, to)
                                                : one_kernel<3>(grid, s, i, to);
    if (!ids) offsets[i + 1] = found;
  }
}

GK_MULTIVERSION void run(const QueryGrid<float>& grid, const Supports<float>& s, int64_t begin, int64_t end,
                         int64_t* offsets, int32_t* ids) {
  some_kernels(grid, s, begin, end, offsets, ids);
}
void run(const QueryGrid<double>& grid, const Supports<double>& s, int64_t begin, int64_t end, int64_t* offsets,
         int32_t* ids) {
  some_kernels(grid, s, begin, end, offsets, ids);
}

}  // namespace

template <class T> void sort_queries(const T* x, const QueryGrid<T>& grid) {
  const int d = grid.dimension;
  const auto cell_at = [&](int64_t q) {
    int64_t cell = 0;
    for (int k = d - 1; k >= 0; --k) cell = cell * grid.cells[k] + cell_of(grid, k, double(x[q * d + k]));
    return cell;
  };
  const int64_t cells = int64_t(grid.cells[0]) * grid.cells[1] * grid.cells[2];
  std::fill_n(grid.starts, cells + 1, 0);
  for (int64_t q = 0; q < grid.queries; ++q) ++grid.starts[cell_at(q) + 1];
  for (int64_t i = 0; i < cells; ++i) grid.starts[i + 1] += grid.starts[i];
  // Each cell's beginning moves up to its end, which is where the next begins.
  for (int64_t q = 0; q < grid.queries; ++q) {
    const int64_t to = grid.starts[cell_at(q)]++;
    grid.order[to] = int32_t(q);
    for (int k = 0; k < d; ++k) grid.sorted[k * grid.stride() + to] = x[q * d + k];
  }
  std::copy_backward(grid.starts, grid.starts + cells, grid.starts + cells + 1);
  grid.starts[0] = 0;
}

template <class T>
void kernel_pairs(const QueryGrid<T>& grid, const Supports<T>& supports, int64_t* offsets, int32_t* ids) {
  constexpr int64_t kTask = 64;
  const int64_t tasks = (supports.kernels + kTask - 1) / kTask;
#pragma omp parallel for schedule(dynamic, 1) if (16 * (supports.kernels + grid.queries) > kParallelWork)
  for (int64_t i = 0; i < tasks; ++i)
    run(grid, supports, i * kTask, std::min((i + 1) * kTask, supports.kernels), offsets, ids);
}

void transpose_pairs(int64_t queries, int64_t kernels, const int32_t* visit, const int64_t* kernel_offsets,
                     const int32_t* kernel_ids, int64_t* offsets, int32_t* ids) {
  std::fill_n(offsets, queries + 1, 0);
  const int64_t pairs = kernel_offsets[kernels];
  for (int64_t i = 0; i < pairs; ++i) ++offsets[kernel_ids[i] + 1];
  for (int64_t q = 0; q < queries; ++q) offsets[q + 1] += offsets[q];
  for (int64_t j = 0; j < kernels; ++j) {
    const int32_t k = visit[j];
    for (int64_t i = kernel_offsets[k]; i < kernel_offsets[k + 1]; ++i) ids[offsets[kernel_ids[i]]++] = k;
  }
  std::copy_backward(offsets, offsets + queries, offsets + queries + 1);
  offsets[0] = 0;
}

template void sort_queries(const float*, const QueryGrid<float>&);
template void sort_queries(const double*, const QueryGrid<double>&);
template void kernel_pairs(const QueryGrid<float>&, const Supports<float>&, int64_t*, int32_t*);
template void kernel_pairs(const QueryGrid<double>&, const Supports<double>&, int64_t*, int32_t*);

}  // namespace gk
