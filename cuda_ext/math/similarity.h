// Structural similarity (Wang et al. 2004) of two windows, with its slopes, and the window: 11x11, Gaussian of sigma 1.5.
#pragma once
#include "scalar.h"

namespace gk {

constexpr int kRadius = 5, kTaps = 2 * kRadius + 1;

template <class T> struct Window {
  T weight[kTaps];
  Window() {
    double sum = 0, raw[kTaps];
    for (int k = 0; k < kTaps; ++k) sum += raw[k] = std::exp(-0.5 * (k - kRadius) * (k - kRadius) / (1.5 * 1.5));
    for (int k = 0; k < kTaps; ++k) weight[k] = T(raw[k] / sum);
  }
};

// Derivatives by the windowed mean of the first picture, of its square, and of the product of both.
template <class V> struct Similarity { V value, by_mean, by_square, by_product; };

// From the windowed means of both pictures, of their squares and of their product.
template <class V>
GK_HD Similarity<V> similarity(const V& mean_a, const V& mean_b, const V& square_a, const V& square_b, const V& product) {
  const V c1 = V(0.01 * 0.01), c2 = V(0.03 * 0.03);
  const V var_a = square_a - mean_a * mean_a, var_b = square_b - mean_b * mean_b, covariance = product - mean_a * mean_b;
  const V n1 = mean_a * mean_b * V(2) + c1, n2 = covariance * V(2) + c2;
  const V d1 = mean_a * mean_a + mean_b * mean_b + c1, d2 = var_a + var_b + c2;
  const V inverse = V(1) / (d1 * d2), value = n1 * n2 * inverse;
  const V inverse_d1 = d2 * inverse, inverse_d2 = d1 * inverse;
  return {value, (mean_b * (n2 - n1) * inverse - value * mean_a * (inverse_d1 - inverse_d2)) * V(2), -value * inverse_d2, n1 * inverse * V(2)};
}

}  // namespace gk
