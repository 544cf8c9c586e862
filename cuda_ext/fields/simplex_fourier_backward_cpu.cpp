#include "../cpu/aligned.h"
#include "../cpu/parallel.h"
#include "simplex_phases.h"

namespace gk {
namespace {

constexpr int64_t kBatch = 16;  // simplices that a tile of out_bar is read for
constexpr int kLane = 16;       // sums over a row run side by side, in a fixed order

template <class T> GK_INLINE double total(const T* lanes) {
  double sum = 0;
  for (int i = 0; i < kLane; ++i) sum += double(lanes[i]);
  return sum;
}

// What simplices `first` to `last` get from one tile, bars (C, rows, 2, kRow), added to sums (last - first, 3 (J + 1) + C).
template <class T>
GK_INLINE void gather(const SimplexInput<T>& in, const Frequencies& at, const Tile& tile, int64_t first, int64_t last, bool by_places,
                      const T* bars, double* sums) {
  const int64_t C = in.channels, corners = in.corners, width = 3 * corners + C;
  SimplexRows<T> rows;
  alignas(64) T values[2 * kRow], slopes[4 * 2 * kRow], re[kRow], im[kRow], steps[3][kRow];
  for (int i = 0; i < kRow; ++i)  // of a list the frequencies, of a grid how many columns the row has run
    for (int a = 0; a < 3; ++a)
      steps[a][i] = at.grid ? T(a < 2 ? 0 : i) : T(at.list[3 * (tile.column + std::min<int64_t>(i, tile.columns - 1)) + a]);
  for (int64_t n = first; n < last; ++n) {
    double* sum_of = sums + (n - first) * width;
    for (int64_t r = 0; r < tile.rows; ++r) {
      r ? rows.next_row() : rows.start(at, tile, in.corners, in.places + n * 3 * corners);
      by_places ? simplex_slopes(rows.row, values, slopes) : simplex_values(rows.row, values);
      for (int i = 0; i < kRow; ++i) re[i] = im[i] = 0;
      for (int64_t c = 0; c < C; ++c) {
        const T weight = in.weights[n * C + c], *bar = bars + (c * tile.rows + r) * 2 * kRow;
        T lanes[kLane] = {};
        for (int begin = 0; begin < tile.columns; begin += kLane)
          for (int i = 0; i < kLane; ++i) {
            const T bar_re = bar[begin + i], bar_im = bar[kRow + begin + i];
            lanes[i] += bar_re * values[begin + i] + bar_im * values[kRow + begin + i];
            re[begin + i] += weight * bar_re, im[begin + i] += weight * bar_im;
          }
        sum_of[3 * corners + c] += total(lanes);
      }
      if (!by_places) continue;
      for (int64_t t = 0; t < corners; ++t) {
        const T* slope = slopes + 2 * t * kRow;
        T lanes[4][kLane] = {};  // of the pulls, and of these times the steps along each axis
        for (int begin = 0; begin < tile.columns; begin += kLane)
          for (int i = 0; i < kLane; ++i) {  // by the phase: the real part of -i slope, with the bar's conjugate
            const int j = begin + i;
            const T pull = re[j] * slope[kRow + j] - im[j] * slope[j];
            lanes[3][i] += pull;
            for (int a = 0; a < 3; ++a) lanes[a][i] += pull * steps[a][j];
          }
        const double pulls = total(lanes[3]);
        for (int a = 0; a < 3; ++a) {
          const double moment = total(lanes[a]);
          sum_of[3 * t + a] += kTurn * (at.grid ? rows.f[a] * pulls + at.step[a] * moment : moment);
        }
      }
    }
  }
}
GK_MULTIVERSION void gather_tile(const SimplexInput<float>& in, const Frequencies& at, const Tile& tile, int64_t first,
                                 int64_t last, bool by_places, const float* bars, double* sums) {
  gather(in, at, tile, first, last, by_places, bars, sums);
}
GK_MULTIVERSION void gather_tile(const SimplexInput<double>& in, const Frequencies& at, const Tile& tile, int64_t first,
                                 int64_t last, bool by_places, const double* bars, double* sums) {
  gather(in, at, tile, first, last, by_places, bars, sums);
}

// Rows of out_bar as planes of real and imaginary parts, with zeros where a row ends before its last lane.
template <class T> void read_tile(int64_t channels, const Frequencies& at, const Tile& tile, const T* out_bar, T* bars) {
  for (int64_t c = 0; c < channels; ++c)
    for (int64_t r = 0; r < tile.rows; ++r) {
      const T* row = out_bar + 2 * (c * at.count() + tile.place(at, r));
      T* bar = bars + (c * tile.rows + r) * 2 * kRow;
      for (int64_t i = 0; i < kRow; ++i) {
        const bool inside = i < tile.columns;
        bar[i] = inside ? row[2 * i] : T(0), bar[kRow + i] = inside ? row[2 * i + 1] : T(0);
      }
    }
}

}  // namespace

template <class T>
void simplex_fourier_backward(const SimplexInput<T>& in, const Frequencies& at, const T* out_bar, T* places_bar, T* weights_bar) {
  const Tiles tiles(at, in.channels);
  const int64_t row = 3 * in.corners, width = row + in.channels;
#pragma omp parallel for schedule(dynamic) if (in.count * at.count() > kParallelWork)
  for (int64_t first = 0; first < in.count; first += kBatch) {
    const int64_t last = std::min(first + kBatch, in.count);
    AlignedVector<T> bars(in.channels * tiles.rows * 2 * kRow);
    AlignedVector<double> sums((last - first) * width);
    std::fill(sums.begin(), sums.end(), 0);
    for (int64_t i = 0; i < tiles.count; ++i) {
      const Tile tile = tiles(at, i);
      read_tile(in.channels, at, tile, out_bar, bars.data());
      gather_tile(in, at, tile, first, last, places_bar != nullptr, bars.data(), sums.data());
    }
    for (int64_t n = first; n < last; ++n) {
      const double* sum = sums.data() + (n - first) * width;
      if (places_bar)
        for (int64_t i = 0; i < row; ++i) places_bar[n * row + i] = T(sum[i]);
      for (int64_t c = 0; c < in.channels; ++c) weights_bar[n * in.channels + c] = T(sum[row + c]);
    }
  }
}

template void simplex_fourier_backward(const SimplexInput<float>&, const Frequencies&, const float*, float*, float*);
template void simplex_fourier_backward(const SimplexInput<double>&, const Frequencies&, const double*, double*, double*);

}  // namespace gk
