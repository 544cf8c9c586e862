// Bindings of surfaces as sparse lattices of splines.
#include "../fields/lattice.h"
#include "../fields/march.h"
#include "../fields/plane_meet.h"
#include "../fields/spline_fit.h"

#include "arrays.h"

namespace {


template <class T>
gk::SplineFit<T> spline_fit(const Ids& around, const Ids& centers, const Ids& cell_of, const Longs& offsets,
                            const Array<T>& places, const std::optional<Array<T>>& normals, const Array<T>& weights,
                            double value_weight, double bend_weight) {
  const int64_t nodes = int64_t(cell_of.size()), cells = int64_t(centers.size()), points = int64_t(weights.size());
  const int64_t* begins = GK_DATA(offsets, cells + 1);
  if (begins[cells] != points) throw std::invalid_argument("offsets are those of other points");
  return {nodes, cells, GK_DATA(around, nodes * gk::kColumns), centers.data(), cell_of.data(), begins,
          GK_DATA(places, 3 * points), GK_DATA_OR_NULL(normals, 3 * points), weights.data(), T(value_weight), T(bend_weight)};
}

template <class T>
gk::MarchedCells<T> marched(const Ids& around, const Ids& places, const Array<T>& coefficients, int64_t parts) {
  const int64_t count = int64_t(places.size()) / 3;
  if (parts != 1 && parts != 2) throw std::invalid_argument("parts must be 1 or 2");
  return {count, GK_DATA(around, count * gk::kColumns), GK_DATA(places, 3 * count), coefficients.data(), int(parts)};
}

template <class T> void bind_splines(nb::module_& m) {
  define(m, "spline_fit_gradient", [](Ids around, Ids centers, Ids cell_of, Longs offsets, Array<T> places,
                                      std::optional<Array<T>> normals, Array<T> weights, double value_weight,
                                      double bend_weight, Array<T> x, Output<T> forces, Output<T> bends, Output<T> out) {
    const auto fit = spline_fit<T>(around, centers, cell_of, offsets, places, normals, weights, value_weight, bend_weight);
    const T* at = GK_DATA(x, fit.nodes);
    T *f = GK_DATA(forces, fit.cells * gk::kAround), *b = GK_DATA(bends, fit.nodes * 6), *o = GK_DATA(out, fit.nodes);
    nb::gil_scoped_release release;
    gk::spline_fit_gradient(fit, at, f, b, o);
  });
  define(m, "spline_fit_diagonal", [](Ids around, Ids centers, Ids cell_of, Longs offsets, Array<T> places,
                                      Array<T> weights, double value_weight, double bend_weight, Output<T> forces,
                                      Output<T> out) {
    const auto fit = spline_fit<T>(around, centers, cell_of, offsets, places, std::nullopt, weights, value_weight, bend_weight);
    T *f = GK_DATA(forces, fit.cells * gk::kAround), *o = GK_DATA(out, fit.nodes);
    nb::gil_scoped_release release;
    gk::spline_fit_diagonal(fit, f, o);
  });
  define(m, "march_count", [](Ids around, Ids places, Array<T> coefficients, int64_t parts, IdsOut triangles) {
    const auto cells = marched<T>(around, places, coefficients, parts);
    int32_t* t = GK_DATA(triangles, cells.count);
    nb::gil_scoped_release release;
    gk::march_count(cells, t);
  });
  define(m, "march_triangles", [](Ids around, Ids places, Array<T> coefficients, int64_t parts, Longs begins,
                                  LongsOut edges, Output<T> shares) {
    const auto cells = marched<T>(around, places, coefficients, parts);
    const int64_t* b = GK_DATA(begins, cells.count);
    T* s = GK_DATA(shares, int64_t(edges.size()));
    nb::gil_scoped_release release;
    gk::march_triangles(cells, b, edges.data(), s);
  });
  define(m, "plane_meet", [](Array<T> places, Array<T> normals, Longs keys, Longs offsets, double reach, double turn,
                             double pull, Output<T> moved, Output<T> turned) {
    const int64_t points = int64_t(places.size()) / 3, cells = int64_t(keys.size());
    if (!(reach > 0 && reach <= 3)) throw std::invalid_argument("reach must be above 0 and at most 3 widths");
    const gk::OrientedCells<T> cloud{points, places.data(), GK_DATA(normals, 3 * points), cells, keys.data(),
                                     GK_DATA(offsets, cells + 1), T(reach), T(turn), T(pull)};
    if (cloud.offsets[cells] != points) throw std::invalid_argument("offsets are those of other points");
    T *p = GK_DATA(moved, 3 * points), *n = GK_DATA(turned, 3 * points);
    nb::gil_scoped_release release;
    gk::plane_meet(cloud, p, n);
  });
}

}  // namespace

void bind_fields_surface(nb::module_& m) {
  define(m, "lattice_grow", [](Longs keys, int64_t axis, LongsOut out) {
    const int64_t count = int64_t(keys.size());
    if (axis < 0 || axis > 2) throw std::invalid_argument("axis must be 0, 1 or 2");
    int64_t* o = GK_DATA(out, 3 * count);
    nb::gil_scoped_release release;
    return gk::lattice_grow(keys.data(), count, int(axis), o);
  });
  define(m, "lattice_around", [](Longs keys, Longs wanted, IdsOut out) {
    const int64_t count = int64_t(keys.size()), asked = int64_t(wanted.size());
    if (count >= gk::kMostCells) throw std::invalid_argument("a lattice must have fewer than 2^28 cells");
    int32_t* o = GK_DATA(out, asked * gk::kColumns);
    nb::gil_scoped_release release;
    gk::lattice_around(keys.data(), count, wanted.data(), asked, o);
  });
  bind_splines<float>(m), bind_splines<double>(m);
}
