// Phases of a simplex' corners and exp(-i phase), a row of frequencies after the other, for the kernels of this folder.
//
// A phasor exp(-i k.x) is the product of one factor a row of frequencies and one along the row. Both come from float64, so
// that those of float32 are exact to rounding however many turns a phase makes. Along a row, the factors are powers of one
// number, anchored anew by a sine and cosine in every task.
#pragma once
#include <algorithm>
#include <cmath>

#include "../cpu/multiversion.h"
#include "../math/exponential_differences.h"
#include "simplex_fourier.h"
#include "simplex_values.h"

namespace gk {

constexpr double kTurn = 6.283185307179586;
constexpr int kAnchored = 16;

// Some rows of a grid, all of one first index, or a piece of a list as one row.
struct Tile {
  int64_t plane, row, rows, column, columns;
  int64_t place(const Frequencies& at, int64_t r) const { return (plane * at.sizes[1] + row + r) * at.sizes[2] + column; }
};

// The tiles of all frequencies: of as many rows as keep a task's sums in the second cache, fewer where few tasks are left.
struct Tiles {
  int64_t rows, down, across, count;
  Tiles(const Frequencies& at, int64_t channels)
      : rows(std::min(std::max<int64_t>(32 / channels, 1), std::max<int64_t>((at.sizes[0] * at.sizes[1] + 63) / 64, 1))),
        down((at.sizes[1] + rows - 1) / rows), across((at.sizes[2] + kRow - 1) / kRow), count(at.sizes[0] * down * across) {}
  Tile operator()(const Frequencies& at, int64_t i) const {
    const int64_t column = i % across * kRow, row = i / across % down * rows;
    return {i / across / down, row, std::min(rows, at.sizes[1] - row), column, std::min<int64_t>(kRow, at.sizes[2] - column)};
  }
};

inline Complex<double> phasor(double turns) {
  Complex<double> e;
  cosine_sine_of_turns(-turns, e.re, e.im);
  return e;
}

// The same to rounding without a call or a branch, so that a loop over it runs in vectors: Taylor's polynomials on an eighth
// of a turn to both sides of the nearest quarter.
GK_INLINE Complex<double> phasor_in_line(double turns) {
  constexpr InverseFactorials inverse;
  const double rest = turns - std::rint(turns), quarter = std::rint(4 * rest);  // -2 to 2
  const double angle = kTurn * (rest - quarter / 4), square = angle * angle;
  const double cosine = polynomial<double, true, 2>(inverse.of, 9, square);
  const double sine = angle * polynomial<double, true, 2>(inverse.of + 1, 8, square);
  const bool odd = std::abs(quarter) == 1;
  const double re = odd ? sine : cosine, im = odd ? cosine : sine;
  return {quarter == 1 || std::abs(quarter) == 2 ? -re : re, quarter == -1 || std::abs(quarter) == 2 ? im : -im};
}

// The rows of one tile for one simplex: start, then next_row for each further one; each fills `row`.
template <class T> class SimplexRows {
 public:
  PhaseRow<T> row;
  double f[3];  // the frequency where the row begins

  GK_INLINE void start(const Frequencies& frequencies, const Tile& tile, int corners, const T* places) {
    at = &frequencies;
    row.corners = corners, row.count = int(tile.columns), row.linear = at->grid;
    for (int t = 0; t < corners; ++t)
      for (int a = 0; a < 3; ++a) x[t][a] = double(places[3 * t + a]);
    if (!at->grid) return read_list(at->list + 3 * tile.column);
    f[0] = at->first[0] + double(tile.plane) * at->step[0], f[1] = at->first[1] + double(tile.row) * at->step[1];
    f[2] = at->first[2] + double(tile.column) * at->step[2];
    for (int t = 0; t < corners; ++t) {
      powers(t);
      factor[t] = phasor(f[0] * x[t][0] + f[1] * x[t][1]), turn[t] = phasor(at->step[1] * x[t][1]);
    }
    fill();
  }
  GK_INLINE void next_row() {
    f[1] += at->step[1];
    for (int t = 0; t < row.corners; ++t) factor[t] = factor[t] * turn[t];
    fill();
  }

 private:
  const Frequencies* at;
  double x[4][3];
  Complex<double> factor[4], turn[4];
  T along[4][2][kRow];

  GK_INLINE void powers(int t) {
    double re[kAnchored], im[kAnchored];
    re[0] = 1, im[0] = 0;
    Complex<double> power = phasor(at->step[2] * x[t][2]);
    for (int width = 1; width < kAnchored; width *= 2, power = power * power)
      for (int i = 0; i < width; ++i) {
        re[width + i] = re[i] * power.re - im[i] * power.im;
        im[width + i] = re[i] * power.im + im[i] * power.re;
      }
    Complex<double> anchor = phasor(f[2] * x[t][2]);
    for (int begin = 0; begin < row.count; begin += kAnchored, anchor = anchor * power) {
      for (int i = 0; i < kAnchored; ++i) {
        along[t][0][begin + i] = T(anchor.re * re[i] - anchor.im * im[i]);
        along[t][1][begin + i] = T(anchor.re * im[i] + anchor.im * re[i]);
      }
    }
  }
  GK_INLINE void fill() {
    const int count = (row.count + kAnchored - 1) / kAnchored * kAnchored;
    for (int t = 0; t < row.corners; ++t) {
      double apart = 0;  // less the first corner's phase, in float64 before rounding
      for (int a = 0; a < 3; ++a) apart += kTurn * f[a] * (x[t][a] - x[0][a]);
      const double slope = kTurn * at->step[2] * (x[t][2] - x[0][2]);
      for (int begin = 0; begin < count; begin += kAnchored) {
        const T anchor = T(apart + begin * slope), growth = T(slope);
        for (int i = 0; i < kAnchored; ++i) row.phase[t][begin + i] = anchor + T(i) * growth;
      }
      const T re = T(factor[t].re), im = T(factor[t].im);
      for (int i = 0; i < count; ++i) {
        row.phasor[t][0][i] = along[t][0][i] * re - along[t][1][i] * im;
        row.phasor[t][1][i] = along[t][0][i] * im + along[t][1][i] * re;
      }
    }
  }
  GK_INLINE void read_list(const double* list) {
    const int count = (row.count + kAnchored - 1) / kAnchored * kAnchored;
    double k[3][kRow];
    for (int i = 0; i < count; ++i)  // the last one stands for those beyond
      for (int a = 0; a < 3; ++a) k[a][i] = list[3 * std::min(i, row.count - 1) + a];
    for (int t = 0; t < row.corners; ++t) {
      const double x0 = x[t][0], x1 = x[t][1], x2 = x[t][2], d0 = x0 - x[0][0], d1 = x1 - x[0][1], d2 = x2 - x[0][2];
      for (int i = 0; i < count; ++i) {
        const Complex<double> e = phasor_in_line(k[0][i] * x0 + k[1][i] * x1 + k[2][i] * x2);
        row.phase[t][i] = T(kTurn * (k[0][i] * d0 + k[1][i] * d1 + k[2][i] * d2));
        row.phasor[t][0][i] = T(e.re), row.phasor[t][1][i] = T(e.im);
      }
    }
  }
};

}  // namespace gk
