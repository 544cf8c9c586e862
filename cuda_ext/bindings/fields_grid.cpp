// Bindings of grids of several resolutions.
#include <nanobind/stl/vector.h>

#include <vector>

#include "../fields/grid_encode.h"

#include "arrays.h"

namespace {

// A level is told by 4 + d numbers: first row, rows, whether hashed, shift, and the cells along each axis.
struct Grid {
  std::vector<gk::GridLevel> levels;
  int64_t rows = 0;  // of the table
  gk::GridShape shape;

  Grid(int64_t points, int64_t dimension, int64_t features, int64_t basis, const std::vector<int64_t>& numbers) {
    if (dimension != 2 && dimension != 3) throw std::invalid_argument("a grid has 2 or 3 dimensions");
    if (features < 1) throw std::invalid_argument("a level has at least one feature");
    if (basis < 0 || basis > 2) throw std::invalid_argument("there is no such basis");
    const int64_t width = 4 + dimension;
    if (numbers.empty() || int64_t(numbers.size()) % width) throw std::invalid_argument("levels must be told by 4 + d numbers each");
    for (const int64_t* n = numbers.data(); n != numbers.data() + numbers.size(); n += width) {
      gk::GridLevel level = {n[0], n[1], n[2] != 0, uint32_t(n[3]), {1, 1, 1}};
      if (n[0] != rows || n[1] < 1 || n[1] * features >= INT64_C(1) << 31)
        throw std::invalid_argument("levels must follow each other with at least one row each and below 2^31 values");
      for (int k = 0; k < dimension; ++k) {
        if (n[4 + k] < 1 || n[4 + k] > 1 << 24) throw std::invalid_argument("a level has 1 to 2^24 cells along an axis");
        level.cells[k] = int32_t(n[4 + k]);
      }
      rows += n[1];
      levels.push_back(level);
    }
    shape = {points, int32_t(dimension), int32_t(features), gk::GridBasis(basis), int64_t(levels.size()), levels.data()};
  }
  Grid(const Grid&) = delete;
  int64_t all_features() const { return shape.level_count * shape.features * shape.points; }
  int64_t coordinates() const { return shape.dimension * shape.points; }
};

template <class T> const T* features_data(const Grid& g, const Array<T>& a) { return data_of(a, g.all_features(), "features_bar"); }

template <class T> void bind_grid(nb::module_& m) {
  using Numbers = std::vector<int64_t>;
  define(m, "grid_encode", [](Array<T> x, Array<T> table, const Numbers& levels, int64_t basis, Output<T> features) {
    if (x.ndim() != 2 || table.ndim() != 2) throw std::invalid_argument("x and table have two axes");
    const Grid g(int64_t(x.shape(1)), int64_t(x.shape(0)), int64_t(table.shape(1)), basis, levels);
    const T* t = data_of(table, g.rows * g.shape.features, "table");
    T* out = data_of(features, g.all_features(), "features");
    nb::gil_scoped_release release;
    kernels::grid_encode(g.shape, x.data(), t, out);
  });
  define(m, "grid_encode_backward", [](Array<T> x, Array<T> table, Array<T> features_bar, const Numbers& levels, int64_t basis,
                                       std::optional<Output<T>> table_bar, std::optional<Output<T>> x_bar) {
    if (x.ndim() != 2 || table.ndim() != 2) throw std::invalid_argument("x and table have two axes");
    const Grid g(int64_t(x.shape(1)), int64_t(x.shape(0)), int64_t(table.shape(1)), basis, levels);
    const int64_t size = g.rows * g.shape.features;
    const T *t = data_of(table, size, "table"), *b = features_data<T>(g, features_bar);
    T *tb = GK_DATA_OR_NULL(table_bar, size), *xb = GK_DATA_OR_NULL(x_bar, g.coordinates());
    nb::gil_scoped_release release;
    kernels::grid_encode_backward(g.shape, x.data(), t, b, tb, xb);
  });
  define(m, "grid_encode_second", [](Array<T> x, Array<T> table, Array<T> features_bar, std::optional<Array<T>> x_probe,
                                     std::optional<Array<T>> table_probe, const Numbers& levels, int64_t basis,
                                     std::optional<Output<T>> x_bar, std::optional<Output<T>> table_bar,
                                     std::optional<Output<T>> features_out) {
    if (x.ndim() != 2 || table.ndim() != 2) throw std::invalid_argument("x and table have two axes");
    const Grid g(int64_t(x.shape(1)), int64_t(x.shape(0)), int64_t(table.shape(1)), basis, levels);
    const int64_t size = g.rows * g.shape.features;
    const gk::GridSecond<T> a = {x.data(), data_of(table, size, "table"), features_data<T>(g, features_bar),
                                 GK_DATA_OR_NULL(x_probe, g.coordinates()), GK_DATA_OR_NULL(table_probe, size),
                                 GK_DATA_OR_NULL(x_bar, g.coordinates()), GK_DATA_OR_NULL(table_bar, size),
                                 GK_DATA_OR_NULL(features_out, g.all_features())};
    nb::gil_scoped_release release;
    kernels::grid_encode_second(g.shape, a);
  });
}

}  // namespace

void GK_BIND(fields_grid)(nb::module_& m) {
  bind_grid<float>(m), bind_grid<double>(m);
}
