// One splat before one camera: what is seen of it, and how that pulls on the splat and on the camera.
#pragma once
#include "camera.h"
#include "gabor.h"

namespace gk {

template <class V> struct SeenSplat {
  Vec3<V> mean;
  V scales[3];
  Rotation<V> rotation;
  AffineView<V> view;
  ProjectedGaussian<V> gaussian;
};

template <class V>
GK_HD SeenSplat<V> see_splat(const Camera<V>& camera, const Vec3<V>& mean, const V quat[4], const V scales[3], V near_plane, V dilation) {
  SeenSplat<V> s;
  s.mean = mean;
  for (int c = 0; c < 3; ++c) s.scales[c] = scales[c];
  s.rotation = rotation_from_quaternion(quat);
  const Vec3<V> point = to_camera(camera, mean);
  s.view = affine_view(camera, point, select(point.z > near_plane, point.z, V(1)));
  s.gaussian = project_gaussian(s.rotation.matrix, s.scales, s.view.map, dilation);
  return s;
}

// Positive where the ellipse alpha >= 1/255 of a splat at `pixel` reaches the picture and lies beyond the near plane.
template <class V>
GK_HD V visibility(const SeenSplat<V>& s, const Vec2<V>& pixel, V amplitude, V width, V height, V near_plane) {
  const auto& g = s.gaussian;
  const V zero = V(0);
  // The ellipse reaches sqrt(2 ln(255 amplitude) A_xx) pixels to each side.
  const V reach2 = V(2) * logarithm(V(255) * amplitude);
  const V rx = square_root(maximum(reach2 * g.dilated.xx, zero)), ry = square_root(maximum(reach2 * g.dilated.yy, zero));
  // Every one of these must be positive; a NaN or an infinity anywhere turns the sum into a NaN and culls the splat.
  const V across = minimum(minimum(pixel.x + rx, width - (pixel.x - rx)), minimum(pixel.y + ry, height - (pixel.y - ry)));
  const V shape = minimum(minimum(g.conic.xx, g.conic.yy), minimum(s.view.point.z - near_plane, reach2));
  const V finite = (s.view.point.z + pixel.x + pixel.y + rx + ry + g.conic.xx + g.conic.xy + g.conic.yy) * zero;
  return minimum(across, shape) + finite;
}

template <class V> struct SplatBar {
  Vec3<V> mean;
  V quat[4], scales[3];
};

// The gradients by the projected wave k of a splat's waves: its frequency in pixels and its attenuation.
template <class V> struct WaveBar {
  Vec2<V> frequency;
  V attenuation;
};

// VJP of all of the above where `seen`; zero elsewhere, whatever the splat holds. wave(k) gives the k-th frequency,
// wave_bar(k) its WaveBar, put_frequency(k, bar) takes the gradient by it. Adds to `camera_bar`.
template <class V, class Seen, class Wave, class WaveBarOf, class Put>
GK_HD SplatBar<V> seen_splat_vjp(const Camera<V>& camera, const SeenSplat<V>& s, const Seen& seen, const Vec2<V>& pixel_bar, V depth_bar,
                                 Sym2<V> conic_bar, V compensation_bar, int waves, const Wave& wave, const WaveBarOf& wave_bar,
                                 const Put& put_frequency, CameraGradient<V>& camera_bar) {
  const V zero = V(0);
  Mat23<V> image_extra;
  Mat3<V> factor_extra;
  for (int r = 0; r < 3; ++r)
    for (int c = 0; c < 3; ++c) {
      factor_extra.m[r][c] = zero;
      if (r < 2) image_extra.m[r][c] = zero;
    }
  for (int k = 0; k < waves; ++k) {
    const Vec3<V> f = wave(k);
    const ProjectedWave<V> projected = project_wave(s.gaussian, f);
    const WaveBar<V> bar = wave_bar(k);
    const Vec3<V> f_bar = wave_vjp(s.gaussian, projected, f, bar.frequency, bar.attenuation, conic_bar, image_extra, factor_extra);
    put_frequency(k, Vec3<V>{select(seen, f_bar.x, zero), select(seen, f_bar.y, zero), select(seen, f_bar.z, zero)});
  }
  Mat23<V> image_bar = conic_vjp(s.gaussian, conic_bar, compensation_bar);
  for (int r = 0; r < 2; ++r)
    for (int c = 0; c < 3; ++c) image_bar.m[r][c] = image_bar.m[r][c] + image_extra.m[r][c];
  SplatBar<V> out;
  Mat3<V> rotation_bar;
  Mat23<V> map_bar;
  factor_vjp(s.gaussian, s.rotation.matrix, s.scales, s.view.map, image_bar, factor_extra, rotation_bar, out.scales, map_bar);
  rotation_vjp(s.rotation, rotation_bar, out.quat);
  // A culled splat may hold anything, even values that are not finite: keep them out of the camera's sums.
  for (int j = 0; j < 3; ++j) {
    map_bar.m[0][j] = select(seen, map_bar.m[0][j], zero);
    map_bar.m[1][j] = select(seen, map_bar.m[1][j], zero);
  }
  AffineView<V> view = s.view;
  view.point = {select(seen, view.point.x, zero), select(seen, view.point.y, zero), select(seen, view.point.z, zero)};
  view.slope_x = select(seen, view.slope_x, zero), view.slope_y = select(seen, view.slope_y, zero);
  const Vec3<V> mean = {select(seen, s.mean.x, zero), select(seen, s.mean.y, zero), select(seen, s.mean.z, zero)};
  const Vec3<V> mean_bar = affine_view_vjp(camera, mean, view, pixel_bar, depth_bar, map_bar, camera_bar);
  out.mean = {select(seen, mean_bar.x, zero), select(seen, mean_bar.y, zero), select(seen, mean_bar.z, zero)};
  for (int c = 0; c < 3; ++c) out.scales[c] = select(seen, out.scales[c], zero);
  for (int c = 0; c < 4; ++c) out.quat[c] = select(seen, out.quat[c], zero);
  return out;
}

template <class V> GK_HD CameraGradient<V> no_camera_gradient() {
  CameraGradient<V> bar;
  for (int i = 0; i < 3; ++i) {
    bar.translation[i] = V(0);
    for (int j = 0; j < 3; ++j) bar.rotation[i][j] = V(0);
  }
  bar.fx = bar.fy = bar.cx = bar.cy = V(0);
  return bar;
}

}  // namespace gk
