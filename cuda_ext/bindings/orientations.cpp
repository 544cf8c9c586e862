// Bindings of the convolution over orientations.
#include "../graph/orientation_convolution.h"

#include "arrays.h"

namespace {

template <class T> void bind(nb::module_& m) {
  const auto sizes = [](const Array<T>& features) {
    if (features.ndim() != 3 || features.shape(1) < 1 || features.shape(2) % 16) throw std::invalid_argument("features must be (N, O, C) with O >= 1 and C a multiple of 16");
    return gk::OrientationSizes{int64_t(features.shape(0)), int64_t(features.shape(1)), int64_t(features.shape(2))};
  };
  define(m, "orientation_convolution", [sizes](Array<T> kernel, Array<T> features, Output<T> out) {
    const auto s = sizes(features);
    const T* k = GK_DATA(kernel, s.orientations * s.orientations * s.channels);
    T* result = GK_DATA(out, int64_t(features.size()));
    nb::gil_scoped_release release;
    gk::orientation_convolution(s, k, features.data(), result);
  });
  define(m, "orientation_convolution_backward", [sizes](Array<T> features, Array<T> out_bar, Output<T> kernel_bar) {
    const auto s = sizes(features);
    const T* bar = GK_DATA(out_bar, int64_t(features.size()));
    T* result = GK_DATA(kernel_bar, s.orientations * s.orientations * s.channels);
    nb::gil_scoped_release release;
    gk::orientation_convolution_backward(s, features.data(), bar, result);
  });
}

}  // namespace

void bind_orientations(nb::module_& m) {
  bind<float>(m), bind<double>(m);
}
