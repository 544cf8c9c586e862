// Bindings of the optimiser.
#include "../optimize/adam.h"

#include "arrays.h"

namespace {

template <class T> void bind_adam(nb::module_& m) {
  define(m, "adam_step", [](Output<T> parameter, Array<T> gradient, Output<T> first_moment, Output<T> second_moment, Array<T> rates,
                            double beta1, double beta2, double epsilon, int64_t step, std::optional<Array<bool>> skip) {
    const int64_t size = int64_t(parameter.size()), columns = int64_t(rates.size()), rows = columns ? size / columns : 0;
    if (step < 1) throw std::invalid_argument("step must be at least 1");
    const gk::AdamStep<T> s = {rows, columns, GK_DATA(gradient, rows * columns), rates.data(), T(beta1), T(beta2), T(epsilon), step,
                               GK_DATA_OR_NULL(skip, 1), GK_DATA(parameter, rows * columns), GK_DATA(first_moment, size),
                               GK_DATA(second_moment, size)};
    nb::gil_scoped_release release;
    kernels::adam_step(s);
  });
}

}  // namespace

void GK_BIND(optimize)(nb::module_& m) {
  bind_adam<float>(m), bind_adam<double>(m);
}
