#include "compare.h"

#include <algorithm>
#include <cmath>

#include "../cpu/aligned.h"
#include "../cpu/lanes.h"
#include "../cpu/parallel.h"
#include "../math/similarity.h"

namespace gk {
namespace {

template <class T> GK_INLINE Lanes<T> load_some(const T* p, int64_t count) {
  if (count >= kLanes) return load(p);
  T values[kLanes] = {};
  std::copy_n(p, count, values);
  return load(values);
}
template <class T> GK_INLINE void store_some(T* p, const Lanes<T>& a, int64_t count) {
  if (count >= kLanes) return store(p, a);
  T values[kLanes];
  store(values, a);
  std::copy_n(values, count, p);
}

// Rows blurred vertically, with a zero margin for the horizontal pass; channels stay interleaved.
template <class T> struct Rows {
  int64_t length, margin, pitch;
  AlignedVector<T> data;
  Rows(int64_t count, int64_t length, int64_t channels)
      : length(length), margin((kRadius * channels + kLanes - 1) / kLanes * kLanes),
        pitch((length + kLanes - 1) / kLanes * kLanes + 2 * margin), data(count * pitch, T(0)) {}
  GK_INLINE T* row(int64_t i) { return data.data() + i * pitch + margin; }
};

template <class T> GK_INLINE Lanes<T> across(const T* p, const Window<T>& window, int64_t channels) {
  Lanes<T> total = load(p) * window.weight[kRadius];
  for (int k = 1; k <= kRadius; ++k)
    total = total + (load(p - k * channels) + load(p + k * channels)) * window.weight[kRadius + k];
  return total;
}

// Zero the lanes past the end: they would otherwise leak into the horizontal pass.
template <class T> GK_INLINE void store_row(T* row, int64_t j, int64_t length, const Lanes<T>& value) {
  store(row + j, select(lane_index<T>() < Lanes<T>(T(length - j)), value, Lanes<T>(T(0))));
}

template <class T>
GK_INLINE void forward_row(const CompareInput<T>& in, const Window<T>& window, Rows<T>& blurred, int64_t y, T* sums, T* slopes) {
  using L = Lanes<T>;
  const int64_t length = in.width * in.channels, first = std::max<int64_t>(y - kRadius, 0);
  const int64_t last = std::min<int64_t>(y + kRadius, in.height - 1);
  for (int64_t j = 0; j < length; j += kLanes) {
    L a = T(0), b = T(0), aa = T(0), bb = T(0), ab = T(0);
    for (int64_t r = first; r <= last; ++r) {
      const L u = load_some(in.image + r * length + j, length - j), v = load_some(in.target + r * length + j, length - j);
      const T w = window.weight[r - y + kRadius];
      const L wu = u * w, wv = v * w;
      a = a + wu, b = b + wv, aa = aa + wu * u, bb = bb + wv * v, ab = ab + wu * v;
    }
    const L values[5] = {a, b, aa, bb, ab};
    for (int q = 0; q < 5; ++q) store_row(blurred.row(q), j, length, values[q]);
  }
  L total = T(0), absolute_sum = T(0), square_sum = T(0);
  for (int64_t j = 0; j < length; j += kLanes) {
    const L difference = load_some(in.image + y * length + j, length - j) - load_some(in.target + y * length + j, length - j);
    absolute_sum = absolute_sum + absolute(difference), square_sum = square_sum + difference * difference;
    const auto mean = [&](int q) GK_INLINE_LAMBDA { return across(blurred.row(q) + j, window, in.channels); };
    const Similarity<L> found = similarity(mean(0), mean(1), mean(2), mean(3), mean(4));
    total = total + select(lane_index<T>() < L(T(length - j)), found.value, L(T(0)));
    if (!slopes) continue;
    const int64_t plane = in.height * length, place = y * length + j;
    store_some(slopes + place, found.by_mean, length - j);
    store_some(slopes + plane + place, found.by_square, length - j);
    store_some(slopes + 2 * plane + place, found.by_product, length - j);
  }
  sums[3 * y] = sum(total), sums[3 * y + 1] = sum(absolute_sum), sums[3 * y + 2] = sum(square_sum);
}

template <class T>
GK_INLINE void backward_row(const CompareInput<T>& in, const Window<T>& window, Rows<T>& blurred, int64_t y, const T* slopes,
                            const T* bar, T* image_bar) {
  using L = Lanes<T>;
  const int64_t length = in.width * in.channels, plane = in.height * length;
  const int64_t first = std::max<int64_t>(y - kRadius, 0), last = std::min<int64_t>(y + kRadius, in.height - 1);
  for (int64_t j = 0; j < length; j += kLanes)
    for (int q = 0; q < 3; ++q) {
      L total = T(0);
      for (int64_t r = first; r <= last; ++r)
        total = total + load_some(slopes + q * plane + r * length + j, length - j) * window.weight[r - y + kRadius];
      store_row(blurred.row(q), j, length, total);
    }
  for (int64_t j = 0; j < length; j += kLanes) {
    const int64_t place = y * length + j;
    const L u = load_some(in.image + place, length - j), v = load_some(in.target + place, length - j);
    const L by_similarity = across(blurred.row(0) + j, window, in.channels) +
                  u * across(blurred.row(1) + j, window, in.channels) * T(2) + v * across(blurred.row(2) + j, window, in.channels);
    const L difference = u - v, zero = T(0);
    const L sign = select(difference > zero, L(T(1)), select(difference < zero, L(T(-1)), zero));
    store_some(image_bar + place, by_similarity * bar[0] + sign * bar[1] + difference * (T(2) * bar[2]), length - j);
  }
}

#define GK_INSTANTIATE(T, ATTRIBUTES)                                                                            \
  ATTRIBUTES void forward_one(const CompareInput<T>& in, const Window<T>& w, Rows<T>& rows, int64_t y, T* sums,   \
                              T* slopes) {                                                                        \
    forward_row(in, w, rows, y, sums, slopes);                                                                    \
  }                                                                                                               \
  ATTRIBUTES void backward_one(const CompareInput<T>& in, const Window<T>& w, Rows<T>& rows, int64_t y,           \
                               const T* slopes, const T* bar, T* image_bar) {                                     \
    backward_row(in, w, rows, y, slopes, bar, image_bar);                                                         \
  }
GK_INSTANTIATE(float, GK_MULTIVERSION)
GK_INSTANTIATE(double, )
#undef GK_INSTANTIATE

}  // namespace

template <class T> int64_t compare_parts(const CompareInput<T>& in) { return in.height; }

template <class T> void compare_forward(const CompareInput<T>& in, T* sums, T* slopes) {
  const Window<T> window;
  std::vector<Rows<T>> all_rows(thread_count(), Rows<T>(5, in.width * in.channels, in.channels));
#pragma omp parallel if (in.height * in.width * in.channels > kParallelWork)
  {
    Rows<T>& rows = all_rows[thread_index()];
#pragma omp for schedule(static)
    for (int64_t y = 0; y < in.height; ++y) forward_one(in, window, rows, y, sums, slopes);
  }
}

template <class T>
void compare_backward(const CompareInput<T>& in, const T* slopes, const T* bar, T* image_bar) {
  const Window<T> window;
  std::vector<Rows<T>> all_rows(thread_count(), Rows<T>(3, in.width * in.channels, in.channels));
#pragma omp parallel if (in.height * in.width * in.channels > kParallelWork)
  {
    Rows<T>& rows = all_rows[thread_index()];
#pragma omp for schedule(static)
    for (int64_t y = 0; y < in.height; ++y) backward_one(in, window, rows, y, slopes, bar, image_bar);
  }
}

template int64_t compare_parts(const CompareInput<float>&);
template int64_t compare_parts(const CompareInput<double>&);
template void compare_forward(const CompareInput<float>&, float*, float*);
template void compare_forward(const CompareInput<double>&, double*, double*);
template void compare_backward(const CompareInput<float>&, const float*, const float*, float*);
template void compare_backward(const CompareInput<double>&, const double*, const double*, double*);

}  // namespace gk
