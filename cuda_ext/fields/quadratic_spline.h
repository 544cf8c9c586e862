// The three quadratic B-splines that are not zero in a cell, at t in [-1/2, 1/2] from its middle.
#pragma once
#include "../cpu/multiversion.h"

namespace gk {

template <class T> GK_INLINE void quadratic_spline(T t, T* value, T* slope) {
  const T below = T(0.5) - t, above = T(0.5) + t;
  value[0] = T(0.5) * below * below, value[1] = T(0.75) - t * t, value[2] = T(0.5) * above * above;
  slope[0] = -below, slope[1] = T(-2) * t, slope[2] = above;
}

}  // namespace gk
