// One thread a splat forward; backward a thread takes four, so that a block's camera gradient is one row of the partial
// sums, as on the CPU.
#include "../cuda/warp.h"
#include "../math/seen_splat.h"
#include "project.h"

namespace gk::cuda {
namespace {

constexpr int kThreads = 128;
constexpr int kBackwardThreads = 256;

template <class T> __device__ __forceinline__ Vec3<T> three(const T* values, int64_t i) {
  return {values[3 * i], values[3 * i + 1], values[3 * i + 2]};
}

template <class T> __device__ __forceinline__ SeenSplat<T> see(const ProjectInput<T>& in, const Camera<T>& camera, int64_t i) {
  return see_splat(camera, three(in.means, i), in.quats + 4 * i, in.scales + 3 * i, in.near_plane, in.dilation);
}

template <class T> __device__ __forceinline__ Camera<T> camera_of(const ProjectInput<T>& in) {
  return read_camera<T>(in.world_to_camera, in.intrinsics, T(in.width), T(in.height));
}

template <class T> __global__ void __launch_bounds__(kThreads) forward(ProjectInput<T> in, ProjectOutput<T> out) {
  const int64_t i = thread_index();
  if (i >= in.splats) return;
  const Camera<T> camera = camera_of(in);
  const SeenSplat<T> s = see(in, camera, i);
  const Vec2<T> pixel = project_point(camera, s.view);
  const T none = T(0);
  const bool seen = visibility(s, pixel, in.amplitudes[i], T(in.width), T(in.height), in.near_plane) > none;
  out.means2d[2 * i] = seen ? pixel.x : none, out.means2d[2 * i + 1] = seen ? pixel.y : none;
  out.depths[i] = seen ? s.view.point.z : none;
  const Sym2<T>& conic = s.gaussian.conic;
  out.conics[3 * i] = seen ? conic.xx : none, out.conics[3 * i + 1] = seen ? conic.xy : none, out.conics[3 * i + 2] = seen ? conic.yy : none;
  out.compensation[i] = seen ? s.gaussian.compensation : none;
  for (int64_t k = in.waves * i; k < in.waves * (i + 1); ++k) {
    const ProjectedWave<T> wave = project_wave(s.gaussian, three(in.frequencies, k));
    out.waves2d[3 * k] = seen ? wave.frequency.x : none, out.waves2d[3 * k + 1] = seen ? wave.frequency.y : none;
    out.waves2d[3 * k + 2] = seen ? wave.attenuation : none;
  }
}

template <class T>
__device__ void pull(const ProjectInput<T>& in, const Camera<T>& camera, bool seen, const ProjectCotangent<T>& bar,
                     const ProjectGradient<T>& grad, int64_t i, CameraGradient<T>& camera_bar) {
  const auto bar_of = [&](const T* values, int64_t place) { return seen ? values[place] : T(0); };
  const int64_t first = in.waves * i;
  const SplatBar<T> splat = seen_splat_vjp(
      camera, see(in, camera, i), seen, {bar_of(bar.means2d, 2 * i), bar_of(bar.means2d, 2 * i + 1)}, bar_of(bar.depths, i),
      {bar_of(bar.conics, 3 * i), bar_of(bar.conics, 3 * i + 1), bar_of(bar.conics, 3 * i + 2)}, bar_of(bar.compensation, i), int(in.waves),
      [&](int k) { return three(in.frequencies, first + k); },
      [&](int k) -> WaveBar<T> {
        const int64_t place = 3 * (first + k);
        return {{bar_of(bar.waves2d, place), bar_of(bar.waves2d, place + 1)}, bar_of(bar.waves2d, place + 2)};
      },
      [&](int k, const Vec3<T>& f) {
        T* place = grad.frequencies + 3 * (first + k);
        place[0] = f.x, place[1] = f.y, place[2] = f.z;
      },
      camera_bar);
  grad.means[3 * i] = splat.mean.x, grad.means[3 * i + 1] = splat.mean.y, grad.means[3 * i + 2] = splat.mean.z;
  for (int c = 0; c < 3; ++c) grad.scales[3 * i + c] = splat.scales[c];
  for (int c = 0; c < 4; ++c) grad.quats[4 * i + c] = splat.quat[c];
}

template <class T>
__global__ void __launch_bounds__(kBackwardThreads)
    backward(ProjectInput<T> in, const T* depths, ProjectCotangent<T> bar, ProjectGradient<T> grad) {
  const Camera<T> camera = camera_of(in);
  CameraGradient<T> sum = no_camera_gradient<T>();
  for (int64_t i = kProjectBlock * blockIdx.x + threadIdx.x, part = 0; part < kProjectBlock / kBackwardThreads; ++part, i += kBackwardThreads)
    if (i < in.splats) pull(in, camera, depths[i] > T(0), bar, grad, i, sum);
  T values[16] = {sum.rotation[0][0], sum.rotation[0][1], sum.rotation[0][2], sum.rotation[1][0], sum.rotation[1][1], sum.rotation[1][2],
                  sum.rotation[2][0], sum.rotation[2][1], sum.rotation[2][2], sum.translation[0], sum.translation[1], sum.translation[2],
                  sum.fx, sum.fy, sum.cx, sum.cy};
  __shared__ T rows[kBackwardThreads / 32][16];
  const T total = warp_sums(values);
  const int place = place_of_sum<16>(threadIdx.x % 32);
  if (place >= 0) rows[threadIdx.x / 32][place] = total;
  __syncthreads();
  if (threadIdx.x >= 16) return;
  T whole = T(0);
  for (int w = 0; w < kBackwardThreads / 32; ++w) whole += rows[w][threadIdx.x];
  grad.camera[16 * int64_t(blockIdx.x) + threadIdx.x] = whole;
}

}  // namespace

template <class T> void project_forward(const ProjectInput<T>& in, const ProjectOutput<T>& out) {
  launch(forward<T>, blocks_for(in.splats, kThreads), kThreads, 0, in, out);
}

template <class T>
void project_backward(const ProjectInput<T>& in, const T* depths, const ProjectCotangent<T>& bar,
                      const ProjectGradient<T>& grad) {
  launch(backward<T>, blocks_for(in.splats, kProjectBlock), kBackwardThreads, 0, in, depths, bar, grad);
}

template void project_forward(const ProjectInput<float>&, const ProjectOutput<float>&);
template void project_forward(const ProjectInput<double>&, const ProjectOutput<double>&);
template void project_backward(const ProjectInput<float>&, const float*, const ProjectCotangent<float>&, const ProjectGradient<float>&);
template void project_backward(const ProjectInput<double>&, const double*, const ProjectCotangent<double>&, const ProjectGradient<double>&);

}  // namespace gk::cuda
