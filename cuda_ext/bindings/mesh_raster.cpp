// Bindings of the triangle rasterizer: argument checks and calls.
#include "arrays.h"

#include "../mesh/silhouettes.h"
#include "../mesh/triangles.h"

namespace {


void check_picture(int64_t width, int64_t height) {
  if (width < 1 || height < 1 || width > gk::kLargestPicture || height > gk::kLargestPicture)
    throw std::invalid_argument("image size must be 1 to " + std::to_string(gk::kLargestPicture));
}

template <class T>
gk::TriangleInput<T> triangle_input(const Array<T>& points, const Longs& faces, const Array<T>& intrinsics, int64_t width, int64_t height,
                                    double near_plane, bool cull_back_faces) {
  check_picture(width, height);
  const int64_t v = int64_t(points.size()) / 3, f = int64_t(faces.size()) / 3;
  if (v > INT32_MAX || f > INT32_MAX) throw std::invalid_argument("at most 2^31 - 1 vertices and faces");
  const T* k = GK_DATA(intrinsics, 4);
  return {v, f, width, height, GK_DATA(points, 3 * v), GK_DATA(faces, 3 * f), k[0], k[1], k[2], k[3], T(near_plane), cull_back_faces};
}

template <class T> void bind_draw(nb::module_& m) {
  define(m, "draw_triangles", [](Array<T> points, Longs faces, Array<T> intrinsics, int64_t width, int64_t height, double near_plane,
                                 bool cull_back_faces, LongsOut face_ids, Output<T> barycentrics, Output<T> depth) {
    const auto in = triangle_input<T>(points, faces, intrinsics, width, height, near_plane, cull_back_faces);
    const gk::TriangleOutput<T> out = {GK_DATA(face_ids, width * height), GK_DATA(barycentrics, 3 * width * height), GK_DATA(depth, width * height)};
    nb::gil_scoped_release release;
    return gk::draw_triangles(in, out);
  });
  define(m, "draw_triangles_backward", [](Array<T> points, Longs faces, Array<T> intrinsics, int64_t width, int64_t height, Longs face_ids,
                                          Array<T> barycentrics_bar, Array<T> depth_bar, Output<T> points_bar) {
    const auto in = triangle_input<T>(points, faces, intrinsics, width, height, 1.0, false);
    const gk::TriangleCotangent<T> bar = {GK_DATA(face_ids, width * height), GK_DATA(barycentrics_bar, 3 * width * height),
                                          GK_DATA(depth_bar, width * height)};
    T* grad = GK_DATA(points_bar, 3 * in.vertices);
    nb::gil_scoped_release release;
    gk::draw_triangles_backward(in, bar, grad);
  });
}

template <class T>
gk::InterpolateInput<T> interpolate_input(const Array<T>& attributes, const Longs& faces, const Longs& face_ids, const Array<T>& barycentrics) {
  if (attributes.ndim() != 2) throw std::invalid_argument("attributes must have shape (V, C)");
  const int64_t f = int64_t(faces.size()) / 3, p = int64_t(face_ids.size());
  return {int64_t(attributes.shape(0)), f, p, int64_t(attributes.shape(1)), attributes.data(), GK_DATA(faces, 3 * f), face_ids.data(), GK_DATA(barycentrics, 3 * p)};
}

template <class T> void bind_interpolate(nb::module_& m) {
  define(m, "interpolate", [](Array<T> attributes, Longs faces, Longs face_ids, Array<T> barycentrics, Output<T> values) {
    const auto in = interpolate_input<T>(attributes, faces, face_ids, barycentrics);
    T* out = GK_DATA(values, in.pixels * in.channels);
    nb::gil_scoped_release release;
    return gk::interpolate(in, out);
  });
  define(m, "interpolate_backward", [](Array<T> attributes, Longs faces, Longs face_ids, Array<T> barycentrics, Array<T> values_bar,
                                       Output<T> attributes_bar, Output<T> barycentrics_bar) {
    const auto in = interpolate_input<T>(attributes, faces, face_ids, barycentrics);
    const T* bar = GK_DATA(values_bar, in.pixels * in.channels);
    T *a = GK_DATA(attributes_bar, in.vertices * in.channels), *b = GK_DATA(barycentrics_bar, 3 * in.pixels);
    nb::gil_scoped_release release;
    return gk::interpolate_backward(in, bar, a, b);
  });
}

template <class T>
gk::SilhouetteView<T> silhouette_view(const Array<T>& points, const Longs& edges, const Array<T>& intrinsics, int64_t width, int64_t height,
                                      double near_plane) {
  check_picture(width, height);
  const int64_t v = int64_t(points.size()) / 3, e = int64_t(edges.size()) / 4;
  if (e >= INT32_MAX) throw std::invalid_argument("at most 2^31 - 2 edges");
  const T* k = GK_DATA(intrinsics, 4);
  return {v, e, width, height, GK_DATA(points, 3 * v), GK_DATA(edges, 4 * e), k[0], k[1], k[2], k[3], T(near_plane)};
}

template <class T> void bind_silhouettes(nb::module_& m) {
  define(m, "find_crossings", [](Array<T> points, Longs edges, Array<T> intrinsics, int64_t width, int64_t height, double near_plane,
                                 Longs face_ids, Array<T> depth, IdsOut crossings) {
    const auto view = silhouette_view<T>(points, edges, intrinsics, width, height, near_plane);
    const int64_t* ids = GK_DATA(face_ids, width * height);
    const T* z = GK_DATA(depth, width * height);
    int32_t* out = GK_DATA(crossings, 2 * width * height);
    nb::gil_scoped_release release;
    return gk::find_crossings(view, ids, z, out);
  });
  define(m, "antialias", [](Array<T> image, Array<T> points, Longs edges, Array<T> intrinsics, Ids crossings, Output<T> result) {
    if (image.ndim() != 3) throw std::invalid_argument("image must have shape (H, W, C)");
    const int64_t height = int64_t(image.shape(0)), width = int64_t(image.shape(1)), channels = int64_t(image.shape(2));
    const auto view = silhouette_view<T>(points, edges, intrinsics, width, height, 1.0);
    const int32_t* codes = GK_DATA(crossings, 2 * width * height);
    T* out = GK_DATA(result, width * height * channels);
    nb::gil_scoped_release release;
    return gk::antialias(view, codes, image.data(), channels, out);
  });
  define(m, "antialias_backward", [](Array<T> image, Array<T> points, Longs edges, Array<T> intrinsics, Ids crossings, Array<T> result_bar,
                                     Output<T> image_bar, Output<T> points_bar) {
    if (image.ndim() != 3) throw std::invalid_argument("image must have shape (H, W, C)");
    const int64_t height = int64_t(image.shape(0)), width = int64_t(image.shape(1)), channels = int64_t(image.shape(2));
    const auto view = silhouette_view<T>(points, edges, intrinsics, width, height, 1.0);
    const int32_t* codes = GK_DATA(crossings, 2 * width * height);
    const T* bar = GK_DATA(result_bar, width * height * channels);
    T *i = GK_DATA(image_bar, width * height * channels), *p = GK_DATA(points_bar, 3 * view.vertices);
    nb::gil_scoped_release release;
    return gk::antialias_backward(view, codes, image.data(), channels, bar, i, p);
  });
}

}  // namespace

void bind_mesh_raster(nb::module_& m) {
  bind_draw<float>(m), bind_draw<double>(m);
  bind_interpolate<float>(m), bind_interpolate<double>(m);
  bind_silhouettes<float>(m), bind_silhouettes<double>(m);
}
