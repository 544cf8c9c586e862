// The sine of frequency f of a function, sin(f phi), and its jet of value, slopes and Laplacian: the chain rule and the way
// back. A jet of d dimensions is 1, 1 + d or 2 + d values by its order.
#pragma once
#include "scalar.h"

namespace gk {

// The derivatives of sin(f phi) by phi, up to the N-th.
template <int N, class V, class S> GK_HD void sine_series(const V& phi, S f, V* d) {
  V cosine, sine;
  cosine_sine_of_turns(phi * (f * S(0.15915494309189535)), cosine, sine);
  d[0] = sine, d[1] = cosine * f;
  if constexpr (N > 1) d[2] = sine * (-f * f);
  if constexpr (N > 2) d[3] = cosine * (-f * f * f);
}

template <class V> GK_HD V square_of_slope(const V* jet, int dimension) {
  V square = jet[1] * jet[1];
  for (int k = 2; k <= dimension; ++k) square = square + jet[k] * jet[k];
  return square;
}

// r, the jet of sin(f phi), from that of phi.
template <class V, class S> GK_HD void sine_jet(const V* jet, int order, int dimension, S f, V* r) {
  V d[3];
  sine_series<2>(jet[0], f, d);
  r[0] = d[0];
  if (order > 0)
    for (int k = 1; k <= dimension; ++k) r[k] = d[1] * jet[k];
  if (order > 1) r[dimension + 1] = d[1] * jet[dimension + 1] + d[2] * square_of_slope(jet, dimension);
}

// Adds to `bar` what a gradient `from` by the jet of sin(f phi) means for the jet of phi.
template <class V, class S> GK_HD void add_sine_jet_vjp(const V* jet, int order, int dimension, S f, const V* from, V* bar) {
  V d[4];
  sine_series<3>(jet[0], f, d);
  V by_value = from[0] * d[1];
  if (order > 0)
    for (int k = 1; k <= dimension; ++k) {
      V by_slope = d[1] * from[k];
      by_value = by_value + from[k] * jet[k] * d[2];
      if (order > 1) by_slope = by_slope + S(2) * (from[dimension + 1] * d[2]) * jet[k];
      bar[k] = bar[k] + by_slope;
    }
  if (order > 1) {
    const V curved = from[dimension + 1];
    by_value = by_value + curved * (d[2] * jet[dimension + 1] + d[3] * square_of_slope(jet, dimension));
    bar[dimension + 1] = bar[dimension + 1] + curved * d[1];
  }
  bar[0] = bar[0] + by_value;
}

}  // namespace gk
