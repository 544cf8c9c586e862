// Bindings of distances along surfaces: marching fronts, and the inner step of the heat method.
#include "../mesh/fronts.h"
#include "../mesh/heat.h"

#include "arrays.h"

namespace {


template <class T> void bind_fronts(nb::module_& m) {
  define(m, "march_fronts", [](Ids offsets, Ids ids, Array<T> shapes, Longs seed_offsets, Ids seeds, Array<T> starts, Output<T> distances) {
    const int64_t vertices = int64_t(offsets.size()) - 1, corners = int64_t(ids.size()) / gk::kFrontIds;
    const int64_t columns = int64_t(seed_offsets.size()) - 1;
    if (vertices < 0 || columns < 0) throw std::invalid_argument("offsets must hold at least one number");
    const gk::FrontCorners<T> surface = {vertices, offsets.data(), ids.data(), GK_DATA(shapes, corners * gk::kFrontShape)};
    const gk::FrontSeeds<T> from = {columns, seed_offsets.data(), seeds.data(), GK_DATA(starts, int64_t(seeds.size()))};
    T* out = GK_DATA(distances, columns * vertices);
    nb::gil_scoped_release release;
    return gk::march_fronts(surface, from, out);
  });
}

template <class T> void bind_heat(nb::module_& m) {
  define(m, "heat_flow", [](Ids faces, Array<T> hats, Array<T> heat, Output<T> flow) {
    if (heat.ndim() != 2) throw std::invalid_argument("heat must have shape (V, K)");
    const int64_t count = int64_t(faces.size()) / 3, vertices = int64_t(heat.shape(0)), columns = int64_t(heat.shape(1));
    const T* gradients = GK_DATA(hats, 6 * count);
    T* out = GK_DATA(flow, vertices * columns);
    nb::gil_scoped_release release;
    gk::heat_flow(vertices, count, columns, faces.data(), gradients, heat.data(), out);
  });
}

}  // namespace

void bind_geodesics(nb::module_& m) {
  bind_fronts<float>(m), bind_fronts<double>(m);
  bind_heat<float>(m), bind_heat<double>(m);
}
