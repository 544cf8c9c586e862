#include "../mesh/intrinsic.h"
#include "../mesh/local_stars.h"

#include "arrays.h"

namespace {


gk::FaceList face_list(const Longs& faces, int64_t vertices) {
  const int64_t size = int64_t(faces.size());
  if (size % 3) throw std::invalid_argument("faces must have three corners each");
  for (int64_t i = 0; i < size; ++i)
    if (faces.data()[i] < 0 || faces.data()[i] >= vertices) throw std::invalid_argument("faces must name vertices that are there");
  return {vertices, size / 3, faces.data()};
}

}  // namespace

void bind_mesh_intrinsic(nb::module_& m) {
  define(m, "glue_closed", [](Longs faces, int64_t vertices, LongsOut glue) {
    const auto in = face_list(faces, vertices);
    int64_t* g = GK_DATA(glue, 3 * in.count);
    nb::gil_scoped_release release;
    return gk::glue_closed(in, g);
  });
  define(m, "glue_tufted", [](Longs faces, Array<double> places, LongsOut cover, LongsOut glue) {
    const auto in = face_list(faces, int64_t(places.size()) / 3);
    const double* p = GK_DATA(places, 3 * in.vertices);
    int64_t *c = GK_DATA(cover, 6 * in.count), *g = GK_DATA(glue, 6 * in.count);
    nb::gil_scoped_release release;
    gk::glue_tufted(in, p, c, g);
  });
  define(m, "mollified_lengths", [](Longs faces, Array<double> places, double relative_slack, Output<double> lengths) {
    const auto in = face_list(faces, int64_t(places.size()) / 3);
    const double* p = GK_DATA(places, 3 * in.vertices);
    double* l = GK_DATA(lengths, 3 * in.count);
    nb::gil_scoped_release release;
    gk::mollified_lengths(in, p, relative_slack ? relative_slack * gk::mean_edge_length(in, p) : 0, l);
  });
  define(m, "flip_to_delaunay", [](LongsOut faces, Output<double> lengths, LongsOut glue) {
    const int64_t count = int64_t(faces.size()) / 3;
    int64_t *f = GK_DATA(faces, 3 * count), *g = GK_DATA(glue, 3 * count);
    double* l = GK_DATA(lengths, 3 * count);
    for (int64_t i = 0; i < 3 * count; ++i)
      if (g[i] < 0 || g[i] >= 3 * count || g[g[i]] != i || g[i] == i) throw std::invalid_argument("glue must pair all sides");
    nb::gil_scoped_release release;
    return gk::flip_to_delaunay(count, f, l, g);
  });
  define(m, "length_cotangents", [](Array<double> lengths, Output<double> cotangents, Output<double> doubled) {
    const int64_t count = int64_t(lengths.size()) / 3;
    const double* l = GK_DATA(lengths, 3 * count);
    double *c = GK_DATA(cotangents, 3 * count), *d = GK_DATA(doubled, count);
    nb::gil_scoped_release release;
    gk::length_cotangents(count, l, c, d);
  });
  define(m, "edge_entries", [](Longs faces, int64_t vertices, LongsOut offsets, LongsOut columns, LongsOut slots, LongsOut diagonal) {
    const auto in = face_list(faces, vertices);
    if (6 * in.count > 4294967295 || vertices > 4294967295) throw std::invalid_argument("a matrix has fewer than 2^32 vertices and sides");
    int64_t *o = GK_DATA(offsets, vertices + 1), *c = GK_DATA(columns, vertices + 6 * in.count);
    int64_t *s = GK_DATA(slots, 6 * in.count), *d = GK_DATA(diagonal, vertices);
    nb::gil_scoped_release release;
    gk::edge_entries(in, o, c, s, d);
  });
  define(m, "local_stars", [](Array<double> places, Array<double> normals, Longs neighbors, LongsOut stars,
                              Output<int8_t> closed) {
    const int64_t points = int64_t(places.size()) / 3, k = points ? int64_t(neighbors.size()) / points : 0;
    const gk::StarInput in = {points, k, GK_DATA(places, 3 * points), GK_DATA(normals, 3 * points), GK_DATA(neighbors, k * points)};
    int64_t* s = GK_DATA(stars, k * points);
    int8_t* c = GK_DATA(closed, points);
    if (points && k < 2) throw std::invalid_argument("a star needs at least two neighbours");
    for (int64_t i = 0; i < k * points; ++i)
      if (in.neighbors[i] < 0 || in.neighbors[i] >= points) throw std::invalid_argument("neighbors must be points that are there");
    nb::gil_scoped_release release;
    gk::local_stars(in, s, c);
  });
}
