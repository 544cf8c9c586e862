// Bindings of nearest points on embedded surfaces.
#include "../mesh/embedded_faces.h"

#include "arrays.h"

namespace {


}  // namespace

void bind_embedded_faces(nb::module_& m) {
  define(m, "nearest_in_faces", [](Array<double> squares, Longs corners, Longs first, Array<double> opposite, Array<double> reach, Longs around,
                                   Longs around_first, Array<double> vertex_reach, LongsOut found, Output<double> weights) {
    const int64_t vertices = int64_t(vertex_reach.size()), faces = int64_t(corners.size()) / 3, queries = int64_t(found.size());
    if (faces < 1) throw std::invalid_argument("the surface has no face");
    const gk::EmbeddedFaces surface = {vertices,
                                       faces,
                                       GK_DATA(corners, 3 * faces),
                                       GK_DATA(first, vertices + 1),
                                       GK_DATA(opposite, 3 * faces),
                                       GK_DATA(reach, 3 * faces),
                                       GK_DATA(around, 3 * faces),
                                       GK_DATA(around_first, vertices + 1),
                                       GK_DATA(vertex_reach, vertices)};
    const double* s = GK_DATA(squares, queries * vertices);
    int64_t* f = found.data();
    double* w = GK_DATA(weights, 3 * queries);
    nb::gil_scoped_release release;
    gk::nearest_in_faces(surface, queries, s, f, w);
  });
}
