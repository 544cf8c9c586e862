// Rows of a table for sixteen points at once: gathered, multiplied, and added to.
#pragma once
#include <algorithm>

#include "../cpu/lanes.h"

namespace gk {

template <class T> GK_INLINE Lanes<T> load_lanes(const T* from, int count) {
  if (count == kLanes) return load(from);
  T values[kLanes] = {};
  std::copy_n(from, count, values);
  return load(values);
}
template <class T> GK_INLINE void store_lanes(const Lanes<T>& a, int count, T* to) {
  if (count == kLanes) return store(to, a);
  T values[kLanes];
  store(values, a);
  std::copy_n(values, count, to);
}

// One value of a row for each lane.
template <class T> GK_INLINE Lanes<T> gather_lanes(const T* __restrict rows, const int32_t (&at)[kLanes]) {
  return wrap<T>(typename Lanes<T>::Vector{rows[at[0]], rows[at[1]], rows[at[2]], rows[at[3]], rows[at[4]], rows[at[5]],
                                           rows[at[6]], rows[at[7]], rows[at[8]], rows[at[9]], rows[at[10]], rows[at[11]],
                                           rows[at[12]], rows[at[13]], rows[at[14]], rows[at[15]]});
}

// P values of a row for each lane, beside each other in memory: pairs of float32 by one load each.
template <class T, int P> GK_INLINE void gather_rows(const T* __restrict rows, const int32_t (&at)[kLanes], Lanes<T> (&values)[P]) {
  if constexpr (P == 2 && sizeof(T) == 4) {
    typedef double Pairs __attribute__((vector_size(8 * sizeof(double))));
    typedef T Half __attribute__((vector_size(8 * sizeof(double))));
    const auto pair = [&](int i) GK_INLINE_LAMBDA {
      double value;
      std::memcpy(&value, rows + at[i], sizeof(value));
      return value;
    };
    const Half low = (Half)Pairs{pair(0), pair(1), pair(2), pair(3), pair(4), pair(5), pair(6), pair(7)};
    const Half high = (Half)Pairs{pair(8), pair(9), pair(10), pair(11), pair(12), pair(13), pair(14), pair(15)};
    values[0].v = __builtin_shufflevector(low, high, 0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
    values[1].v = __builtin_shufflevector(low, high, 1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31);
  } else {
    for (int p = 0; p < P; ++p) values[p] = gather_lanes(rows + p, at);
  }
}

template <class T, int P>
GK_INLINE void add_rows(const Lanes<T>& w, const T* rows, const int32_t (&at)[kLanes], Lanes<T> (&sums)[P]) {
  Lanes<T> values[P];
  gather_rows(rows, at, values);
  for (int f = 0; f < P; ++f) sums[f] = sums[f] + w * values[f];
}
template <class T, int P>
GK_INLINE Lanes<T> row_products(const Lanes<T> (&bar)[P], const T* rows, const int32_t (&at)[kLanes]) {
  Lanes<T> values[P];
  gather_rows(rows, at, values);
  Lanes<T> sum = bar[0] * values[0];
  for (int f = 1; f < P; ++f) sum = sum + bar[f] * values[f];
  return sum;
}

// rows[at[i]] += w[i] bar[i] for the first lanes, one after the other: two of them may share a row.
template <class T, int P>
GK_INLINE void scatter_lanes(const Lanes<T>& w, const T (&bar)[kLanes][P], const int32_t (&at)[kLanes], int count, T* rows) {
  T weight[kLanes];
  store(weight, w);
  for (int i = 0; i < count; ++i)
    for (int f = 0; f < P; ++f) rows[at[i] + f] += weight[i] * bar[i][f];
}

// P rows of features_bar, side by side for each lane, as the table has them.
template <class T, int P> GK_INLINE void load_beside(const T* features_bar, int64_t stride, int count, T (&bar)[kLanes][P]) {
  for (int f = 0; f < P; ++f)
    for (int i = 0; i < count; ++i) bar[i][f] = features_bar[f * stride + i];
}

}  // namespace gk
