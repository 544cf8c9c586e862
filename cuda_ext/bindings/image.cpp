// Bindings of the comparison of pictures.
#include "../image/compare.h"

#include "arrays.h"

namespace {

template <class T> gk::CompareInput<T> compare_input(const Array<T>& image, const Array<T>& target) {
  if (image.ndim() != 3) throw std::invalid_argument("image must have shape (H, W, C)");
  return {int64_t(image.shape(0)), int64_t(image.shape(1)), int64_t(image.shape(2)), image.data(),
          GK_DATA(target, int64_t(image.size()))};
}

template <class T> void bind_compare(nb::module_& m) {
  define(m, "compare_parts", [](Array<T> image) { return kernels::compare_parts(compare_input<T>(image, image)); });
  define(m, "compare_forward", [](Array<T> image, Array<T> target, Output<T> sums, std::optional<Output<T>> slopes) {
    const auto in = compare_input<T>(image, target);
    T *parts = GK_DATA(sums, 3 * kernels::compare_parts(in)), *s = GK_DATA_OR_NULL(slopes, 3 * int64_t(image.size()));
    nb::gil_scoped_release release;
    kernels::compare_forward(in, parts, s);
  });
  define(m, "compare_backward", [](Array<T> image, Array<T> target, Array<T> slopes, Array<T> bar, Output<T> image_bar) {
    const auto in = compare_input<T>(image, target);
    const T *s = GK_DATA(slopes, 3 * int64_t(image.size())), *means_bar = GK_DATA(bar, 3);
    T* out = GK_DATA(image_bar, int64_t(image.size()));
    nb::gil_scoped_release release;
    kernels::compare_backward(in, s, means_bar, out);
  });
}

}  // namespace

void GK_BIND(image)(nb::module_& m) {
  bind_compare<float>(m), bind_compare<double>(m);
}
