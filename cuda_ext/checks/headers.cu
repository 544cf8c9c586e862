// Compiled, never run: the shared mathematics must be device code in float and in double.
//
// One thread of `every_function` calls every function of math/ once.
#include "../math/camera.h"
#include "../math/ellipse.h"
#include "../math/exponential_differences.h"
#include "../math/gabor.h"
#include "../math/gaussian.h"
#include "../math/radial_basis.h"
#include "../math/scalar.h"
#include "../math/seen_triangle.h"
#include "../math/spherical_harmonics.h"
#include "../math/triangle.h"

namespace {

using namespace gk;

template <class V> __device__ V total(const V* values, int count) {
  V sum = V(0);
  for (int i = 0; i < count; ++i) sum += values[i];
  return sum;
}

template <class V> __device__ V total(const Vec3<V>& v) { return v.x + v.y + v.z; }
template <class V> __device__ V total(const Vec2<V>& v) { return v.x + v.y; }

template <int Degree, class V> __device__ V harmonics(const Vec3<V>& direction) {
  V basis[sh_count(Degree)];
  sh_basis<Degree>(direction, basis);
  return total(basis, sh_count(Degree)) + total(sh_basis_vjp<Degree>(direction, basis));
}

template <class V> __device__ V project_and_back(const V* in) {
  Camera<V> camera;
  for (int i = 0; i < 3; ++i) {
    for (int j = 0; j < 3; ++j) camera.rotation[i][j] = in[3 * i + j];
    camera.translation[i] = in[9 + i];
  }
  camera.fx = in[12], camera.fy = in[13], camera.cx = in[14], camera.cy = in[15];
  set_limits(camera, in[16], in[17]);
  const Vec3<V> world = {in[18], in[19], in[20]}, frequency = {in[21], in[22], in[23]};
  const V quat[4] = {in[24], in[25], in[26], in[27]}, scales[3] = {in[28], in[29], in[30]};

  const Vec3<V> point = to_camera(camera, world);
  const AffineView<V> view = affine_view(camera, point, maximum(point.z, V(0.01)));
  const Rotation<V> rotation = rotation_from_quaternion(quat);
  const ProjectedGaussian<V> gaussian = project_gaussian(rotation.matrix, scales, view.map, V(0.3));
  const ProjectedWave<V> wave = project_wave(gaussian, frequency);
  const Vec2<V> pixel = project_point(camera, view);

  Sym2<V> conic_bar = gaussian.conic;
  Mat23<V> wave_factor_bar = gaussian.image_factor, map_bar;
  Mat3<V> factor_bar = gaussian.factor, rotation_bar;
  V sum = total(wave_vjp(gaussian, wave, frequency, wave.frequency, wave.attenuation, conic_bar, wave_factor_bar, factor_bar));
  const Mat23<V> image_factor_bar = conic_vjp(gaussian, conic_bar, gaussian.compensation);
  V scales_bar[3], quat_bar[4];
  factor_vjp(gaussian, rotation.matrix, scales, view.map, image_factor_bar, factor_bar, rotation_bar, scales_bar, map_bar);
  rotation_vjp(rotation, rotation_bar, quat_bar);
  CameraGradient<V> camera_bar = {};
  sum += total(affine_view_vjp(camera, world, view, pixel, point.z, map_bar, camera_bar));
  sum += total(scales_bar, 3) + total(quat_bar, 4) + total(wave_factor_bar.m[0], 3) + total(pixel);
  return sum + total(camera_bar.translation, 3) + camera_bar.fx + camera_bar.fy + camera_bar.cx + camera_bar.cy;
}

template <class V> __device__ V scalars(V x) {
  V c, s;
  cosine_sine_of_turns(x, c, s);
  return select(x > V(0), square_root(x), exponential(x)) + minimum(c, s) + logarithm(maximum(x, V(1)));
}

template <class V> __device__ V triangle_and_back(const V* in) {
  const Vec3<V> corners[3] = {{in[0], in[1], in[2]}, {in[3], in[4], in[5]}, {in[6], in[7], in[8]}};
  const TrianglePlace<V> place = closest_on_triangle(corners[0], corners[1], corners[2]);
  const auto bar = closest_on_triangle_vjp(corners, place.weights, place.offset, in, place.squared);
  V weights[3];
  ray_weights(corners[0], corners[1], corners[2], bar.query, weights[0], weights[1], weights[2]);
  return total(bar.corners[0]) + total(bar.corners[1]) + total(bar.corners[2]) + total(weights, 3);
}

template <class V> __device__ V seen_and_back(const V* in) {
  const SeenCorners<V> corners = {{in[0], in[1], in[2]}, {in[3], in[4], in[5]}, {in[6], in[7], in[8]}};
  const Seen<V> seen = see(corners, ray_sides(corners, in[9], in[10]));
  const SeenCorners<V> bar = see_vjp(corners, in[9], in[10], seen.barycentrics, seen.depth);
  const Crossing<V> crossing = cross_line(corners.a, corners.b, in[11]);
  Vec3<V> a_bar, b_bar;
  cross_line_vjp(corners.a, corners.b, in[11], crossing, seen.depth, a_bar, b_bar);
  return total(bar.a) + total(bar.b) + total(bar.c) + total(a_bar) + total(b_bar);
}

template <class V> __device__ V exponential_differences(const V* in) {
  Complex<V> phasors[4], slopes[4];
  for (int i = 0; i < 4; ++i) cosine_sine_of_turns(in[i], phasors[i].re, phasors[i].im);
  V phases[4] = {in[0], in[1], in[2], in[3]};
  const Complex<V> value = of_corners<3, V, Reach::kMixed, true>(phases, phasors, slopes);
  return value.re + slopes[1].im;
}

template <int D, class V> __device__ V radial_and_back(const V* in) {
  Place<D, V> at;
  for (int k = 0; k < D; ++k) at.y[k] = in[k], at.wave[k] = in[3 + k];
  for (int k = 0; k < packed_size(D); ++k) at.a[k] = in[6 + k];
  times_factor<D>(at.a, at.y, at.u);
  cosine_sine_of_turns(dot_of<D>(at.y, at.wave), at.cosine, at.sine);
  V sum = V(0);
  for (int p = 0; p < int(Profile::kHat); ++p) {
    const Series<3, V> phi = profile_series<3>(Profile(p), dot_of<D>(at.u, at.u), V(0.1));
    const Jet<D, V> plain = radial_jet<D, 2, false>(at, phi.d), wave = radial_jet<D, 2, true>(at, phi.d);
    const JetBar<D, V> plain_bar = radial_jet_vjp<D, 2, false>(at, phi.d, plain.value, plain.slope, plain.curvature);
    const JetBar<D, V> wave_bar = radial_jet_vjp<D, 2, true>(at, phi.d, wave.value, wave.slope, wave.curvature);
    sum += total(plain_bar.x, D) + total(wave_bar.wave, D) + total(wave_bar.a, packed_size(D)) + wave_bar.phase;
  }
  const Jet<D, V> hat = hat_jet<D, 1>(at);
  return sum + total(hat_jet_vjp<D, 1>(at, hat.value, hat.slope).a, packed_size(D));
}

template <class V> __device__ V tiles_reached(const V* in) {
  const Ellipse<V> e = make_ellipse(in, in + 2, reach_of(in, in + 2, in[5], in[6]), in[7], in[8]);
  int32_t first, last;
  columns_reached(e, rows_of_tiles(e), in[7], first, last);
  return V(first + last + rows_reached(e, 0, first));
}

}  // namespace

template <class V> __global__ void every_function(const V* in, V* out) {
  const Vec3<V> direction = {in[0], in[1], in[2]};
  out[0] = harmonics<0>(direction) + harmonics<1>(direction) + harmonics<2>(direction) + harmonics<3>(direction);
  out[1] = project_and_back(in);
  out[2] = scalars(in[0]);
  out[3] = triangle_and_back(in);
  out[4] = seen_and_back(in);
  out[5] = exponential_differences(in);
  out[6] = radial_and_back<1>(in) + radial_and_back<2>(in) + radial_and_back<3>(in);
  out[7] = tiles_reached(in);
}

template __global__ void every_function<float>(const float*, float*);
template __global__ void every_function<double>(const double*, double*);
