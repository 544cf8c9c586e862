// Bindings of what a splat is before a camera: projection and colours.
#include "arrays.h"

#include "../splatting/harmonics.h"
#include "../splatting/project.h"

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
          kernels::project_forward(in, out);
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
          kernels::project_backward(in, z, bar, grad);
        });
}

template <class T>
gk::HarmonicsInput<T> harmonics_input(int degree, const Array<T>& directions, const Array<T>& coeffs,
                                      const std::optional<Array<bool>>& visible) {
  const int64_t n = int64_t(directions.size()) / 3, stored = n ? int64_t(coeffs.size()) / (3 * n) : 0;
  if (degree < 0 || degree > 3 || (n && (degree + 1) * (degree + 1) > stored))
    throw std::invalid_argument("degree must be 0 to 3 with (degree + 1)^2 <= stored coefficients");
  return {n, stored, degree, GK_DATA(directions, 3 * n), GK_DATA(coeffs, 3 * n * stored), GK_DATA_OR_NULL(visible, n)};
}

template <class T> void bind_harmonics(nb::module_& m) {
  using Flags = std::optional<Array<bool>>;
  define(m, "harmonics_forward", [](int degree, Array<T> directions, Array<T> coeffs, Flags visible, Output<T> colors) {
    const auto in = harmonics_input<T>(degree, directions, coeffs, visible);
    T* out = GK_DATA(colors, 3 * in.splats);
    nb::gil_scoped_release release;
    kernels::harmonics_forward(in, out);
  });
  define(m, "harmonics_backward", [](int degree, Array<T> directions, Array<T> coeffs, Flags visible, Array<T> colors_bar,
                                 Output<T> directions_bar, Output<T> coeffs_bar) {
    const auto in = harmonics_input<T>(degree, directions, coeffs, visible);
    const T* bar = GK_DATA(colors_bar, 3 * in.splats);
    T *d = GK_DATA(directions_bar, 3 * in.splats), *c = GK_DATA(coeffs_bar, 3 * in.splats * in.stored);
    nb::gil_scoped_release release;
    kernels::harmonics_backward(in, bar, d, c);
  });
}

}  // namespace

void GK_BIND(splats)(nb::module_& m) {
  bind_project<float>(m), bind_project<double>(m);
  bind_harmonics<float>(m), bind_harmonics<double>(m);
}
