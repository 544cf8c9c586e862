#include "project.h"

#include <cmath>

#include "../cpu/aligned.h"
#include "../cpu/lanes.h"
#include "../cpu/parallel.h"
#include "../math/seen_splat.h"

namespace gk {
namespace {

// Rows [begin, begin + count) of an (N, D) array, turned so that each component lies in one run of memory; turning a
// whole block at once keeps the scalar stores far from the vector loads. The padding repeats the last row.
template <class T> struct Turned {
  static constexpr int64_t kPitch = kProjectBlock;
  AlignedVector<T> data;
  int64_t columns;
  explicit Turned(int64_t columns) : data(columns * kPitch), columns(columns) {}
  GK_INLINE Lanes<T> at(int64_t column, int64_t i) const { return load(&data[column * kPitch + i]); }
  GK_INLINE void put(int64_t column, int64_t i, const Lanes<T>& a) { store(&data[column * kPitch + i], a); }
  GK_INLINE void read(const T* array, int64_t begin, int64_t count) {
    for (int64_t c = 0; c < columns; ++c) {
      T* run = &data[c * kPitch];
      for (int64_t i = 0; i < count; ++i) run[i] = array[(begin + i) * columns + c];
      for (int64_t i = count; i % kLanes; ++i) run[i] = run[count - 1];
    }
  }
  GK_INLINE void write(T* array, int64_t begin, int64_t count) const {
    for (int64_t c = 0; c < columns; ++c)
      for (int64_t i = 0; i < count; ++i) array[(begin + i) * columns + c] = data[c * kPitch + i];
  }
};

template <class T> struct Inputs {
  Turned<T> means{3}, quats{4}, scales{3}, frequencies;
  GK_INLINE Inputs(const ProjectInput<T>& in, int64_t begin, int64_t count) : frequencies(3 * in.waves) {
    means.read(in.means, begin, count), quats.read(in.quats, begin, count);
    scales.read(in.scales, begin, count), frequencies.read(in.frequencies, begin, count);
  }
  GK_INLINE Vec3<Lanes<T>> frequency(int64_t k, int64_t i) const {
    return {frequencies.at(3 * k, i), frequencies.at(3 * k + 1, i), frequencies.at(3 * k + 2, i)};
  }
};

template <class T>
GK_INLINE SeenSplat<Lanes<T>> see_sixteen(const ProjectInput<T>& in, const Camera<Lanes<T>>& camera, const Inputs<T>& inputs, int64_t i) {
  using L = Lanes<T>;
  const L scales[3] = {inputs.scales.at(0, i), inputs.scales.at(1, i), inputs.scales.at(2, i)};
  const L q[4] = {inputs.quats.at(0, i), inputs.quats.at(1, i), inputs.quats.at(2, i), inputs.quats.at(3, i)};
  return see_splat(camera, {inputs.means.at(0, i), inputs.means.at(1, i), inputs.means.at(2, i)}, q, scales, L(in.near_plane), L(in.dilation));
}

template <class T>
GK_INLINE void forward_block(const ProjectInput<T>& in, const ProjectOutput<T>& out, int64_t begin, int64_t count) {
  using L = Lanes<T>;
  const Camera<L> camera = read_camera<L>(in.world_to_camera, in.intrinsics, T(in.width), T(in.height));
  const Inputs<T> inputs(in, begin, count);
  Turned<T> amplitudes(1), means2d(2), depths(1), conics(3), compensation(1), waves2d(3 * in.waves);
  amplitudes.read(in.amplitudes, begin, count);
  const L zero = L(T(0)), width = L(T(in.width)), height = L(T(in.height));
  for (int64_t i = 0; i < count; i += kLanes) {
    const SeenSplat<L> s = see_sixteen(in, camera, inputs, i);
    const auto& g = s.gaussian;
    const Vec2<L> pixel = project_point(camera, s.view);
    const auto seen = visibility(s, pixel, amplitudes.at(0, i), width, height, L(in.near_plane)) > zero;
    means2d.put(0, i, select(seen, pixel.x, zero)), means2d.put(1, i, select(seen, pixel.y, zero));
    depths.put(0, i, select(seen, s.view.point.z, zero));
    conics.put(0, i, select(seen, g.conic.xx, zero)), conics.put(1, i, select(seen, g.conic.xy, zero));
    conics.put(2, i, select(seen, g.conic.yy, zero));
    compensation.put(0, i, select(seen, g.compensation, zero));
    for (int64_t k = 0; k < in.waves; ++k) {
      const auto wave = project_wave(g, inputs.frequency(k, i));
      waves2d.put(3 * k, i, select(seen, wave.frequency.x, zero)), waves2d.put(3 * k + 1, i, select(seen, wave.frequency.y, zero));
      waves2d.put(3 * k + 2, i, select(seen, wave.attenuation, zero));
    }
  }
  means2d.write(out.means2d, begin, count), depths.write(out.depths, begin, count), conics.write(out.conics, begin, count);
  compensation.write(out.compensation, begin, count), waves2d.write(out.waves2d, begin, count);
}

template <class T>
GK_INLINE void backward_block(const ProjectInput<T>& in, const T* depths_in, const ProjectCotangent<T>& bar,
                              const ProjectGradient<T>& grad, int64_t begin, int64_t count) {
  using L = Lanes<T>;
  const Camera<L> camera = read_camera<L>(in.world_to_camera, in.intrinsics, T(in.width), T(in.height));
  const Inputs<T> inputs(in, begin, count);
  Turned<T> depths(1), means2d_bar(2), depths_bar(1), conics_bar(3), compensation_bar(1), waves2d_bar(3 * in.waves);
  depths.read(depths_in, begin, count);
  for (int64_t i = count; i % kLanes; ++i) depths.data[i] = 0;  // the padding must not count twice
  means2d_bar.read(bar.means2d, begin, count), depths_bar.read(bar.depths, begin, count);
  conics_bar.read(bar.conics, begin, count), compensation_bar.read(bar.compensation, begin, count);
  waves2d_bar.read(bar.waves2d, begin, count);
  Turned<T> means_bar(3), quats_bar(4), scales_bar(3), frequencies_bar(3 * in.waves);
  const L zero = L(T(0));
  CameraGradient<L> camera_bar = no_camera_gradient<L>();
  for (int64_t i = 0; i < count; i += kLanes) {
    const SeenSplat<L> s = see_sixteen(in, camera, inputs, i);
    const auto seen = depths.at(0, i) > zero;
    const auto seen_bar = [&](const Turned<T>& values, int64_t c) GK_INLINE_LAMBDA { return select(seen, values.at(c, i), zero); };
    const SplatBar<L> splat = seen_splat_vjp(
        camera, s, seen, {seen_bar(means2d_bar, 0), seen_bar(means2d_bar, 1)}, seen_bar(depths_bar, 0),
        {seen_bar(conics_bar, 0), seen_bar(conics_bar, 1), seen_bar(conics_bar, 2)}, seen_bar(compensation_bar, 0), int(in.waves),
        [&](int k) GK_INLINE_LAMBDA { return inputs.frequency(k, i); },
        [&](int k) GK_INLINE_LAMBDA -> WaveBar<L> {
          return {{seen_bar(waves2d_bar, 3 * k), seen_bar(waves2d_bar, 3 * k + 1)}, seen_bar(waves2d_bar, 3 * k + 2)};
        },
        [&](int k, const Vec3<L>& bar) GK_INLINE_LAMBDA {
          frequencies_bar.put(3 * k, i, bar.x), frequencies_bar.put(3 * k + 1, i, bar.y), frequencies_bar.put(3 * k + 2, i, bar.z);
        },
        camera_bar);
    means_bar.put(0, i, splat.mean.x), means_bar.put(1, i, splat.mean.y), means_bar.put(2, i, splat.mean.z);
    for (int c = 0; c < 3; ++c) scales_bar.put(c, i, splat.scales[c]);
    for (int c = 0; c < 4; ++c) quats_bar.put(c, i, splat.quat[c]);
  }
  means_bar.write(grad.means, begin, count), quats_bar.write(grad.quats, begin, count);
  scales_bar.write(grad.scales, begin, count), frequencies_bar.write(grad.frequencies, begin, count);
  T* partial = grad.camera + (begin / kProjectBlock) * 16;
  for (int i = 0; i < 3; ++i) {
    for (int j = 0; j < 3; ++j) partial[3 * i + j] = sum(camera_bar.rotation[i][j]);
    partial[9 + i] = sum(camera_bar.translation[i]);
  }
  partial[12] = sum(camera_bar.fx), partial[13] = sum(camera_bar.fy);
  partial[14] = sum(camera_bar.cx), partial[15] = sum(camera_bar.cy);
}

#define GK_INSTANTIATE(T, ATTRIBUTES)                                                                              \
  ATTRIBUTES void forward_range(const ProjectInput<T>& in, const ProjectOutput<T>& out, int64_t b, int64_t n) {     \
    forward_block(in, out, b, n);                                                                                      \
  }                                                                                                                 \
  ATTRIBUTES void backward_range(const ProjectInput<T>& in, const T* depths, const ProjectCotangent<T>& bar,        \
                                 const ProjectGradient<T>& grad, int64_t b, int64_t n) {                            \
    backward_block(in, depths, bar, grad, b, n);                                                                       \
  }
GK_INSTANTIATE(float, GK_MULTIVERSION)
GK_INSTANTIATE(double, )
#undef GK_INSTANTIATE

}  // namespace

template <class T> void project_forward(const ProjectInput<T>& in, const ProjectOutput<T>& out) {
  const int64_t blocks = (in.splats + kProjectBlock - 1) / kProjectBlock;
#pragma omp parallel for schedule(static) if (in.splats * 64 > kParallelWork)
  for (int64_t b = 0; b < blocks; ++b)
    forward_range(in, out, b * kProjectBlock,
                  b + 1 < blocks ? kProjectBlock : in.splats - b * kProjectBlock);
}

template <class T>
void project_backward(const ProjectInput<T>& in, const T* depths, const ProjectCotangent<T>& bar,
                      const ProjectGradient<T>& grad) {
  const int64_t blocks = (in.splats + kProjectBlock - 1) / kProjectBlock;
#pragma omp parallel for schedule(static) if (in.splats * 128 > kParallelWork)
  for (int64_t b = 0; b < blocks; ++b)
    backward_range(in, depths, bar, grad, b * kProjectBlock,
                  b + 1 < blocks ? kProjectBlock : in.splats - b * kProjectBlock);
}

template void project_forward(const ProjectInput<float>&, const ProjectOutput<float>&);
template void project_forward(const ProjectInput<double>&, const ProjectOutput<double>&);
template void project_backward(const ProjectInput<float>&, const float*, const ProjectCotangent<float>&, const ProjectGradient<float>&);
template void project_backward(const ProjectInput<double>&, const double*, const ProjectCotangent<double>&, const ProjectGradient<double>&);

}  // namespace gk
