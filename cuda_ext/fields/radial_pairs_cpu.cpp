#include "radial_pairs.h"

#include <algorithm>
#include <cmath>

#include "../cpu/lanes.h"
#include "../cpu/parallel.h"
#include "../math/radial_basis.h"

namespace gk {
namespace {

// Monotone in x, so that a bound of a kernel's extent never falls behind the cell of a query within it.
template <class T> GK_INLINE int32_t cell_of(const QueryGrid<T>& grid, int axis, double x) {
  const double cell = std::floor((x - grid.low[axis]) * grid.per_length[axis]);
  return int32_t(std::min(std::max(cell, 0.0), double(grid.cells[axis] - 1)));
}

// The ellipsoid {y : |A y| <= R}, or the hat's box in a ball around it, by axes: everything in float64, a little larger.
struct Ellipsoid {
  double c[3], half[3];   // of its bounding box
  double slope[3];        // along rows: the chord's centre moves by -slope[k] y_k
  double inverse, reach2;  // 1 / P_00, R^2
  double schur[3][3];      // of the other axes: the chord's half length is sqrt((R^2 - y'S y) / P_00)
  double spread, less;     // over half a cell: how far the chord's centre moves, and the norm of y'S y, at most
};

template <int D, class T> GK_INLINE Ellipsoid ellipsoid_of(const QueryGrid<T>& grid, const Supports<T>& supports, int64_t i) {
  Ellipsoid e = {};
  double a[3][3] = {}, inverse[3][3] = {};
  const T *factor = supports.factors + i * packed_size(D), *centre = supports.centres + i * D;
  for (int k = 0; k < D; ++k)
    for (int l = 0; l <= k; ++l) a[k][l] = factor[packed(k, l)];
  const double reach = (supports.hat ? std::sqrt(double(D)) : double(supports.support)) * (1 + 1e-5);
  e.reach2 = reach * reach;
  for (int l = 0; l < D; ++l) {
    inverse[l][l] = 1 / a[l][l];
    for (int k = l + 1; k < D; ++k) {
      double sum = 0;
      for (int m = l; m < k; ++m) sum += a[k][m] * inverse[m][l];
      inverse[k][l] = -sum / a[k][k];
    }
  }
  double p[3][3] = {};
  for (int k = 0; k < D; ++k) {
    e.c[k] = centre[k];
    double square = 0;
    for (int l = 0; l <= k; ++l) square += inverse[k][l] * inverse[k][l];
    e.half[k] = reach * std::sqrt(square) + 1e-6 * std::abs(e.c[k]);
    for (int l = 0; l < D; ++l)
      for (int m = 0; m < D; ++m) p[k][l] += a[m][k] * a[m][l];
  }
  e.inverse = 1 / p[0][0];
  for (int k = 1; k < D; ++k) {
    e.slope[k] = p[0][k] * e.inverse;
    for (int l = 1; l < D; ++l) e.schur[k][l] = p[k][l] - p[k][0] * p[0][l] * e.inverse;
    e.spread += 0.5 * grid.size[k] * std::abs(e.slope[k]);
    e.less += 0.5 * grid.size[k] * std::sqrt(std::max(e.schur[k][k], 0.0));
  }
  return e;
}

// The extent along the first axis of the ellipsoid over a row of cells: it contains every chord, and little more.
template <int D, class T>
GK_INLINE void chord(const QueryGrid<T>& grid, const Ellipsoid& e, const int32_t* cell, double& low, double& high) {
  low = e.c[0] - e.half[0], high = e.c[0] + e.half[0];
  double middle[3] = {}, shift = 0, norm2 = 0;
  for (int k = 1; k < D; ++k) {
    if (cell[k] == 0 || cell[k] == grid.cells[k] - 1) return;  // a border cell has no end
    middle[k] = grid.low[k] + (cell[k] + 0.5) * grid.size[k] - e.c[k];
    shift -= e.slope[k] * middle[k];
  }
  for (int k = 1; k < D; ++k)
    for (int l = 1; l < D; ++l) norm2 += middle[k] * e.schur[k][l] * middle[l];
  const double norm = std::max(std::sqrt(std::max(norm2, 0.0)) - e.less, 0.0);
  const double left = e.reach2 * (1 + 1e-9) - norm * norm;
  const double half = left > 0 ? std::sqrt(left * e.inverse) : -1;
  const double slack = 1e-6 * (std::abs(e.c[0]) + e.half[0]);
  low = half < 0 ? 1 : std::max(low, e.c[0] + shift - e.spread - half - slack);
  high = half < 0 ? 0 : std::min(high, e.c[0] + shift + e.spread + half + slack);
}

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
  int32_t first[3] = {}, last[3] = {}, cell[3] = {};
  for (int k = 1; k < D; ++k) {
    first[k] = cell_of(grid, k, e.c[k] - e.half[k]);
    last[k] = cell_of(grid, k, e.c[k] + e.half[k]);
  }
  Lanes<T> total(T(0));  // exact in every lane up to 2^24, and emptied before
  int64_t counted = 0, asked = 0;
  Found found;
  found.count = 0, found.to = ids;
  for (cell[2] = first[2]; cell[2] <= last[2]; ++cell[2])
    for (cell[1] = first[1]; cell[1] <= last[1]; ++cell[1]) {
      double low, high;
      chord<D>(grid, e, cell, low, high);
      if (low > high) continue;
      const int64_t row = (int64_t(cell[2]) * grid.cells[1] + cell[1]) * grid.cells[0];
      const int64_t begin = grid.starts[row + cell_of(grid, 0, low)], end = grid.starts[row + cell_of(grid, 0, high) + 1];
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
