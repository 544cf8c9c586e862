#include "project.h"

#include <cmath>

#include "../cpu/lanes.h"
#include "../cpu/parallel.h"
#include "../math/camera.h"
#include "../math/gabor.h"

namespace gk {
namespace {

template <class T> GK_INLINE Camera<Lanes<T>> broadcast_camera(const ProjectInput<T>& in) {
  Camera<Lanes<T>> camera;
  for (int i = 0; i < 3; ++i) {
    for (int j = 0; j < 3; ++j) camera.rotation[i][j] = Lanes<T>(in.world_to_camera[4 * i + j]);
    camera.translation[i] = Lanes<T>(in.world_to_camera[4 * i + 3]);
  }
  camera.fx = in.intrinsics[0], camera.fy = in.intrinsics[1];
  camera.cx = in.intrinsics[2], camera.cy = in.intrinsics[3];
  set_limits(camera, Lanes<T>(T(in.width)), Lanes<T>(T(in.height)));
  return camera;
}

// Component c of sixteen rows of an (N, stride) array from row `first` on; rows past the end repeat the last one.
template <class T> GK_INLINE Lanes<T> gather(const T* array, int64_t first, int count, int64_t stride, int64_t c) {
  T values[kLanes];
  const T* p = array + first * stride + c;
#pragma GCC unroll 1
  for (int i = 0; i < kLanes; ++i) values[i] = p[(i < count ? i : count - 1) * stride];
  return load(values);
}
template <class T> GK_INLINE void scatter(T* array, int64_t first, int count, int64_t stride, int64_t c, const Lanes<T>& a) {
  T values[kLanes];
  store(values, a);
  T* p = array + first * stride + c;
#pragma GCC unroll 1
  for (int i = 0; i < count; ++i) p[i * stride] = values[i];
}

template <class T> struct Block {
  Vec3<Lanes<T>> mean;
  Lanes<T> scales[3];
  Rotation<Lanes<T>> rotation;
  AffineView<Lanes<T>> view;
  ProjectedGaussian<Lanes<T>> gaussian;
};

template <class T>
GK_INLINE void view_block(const ProjectInput<T>& in, const Camera<Lanes<T>>& camera, int64_t first, int count, Block<T>& b) {
  using L = Lanes<T>;
  L q[4];
  b.mean = {gather(in.means, first, count, 3, 0), gather(in.means, first, count, 3, 1), gather(in.means, first, count, 3, 2)};
  for (int c = 0; c < 3; ++c) b.scales[c] = gather(in.scales, first, count, 3, c);
  for (int c = 0; c < 4; ++c) q[c] = gather(in.quats, first, count, 4, c);
  b.rotation = rotation_from_quaternion(q);
  const Vec3<L> point = to_camera(camera, b.mean);
  b.view = affine_view(camera, point, select(point.z > L(in.near_plane), point.z, L(T(1))));
  b.gaussian = project_gaussian(b.rotation.matrix, b.scales, b.view.map, L(in.dilation));
}

template <class T>
GK_INLINE void forward_blocks(const ProjectInput<T>& in, const ProjectOutput<T>& out, int64_t begin, int64_t end) {
  using L = Lanes<T>;
  const Camera<L> camera = broadcast_camera(in);
  for (int64_t first = begin; first < end; first += kLanes) {
    const int count = end - first < kLanes ? int(end - first) : kLanes;
    Block<T> b;
    view_block(in, camera, first, count, b);
    const Vec2<L> pixel = project_point(camera, b.view);
    // The ellipse alpha >= 1/255 reaches sqrt(2 ln(255 amplitude) A_xx) pixels to each side.
    const L reach2 = T(2) * logarithm(T(255) * gather(in.amplitudes, first, count, 1, 0));
    const L rx = square_root(maximum(reach2 * b.gaussian.dilated.xx, L(T(0))));
    const L ry = square_root(maximum(reach2 * b.gaussian.dilated.yy, L(T(0))));
    const L zero = L(T(0)), width = L(T(in.width)), height = L(T(in.height)), huge = L(T(1e30));
    // Written so that a NaN anywhere culls the splat.
    const auto seen = (b.view.point.z > L(in.near_plane)) & (b.view.point.z < huge) & (reach2 > zero) &
                      (pixel.x + rx > zero) & (pixel.x - rx < width) & (pixel.y + ry > zero) & (pixel.y - ry < height) &
                      (b.gaussian.conic.xx > zero) & (b.gaussian.conic.yy > zero) & (b.gaussian.conic.xx < huge) &
                      (b.gaussian.conic.yy < huge) & (rx < huge) & (ry < huge);
    scatter(out.means2d, first, count, 2, 0, select(seen, pixel.x, zero));
    scatter(out.means2d, first, count, 2, 1, select(seen, pixel.y, zero));
    scatter(out.depths, first, count, 1, 0, select(seen, b.view.point.z, zero));
    scatter(out.conics, first, count, 3, 0, select(seen, b.gaussian.conic.xx, zero));
    scatter(out.conics, first, count, 3, 1, select(seen, b.gaussian.conic.xy, zero));
    scatter(out.conics, first, count, 3, 2, select(seen, b.gaussian.conic.yy, zero));
    scatter(out.compensation, first, count, 1, 0, select(seen, b.gaussian.compensation, zero));
    for (int64_t k = 0; k < in.waves; ++k) {
      const Vec3<L> f = {gather(in.frequencies, first, count, 3 * in.waves, 3 * k),
                         gather(in.frequencies, first, count, 3 * in.waves, 3 * k + 1),
                         gather(in.frequencies, first, count, 3 * in.waves, 3 * k + 2)};
      const auto wave = project_wave(b.gaussian, f);
      scatter(out.waves2d, first, count, 3 * in.waves, 3 * k, select(seen, wave.frequency.x, zero));
      scatter(out.waves2d, first, count, 3 * in.waves, 3 * k + 1, select(seen, wave.frequency.y, zero));
      scatter(out.waves2d, first, count, 3 * in.waves, 3 * k + 2, select(seen, wave.attenuation, zero));
    }
  }
}

template <class T>
GK_INLINE void backward_blocks(const ProjectInput<T>& in, const T* depths, const ProjectCotangent<T>& bar,
                               const ProjectGradient<T>& grad, int64_t begin, int64_t end) {
  using L = Lanes<T>;
  const Camera<L> camera = broadcast_camera(in);
  const L zero = L(T(0));
  CameraGradient<L> camera_bar;
  for (int i = 0; i < 3; ++i) {
    camera_bar.translation[i] = zero;
    for (int j = 0; j < 3; ++j) camera_bar.rotation[i][j] = zero;
  }
  camera_bar.fx = camera_bar.fy = camera_bar.cx = camera_bar.cy = zero;
  for (int64_t first = begin; first < end; first += kLanes) {
    const int count = end - first < kLanes ? int(end - first) : kLanes;
    Block<T> b;
    view_block(in, camera, first, count, b);
    const L index = lane_index<T>();
    const auto seen = (gather(depths, first, count, 1, 0) > zero) & (index < L(T(count)));
    const auto seen_bar = [&](const T* array, int64_t stride, int64_t c) GK_INLINE_LAMBDA {
      return select(seen, gather(array, first, count, stride, c), zero);
    };
    Sym2<L> conic_bar = {seen_bar(bar.conics, 3, 0), seen_bar(bar.conics, 3, 1), seen_bar(bar.conics, 3, 2)};
    Mat23<L> wave_image_bar = {};
    Mat3<L> wave_factor_bar = {};
    for (int64_t k = 0; k < in.waves; ++k) {
      const int64_t stride = 3 * in.waves, c = 3 * k;
      const Vec3<L> f = {gather(in.frequencies, first, count, stride, c), gather(in.frequencies, first, count, stride, c + 1),
                         gather(in.frequencies, first, count, stride, c + 2)};
      const auto wave = project_wave(b.gaussian, f);
      const Vec3<L> f_bar =
          wave_vjp(b.gaussian, wave, f, {seen_bar(bar.waves2d, stride, c), seen_bar(bar.waves2d, stride, c + 1)},
                   seen_bar(bar.waves2d, stride, c + 2), conic_bar, wave_image_bar, wave_factor_bar);
      scatter(grad.frequencies, first, count, stride, c, select(seen, f_bar.x, zero));
      scatter(grad.frequencies, first, count, stride, c + 1, select(seen, f_bar.y, zero));
      scatter(grad.frequencies, first, count, stride, c + 2, select(seen, f_bar.z, zero));
    }
    Mat23<L> image_bar = conic_vjp(b.gaussian, conic_bar, seen_bar(bar.compensation, 1, 0));
    for (int i = 0; i < 2; ++i)
      for (int j = 0; j < 3; ++j) image_bar.m[i][j] = image_bar.m[i][j] + wave_image_bar.m[i][j];
    Mat3<L> rotation_bar;
    Mat23<L> map_bar;
    L scales_bar[3], q_bar[4];
    factor_vjp(b.gaussian, b.rotation.matrix, b.scales, b.view.map, image_bar, wave_factor_bar, rotation_bar, scales_bar, map_bar);
    rotation_vjp(b.rotation, rotation_bar, q_bar);
    // A culled splat may hold anything, even values that are not finite: keep them out of the camera's sums.
    for (int j = 0; j < 3; ++j) {
      map_bar.m[0][j] = select(seen, map_bar.m[0][j], zero);
      map_bar.m[1][j] = select(seen, map_bar.m[1][j], zero);
    }
    AffineView<L> view = b.view;
    view.point = {select(seen, view.point.x, zero), select(seen, view.point.y, zero), select(seen, view.point.z, zero)};
    const Vec3<L> mean = {select(seen, b.mean.x, zero), select(seen, b.mean.y, zero), select(seen, b.mean.z, zero)};
    view.slope_x = select(seen, view.slope_x, zero), view.slope_y = select(seen, view.slope_y, zero);
    const Vec3<L> mean_bar =
        affine_view_vjp(camera, mean, view, {seen_bar(bar.means2d, 2, 0), seen_bar(bar.means2d, 2, 1)},
                        seen_bar(bar.depths, 1, 0), map_bar, camera_bar);
    scatter(grad.means, first, count, 3, 0, select(seen, mean_bar.x, zero));
    scatter(grad.means, first, count, 3, 1, select(seen, mean_bar.y, zero));
    scatter(grad.means, first, count, 3, 2, select(seen, mean_bar.z, zero));
    for (int c = 0; c < 3; ++c) scatter(grad.scales, first, count, 3, c, select(seen, scales_bar[c], zero));
    for (int c = 0; c < 4; ++c) scatter(grad.quats, first, count, 4, c, select(seen, q_bar[c], zero));
  }
  T* partial = grad.camera + (begin / kProjectBlock) * 16;
  for (int i = 0; i < 3; ++i) {
    for (int j = 0; j < 3; ++j) partial[3 * i + j] = sum(camera_bar.rotation[i][j]);
    partial[9 + i] = sum(camera_bar.translation[i]);
  }
  partial[12] = sum(camera_bar.fx), partial[13] = sum(camera_bar.fy);
  partial[14] = sum(camera_bar.cx), partial[15] = sum(camera_bar.cy);
}

#define GK_INSTANTIATE(T, ATTRIBUTES)                                                                              \
  ATTRIBUTES void forward_range(const ProjectInput<T>& in, const ProjectOutput<T>& out, int64_t b, int64_t e) {     \
    forward_blocks(in, out, b, e);                                                                                  \
  }                                                                                                                 \
  ATTRIBUTES void backward_range(const ProjectInput<T>& in, const T* depths, const ProjectCotangent<T>& bar,        \
                                 const ProjectGradient<T>& grad, int64_t b, int64_t e) {                            \
    backward_blocks(in, depths, bar, grad, b, e);                                                                   \
  }
GK_INSTANTIATE(float, GK_MULTIVERSION)
GK_INSTANTIATE(double, )
#undef GK_INSTANTIATE

}  // namespace

template <class T> void project_forward(const ProjectInput<T>& in, const ProjectOutput<T>& out) {
  const int64_t blocks = (in.splats + kProjectBlock - 1) / kProjectBlock;
#pragma omp parallel for schedule(static) if (in.splats * 64 > kParallelWork)
  for (int64_t b = 0; b < blocks; ++b)
    forward_range(in, out, b * kProjectBlock, b + 1 < blocks ? (b + 1) * kProjectBlock : in.splats);
}

template <class T>
void project_backward(const ProjectInput<T>& in, const T* depths, const ProjectCotangent<T>& bar,
                      const ProjectGradient<T>& grad) {
  const int64_t blocks = (in.splats + kProjectBlock - 1) / kProjectBlock;
#pragma omp parallel for schedule(static) if (in.splats * 128 > kParallelWork)
  for (int64_t b = 0; b < blocks; ++b)
    backward_range(in, depths, bar, grad, b * kProjectBlock, b + 1 < blocks ? (b + 1) * kProjectBlock : in.splats);
}

template void project_forward(const ProjectInput<float>&, const ProjectOutput<float>&);
template void project_forward(const ProjectInput<double>&, const ProjectOutput<double>&);
template void project_backward(const ProjectInput<float>&, const float*, const ProjectCotangent<float>&, const ProjectGradient<float>&);
template void project_backward(const ProjectInput<double>&, const double*, const ProjectCotangent<double>&, const ProjectGradient<double>&);

}  // namespace gk
