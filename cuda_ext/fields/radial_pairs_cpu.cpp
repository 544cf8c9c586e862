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
  const double cell = std::floor((x - grid.low[axis]) / grid.size[axis]);
  return int32_t(std::min(std::max(cell, 0.0), double(grid.cells[axis] - 1)));
}

// The ellipsoid {y : |A y| <= R}, or the hat's box in a ball around it, by axes: everything in float64, a little larger.
struct Ellipsoid {
  double c[3], half[3];   // of its bounding box
  double slope[3];        // along rows: the chord's centre moves by -slope[k] y_k
  double inverse, reach2;  // 1 / P_00, R^2
  double schur[3][3];      // of the other axes: the chord's half length is sqrt((R^2 - y'S y) / P_00)
};

template <int D, class T> GK_INLINE Ellipsoid ellipsoid_of(const Supports<T>& supports, int64_t i) {
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
  }
  return e;
}

// The extent along the first axis of the ellipsoid over a row of cells: it contains every chord, and little more.
template <int D, class T>
GK_INLINE void chord(const QueryGrid<T>& grid, const Ellipsoid& e, const int32_t* cell, double& low, double& high) {
  low = e.c[0] - e.half[0], high = e.c[0] + e.half[0];
  double middle[3] = {}, shift = 0, spread = 0, norm2 = 0, less = 0;
  for (int k = 1; k < D; ++k) {
    if (cell[k] == 0 || cell[k] == grid.cells[k] - 1) return;  // a border cell has no end
    const double width = 0.5 * grid.size[k];
    middle[k] = grid.low[k] + (cell[k] + 0.5) * grid.size[k] - e.c[k];
    shift -= e.slope[k] * middle[k], spread += std::abs(e.slope[k]) * width;
    less += std::sqrt(std::max(e.schur[k][k], 0.0)) * width;
  }
  for (int k = 1; k < D; ++k)
    for (int l = 1; l < D; ++l) norm2 += middle[k] * e.schur[k][l] * middle[l];
  const double norm = std::max(std::sqrt(std::max(norm2, 0.0)) - less, 0.0);
  const double left = e.reach2 * (1 + 1e-9) - norm * norm;
  const double half = left > 0 ? std::sqrt(left * e.inverse) : -1;
  const double slack = 1e-6 * (std::abs(e.c[0]) + e.half[0]);
  low = half < 0 ? 1 : std::max(low, e.c[0] + shift - spread - half - slack);
  high = half < 0 ? 0 : std::min(high, e.c[0] + shift + spread + half + slack);
}

// Of the sorted queries from begin to end: how many lie in the support; with ids, which.
template <int D, class T>
GK_INLINE int64_t ask(const QueryGrid<T>& grid, const Supports<T>& supports, const Lanes<T>* c, const Lanes<T>* a,
                      int64_t begin, int64_t end, int32_t* ids) {
  int64_t found = 0;
  const Lanes<T> reach2(supports.support * supports.support), one(T(1)), zero(T(0));
  for (int64_t from = begin; from < end; from += kLanes) {
    const int64_t here = std::min<int64_t>(kLanes, end - from);
    Lanes<T> y[D], u[D];
    for (int k = 0; k < D; ++k) {
      const T* x = grid.sorted + k * grid.queries + from;
      if (here == kLanes) {
        y[k] = load(x) - c[k];
      } else {
        T values[kLanes];
        for (int lane = 0; lane < kLanes; ++lane) values[lane] = x[std::min<int64_t>(lane, here - 1)];
        y[k] = load(values) - c[k];
      }
    }
    times_factor<D>(a, y, u);
    Lanes<T> inside = zero;
    if (supports.hat) {
      Lanes<T> largest = absolute(u[0]);
      for (int k = 1; k < D; ++k) largest = maximum(largest, absolute(u[k]));
      inside = select(largest < one, one, zero);
    } else {
      inside = select(dot_of<D>(u, u) < reach2, one, zero);
    }
    T in[kLanes];
    store(in, inside);
    if (!ids) {
      int32_t count = 0;
      for (int lane = 0; lane < kLanes; ++lane) count += lane < here && in[lane] > T(0);
      found += count;
    } else {
      for (int lane = 0; lane < here; ++lane) {
        if (in[lane] > T(0)) ids[found++] = grid.order[from + lane];
      }
    }
  }
  return found;
}

template <int D, class T>
GK_INLINE int64_t one_kernel(const QueryGrid<T>& grid, const Supports<T>& supports, int64_t i, int32_t* ids) {
  const Ellipsoid e = ellipsoid_of<D>(supports, i);
  Lanes<T> c[D], a[packed_size(D)];
  for (int k = 0; k < D; ++k) c[k] = Lanes<T>(supports.centres[i * D + k]);
  for (int k = 0; k < packed_size(D); ++k) a[k] = Lanes<T>(supports.factors[i * packed_size(D) + k]);
  int32_t first[3] = {}, last[3] = {}, cell[3] = {};
  for (int k = 1; k < D; ++k) {
    first[k] = cell_of(grid, k, e.c[k] - e.half[k]);
    last[k] = cell_of(grid, k, e.c[k] + e.half[k]);
  }
  int64_t found = 0;
  for (cell[2] = first[2]; cell[2] <= last[2]; ++cell[2])
    for (cell[1] = first[1]; cell[1] <= last[1]; ++cell[1]) {
      double low, high;
      chord<D>(grid, e, cell, low, high);
      if (low > high) continue;
      const int64_t row = (int64_t(cell[2]) * grid.cells[1] + cell[1]) * grid.cells[0];
      const int64_t begin = grid.starts[row + cell_of(grid, 0, low)], end = grid.starts[row + cell_of(grid, 0, high) + 1];
      if (begin < end) found += ask<D>(grid, supports, c, a, begin, end, ids ? ids + found : nullptr);
    }
  return found;
}

template <class T>
GK_INLINE void some_kernels(const QueryGrid<T>& grid, const Supports<T>& s, int64_t begin, int64_t end,
                            int64_t* offsets, int32_t* ids) {
  for (int64_t i = begin; i < end; ++i) {
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
    for (int k = 0; k < d; ++k) grid.sorted[k * grid.queries + to] = x[q * d + k];
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

void transpose_pairs(int64_t queries, int64_t kernels, const int64_t* kernel_offsets, const int32_t* kernel_ids,
                     int64_t* offsets, int32_t* ids) {
  std::fill_n(offsets, queries + 1, 0);
  const int64_t pairs = kernel_offsets[kernels];
  for (int64_t i = 0; i < pairs; ++i) ++offsets[kernel_ids[i] + 1];
  for (int64_t q = 0; q < queries; ++q) offsets[q + 1] += offsets[q];
  for (int64_t k = 0; k < kernels; ++k)
    for (int64_t i = kernel_offsets[k]; i < kernel_offsets[k + 1]; ++i) ids[offsets[kernel_ids[i]]++] = int32_t(k);
  std::copy_backward(offsets, offsets + queries, offsets + queries + 1);
  offsets[0] = 0;
}

template void sort_queries(const float*, const QueryGrid<float>&);
template void sort_queries(const double*, const QueryGrid<double>&);
template void kernel_pairs(const QueryGrid<float>&, const Supports<float>&, int64_t*, int32_t*);
template void kernel_pairs(const QueryGrid<double>&, const Supports<double>&, int64_t*, int32_t*);

}  // namespace gk
