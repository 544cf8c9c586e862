#include "spline_fit.h"

#include "../cpu/multiversion.h"
#include "../cpu/parallel.h"
#include "lattice.h"
#include "quadratic_spline.h"

#include <algorithm>

namespace gk {
namespace {

constexpr int64_t kBlock = 1024;
constexpr int kMiddle = 13;
constexpr int kStride[3] = {9, 3, 1};  // of a step along each axis among the 27

template <class T> struct Basis {
  T value[3][3], slope[3][3];
  GK_INLINE explicit Basis(const T* place) {
    for (int a = 0; a < 3; ++a) quadratic_spline(place[a], value[a], slope[a]);
  }
};

// The forces on the 27 coefficients of every cell in [first, last).
template <class T> GK_INLINE void cell_forces(const SplineFit<T>& fit, const T* x, T* forces, int64_t first, int64_t last) {
  for (int64_t cell = first; cell < last; ++cell) {
    int32_t ids[kAround];
    cells_at(fit.around + int64_t(fit.centers[cell]) * kColumns, ids);
    T c[kAround], force[kAround] = {};
    for (int o = 0; o < kAround; ++o) c[o] = ids[o] < 0 ? T(0) : x[ids[o]];
    for (int64_t p = fit.offsets[cell]; p < fit.offsets[cell + 1]; ++p) {
      const Basis<T> b(fit.places + 3 * p);
      T f = 0, g[3] = {};
      for (int i = 0; i < 3; ++i) {
        T row = 0, by_y = 0, by_z = 0;
        for (int j = 0; j < 3; ++j) {
          const T* line = c + 9 * i + 3 * j;
          const T value = line[0] * b.value[2][0] + line[1] * b.value[2][1] + line[2] * b.value[2][2];
          const T slope = line[0] * b.slope[2][0] + line[1] * b.slope[2][1] + line[2] * b.slope[2][2];
          row += value * b.value[1][j], by_y += value * b.slope[1][j], by_z += slope * b.value[1][j];
        }
        f += row * b.value[0][i], g[0] += row * b.slope[0][i], g[1] += by_y * b.value[0][i], g[2] += by_z * b.value[0][i];
      }
      const T w = fit.weights[p];
      f *= w * fit.value_weight;
      for (int a = 0; a < 3; ++a) g[a] = w * (fit.normals ? g[a] - fit.normals[3 * p + a] : g[a]);
      for (int i = 0; i < 3; ++i) {
        const T of_value = f * b.value[0][i] + g[0] * b.slope[0][i], by_y = g[1] * b.value[0][i], by_z = g[2] * b.value[0][i];
        for (int j = 0; j < 3; ++j) {
          const T v = of_value * b.value[1][j] + by_y * b.slope[1][j], s = by_z * b.value[1][j];
          T* line = force + 9 * i + 3 * j;
          for (int k = 0; k < 3; ++k) line[k] += v * b.value[2][k] + s * b.slope[2][k];
        }
      }
    }
    std::copy(force, force + kAround, forces + cell * kAround);
  }
}

template <class T> GK_INLINE void cell_diagonals(const SplineFit<T>& fit, T* forces, int64_t first, int64_t last) {
  for (int64_t cell = first; cell < last; ++cell) {
    T force[kAround] = {};
    for (int64_t p = fit.offsets[cell]; p < fit.offsets[cell + 1]; ++p) {
      const Basis<T> b(fit.places + 3 * p);
      for (int o = 0; o < kAround; ++o) {
        const int i = o / 9, j = o / 3 % 3, k = o % 3;
        const T xy = b.value[0][i] * b.value[1][j], f = xy * b.value[2][k], gz = xy * b.slope[2][k];
        const T gx = b.slope[0][i] * b.value[1][j] * b.value[2][k], gy = b.value[0][i] * b.slope[1][j] * b.value[2][k];
        force[o] += fit.weights[p] * (fit.value_weight * f * f + gx * gx + gy * gy + gz * gz);
      }
    }
    std::copy(force, force + kAround, forces + cell * kAround);
  }
}

// Second differences at every node of [first, last): x, y, z, and xy, xz, yz towards higher cells; 0 where one is missing.
template <class T> GK_INLINE void node_bends(const SplineFit<T>& fit, const T* x, T* bends, int64_t first, int64_t last) {
  for (int64_t node = first; node < last; ++node) {
    const int32_t* columns = fit.around + node * kColumns;
    int32_t higher[3];
    T* bend = bends + 6 * node;
    for (int a = 0; a < 3; ++a) {
      const int32_t low = cell_at(columns, kMiddle - kStride[a]), high = higher[a] = cell_at(columns, kMiddle + kStride[a]);
      bend[a] = low < 0 || high < 0 ? T(0) : x[low] - 2 * x[node] + x[high];
    }
    for (int a = 0, n = 3; a < 3; ++a)
      for (int b = a + 1; b < 3; ++b, ++n) {
        const int32_t at_a = higher[a], at_b = higher[b], both = cell_at(columns, kMiddle + kStride[a] + kStride[b]);
        bend[n] = at_a < 0 || at_b < 0 || both < 0 ? T(0) : 2 * (x[node] - x[at_a] - x[at_b] + x[both]);
      }
  }
}

// Sums over what acts on every node: forces of the cells around it, and bends; `add` says how those of the bends count.
template <class T> GK_INLINE T gathered(const SplineFit<T>& fit, const T* forces, const int32_t* ids) {
  T sum = 0;
  for (int o = 0; o < kAround; ++o) {
    if (ids[o] < 0) continue;
    const int32_t cell = fit.cell_of[ids[o]];
    if (cell >= 0) sum += forces[int64_t(cell) * kAround + (kAround - 1 - o)];
  }
  return sum;
}

template <class T>
GK_INLINE void node_sums(const SplineFit<T>& fit, const T* forces, const T* bends, T* out, int64_t first, int64_t last) {
  for (int64_t node = first; node < last; ++node) {
    int32_t ids[kAround];
    cells_at(fit.around + node * kColumns, ids);
    T sum = 0;
    const auto at = [&](int o, int n) { return ids[o] < 0 ? T(0) : bends[int64_t(ids[o]) * 6 + n]; };
    for (int a = 0; a < 3; ++a) sum += at(kMiddle - kStride[a], a) - 2 * bends[6 * node + a] + at(kMiddle + kStride[a], a);
    for (int a = 0, n = 3; a < 3; ++a)
      for (int b = a + 1; b < 3; ++b, ++n)
        sum += bends[6 * node + n] - at(kMiddle - kStride[a], n) - at(kMiddle - kStride[b], n) +
               at(kMiddle - kStride[a] - kStride[b], n);
    out[node] = gathered(fit, forces, ids) + fit.bend_weight * sum;
  }
}

template <class T> GK_INLINE void node_diagonals(const SplineFit<T>& fit, const T* forces, T* out, int64_t first, int64_t last) {
  for (int64_t node = first; node < last; ++node) {
    int32_t ids[kAround];
    cells_at(fit.around + node * kColumns, ids);
    T sum = 0;
    for (int a = 0; a < 3; ++a)
      for (int shift = -1; shift <= 1; ++shift) {  // the difference in the middle of which this node or its neighbour is
        const int32_t middle = ids[kMiddle + shift * kStride[a]];
        if (middle < 0) continue;
        const int32_t* there = fit.around + int64_t(middle) * kColumns;
        if (cell_at(there, kMiddle - kStride[a]) >= 0 && cell_at(there, kMiddle + kStride[a]) >= 0) sum += shift ? T(1) : T(4);
      }
    for (int a = 0; a < 3; ++a)
      for (int b = a + 1; b < 3; ++b)
        for (int corner = 0; corner < 4; ++corner) {
          const int32_t low = ids[kMiddle - (corner & 1) * kStride[a] - (corner >> 1) * kStride[b]];
          if (low < 0) continue;
          const int32_t* there = fit.around + int64_t(low) * kColumns;
          if (cell_at(there, kMiddle + kStride[a]) >= 0 && cell_at(there, kMiddle + kStride[b]) >= 0 &&
              cell_at(there, kMiddle + kStride[a] + kStride[b]) >= 0)
            sum += T(2);
        }
    out[node] = gathered(fit, forces, ids) + fit.bend_weight * sum;
  }
}

// target_clones does not work on templates: one plain function for each of the loops.
#define GK_SPLINE_LOOPS(T)                                                                                             \
  GK_MULTIVERSION void forces_of(const SplineFit<T>& f, const T* x, T* o, int64_t a, int64_t b) { cell_forces<T>(f, x, o, a, b); } \
  GK_MULTIVERSION void diagonals_of(const SplineFit<T>& f, T* o, int64_t a, int64_t b) { cell_diagonals<T>(f, o, a, b); } \
  GK_MULTIVERSION void bends_of(const SplineFit<T>& f, const T* x, T* o, int64_t a, int64_t b) { node_bends<T>(f, x, o, a, b); } \
  GK_MULTIVERSION void sums_of(const SplineFit<T>& f, const T* g, const T* s, T* o, int64_t a, int64_t b) {            \
    node_sums<T>(f, g, s, o, a, b);                                                                                    \
  }
GK_SPLINE_LOOPS(float)
GK_SPLINE_LOOPS(double)
#undef GK_SPLINE_LOOPS

template <class F> void in_blocks(int64_t count, int64_t work, const F& loop) {
  const int64_t blocks = (count + kBlock - 1) / kBlock;
#pragma omp parallel for schedule(dynamic, 4) if (count * work > kParallelWork)
  for (int64_t block = 0; block < blocks; ++block) loop(block * kBlock, std::min(count, (block + 1) * kBlock));
}

}  // namespace

template <class T> void spline_fit_gradient(const SplineFit<T>& fit, const T* x, T* forces, T* bends, T* out) {
  in_blocks(fit.cells, 300, [&](int64_t a, int64_t b) { forces_of(fit, x, forces, a, b); });
  in_blocks(fit.nodes, 20, [&](int64_t a, int64_t b) { bends_of(fit, x, bends, a, b); });
  in_blocks(fit.nodes, 60, [&](int64_t a, int64_t b) { sums_of(fit, forces, bends, out, a, b); });
}

template <class T> void spline_fit_diagonal(const SplineFit<T>& fit, T* forces, T* out) {
  in_blocks(fit.cells, 300, [&](int64_t a, int64_t b) { diagonals_of(fit, forces, a, b); });
  in_blocks(fit.nodes, 60, [&](int64_t a, int64_t b) { node_diagonals(fit, forces, out, a, b); });
}

template void spline_fit_gradient(const SplineFit<float>&, const float*, float*, float*, float*);
template void spline_fit_gradient(const SplineFit<double>&, const double*, double*, double*, double*);
template void spline_fit_diagonal(const SplineFit<float>&, float*, float*);
template void spline_fit_diagonal(const SplineFit<double>&, double*, double*);

}  // namespace gk
