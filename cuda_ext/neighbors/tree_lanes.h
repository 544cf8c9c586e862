// A query against sixteen boxes or sixteen points at once. Boxes and points round alike: no point is nearer than its box.
#pragma once
#include "../cpu/lanes.h"
#include "tree.h"

namespace gk {

static_assert(kTreeWidth == kLanes);

template <class T> GK_INLINE Lanes<T> bit_values() {
  T values[kLanes];
  for (int i = 0; i < kLanes; ++i) values[i] = T(1 << i);
  return load(values);
}

// Bit i: the comparison holds in lane i. `bits` are the bit_values.
template <class T> GK_INLINE uint32_t bits_of(const Mask<T>& mask, const Lanes<T>& bits) {
  return uint32_t(int32_t(sum(select(mask, bits, Lanes<T>(T(0))))));
}

template <class T> GK_INLINE Lanes<T> squared_norm(const Lanes<T>& x, const Lanes<T>& y, const Lanes<T>& z) {
  return (x * x + y * y) + z * z;
}

template <class T> GK_INLINE Lanes<T> distance_to_boxes(const T* boxes, const T* q) {
  Lanes<T> d[3];
  for (int a = 0; a < 3; ++a)
    d[a] = maximum(maximum(load(boxes + a * kLanes) - q[a], q[a] - load(boxes + (a + 3) * kLanes)), Lanes<T>(T(0)));
  return squared_norm(d[0], d[1], d[2]);
}

template <class T> GK_INLINE Lanes<T> distance_to_points(const T* points, const T* q) {
  return squared_norm(load(points) - q[0], load(points + kLanes) - q[1], load(points + 2 * kLanes) - q[2]);
}

}  // namespace gk
