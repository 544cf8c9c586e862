// Bindings of the bounding volume hierarchy: built, closest points, winding numbers, rays.
#include "../mesh/bvh.h"

#include "arrays.h"

namespace {

int64_t rows_of(int64_t size, int64_t columns, const char* name) {
  if (size % columns) throw std::invalid_argument(std::string(name) + " must hold a multiple of " + std::to_string(columns) + " values");
  return size / columns;
}

template <class T> gk::BvhMesh<T> mesh_of(const Array<T>& vertices, const Longs& faces) {
  return {rows_of(int64_t(vertices.size()), 3, "vertices"), rows_of(int64_t(faces.size()), 3, "faces"), vertices.data(), faces.data()};
}

template <class T>
gk::Bvh<T> tree_of(const Array<T>& boxes, const Ids& children, const Array<T>& triangles, const Ids& face_ids, double scale) {
  const int64_t nodes = rows_of(int64_t(children.size()), gk::kBvhWidth, "children");
  const int64_t blocks = rows_of(int64_t(face_ids.size()), gk::kBvhWidth, "face_ids");
  if (!nodes || !blocks) throw std::invalid_argument("the tree must have nodes and triangles");
  return {nodes, blocks, T(scale), GK_DATA(boxes, nodes * gk::kBoxRows * gk::kBvhWidth), children.data(),
          GK_DATA(triangles, blocks * gk::kTriangleRows * gk::kBvhWidth), face_ids.data()};
}

#ifndef GK_CUDA
template <class T> void bind_build(nb::module_& m) {
  define(m, "bvh_plan", [](Array<T> vertices, Longs faces, double scale, Output<T> scratch_boxes, IdsOut scratch_links,
                           IdsOut order) {
    const auto mesh = mesh_of<T>(vertices, faces);
    T* boxes = GK_DATA(scratch_boxes, 12 * mesh.face_count);
    int32_t *links = GK_DATA(scratch_links, 4 * mesh.face_count), *ids = GK_DATA(order, mesh.face_count);
    gk::BvhCounts counts;
    {
      nb::gil_scoped_release release;
      counts = gk::bvh_plan(mesh, T(scale), boxes, links, ids);
    }
    return nb::make_tuple(counts.nodes, counts.blocks);
  });
  define(m, "bvh_fill", [](Array<T> vertices, Longs faces, double scale, Array<T> scratch_boxes, Ids scratch_links, Ids order,
                           Output<T> boxes, IdsOut children, Output<T> triangles, IdsOut face_ids) {
    const auto mesh = mesh_of<T>(vertices, faces);
    const T* planned = GK_DATA(scratch_boxes, 12 * mesh.face_count);
    const int32_t *links = GK_DATA(scratch_links, 4 * mesh.face_count), *ids = GK_DATA(order, mesh.face_count);
    nb::gil_scoped_release release;
    gk::bvh_fill(mesh, T(scale), planned, links, ids, boxes.data(), children.data(), triangles.data(), face_ids.data());
  });
  define(m, "bvh_moments", [](Array<T> boxes, Ids children, Array<T> triangles, Ids face_ids, Output<T> moments) {
    const auto tree = tree_of<T>(boxes, children, triangles, face_ids, 1);
    T* out = GK_DATA(moments, tree.node_count * gk::kMomentRows * gk::kBvhWidth);
    nb::gil_scoped_release release;
    gk::bvh_moments(tree, out);
  });
}
#endif

template <class T>
gk::ClosestCotangent<T> closest_cotangent(const Array<T>& queries, const Longs& found, const Array<T>& weights, const Array<T>& points_bar,
                                          const Array<T>& distances_bar, const Array<T>& weights_bar) {
  const int64_t count = rows_of(int64_t(queries.size()), 3, "queries");
  return {count, queries.data(), GK_DATA(found, count), GK_DATA(weights, 3 * count), GK_DATA(points_bar, 3 * count), GK_DATA(distances_bar, count),
          GK_DATA(weights_bar, 3 * count)};
}

template <class T> void bind_queries(nb::module_& m) {
#ifdef GK_CUDA
  define(m, "bvh_codes", [](Array<T> queries, Array<T> boxes, Ids children, Array<T> triangles, Ids face_ids, double scale, IdsOut codes) {
    const auto tree = tree_of<T>(boxes, children, triangles, face_ids, scale);
    const int64_t count = rows_of(int64_t(queries.size()), 3, "queries");
    int32_t* out = GK_DATA(codes, count);
    nb::gil_scoped_release release;
    kernels::bvh_codes(tree, count, queries.data(), out);
  });
#else
  define(m, "bvh_order", [](Array<T> queries, Array<T> boxes, Ids children, Array<T> triangles, Ids face_ids, double scale, IdsOut order) {
    const auto tree = tree_of<T>(boxes, children, triangles, face_ids, scale);
    const int64_t count = rows_of(int64_t(queries.size()), 3, "queries");
    int32_t* out = GK_DATA(order, count);
    nb::gil_scoped_release release;
    gk::bvh_order(tree, count, queries.data(), out);
  });
#endif
  define(m, "bvh_closest", [](Array<T> queries, Array<T> boxes, Ids children, Array<T> triangles, Ids face_ids, double scale,
                              Ids order, Output<T> points, Output<T> distances, LongsOut found, Output<T> weights) {
    const auto tree = tree_of<T>(boxes, children, triangles, face_ids, scale);
    const int64_t count = rows_of(int64_t(queries.size()), 3, "queries");
    T *p = GK_DATA(points, 3 * count), *d = GK_DATA(distances, count), *w = GK_DATA(weights, 3 * count);
    const int32_t* ids = GK_DATA(order, count);
    int64_t* f = GK_DATA(found, count);
    nb::gil_scoped_release release;
    kernels::bvh_closest(tree, count, queries.data(), ids, p, d, f, w);
  });
  define(m, "bvh_closest_backward", [](Array<T> queries, Array<T> vertices, Longs faces, Longs found, Array<T> weights,
                                       Array<T> points_bar, Array<T> distances_bar, Array<T> weights_bar,
                                       Output<T> queries_bar, Output<T> vertices_bar) {
    const auto mesh = mesh_of<T>(vertices, faces);
    const auto bar = closest_cotangent<T>(queries, found, weights, points_bar, distances_bar, weights_bar);
    T *qb = GK_DATA(queries_bar, 3 * bar.count), *vb = GK_DATA(vertices_bar, 3 * mesh.vertex_count);
    nb::gil_scoped_release release;
    kernels::bvh_closest_backward(mesh, bar, qb, vb);
  });
#ifdef GK_CUDA
  define(m, "bvh_closest_rows", [](Array<T> queries, Array<T> vertices, Longs faces, Longs found, Array<T> weights,
                                   Array<T> points_bar, Array<T> distances_bar, Array<T> weights_bar,
                                   Output<T> queries_bar, Output<T> rows) {
    const auto mesh = mesh_of<T>(vertices, faces);
    const auto bar = closest_cotangent<T>(queries, found, weights, points_bar, distances_bar, weights_bar);
    T *qb = GK_DATA(queries_bar, 3 * bar.count), *out = GK_DATA(rows, 9 * bar.count);
    nb::gil_scoped_release release;
    kernels::bvh_closest_rows(mesh, bar, qb, out);
  });
#endif
  define(m, "bvh_winding", [](Array<T> queries, Array<T> boxes, Ids children, Array<T> triangles, Ids face_ids, Array<T> moments,
                              double scale, double beta, Ids order, Output<T> winding) {
    const auto tree = tree_of<T>(boxes, children, triangles, face_ids, scale);
    const int64_t count = rows_of(int64_t(queries.size()), 3, "queries");
    const T* of_nodes = GK_DATA(moments, tree.node_count * gk::kMomentRows * gk::kBvhWidth);
    const int32_t* ids = GK_DATA(order, count);
    T* out = GK_DATA(winding, count);
    nb::gil_scoped_release release;
    kernels::bvh_winding(tree, of_nodes, T(beta), count, queries.data(), ids, out);
  });
  define(m, "bvh_ray_cast", [](Array<T> origins, Array<T> directions, Array<T> boxes, Ids children, Array<T> triangles,
                               Ids face_ids, double scale, Ids order, Output<T> t, LongsOut found, Output<T> weights) {
    const auto tree = tree_of<T>(boxes, children, triangles, face_ids, scale);
    const int64_t count = rows_of(int64_t(origins.size()), 3, "origins");
    const T* d = GK_DATA(directions, 3 * count);
    T *along = GK_DATA(t, count), *w = GK_DATA(weights, 3 * count);
    const int32_t* ids = GK_DATA(order, count);
    int64_t* f = GK_DATA(found, count);
    nb::gil_scoped_release release;
    kernels::bvh_ray_cast(tree, count, origins.data(), d, ids, along, f, w);
  });
}

}  // namespace

void GK_BIND(mesh_distance)(nb::module_& m) {
#ifndef GK_CUDA
  bind_build<float>(m), bind_build<double>(m);
#endif
  bind_queries<float>(m), bind_queries<double>(m);
}
