// Bindings of the convolution over orientations.
#include "../graph/orientation_convolution.h"

#include "arrays.h"

namespace {

#ifdef GK_CUDA
constexpr int64_t kLanes = 1;
#else
constexpr int64_t kLanes = 16;
#endif

template <class T> void bind(nb::module_& m) {
  const auto sizes = [](const Array<T>& features) {
    if (features.ndim() != 3 || features.shape(1) < 1 || features.shape(2) < 1 || features.shape(2) % kLanes)
      throw std::invalid_argument("features must be (N, O, C) with O >= 1 and C a multiple of " + std::to_string(kLanes));
    return gk::OrientationSizes{int64_t(features.shape(0)), int64_t(features.shape(1)), int64_t(features.shape(2))};
  };
  define(m, "orientation_convolution", [sizes](Array<T> kernel, Array<T> features, Output<T> out) {
    const auto s = sizes(features);
    const T* k = GK_DATA(kernel, s.orientations * s.orientations * s.channels);
    T* result = GK_DATA(out, int64_t(features.size()));
    nb::gil_scoped_release release;
    kernels::orientation_convolution(s, k, features.data(), result);
  });
#ifndef GK_CUDA
  define(m, "orientation_convolution_backward", [sizes](Array<T> features, Array<T> out_bar, Output<T> kernel_bar) {
    const auto s = sizes(features);
    const T* bar = GK_DATA(out_bar, int64_t(features.size()));
    T* result = GK_DATA(kernel_bar, s.orientations * s.orientations * s.channels);
    nb::gil_scoped_release release;
    gk::orientation_convolution_backward(s, features.data(), bar, result);
  });
#else
  define(m, "orientation_convolution_backward", [sizes](Array<T> features, Array<T> out_bar, int64_t parts, Output<T> kernel_bar) {
    const auto s = sizes(features);
    if (parts < 1 || parts > 65535) throw std::invalid_argument("parts must be 1 to 65535");
    const T* bar = GK_DATA(out_bar, int64_t(features.size()));
    T* result = GK_DATA(kernel_bar, parts * s.orientations * s.orientations * s.channels);
    nb::gil_scoped_release release;
    kernels::orientation_convolution_backward(s, features.data(), bar, parts, result);
  });
#endif
}

}  // namespace

void GK_BIND(orientations)(nb::module_& m) {
  bind<float>(m), bind<double>(m);
#ifdef GK_CUDA
  define(m, "orientation_parts", [](int64_t nodes, int64_t orientations, int64_t channels) {
    return kernels::orientation_parts({nodes, orientations, channels});
  });
#endif
}
