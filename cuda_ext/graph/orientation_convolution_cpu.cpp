#include "orientation_convolution.h"

#include <algorithm>

#include "../cpu/parallel.h"
#include "registers.h"

namespace gk {
namespace {

constexpr int64_t kNodes = 64;  // of a task: their features stay in the second cache while all of the kernel passes

// sums[a][b] += first[a, i] second[b, i] for i in [0, count): `Rows` times `Columns` products of one vector of channels, whose
// rows, columns and terms lie `*_row` and `*_term` values apart.
template <class R, int Rows, int Columns, class T>
GK_INLINE void add_products(int64_t count, const T* first, int64_t first_row, int64_t first_term, const T* second, int64_t second_row,
                            int64_t second_term, typename R::Vector (&sums)[Rows][Columns]) {
  for (int64_t i = 0; i < count; ++i) {
    typename R::Vector a[Rows];
#pragma GCC unroll 4
    for (int r = 0; r < Rows; ++r) a[r] = R::load(first + r * first_row + i * first_term);
#pragma GCC unroll 4
    for (int c = 0; c < Columns; ++c) {
      const typename R::Vector b = R::load(second + c * second_row + i * second_term);
#pragma GCC unroll 4
      for (int r = 0; r < Rows; ++r) sums[r][c] = sums[r][c] + a[r] * b;
    }
  }
}

// out[a, b], where `Add` to what is there, = sum over i of first[a, i] second[b, i] for one vector of channels.
template <class R, bool Add, class T>
GK_INLINE void products(int64_t rows, int64_t columns, int64_t count, const T* first, int64_t first_row, int64_t first_term,
                        const T* second, int64_t second_row, int64_t second_term, T* out, int64_t out_row, int64_t out_column) {
  each_row_tile(rows, [&](int64_t a, auto height) GK_INLINE_LAMBDA {
    each_row_tile(columns, [&](int64_t b, auto width) GK_INLINE_LAMBDA {
      typename R::Vector sums[height.value][width.value];
#pragma GCC unroll 4
      for (int r = 0; r < height.value; ++r)
#pragma GCC unroll 4
        for (int c = 0; c < width.value; ++c)
          sums[r][c] = Add ? R::load(out + (a + r) * out_row + (b + c) * out_column) : typename R::Vector{};
      add_products<R, height.value, width.value>(count, first + a * first_row, first_row, first_term, second + b * second_row,
                                                 second_row, second_term, sums);
#pragma GCC unroll 4
      for (int r = 0; r < height.value; ++r)
#pragma GCC unroll 4
        for (int c = 0; c < width.value; ++c) R::store(out + (a + r) * out_row + (b + c) * out_column, sums[r][c]);
    });
  });
}

// Nodes `first` to `last`, all orientations.
template <class R, class T>
GK_INLINE void turn(const OrientationSizes& s, int64_t first, int64_t last, const T* kernel, const T* features, T* out) {
  const int64_t C = s.channels, row = s.orientations * C;
  for (int64_t c = 0; c < C; c += R::kWidth)
    products<R, false>(last - first, s.orientations, s.orientations, features + first * row + c, row, C, kernel + c, row, C,
                out + first * row + c, row, C);
}

// The kernel's gradient for 16 channels: sums over nodes, as many at once as stay in the first cache.
template <class R, class T>
GK_INLINE void gather(const OrientationSizes& s, int64_t channel, const T* features, const T* out_bar, T* kernel_bar) {
  const int64_t C = s.channels, row = s.orientations * C, block = std::max<int64_t>(256 / s.orientations, 4);
  for (int64_t p = 0; p < s.orientations * s.orientations; ++p) std::fill_n(kernel_bar + p * C + channel, 16, T(0));
  for (int64_t first = 0; first < s.nodes; first += block)
    for (int64_t c = channel; c < channel + 16; c += R::kWidth)
      products<R, true>(s.orientations, s.orientations, std::min(block, s.nodes - first), out_bar + first * row + c, C, row,
                        features + first * row + c, C, row, kernel_bar + c, row, C);
}

#define GK_TURN(BYTES)                                                                                                     \
  void turn_at(const OrientationSizes& s, int64_t first, int64_t last, const float* kernel, const float* features, float* out) { \
    turn<Register<float, BYTES>>(s, first, last, kernel, features, out);                                                  \
  }
#define GK_GATHER(BYTES)                                                                                                   \
  void gather_at(const OrientationSizes& s, int64_t channel, const float* features, const float* out_bar, float* kernel_bar) {   \
    gather<Register<float, BYTES>>(s, channel, features, out_bar, kernel_bar);                                            \
  }
GK_FOR_EACH_WIDTH(GK_TURN)
GK_FOR_EACH_WIDTH(GK_GATHER)
#undef GK_TURN
#undef GK_GATHER
void turn_at(const OrientationSizes& s, int64_t first, int64_t last, const double* kernel, const double* features, double* out) {
  turn<Register<double, 16>>(s, first, last, kernel, features, out);
}
void gather_at(const OrientationSizes& s, int64_t channel, const double* features, const double* out_bar, double* kernel_bar) {
  gather<Register<double, 16>>(s, channel, features, out_bar, kernel_bar);
}

int64_t work(const OrientationSizes& s) { return s.nodes * s.orientations * s.orientations * s.channels / 16; }

}  // namespace

template <class T> void orientation_convolution(const OrientationSizes& size, const T* kernel, const T* features, T* out) {
#pragma omp parallel for schedule(static) if (work(size) > kParallelWork)
  for (int64_t first = 0; first < size.nodes; first += kNodes)
    turn_at(size, first, std::min(first + kNodes, size.nodes), kernel, features, out);
}

template <class T>
void orientation_convolution_backward(const OrientationSizes& size, const T* features, const T* out_bar, T* kernel_bar) {
#pragma omp parallel for schedule(static) if (work(size) > kParallelWork)
  for (int64_t channel = 0; channel < size.channels; channel += 16) gather_at(size, channel, features, out_bar, kernel_bar);
}

template void orientation_convolution(const OrientationSizes&, const float*, const float*, float*);
template void orientation_convolution(const OrientationSizes&, const double*, const double*, double*);
template void orientation_convolution_backward(const OrientationSizes&, const float*, const float*, float*);
template void orientation_convolution_backward(const OrientationSizes&, const double*, const double*, double*);

}  // namespace gk
