#include "march.h"

#include "../cpu/parallel.h"
#include "lattice.h"
#include "march_cases.h"

#include <algorithm>
#include <cmath>

namespace gk {
namespace {

constexpr int64_t kBlock = 512;

const MarchCases& cases() {
  static const MarchCases made;
  return made;
}

// The field at the (parts + 1)^3 corners of the cubes of a cell. Zero weights are left in: they change no sum.
template <class T> void corner_values(const MarchedCells<T>& cells, int64_t cell, T* values) {
  static constexpr T kOne[2][3] = {{T(.5), T(.5), 0}, {0, T(.5), T(.5)}};
  static constexpr T kTwo[3][3] = {{T(.5), T(.5), 0}, {T(.125), T(.75), T(.125)}, {0, T(.5), T(.5)}};
  const T(*w)[3] = cells.parts == 1 ? kOne : kTwo;
  const int n = cells.parts + 1;
  const int32_t* columns = cells.around + cell * kColumns;
  T by_z[9][3], by_y[3][3][3];
  for (int line = 0; line < 9; ++line) {
    const T* x = cells.coefficients + (columns[line] >> 3);
    const T a = x[0], b = x[1], c = x[2];
    for (int k = 0; k < n; ++k) by_z[line][k] = (w[k][0] * a + w[k][1] * b) + w[k][2] * c;
  }
  for (int i = 0; i < 3; ++i)
    for (int j = 0; j < n; ++j)
      for (int k = 0; k < n; ++k)
        by_y[i][j][k] = (w[j][0] * by_z[3 * i][k] + w[j][1] * by_z[3 * i + 1][k]) + w[j][2] * by_z[3 * i + 2][k];
  for (int i = 0; i < n; ++i)
    for (int j = 0; j < n; ++j)
      for (int k = 0; k < n; ++k)
        values[(i * n + j) * n + k] = (w[i][0] * by_y[0][j][k] + w[i][1] * by_y[1][j][k]) + w[i][2] * by_y[2][j][k];
}

// Calls visit(corner offsets (i, j, k), values of its 8 corners, triangles) for every cube that the surface passes.
template <class T, class F> void each_cube(const MarchedCells<T>& cells, int64_t cell, const F& visit) {
  T values[27];
  corner_values(cells, cell, values);
  const int n = cells.parts + 1;
  int negative = 0;
  for (int c = 0; c < n * n * n; ++c) negative += values[c] < 0;
  if (!negative || negative == n * n * n) return;
  for (int i = 0; i < cells.parts; ++i)
    for (int j = 0; j < cells.parts; ++j)
      for (int k = 0; k < cells.parts; ++k) {
        T corners[8];
        int inside = 0;
        for (int c = 0; c < 8; ++c) {
          corners[c] = values[((i + (c & 1)) * n + j + (c >> 1 & 1)) * n + k + (c >> 2)];
          inside |= (corners[c] < 0) << c;
        }
        const auto& triangles = cases().triangles[inside];
        if (!triangles.empty()) visit(i, j, k, corners, triangles);
      }
}

template <class F> void in_blocks(int64_t count, const F& loop) {
  const int64_t blocks = (count + kBlock - 1) / kBlock;
#pragma omp parallel for schedule(dynamic, 4) if (count * 100 > kParallelWork)
  for (int64_t block = 0; block < blocks; ++block)
    for (int64_t cell = block * kBlock; cell < std::min(count, (block + 1) * kBlock); ++cell) loop(cell);
}

}  // namespace

template <class T> void march_count(const MarchedCells<T>& cells, int32_t* triangles) {
  in_blocks(cells.count, [&](int64_t cell) {
    int found = 0;
    each_cube(cells, cell, [&](int, int, int, const T*, const auto& made) { found += int(made.size()); });
    triangles[cell] = found;
  });
}

template <class T> void march_triangles(const MarchedCells<T>& cells, const int64_t* begins, int64_t* edges, T* shares) {
  in_blocks(cells.count, [&](int64_t cell) {
    int64_t at = 3 * begins[cell];
    const int32_t* place = cells.places + 3 * cell;
    each_cube(cells, cell, [&](int i, int j, int k, const T* corners, const auto& made) {
      const int64_t low[3] = {int64_t(place[0]) * cells.parts + i, int64_t(place[1]) * cells.parts + j,
                              int64_t(place[2]) * cells.parts + k};
      for (const auto& triangle : made)
        for (const int edge : triangle) {
          const int axis = edge / 4, from = MarchCases::lower_end(edge);
          int64_t key = 0;
          for (int a = 0; a < 3; ++a) key = key << 20 | (low[a] + (from >> a & 1) + (int64_t(1) << 19));
          const T a = corners[from], b = corners[from | 1 << axis];
          edges[at] = key << 2 | axis;
          shares[at++] = std::min(std::max(a / (a - b), T(0)), T(1));
        }
    });
  });
}

template void march_count(const MarchedCells<float>&, int32_t*);
template void march_count(const MarchedCells<double>&, int32_t*);
template void march_triangles(const MarchedCells<float>&, const int64_t*, int64_t*, float*);
template void march_triangles(const MarchedCells<double>&, const int64_t*, int64_t*, double*);

}  // namespace gk
