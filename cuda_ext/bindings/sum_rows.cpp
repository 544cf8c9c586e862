// Binding of sums in a fixed order: for the GPU only.
#include "../cuda/sum_rows.h"

#include "arrays.h"

namespace {

template <class T> void bind_sum_rows(nb::module_& m) {
  define(m, "sum_rows", [](Array<T> rows, Longs order, Longs starts, Output<T> sums) {
    if (rows.ndim() != 2) throw std::invalid_argument("rows must have shape (N, C)");
    const int64_t count = int64_t(rows.shape(0)), columns = int64_t(rows.shape(1)), keys = int64_t(starts.size()) - 1;
    const int64_t *ids = GK_DATA(order, count), *firsts = starts.data();
    T* out = GK_DATA(sums, keys * columns);
    nb::gil_scoped_release release;
    kernels::sum_rows(keys, columns, rows.data(), ids, firsts, out);
  });
}

}  // namespace

void GK_BIND(sum_rows)(nb::module_& m) {
  bind_sum_rows<float>(m), bind_sum_rows<double>(m);
}
