// Bindings of sums of radial kernels and of the pairs that they run over.
#include <algorithm>

#include "../fields/radial.h"
#include "../fields/radial_pairs.h"

#include "arrays.h"

namespace {


gk::PairLists lists_of(const Longs& offsets, const Ids& ids, int64_t lists) {
  const int64_t* first = GK_DATA(offsets, lists + 1);
  if (first[lists] != int64_t(ids.size())) throw std::invalid_argument("the pairs are those of other points or kernels");
  return {first, ids.data()};
}

// rows (N, d) or, for the kernels' gradients, (N, d + C).
template <class T>
gk::RadialInput<T> radial_input(const Array<T>& rows, const Array<T>& table, const std::optional<Array<T>>& frequencies,
                                int dimension, int order, int profile, bool waves, double support, bool with_outputs) {
  if (rows.ndim() != 2 || table.ndim() != 2) throw std::invalid_argument("rows and table have two axes");
  if (dimension < 1 || dimension > 3 || order < 0 || order > 2 || profile < 0 || profile > int(gk::Profile::kHat))
    throw std::invalid_argument("no such dimension, order or profile");
  gk::RadialInput<T> in{};
  in.queries = int64_t(rows.shape(0)), in.kernels = int64_t(table.shape(0));
  in.dimension = dimension, in.order = order, in.profile = gk::Profile(profile), in.waves = waves;
  in.support2 = T(support * support), in.table = table.data(), in.rows = rows.data();
  in.channels = int64_t(table.shape(1)) - in.shape_width();
  if (in.kernels < 1 || in.channels < 1) throw std::invalid_argument("there must be a kernel and a channel");
  if (in.profile == gk::Profile::kHat && (waves || order > 1))
    throw std::invalid_argument("the hat has neither waves nor a Laplacian");
  in.frequencies = GK_DATA_OR_NULL(frequencies, in.channels);
  if (int64_t(rows.shape(1)) != dimension + (with_outputs ? in.outputs() : 0))
    throw std::invalid_argument("rows have another number of columns");
  if (std::max(in.queries * (dimension + in.outputs()), in.kernels * in.width()) >= int64_t(1) << 31)
    throw std::invalid_argument("too many values to number in 32 bits");
  return in;
}

template <class T> void bind_sums(nb::module_& m) {
  define(m, "radial_sum", [](Array<T> x, Array<T> table, std::optional<Array<T>> frequencies, int dimension, int order,
                             int profile, bool waves, double support, Longs offsets, Ids ids, Output<T> out) {
    const auto in = radial_input(x, table, frequencies, dimension, order, profile, waves, support, false);
    const auto pairs = lists_of(offsets, ids, in.queries);
    T* o = GK_DATA(out, in.queries * in.outputs());
    nb::gil_scoped_release release;
    gk::radial_sum(in, pairs, o);
  });
  define(m, "radial_queries_backward",
         [](Array<T> x, Array<T> table, std::optional<Array<T>> frequencies, int dimension, int order, int profile,
            bool waves, double support, Longs offsets, Ids ids, Array<T> out_bar, Output<T> x_bar) {
           const auto in = radial_input(x, table, frequencies, dimension, order, profile, waves, support, false);
           const auto pairs = lists_of(offsets, ids, in.queries);
           const T* bar = GK_DATA(out_bar, in.queries * in.outputs());
           T* o = GK_DATA(x_bar, in.queries * in.dimension);
           nb::gil_scoped_release release;
           gk::radial_queries_backward(in, pairs, bar, o);
         });
  define(m, "radial_kernels_backward",
         [](Array<T> rows, Array<T> table, std::optional<Array<T>> frequencies, int dimension, int order, int profile,
            bool waves, double support, Longs offsets, Ids ids, bool shapes, Output<T> table_bar) {
           const auto in = radial_input(rows, table, frequencies, dimension, order, profile, waves, support, true);
           const auto pairs = lists_of(offsets, ids, in.kernels);
           T* o = GK_DATA(table_bar, in.kernels * (shapes ? in.width() : in.channels));
           nb::gil_scoped_release release;
           gk::radial_kernels_backward(in, pairs, shapes, o);
         });
}

template <class T>
gk::QueryGrid<T> query_grid(int64_t queries, const Array<double>& low, const Array<double>& size, const Ids& cells,
                            const LongsOut& starts, const IdsOut& order, const Output<T>& sorted) {
  gk::QueryGrid<T> grid{};
  grid.queries = queries, grid.dimension = int(low.size());
  if (grid.dimension < 1 || grid.dimension > 3) throw std::invalid_argument("points have 1, 2 or 3 coordinates");
  const double *l = low.data(), *s = GK_DATA(size, grid.dimension);
  const int32_t* c = GK_DATA(cells, grid.dimension);
  int64_t count = 1;
  for (int k = 0; k < 3; ++k) {
    const bool there = k < grid.dimension;
    grid.low[k] = there ? l[k] : 0, grid.size[k] = there ? s[k] : 1, grid.cells[k] = there ? c[k] : 1;
    grid.per_length[k] = 1 / grid.size[k];
    if (grid.cells[k] < 1) throw std::invalid_argument("a grid has at least one cell");
    count *= grid.cells[k];
  }
  grid.starts = GK_DATA(starts, count + 1), grid.order = GK_DATA(order, queries);
  grid.sorted = GK_DATA(sorted, grid.stride() * grid.dimension);
  return grid;
}

template <class T> void bind_pairs(nb::module_& m) {
  define(m, "sort_queries", [](Array<T> x, Array<double> low, Array<double> size, Ids cells, LongsOut starts,
                               IdsOut order, Output<T> sorted) {
    const auto grid = query_grid(int64_t(order.size()), low, size, cells, starts, order, sorted);
    const T* points = GK_DATA(x, grid.queries * grid.dimension);
    nb::gil_scoped_release release;
    gk::sort_queries(points, grid);
  });
  define(m, "kernel_pairs", [](Array<double> low, Array<double> size, Ids cells, LongsOut starts, IdsOut order,
                               Output<T> sorted, Array<T> centres, Array<T> factors, Ids visit, double support, bool hat,
                               LongsOut offsets, std::optional<IdsOut> ids) {
    const auto grid = query_grid(int64_t(order.size()), low, size, cells, starts, order, sorted);
    const int64_t kernels = int64_t(offsets.size()) - 1, d = grid.dimension;
    const gk::Supports<T> supports = {kernels, GK_DATA(centres, kernels * d), GK_DATA(factors, kernels * d * (d + 1) / 2),
                                      GK_DATA(visit, kernels), T(support), hat};
    int64_t* o = offsets.data();
    int32_t* i = ids ? GK_DATA(*ids, o[kernels]) : nullptr;
    nb::gil_scoped_release release;
    gk::kernel_pairs(grid, supports, o, i);
  });
}

}  // namespace

void bind_fields_radial(nb::module_& m) {
  bind_sums<float>(m), bind_sums<double>(m);
  bind_pairs<float>(m), bind_pairs<double>(m);
  define(m, "transpose_pairs", [](Ids visit, Longs kernel_offsets, Ids kernel_ids, LongsOut offsets, IdsOut ids) {
    const int64_t kernels = int64_t(kernel_offsets.size()) - 1, queries = int64_t(offsets.size()) - 1;
    const auto pairs = lists_of(kernel_offsets, kernel_ids, kernels);
    const int32_t* v = GK_DATA(visit, kernels);
    int64_t* o = offsets.data();
    int32_t* i = GK_DATA(ids, int64_t(kernel_ids.size()));
    nb::gil_scoped_release release;
    gk::transpose_pairs(queries, kernels, v, pairs.offsets, pairs.ids, o, i);
  });
}
