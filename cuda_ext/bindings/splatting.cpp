// Bindings of the splat kernels: argument checks and calls.
#include "arrays.h"

#include <numeric>

#include "../splatting/bin.h"
#include "../splatting/harmonics.h"
#include "../splatting/project.h"
#include "../splatting/rasterize.h"

namespace {

template <class T>
gk::ProjectInput<T> project_input(const Array<T>& means, const Array<T>& quats, const Array<T>& scales, const Array<T>& frequencies,
                                  const Array<T>& amplitudes, const Array<T>& world_to_camera, const Array<T>& intrinsics,
                                  int64_t width, int64_t height, double dilation, double near_plane) {
  const int64_t n = int64_t(means.size()) / 3, k = n ? int64_t(frequencies.size()) / (3 * n) : 0;
  return {n, k, GK_DATA(means, 3 * n), GK_DATA(quats, 4 * n), GK_DATA(scales, 3 * n), GK_DATA(frequencies, 3 * n * k),
          GK_DATA(amplitudes, n), GK_DATA(world_to_camera, 16), GK_DATA(intrinsics, 4), width, height, T(dilation), T(near_plane)};
}

template <class T> void bind_project(nb::module_& m) {
  define(m, "project_forward",
        [](Array<T> means, Array<T> quats, Array<T> scales, Array<T> frequencies, Array<T> amplitudes, Array<T> world_to_camera,
           Array<T> intrinsics, int64_t width, int64_t height, double dilation, double near_plane, Output<T> means2d,
           Output<T> depths, Output<T> conics, Output<T> compensation, Output<T> waves2d) {
          const auto in = project_input<T>(means, quats, scales, frequencies, amplitudes, world_to_camera, intrinsics, width, height, dilation, near_plane);
          const int64_t n = in.splats;
          const gk::ProjectOutput<T> out = {GK_DATA(means2d, 2 * n), GK_DATA(depths, n), GK_DATA(conics, 3 * n),
                                            GK_DATA(compensation, n), GK_DATA(waves2d, 3 * n * in.waves)};
          nb::gil_scoped_release release;
          gk::project_forward(in, out);
        });
  define(m, "project_backward",
        [](Array<T> means, Array<T> quats, Array<T> scales, Array<T> frequencies, Array<T> amplitudes, Array<T> world_to_camera,
           Array<T> intrinsics, int64_t width, int64_t height, double dilation, double near_plane, Array<T> depths,
           Array<T> means2d_bar, Array<T> depths_bar, Array<T> conics_bar, Array<T> compensation_bar, Array<T> waves2d_bar,
           Output<T> means_bar, Output<T> quats_bar, Output<T> scales_bar, Output<T> frequencies_bar, Output<T> camera_bar) {
          const auto in = project_input<T>(means, quats, scales, frequencies, amplitudes, world_to_camera, intrinsics, width, height, dilation, near_plane);
          const int64_t n = in.splats, blocks = (n + gk::kProjectBlock - 1) / gk::kProjectBlock;
          const gk::ProjectCotangent<T> bar = {GK_DATA(means2d_bar, 2 * n), GK_DATA(depths_bar, n), GK_DATA(conics_bar, 3 * n),
                                               GK_DATA(compensation_bar, n), GK_DATA(waves2d_bar, 3 * n * in.waves)};
          const gk::ProjectGradient<T> grad = {GK_DATA(means_bar, 3 * n), GK_DATA(quats_bar, 4 * n), GK_DATA(scales_bar, 3 * n),
                                               GK_DATA(frequencies_bar, 3 * n * in.waves), GK_DATA(camera_bar, 16 * blocks)};
          const T* z = GK_DATA(depths, n);
          nb::gil_scoped_release release;
          gk::project_backward(in, z, bar, grad);
        });
}

template <class T>
gk::HarmonicsInput<T> harmonics_input(int degree, const Array<T>& directions, const Array<T>& coeffs,
                                      const std::optional<nb::ndarray<const bool, nb::c_contig, nb::device::cpu>>& visible) {
  const int64_t n = int64_t(directions.size()) / 3, stored = n ? int64_t(coeffs.size()) / (3 * n) : 0;
  if (degree < 0 || degree > 3 || (n && (degree + 1) * (degree + 1) > stored))
    throw std::invalid_argument("degree must be 0 to 3 with (degree + 1)^2 <= stored coefficients");
  return {n, stored, degree, GK_DATA(directions, 3 * n), GK_DATA(coeffs, 3 * n * stored), GK_DATA_OR_NULL(visible, n)};
}

template <class T> void bind_harmonics(nb::module_& m) {
  using Flags = std::optional<nb::ndarray<const bool, nb::c_contig, nb::device::cpu>>;
  define(m, "harmonics_forward", [](int degree, Array<T> directions, Array<T> coeffs, Flags visible, Output<T> colors) {
    const auto in = harmonics_input<T>(degree, directions, coeffs, visible);
    T* out = GK_DATA(colors, 3 * in.splats);
    nb::gil_scoped_release release;
    gk::harmonics_forward(in, out);
  });
  define(m, "harmonics_backward", [](int degree, Array<T> directions, Array<T> coeffs, Flags visible, Array<T> colors_bar,
                                 Output<T> directions_bar, Output<T> coeffs_bar) {
    const auto in = harmonics_input<T>(degree, directions, coeffs, visible);
    const T* bar = GK_DATA(colors_bar, 3 * in.splats);
    T *d = GK_DATA(directions_bar, 3 * in.splats), *c = GK_DATA(coeffs_bar, 3 * in.splats * in.stored);
    nb::gil_scoped_release release;
    gk::harmonics_backward(in, bar, d, c);
  });
}

template <class T>
gk::BinInput<T> bin_input(const Array<T>& means2d, const Array<T>& conics, const Array<T>& depths, const Array<T>& amplitudes,
                          int64_t width, int64_t height) {
  const int64_t n = int64_t(depths.size());
  if (width < 1 || height < 1) throw std::invalid_argument("image size must be positive");
  return {n, GK_DATA(means2d, 2 * n), GK_DATA(conics, 3 * n), GK_DATA(depths, n), GK_DATA(amplitudes, n), width, height};
}

template <class T> void bind_bin(nb::module_& m) {
  define(m, "bin_count", [](Array<T> means2d, Array<T> conics, Array<T> depths, Array<T> amplitudes, int64_t width, int64_t height,
                        Output<T> reaches, IdsOut counts) {
    const auto in = bin_input<T>(means2d, conics, depths, amplitudes, width, height);
    T* r = GK_DATA(reaches, in.splats);
    int32_t* c = GK_DATA(counts, in.splats);
    nb::gil_scoped_release release;
    return gk::bin_count(in, r, c);
  });
  define(m, "bin_fill", [](Array<T> means2d, Array<T> conics, Array<T> depths, Array<T> amplitudes, int64_t width, int64_t height,
                       Array<T> reaches, Ids counts, IdsOut offsets, IdsOut entries, IdsOut first_slots) {
    const auto in = bin_input<T>(means2d, conics, depths, amplitudes, width, height);
    const int64_t n = in.splats, total = int64_t(entries.size()) / 3;
    const T* r = GK_DATA(reaches, n);
    const int32_t* c = GK_DATA(counts, n);
    int32_t *o = GK_DATA(offsets, gk::tile_columns(width) * gk::tile_rows(height) + 1), *f = GK_DATA(first_slots, n + 1);
    auto* list = reinterpret_cast<gk::Entry*>(GK_DATA(entries, 3 * total));
    if (std::accumulate(c, c + n, int64_t(0)) != total) throw std::invalid_argument("entries must hold as many rows as counts say");
    nb::gil_scoped_release release;
    gk::bin_fill(in, r, c, o, list, f);
  });
}

template <class T>
gk::RasterInput<T> raster_input(const Array<T>& means2d, const Array<T>& conics, const Array<T>& opacities, const Array<T>& features,
                                const Array<T>& waves, const Array<T>& background, const Ids& offsets,
                                const Ids& entries, int64_t width, int64_t height) {
  const int64_t n = int64_t(opacities.size()), c = int64_t(background.size()), k = n ? int64_t(waves.size()) / (4 * n) : 0;
  if (k > gk::kMaxWaves) throw std::invalid_argument("a splat carries at most " + std::to_string(gk::kMaxWaves) + " waves");
  return {n, c, k, width, height, GK_DATA(means2d, 2 * n), GK_DATA(conics, 3 * n), opacities.data(), GK_DATA(features, n * c),
          GK_DATA(waves, 4 * n * k), background.data(),
          GK_DATA(offsets, gk::tile_columns(width) * gk::tile_rows(height) + 1),
          reinterpret_cast<const gk::Entry*>(entries.data())};
}

template <class T> void bind_rasterize(nb::module_& m) {
  define(m, "rasterize_forward",
        [](Array<T> means2d, Array<T> conics, Array<T> opacities, Array<T> features, Array<T> waves, Array<T> background,
           Ids offsets, Ids entries, int64_t width, int64_t height, Output<T> image, Output<T> transmittance,
           std::optional<IdsOut> median_ids, std::optional<nb::ndarray<int64_t, nb::c_contig, nb::device::cpu>> pairs) {
          const auto in = raster_input<T>(means2d, conics, opacities, features, waves, background, offsets, entries, width, height);
          const gk::RasterOutput<T> out = {GK_DATA(image, width * height * in.channels), GK_DATA(transmittance, width * height),
                                           GK_DATA_OR_NULL(median_ids, width * height),
                                           GK_DATA_OR_NULL(pairs, gk::tile_columns(width) * gk::tile_rows(height))};
          nb::gil_scoped_release release;
          gk::rasterize_forward(in, out);
        });
  define(m, "rasterize_backward",
        [](Array<T> means2d, Array<T> conics, Array<T> opacities, Array<T> features, Array<T> waves, Array<T> background,
           Ids offsets, Ids entries, int64_t width, int64_t height, Ids first_slots, Array<T> image_bar,
           Array<T> transmittance_bar, Output<T> rows, Output<T> means2d_bar, Output<T> conics_bar, Output<T> opacities_bar,
           Output<T> features_bar, Output<T> waves_bar, std::optional<Output<T>> absolute) {
          const auto in = raster_input<T>(means2d, conics, opacities, features, waves, background, offsets, entries, width, height);
          const int64_t n = in.splats, total = int64_t(entries.size()) / 3;
          const gk::RasterCotangent<T> bar = {GK_DATA(image_bar, width * height * in.channels), GK_DATA(transmittance_bar, width * height)};
          const gk::RasterGradient<T> grad = {GK_DATA(first_slots, n + 1),
                                              GK_DATA(rows, total * gk::gradient_row_length(in.channels, in.waves)),
                                              GK_DATA(means2d_bar, 2 * n), GK_DATA(conics_bar, 3 * n), GK_DATA(opacities_bar, n),
                                              GK_DATA(features_bar, n * in.channels), GK_DATA(waves_bar, 4 * n * in.waves),
                                              GK_DATA_OR_NULL(absolute, 2 * n)};
          nb::gil_scoped_release release;
          gk::rasterize_backward(in, bar, grad);
        });
}

}  // namespace

void bind_splatting(nb::module_& m) {
  bind_project<float>(m), bind_project<double>(m);
  bind_harmonics<float>(m), bind_harmonics<double>(m);
  bind_bin<float>(m), bind_bin<double>(m);
  bind_rasterize<float>(m), bind_rasterize<double>(m);
}
