// What the lists of the CPU and of the GPU are made from.
#pragma once
#include "../splatting/bin.h"
#include "arrays.h"

template <class T>
gk::BinInput<T> bin_input(const Array<T>& means2d, const Array<T>& conics, const Array<T>& depths, const Array<T>& amplitudes,
                          int64_t width, int64_t height) {
  const int64_t n = int64_t(depths.size());
  if (width < 1 || height < 1) throw std::invalid_argument("image size must be positive");
  return {n, GK_DATA(means2d, 2 * n), GK_DATA(conics, 3 * n), GK_DATA(depths, n), GK_DATA(amplitudes, n), width, height};
}
