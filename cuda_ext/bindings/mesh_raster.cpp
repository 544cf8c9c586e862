// Bindings of the triangle rasterizer: argument checks and calls.
#include "arrays.h"

#include "../mesh/pinhole.h"
#include "../mesh/silhouettes.h"
#include "../mesh/triangles.h"

namespace {

void check_picture(int64_t width, int64_t height) {
  if (width < 1 || height < 1 || width > gk::kLargestPicture || height > gk::kLargestPicture)
    throw std::invalid_argument("image size must be 1 to " + std::to_string(gk::kLargestPicture));
}

// A GPU's kernels read the intrinsics where they lie.
template <class In> In readable(const In& in) {
#ifdef GK_CUDA
  return in;
#else
  return gk::with_intrinsics(in);
#endif
}

template <class T>
gk::TriangleInput<T> triangle_input(const Array<T>& points, const Longs& faces, const Array<T>& intrinsics, int64_t width, int64_t height,
                                    double near_plane, bool cull_back_faces) {
  check_picture(width, height);
  const int64_t v = int64_t(points.size()) / 3, f = int64_t(faces.size()) / 3;
  if (v > INT32_MAX || f > INT32_MAX) throw std::invalid_argument("at most 2^31 - 1 vertices and faces");
  return readable(gk::TriangleInput<T>{v, f, width, height, GK_DATA(points, 3 * v), GK_DATA(faces, 3 * f), GK_DATA(intrinsics, 4), T(near_plane),
                                       cull_back_faces, T(0), T(0), T(0), T(0)});
}

template <class T>
gk::TriangleCotangent<T> triangle_cotangent(const gk::TriangleInput<T>& in, const Longs& face_ids, const Array<T>& barycentrics_bar,
                                            const Array<T>& depth_bar) {
  const int64_t pixels = in.width * in.height;
  return {GK_DATA(face_ids, pixels), GK_DATA(barycentrics_bar, 3 * pixels), GK_DATA(depth_bar, pixels)};
}

template <class T> void bind_draw(nb::module_& m) {
  define(m, "draw_scratch", [](Array<T> points, Longs faces, Array<T> intrinsics, int64_t width, int64_t height) {
    return kernels::draw_scratch(triangle_input<T>(points, faces, intrinsics, width, height, 1.0, false));
  });
  define(m, "draw_triangles", [](Array<T> points, Longs faces, Array<T> intrinsics, int64_t width, int64_t height, double near_plane,
                                 bool cull_back_faces, LongsOut face_ids, Output<T> barycentrics, Output<T> depth, LongsOut wrong, LongsOut scratch) {
    const auto in = triangle_input<T>(points, faces, intrinsics, width, height, near_plane, cull_back_faces);
    const gk::TriangleOutput<T> out = {GK_DATA(face_ids, width * height), GK_DATA(barycentrics, 3 * width * height), GK_DATA(depth, width * height),
                                       GK_DATA(wrong, 1), GK_DATA(scratch, kernels::draw_scratch(in))};
    nb::gil_scoped_release release;
    kernels::draw_triangles(in, out);
  });
  define(m, "draw_triangles_backward", [](Array<T> points, Longs faces, Array<T> intrinsics, int64_t width, int64_t height, Longs face_ids,
                                          Array<T> barycentrics_bar, Array<T> depth_bar, Output<T> points_bar) {
    const auto in = triangle_input<T>(points, faces, intrinsics, width, height, 1.0, false);
    const auto bar = triangle_cotangent(in, face_ids, barycentrics_bar, depth_bar);
    T* grad = GK_DATA(points_bar, 3 * in.vertices);
    nb::gil_scoped_release release;
    kernels::draw_triangles_backward(in, bar, grad);
  });
#ifdef GK_CUDA
  define(m, "draw_triangles_rows", [](Array<T> points, Longs faces, Array<T> intrinsics, int64_t width, int64_t height, Longs face_ids,
                                      Array<T> barycentrics_bar, Array<T> depth_bar, Output<T> rows) {
    const auto in = triangle_input<T>(points, faces, intrinsics, width, height, 1.0, false);
    const auto bar = triangle_cotangent(in, face_ids, barycentrics_bar, depth_bar);
    T* out = GK_DATA(rows, 9 * width * height);
    nb::gil_scoped_release release;
    kernels::draw_triangles_rows(in, bar, out);
  });
#endif
}

template <class T>
gk::InterpolateInput<T> interpolate_input(const Array<T>& attributes, const Longs& faces, const Longs& face_ids, const Array<T>& barycentrics) {
  if (attributes.ndim() != 2) throw std::invalid_argument("attributes must have shape (V, C)");
  const int64_t f = int64_t(faces.size()) / 3, p = int64_t(face_ids.size());
  if (f > INT32_MAX) throw std::invalid_argument("at most 2^31 - 1 faces");
  return {int64_t(attributes.shape(0)), f, p, int64_t(attributes.shape(1)), attributes.data(), GK_DATA(faces, 3 * f), face_ids.data(), GK_DATA(barycentrics, 3 * p)};
}

template <class T> void bind_interpolate(nb::module_& m) {
  define(m, "interpolate", [](Array<T> attributes, Longs faces, Longs face_ids, Array<T> barycentrics, Output<T> values, LongsOut wrong) {
    const auto in = interpolate_input<T>(attributes, faces, face_ids, barycentrics);
    T* out = GK_DATA(values, in.pixels * in.channels);
    int64_t* bad = GK_DATA(wrong, 1);
    nb::gil_scoped_release release;
    kernels::interpolate(in, out, bad);
  });
  define(m, "interpolate_backward", [](Array<T> attributes, Longs faces, Longs face_ids, Array<T> barycentrics, Array<T> values_bar,
                                       Output<T> attributes_bar, Output<T> barycentrics_bar) {
    const auto in = interpolate_input<T>(attributes, faces, face_ids, barycentrics);
    const T* bar = GK_DATA(values_bar, in.pixels * in.channels);
    T *a = GK_DATA(attributes_bar, in.vertices * in.channels), *b = GK_DATA(barycentrics_bar, 3 * in.pixels);
    nb::gil_scoped_release release;
    kernels::interpolate_backward(in, bar, a, b);
  });
#ifdef GK_CUDA
  define(m, "interpolate_rows", [](Array<T> attributes, Longs faces, Longs face_ids, Array<T> barycentrics, Array<T> values_bar, Output<T> rows,
                                   Output<T> barycentrics_bar) {
    const auto in = interpolate_input<T>(attributes, faces, face_ids, barycentrics);
    const T* bar = GK_DATA(values_bar, in.pixels * in.channels);
    T *out = GK_DATA(rows, 3 * in.pixels * in.channels), *b = GK_DATA(barycentrics_bar, 3 * in.pixels);
    nb::gil_scoped_release release;
    kernels::interpolate_rows(in, bar, out, b);
  });
#endif
}

template <class T>
gk::SilhouetteView<T> silhouette_view(const Array<T>& points, const Longs& edges, const Array<T>& intrinsics, int64_t width, int64_t height,
                                      double near_plane) {
  check_picture(width, height);
  const int64_t v = int64_t(points.size()) / 3, e = int64_t(edges.size()) / 4;
  if (e >= INT32_MAX) throw std::invalid_argument("at most 2^31 - 2 edges");
  return readable(gk::SilhouetteView<T>{v, e, width, height, GK_DATA(points, 3 * v), GK_DATA(edges, 4 * e), GK_DATA(intrinsics, 4), T(near_plane), T(0),
                                        T(0), T(0), T(0)});
}

template <class T> void bind_crossings(nb::module_& m) {
  define(m, "crossings_scratch", [](Array<T> points, Longs edges, Array<T> intrinsics, int64_t width, int64_t height) {
    return kernels::crossings_scratch(silhouette_view<T>(points, edges, intrinsics, width, height, 1.0));
  });
  define(m, "find_crossings", [](Array<T> points, Longs edges, Array<T> intrinsics, int64_t width, int64_t height, double near_plane,
                                 Longs face_ids, Array<T> depth, IdsOut crossings, LongsOut wrong, LongsOut scratch) {
    const auto view = silhouette_view<T>(points, edges, intrinsics, width, height, near_plane);
    const int64_t* ids = GK_DATA(face_ids, width * height);
    const T* z = GK_DATA(depth, width * height);
    const gk::CrossingsOutput out = {GK_DATA(crossings, 2 * width * height), GK_DATA(wrong, 1), GK_DATA(scratch, kernels::crossings_scratch(view))};
    nb::gil_scoped_release release;
    kernels::find_crossings(view, ids, z, out);
  });
}

// A picture with the crossings of its silhouettes.
template <class T> struct Smoothed {
  int64_t channels, pixels;
  gk::SilhouetteView<T> view;
  const int32_t* crossings;
  Smoothed(const Array<T>& image, const Array<T>& points, const Longs& edges, const Array<T>& intrinsics, const Ids& crossings) {
    if (image.ndim() != 3) throw std::invalid_argument("image must have shape (H, W, C)");
    const int64_t height = int64_t(image.shape(0)), width = int64_t(image.shape(1));
    channels = int64_t(image.shape(2)), pixels = width * height;
    view = silhouette_view<T>(points, edges, intrinsics, width, height, 1.0), this->crossings = GK_DATA(crossings, 2 * pixels);
  }
};

template <class T> void bind_antialias(nb::module_& m) {
  define(m, "antialias", [](Array<T> image, Array<T> points, Longs edges, Array<T> intrinsics, Ids crossings, Output<T> result, LongsOut wrong) {
    const Smoothed<T> in(image, points, edges, intrinsics, crossings);
    T* out = GK_DATA(result, in.pixels * in.channels);
    int64_t* bad = GK_DATA(wrong, 1);
    nb::gil_scoped_release release;
    kernels::antialias(in.view, in.crossings, image.data(), in.channels, out, bad);
  });
  define(m, "antialias_backward", [](Array<T> image, Array<T> points, Longs edges, Array<T> intrinsics, Ids crossings, Array<T> result_bar,
                                     Output<T> image_bar, Output<T> points_bar) {
    const Smoothed<T> in(image, points, edges, intrinsics, crossings);
    const T* bar = GK_DATA(result_bar, in.pixels * in.channels);
    T *i = GK_DATA(image_bar, in.pixels * in.channels), *p = GK_DATA(points_bar, 3 * in.view.vertices);
    nb::gil_scoped_release release;
    kernels::antialias_backward(in.view, in.crossings, image.data(), in.channels, bar, i, p);
  });
#ifdef GK_CUDA
  define(m, "antialias_rows", [](Array<T> image, Array<T> points, Longs edges, Array<T> intrinsics, Ids crossings, Array<T> result_bar,
                                 Output<T> image_bar, Output<T> rows) {
    const Smoothed<T> in(image, points, edges, intrinsics, crossings);
    const T* bar = GK_DATA(result_bar, in.pixels * in.channels);
    T *i = GK_DATA(image_bar, in.pixels * in.channels), *out = GK_DATA(rows, 12 * in.pixels);
    nb::gil_scoped_release release;
    kernels::antialias_rows(in.view, in.crossings, image.data(), in.channels, bar, i, out);
  });
#endif
}

}  // namespace

void GK_BIND(mesh_raster)(nb::module_& m) {
  bind_draw<float>(m), bind_draw<double>(m);
  bind_interpolate<float>(m), bind_interpolate<double>(m);
  bind_crossings<float>(m), bind_crossings<double>(m);
  bind_antialias<float>(m), bind_antialias<double>(m);
}
