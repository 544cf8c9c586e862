#include "simplex_fourier.h"

#include "../cpu/aligned.h"
#include "../cpu/parallel.h"
#include "simplex_phases.h"

namespace gk {
namespace {

constexpr int64_t kBatch = 64;  // simplices that are summed up in T before their sum joins that in float64

// Adds simplices `first` to `last` to sums (C, rows, 2, kRow).
template <class T>
GK_INLINE void add(const SimplexInput<T>& in, const Frequencies& at, const Tile& tile, int64_t first, int64_t last, T* sums) {
  SimplexRows<T> rows;
  alignas(64) T values[2 * kRow];
  for (int64_t n = first; n < last; ++n)
    for (int64_t r = 0; r < tile.rows; ++r) {
      r ? rows.next_row() : rows.start(at, tile, in.corners, in.places + n * 3 * in.corners);
      simplex_values(rows.row, values);
      for (int64_t c = 0; c < in.channels; ++c) {
        const T weight = in.weights[n * in.channels + c];
        T* sum = sums + (c * tile.rows + r) * 2 * kRow;
        for (int part = 0; part < 2; ++part, sum += kRow)
          for (int i = 0; i < tile.columns; ++i) sum[i] += weight * values[part * kRow + i];
      }
    }
}
GK_MULTIVERSION void add_simplices(const SimplexInput<float>& in, const Frequencies& at, const Tile& tile, int64_t first,
                                   int64_t last, float* sums) {
  add(in, at, tile, first, last, sums);
}
GK_MULTIVERSION void add_simplices(const SimplexInput<double>& in, const Frequencies& at, const Tile& tile, int64_t first,
                                   int64_t last, double* sums) {
  add(in, at, tile, first, last, sums);
}

template <class T> void transform_tile(const SimplexInput<T>& in, const Frequencies& at, const Tile& tile, T* out) {
  const int64_t size = in.channels * tile.rows * 2 * kRow;
  AlignedVector<T> sums(size);
  AlignedVector<double> total(size);
  std::fill(total.begin(), total.end(), 0);
  for (int64_t first = 0; first < in.count; first += kBatch) {
    std::fill(sums.begin(), sums.end(), T(0));
    add_simplices(in, at, tile, first, std::min(first + kBatch, in.count), sums.data());
    for (int64_t i = 0; i < size; ++i) total[i] += double(sums[i]);
  }
  for (int64_t c = 0; c < in.channels; ++c)
    for (int64_t r = 0; r < tile.rows; ++r) {
      const double* row = total.data() + (c * tile.rows + r) * 2 * kRow;
      T* o = out + 2 * (c * at.count() + tile.place(at, r));
      for (int64_t i = 0; i < tile.columns; ++i) o[2 * i] = T(row[i]), o[2 * i + 1] = T(row[kRow + i]);
    }
}

}  // namespace

template <class T> void simplex_fourier(const SimplexInput<T>& in, const Frequencies& at, T* out) {
  const Tiles tiles(at, in.channels);
#pragma omp parallel for schedule(dynamic) if (in.count * at.count() > kParallelWork)
  for (int64_t i = 0; i < tiles.count; ++i) transform_tile(in, at, tiles(at, i), out);
}

template void simplex_fourier(const SimplexInput<float>&, const Frequencies&, float*);
template void simplex_fourier(const SimplexInput<double>&, const Frequencies&, double*);

}  // namespace gk
