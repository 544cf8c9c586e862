// Bindings of the Fourier transform of simplices.
#include "../fields/simplex_fourier.h"

#include <nanobind/stl/vector.h>

#include "arrays.h"

namespace {

using Doubles = Array<double>;
using Sizes = std::vector<int64_t>;

// `sizes` of a grid's three axes, with modes (2, 3), their first frequencies and their steps; or K, with modes (K, 3).
gk::Frequencies frequencies(const Doubles& modes, const Sizes& sizes) {
  gk::Frequencies at{sizes.size() == 3, {1, 1, 1}, {}, {}, modes.data()};
  if (!at.grid && sizes.size() != 1) throw std::invalid_argument("sizes are those of three axes or of one list");
  for (size_t i = 0; i < sizes.size(); ++i) {
    if (sizes[i] < 1) throw std::invalid_argument("sizes must be positive");
    at.sizes[at.grid ? i : 2] = sizes[i];
  }
  [[maybe_unused]] const double* values = GK_DATA(modes, at.grid ? 6 : 3 * at.sizes[2]);
#ifndef GK_CUDA
  if (at.grid)
    for (int a = 0; a < 3; ++a) at.first[a] = values[a], at.step[a] = values[3 + a];
#endif
  return at;
}

template <class T> gk::SimplexInput<T> simplices(const Array<T>& places, const Array<T>& weights) {
  if (places.ndim() != 3 || places.shape(1) < 1 || places.shape(1) > 4 || places.shape(2) != 3)
    throw std::invalid_argument("places must be (N, 1 to 4, 3)");
  if (weights.ndim() != 2 || weights.shape(0) != places.shape(0) || weights.shape(1) < 1)
    throw std::invalid_argument("weights must be (N, C)");
  return {int64_t(weights.shape(0)), int64_t(weights.shape(1)), int(places.shape(1)), places.data(), weights.data()};
}

#ifndef GK_CUDA
template <class T> void bind(nb::module_& m) {
  define(m, "simplex_fourier", [](Array<T> places, Array<T> weights, Doubles modes, Sizes sizes, Output<T> out) {
    const auto in = simplices<T>(places, weights);
    const gk::Frequencies at = frequencies(modes, sizes);
    T* result = GK_DATA(out, in.channels * at.count() * 2);
    nb::gil_scoped_release release;
    gk::simplex_fourier(in, at, result);
  });
  define(m, "simplex_fourier_backward", [](Array<T> places, Array<T> weights, Doubles modes, Sizes sizes, Array<T> out_bar,
                                           std::optional<Output<T>> places_bar, Output<T> weights_bar) {
    const auto in = simplices<T>(places, weights);
    const gk::Frequencies at = frequencies(modes, sizes);
    const T* bar = GK_DATA(out_bar, in.channels * at.count() * 2);
    T* by_places = GK_DATA_OR_NULL(places_bar, int64_t(places.size()));
    T* by_weights = GK_DATA(weights_bar, int64_t(weights.size()));
    nb::gil_scoped_release release;
    gk::simplex_fourier_backward(in, at, bar, by_places, by_weights);
  });
}
#else
int64_t parts_of(const Output<double>& sums) {
  if (sums.ndim() < 1 || sums.shape(0) < 1 || sums.shape(0) > 65535) throw std::invalid_argument("sums must be in 1 to 65535 parts");
  return int64_t(sums.shape(0));
}

template <class T> void bind(nb::module_& m) {
  define(m, "simplex_fourier", [](Array<T> places, Array<T> weights, Doubles modes, Sizes sizes, Output<double> sums) {
    const auto in = simplices<T>(places, weights);
    const gk::Frequencies at = frequencies(modes, sizes);
    const int64_t parts = parts_of(sums);
    double* result = GK_DATA(sums, parts * in.channels * at.count() * 2);
    nb::gil_scoped_release release;
    kernels::simplex_fourier(in, at, parts, result);
  });
  define(m, "simplex_fourier_backward", [](Array<T> places, Array<T> weights, Doubles modes, Sizes sizes, Array<T> out_bar, bool by_places,
                                           Output<double> sums) {
    const auto in = simplices<T>(places, weights);
    const gk::Frequencies at = frequencies(modes, sizes);
    const int64_t parts = parts_of(sums), width = 12 + (in.channels + 3) / 4 * 4;
    const T* bar = GK_DATA(out_bar, in.channels * at.count() * 2);
    double* result = GK_DATA(sums, parts * in.count * width);
    nb::gil_scoped_release release;
    kernels::simplex_fourier_backward(in, at, bar, by_places, parts, result);
  });
}
#endif

}  // namespace

void GK_BIND(fields_simplex_fourier)(nb::module_& m) {
  bind<float>(m), bind<double>(m);
#ifdef GK_CUDA
  define(m, "simplex_fourier_parts", [](int64_t simplices, Doubles modes, Sizes sizes) {
    return kernels::simplex_fourier_parts(simplices, frequencies(modes, sizes));
  });
  define(m, "simplex_fourier_backward_parts", [](int64_t simplices, Doubles modes, Sizes sizes) {
    return kernels::simplex_fourier_backward_parts(simplices, frequencies(modes, sizes));
  });
#endif
}
