// The perspective camera and its local affine approximation (EWA splatting, Zwicker et al. 2001).
// OpenCV axes: x right, y down, z forward; pixels; the centre of the first pixel is (0.5, 0.5).
#pragma once
#include "scalar.h"

namespace gk {

template <class V> struct Camera {
  V rotation[3][3];  // world to camera
  V translation[3];
  V fx, fy, cx, cy;
  V limit_left, limit_right, limit_top, limit_bottom;  // bounds of x/z and y/z inside the Jacobian
};

// The Jacobian is taken inside the frustum widened by 15 % of the image on each side, where it stays accurate.
template <class V> GK_HD void set_limits(Camera<V>& camera, V width, V height) {
  camera.limit_left = -(camera.cx + V(0.15) * width) / camera.fx;
  camera.limit_right = (width - camera.cx + V(0.15) * width) / camera.fx;
  camera.limit_top = -(camera.cy + V(0.15) * height) / camera.fy;
  camera.limit_bottom = (height - camera.cy + V(0.15) * height) / camera.fy;
}

// The camera of a row-major pose (4, 4) and intrinsics fx fy cx cy, for a picture of that size.
template <class V, class T> GK_HD Camera<V> read_camera(const T* world_to_camera, const T* intrinsics, T width, T height) {
  Camera<V> camera;
  for (int i = 0; i < 3; ++i) {
    for (int j = 0; j < 3; ++j) camera.rotation[i][j] = V(world_to_camera[4 * i + j]);
    camera.translation[i] = V(world_to_camera[4 * i + 3]);
  }
  camera.fx = V(intrinsics[0]), camera.fy = V(intrinsics[1]), camera.cx = V(intrinsics[2]), camera.cy = V(intrinsics[3]);
  set_limits(camera, V(width), V(height));
  return camera;
}

// What one point sees of a camera.
template <class V> struct AffineView {
  Vec3<V> point;     // in camera axes
  V inverse_depth;   // 1 / z
  V slope_x, slope_y;  // x/z and y/z, limited
  Mat23<V> map;      // P = J W: world displacement -> pixel displacement
};

template <class V> GK_HD Vec3<V> to_camera(const Camera<V>& camera, const Vec3<V>& world) {
  const auto& r = camera.rotation;
  return {r[0][0] * world.x + r[0][1] * world.y + r[0][2] * world.z + camera.translation[0],
          r[1][0] * world.x + r[1][1] * world.y + r[1][2] * world.z + camera.translation[1],
          r[2][0] * world.x + r[2][1] * world.y + r[2][2] * world.z + camera.translation[2]};
}

// `safe_depth` is the point's depth, or any positive value where the point is culled.
template <class V> GK_HD AffineView<V> affine_view(const Camera<V>& camera, const Vec3<V>& point, V safe_depth) {
  AffineView<V> view;
  view.point = point;
  view.inverse_depth = V(1) / safe_depth;
  view.slope_x = minimum(maximum(point.x * view.inverse_depth, camera.limit_left), camera.limit_right);
  view.slope_y = minimum(maximum(point.y * view.inverse_depth, camera.limit_top), camera.limit_bottom);
  const V kx = camera.fx * view.inverse_depth, ky = camera.fy * view.inverse_depth;
  for (int j = 0; j < 3; ++j) {
    view.map.m[0][j] = kx * (camera.rotation[0][j] - view.slope_x * camera.rotation[2][j]);
    view.map.m[1][j] = ky * (camera.rotation[1][j] - view.slope_y * camera.rotation[2][j]);
  }
  return view;
}

template <class V> GK_HD Vec2<V> project_point(const Camera<V>& camera, const AffineView<V>& view) {
  return {camera.fx * view.point.x * view.inverse_depth + camera.cx,
          camera.fy * view.point.y * view.inverse_depth + camera.cy};
}

template <class V> struct CameraGradient {
  V rotation[3][3];
  V translation[3];
  V fx, fy, cx, cy;
};

// VJP of to_camera, affine_view and project_point together: adds to `camera_bar`, returns the gradient to the world point.
template <class V>
GK_HD Vec3<V> affine_view_vjp(const Camera<V>& camera, const Vec3<V>& world, const AffineView<V>& view,
                              const Vec2<V>& pixel_bar, V depth_bar, const Mat23<V>& map_bar,
                              CameraGradient<V>& camera_bar) {
  const V iz = view.inverse_depth, kx = camera.fx * iz, ky = camera.fy * iz;
  const V ratio_x = view.point.x * iz, ratio_y = view.point.y * iz;
  V kx_bar = V(0), ky_bar = V(0), slope_x_bar = V(0), slope_y_bar = V(0);
  for (int j = 0; j < 3; ++j) {
    const V w2 = camera.rotation[2][j], px = map_bar.m[0][j], py = map_bar.m[1][j];
    kx_bar = kx_bar + px * (camera.rotation[0][j] - view.slope_x * w2);
    ky_bar = ky_bar + py * (camera.rotation[1][j] - view.slope_y * w2);
    slope_x_bar = slope_x_bar - kx * px * w2;
    slope_y_bar = slope_y_bar - ky * py * w2;
    camera_bar.rotation[0][j] = camera_bar.rotation[0][j] + kx * px;
    camera_bar.rotation[1][j] = camera_bar.rotation[1][j] + ky * py;
    camera_bar.rotation[2][j] = camera_bar.rotation[2][j] - kx * view.slope_x * px - ky * view.slope_y * py;
  }
  const auto x_free = minimum(ratio_x - camera.limit_left, camera.limit_right - ratio_x) >= V(0);
  const auto y_free = minimum(ratio_y - camera.limit_top, camera.limit_bottom - ratio_y) >= V(0);
  // The ratios x/z and y/z feed the pixel (never limited) and the Jacobian (limited).
  const V ratio_x_bar = pixel_bar.x * camera.fx + select(x_free, slope_x_bar, V(0));
  const V ratio_y_bar = pixel_bar.y * camera.fy + select(y_free, slope_y_bar, V(0));
  const V point_bar[3] = {
      ratio_x_bar * iz, ratio_y_bar * iz,
      depth_bar - iz * (ratio_x_bar * ratio_x + ratio_y_bar * ratio_y + kx_bar * kx + ky_bar * ky)};
  // A limited slope is the limit, which moves with the intrinsics: d/dcx = -1/fx, d/dfx = -slope/fx on either side.
  const V limit_x_bar = select(x_free, V(0), slope_x_bar) / camera.fx;
  const V limit_y_bar = select(y_free, V(0), slope_y_bar) / camera.fy;
  camera_bar.fx = camera_bar.fx + pixel_bar.x * ratio_x + kx_bar * iz - limit_x_bar * view.slope_x;
  camera_bar.fy = camera_bar.fy + pixel_bar.y * ratio_y + ky_bar * iz - limit_y_bar * view.slope_y;
  camera_bar.cx = camera_bar.cx + pixel_bar.x - limit_x_bar;
  camera_bar.cy = camera_bar.cy + pixel_bar.y - limit_y_bar;
  const V position[3] = {world.x, world.y, world.z};
  V world_bar[3] = {V(0), V(0), V(0)};
  for (int i = 0; i < 3; ++i) {
    camera_bar.translation[i] = camera_bar.translation[i] + point_bar[i];
    for (int j = 0; j < 3; ++j) {
      camera_bar.rotation[i][j] = camera_bar.rotation[i][j] + point_bar[i] * position[j];
      world_bar[j] = world_bar[j] + camera.rotation[i][j] * point_bar[i];
    }
  }
  return {world_bar[0], world_bar[1], world_bar[2]};
}

}  // namespace gk
