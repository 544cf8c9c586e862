// Internal to radial_pairs_*: which cells of the grid of queries the support of a kernel crosses.
#pragma once
#include "../math/radial_basis.h"
#include "radial_pairs.h"

namespace gk {

GK_HD double absolute(double x) { return fabs(x); }

// Monotone in x, so that a bound of a kernel's extent never falls behind the cell of a query within it.
template <class T> GK_HD int32_t cell_of(const QueryGrid<T>& grid, int axis, double x) {
  const double cell = floor((x - grid.low[axis]) * grid.per_length[axis]);
  return int32_t(minimum(maximum(cell, 0.0), double(grid.cells[axis] - 1)));
}

// The ellipsoid {y : |A y| <= R}, or the hat's box in a ball around it, by axes: everything in float64, a little larger.
struct Ellipsoid {
  double c[3], half[3];   // of its bounding box
  double slope[3];        // along rows: the chord's centre moves by -slope[k] y_k
  double inverse, reach2;  // 1 / P_00, R^2
  double schur[3][3];      // of the other axes: the chord's half length is sqrt((R^2 - y'S y) / P_00)
  double spread, less;     // over half a cell: how far the chord's centre moves, and the norm of y'S y, at most
};

template <int D, class T> GK_HD Ellipsoid ellipsoid_of(const QueryGrid<T>& grid, const Supports<T>& supports, int64_t i) {
  Ellipsoid e = {};
  double a[3][3] = {}, inverse[3][3] = {};
  const T *factor = supports.factors + i * packed_size(D), *centre = supports.centres + i * D;
  for (int k = 0; k < D; ++k)
    for (int l = 0; l <= k; ++l) a[k][l] = factor[packed(k, l)];
  const double reach = (supports.hat ? square_root(double(D)) : double(supports.support)) * (1 + 1e-5);
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
    e.half[k] = reach * square_root(square) + 1e-6 * absolute(e.c[k]);
    for (int l = 0; l < D; ++l)
      for (int m = 0; m < D; ++m) p[k][l] += a[m][k] * a[m][l];
  }
  e.inverse = 1 / p[0][0];
  for (int k = 1; k < D; ++k) {
    e.slope[k] = p[0][k] * e.inverse;
    for (int l = 1; l < D; ++l) e.schur[k][l] = p[k][l] - p[k][0] * p[0][l] * e.inverse;
    e.spread += 0.5 * grid.size[k] * absolute(e.slope[k]);
    e.less += 0.5 * grid.size[k] * square_root(maximum(e.schur[k][k], 0.0));
  }
  return e;
}

// The extent along the first axis of the ellipsoid over a row of cells: it contains every chord, and little more.
template <int D, class T>
GK_HD void chord(const QueryGrid<T>& grid, const Ellipsoid& e, const int32_t* cell, double& low, double& high) {
  low = e.c[0] - e.half[0], high = e.c[0] + e.half[0];
  double middle[3] = {}, shift = 0, norm2 = 0;
  for (int k = 1; k < D; ++k) {
    if (cell[k] == 0 || cell[k] == grid.cells[k] - 1) return;  // a border cell has no end
    middle[k] = grid.low[k] + (cell[k] + 0.5) * grid.size[k] - e.c[k];
    shift -= e.slope[k] * middle[k];
  }
  for (int k = 1; k < D; ++k)
    for (int l = 1; l < D; ++l) norm2 += middle[k] * e.schur[k][l] * middle[l];
  const double norm = maximum(square_root(maximum(norm2, 0.0)) - e.less, 0.0);
  const double left = e.reach2 * (1 + 1e-9) - norm * norm;
  const double half = left > 0 ? square_root(left * e.inverse) : -1;
  const double slack = 1e-6 * (absolute(e.c[0]) + e.half[0]);
  low = half < 0 ? 1 : maximum(low, e.c[0] + shift - e.spread - half - slack);
  high = half < 0 ? 0 : minimum(high, e.c[0] + shift + e.spread + half + slack);
}

// The rows of cells that the support may cross: from first to last along the second and the third axis.
struct CrossedRows {
  int32_t first[3], last[3];
};

template <int D, class T> GK_HD CrossedRows crossed_rows(const QueryGrid<T>& grid, const Ellipsoid& e) {
  CrossedRows rows = {};
  for (int k = 1; k < D; ++k) {
    rows.first[k] = cell_of(grid, k, e.c[k] - e.half[k]);
    rows.last[k] = cell_of(grid, k, e.c[k] + e.half[k]);
  }
  return rows;
}

// The sorted queries of the cells of a row that the support may cross, from begin to end; false where there are none.
template <int D, class T>
GK_HD bool run_in_row(const QueryGrid<T>& grid, const Ellipsoid& e, const int32_t* cell, int64_t& begin, int64_t& end) {
  double low, high;
  chord<D>(grid, e, cell, low, high);
  if (low > high) return false;
  const int64_t row = (int64_t(cell[2]) * grid.cells[1] + cell[1]) * grid.cells[0];
  begin = grid.starts[row + cell_of(grid, 0, low)], end = grid.starts[row + cell_of(grid, 0, high) + 1];
  return true;
}

}  // namespace gk
