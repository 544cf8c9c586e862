// Bindings of the search for pairs of a query and a kernel.
#include <nanobind/stl/vector.h>

#include <vector>

#include "../fields/radial_pairs.h"

#include "arrays.h"

namespace {

// The grid as it is told: its corner, the size of its cells and their number along each axis.
using Reals = std::vector<double>;
using Counts = std::vector<int64_t>;

template <class T> gk::QueryGrid<T> query_grid(int64_t queries, const Reals& low, const Reals& size, const Counts& cells) {
  gk::QueryGrid<T> grid{};
  grid.queries = queries, grid.dimension = int(low.size());
  if (grid.dimension < 1 || grid.dimension > 3) throw std::invalid_argument("points have 1, 2 or 3 coordinates");
  if (size.size() != low.size() || cells.size() != low.size()) throw std::invalid_argument("a grid is told by as many numbers for each axis");
  int64_t count = 1;
  for (int k = 0; k < 3; ++k) {
    const bool there = k < grid.dimension;
    grid.low[k] = there ? low[k] : 0, grid.size[k] = there ? size[k] : 1, grid.cells[k] = there ? int32_t(cells[k]) : 1;
    grid.per_length[k] = 1 / grid.size[k];
    if (grid.cells[k] < 1 || (count *= grid.cells[k]) >= INT64_C(1) << 31) throw std::invalid_argument("a grid has 1 to 2^31 cells");
  }
  return grid;
}

template <class T>
gk::QueryGrid<T> sorted_grid(const Reals& low, const Reals& size, const Counts& cells, const LongsOut& starts, const IdsOut& order,
                             const Output<T>& sorted) {
  auto grid = query_grid<T>(int64_t(order.size()), low, size, cells);
  grid.starts = GK_DATA(starts, int64_t(grid.cells[0]) * grid.cells[1] * grid.cells[2] + 1);
  grid.order = order.data(), grid.sorted = GK_DATA(sorted, grid.stride() * grid.dimension);
  return grid;
}

template <class T>
gk::Supports<T> supports_of(const gk::QueryGrid<T>& grid, const Array<T>& centres, const Array<T>& factors, double support, bool hat) {
  const int64_t d = grid.dimension, kernels = int64_t(centres.size()) / d;
  return {kernels, GK_DATA(centres, kernels * d), GK_DATA(factors, kernels * d * (d + 1) / 2), nullptr, T(support), hat};
}

#ifdef GK_CUDA
template <class T> void bind_pairs(nb::module_& m) {
  define(m, "query_cells", [](Array<T> x, const Reals& low, const Reals& size, const Counts& cells, IdsOut places) {
    const auto grid = query_grid<T>(int64_t(places.size()), low, size, cells);
    const T* points = GK_DATA(x, grid.queries * grid.dimension);
    int32_t* to = places.data();
    nb::gil_scoped_release release;
    gk::cuda::query_cells(points, grid, to);
  });
  define(m, "kernel_tasks", [](const Reals& low, const Reals& size, const Counts& cells, Array<T> centres, Array<T> factors,
                               double support, bool hat, LongsOut tasks) {
    const auto grid = query_grid<T>(0, low, size, cells);
    const auto supports = supports_of(grid, centres, factors, support, hat);
    int64_t* to = GK_DATA(tasks, supports.kernels);
    nb::gil_scoped_release release;
    gk::cuda::kernel_tasks(grid, supports, to);
  });
  define(m, "kernel_pairs", [](const Reals& low, const Reals& size, const Counts& cells, LongsOut starts, IdsOut order, Output<T> sorted,
                               Array<T> centres, Array<T> factors, double support, bool hat, Longs first, LongsOut found,
                               std::optional<IdsOut> ids, std::optional<IdsOut> kernels) {
    const auto grid = sorted_grid(low, size, cells, starts, order, sorted);
    const auto supports = supports_of(grid, centres, factors, support, hat);
    const gk::cuda::FoundPairs pairs = {GK_DATA(first, supports.kernels + 1), int64_t(found.size()), found.data(),
                                        ids ? ids->data() : nullptr, ids ? GK_DATA_OR_NULL(kernels, int64_t(ids->size())) : nullptr};
    nb::gil_scoped_release release;
    gk::cuda::kernel_pairs(grid, supports, pairs);
  });
}
#else
template <class T> void bind_pairs(nb::module_& m) {
  define(m, "sort_queries", [](Array<T> x, const Reals& low, const Reals& size, const Counts& cells, LongsOut starts, IdsOut order,
                               Output<T> sorted) {
    const auto grid = sorted_grid(low, size, cells, starts, order, sorted);
    const T* points = GK_DATA(x, grid.queries * grid.dimension);
    nb::gil_scoped_release release;
    gk::sort_queries(points, grid);
  });
  define(m, "kernel_pairs", [](const Reals& low, const Reals& size, const Counts& cells, LongsOut starts, IdsOut order, Output<T> sorted,
                               Array<T> centres, Array<T> factors, double support, bool hat, Ids visit, LongsOut offsets,
                               std::optional<IdsOut> ids) {
    const auto grid = sorted_grid(low, size, cells, starts, order, sorted);
    auto supports = supports_of(grid, centres, factors, support, hat);
    supports.visit = GK_DATA(visit, supports.kernels);
    int64_t* o = GK_DATA(offsets, supports.kernels + 1);
    int32_t* i = ids ? GK_DATA(*ids, o[supports.kernels]) : nullptr;
    nb::gil_scoped_release release;
    gk::kernel_pairs(grid, supports, o, i);
  });
}
#endif

}  // namespace

void GK_BIND(fields_radial_pairs)(nb::module_& m) {
  bind_pairs<float>(m), bind_pairs<double>(m);
#ifdef GK_CUDA
  m.def("sort_room", [](uintptr_t, int64_t pairs, int64_t queries) { return gk::cuda::sort_room(pairs, queries); });
  define(m, "sort_pairs", [](int64_t queries, Ids ids, Ids owners, IdsOut sorted, IdsOut kernels, Output<uint8_t> room) {
    const int64_t pairs = int64_t(ids.size());
    const int32_t* o = GK_DATA(owners, pairs);
    int32_t *s = GK_DATA(sorted, pairs), *k = GK_DATA(kernels, pairs);
    nb::gil_scoped_release release;
    gk::cuda::sort_pairs(pairs, queries, ids.data(), o, s, k, room.data(), int64_t(room.size()));
  });
#else
  define(m, "transpose_pairs", [](Ids visit, Longs kernel_offsets, Ids kernel_ids, LongsOut offsets, IdsOut ids) {
    const int64_t kernels = int64_t(kernel_offsets.size()) - 1, queries = int64_t(offsets.size()) - 1, pairs = int64_t(kernel_ids.size());
    const int64_t* first = kernel_offsets.data();
    if (first[kernels] != pairs) throw std::invalid_argument("the pairs are those of other kernels");
    const int32_t* v = GK_DATA(visit, kernels);
    int64_t* o = offsets.data();
    int32_t* i = GK_DATA(ids, pairs);
    nb::gil_scoped_release release;
    gk::transpose_pairs(queries, kernels, v, first, kernel_ids.data(), o, i);
  });
#endif
}
