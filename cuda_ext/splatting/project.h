// EWA projection of Gaussians and their waves: contract.
#pragma once
#include <cstdint>

namespace gk {

template <class T> struct ProjectInput {
  int64_t splats;            // N
  int64_t waves;             // K
  const T* means;            // (N, 3), world units
  const T* quats;            // (N, 4), w x y z, any length
  const T* scales;           // (N, 3), standard deviations, world units
  const T* frequencies;      // (N, K, 3), cycles per world unit, world axes
  const T* amplitudes;       // (N,), upper bound of the splat's alpha; decides what is culled
  const T* world_to_camera;  // (4, 4), row-major
  const T* intrinsics;       // (4,): fx fy cx cy, pixels
  int64_t width, height;     // pixels
  T dilation;                // variance added to the projected covariance, pixels^2
  T near_plane;              // world units
};

// A culled splat has depth 0 and zeros everywhere.
template <class T> struct ProjectOutput {
  T* means2d;       // (N, 2), pixels
  T* depths;        // (N,), world units along the optical axis
  T* conics;        // (N, 3), a b c of the inverse 2D covariance, 1/pixels^2
  T* compensation;  // (N,)
  T* waves2d;       // (N, K, 3): fx, fy in cycles per pixel, attenuation
};

template <class T> struct ProjectCotangent {
  const T* means2d;
  const T* depths;
  const T* conics;
  const T* compensation;
  const T* waves2d;
};

template <class T> struct ProjectGradient {
  T* means;
  T* quats;
  T* scales;
  T* frequencies;
  T* camera;         // (blocks, 16): partial sums, rotation (9), translation (3), fx fy cx cy
};

constexpr int64_t kProjectBlock = 1024;  // splats a partial camera sum covers: fixed, so sums do not depend on threads

template <class T> void project_forward(const ProjectInput<T>& in, const ProjectOutput<T>& out);
template <class T>
void project_backward(const ProjectInput<T>& in, const T* depths, const ProjectCotangent<T>& bar,
                      const ProjectGradient<T>& grad);

// The same on the GPU, asynchronously on the current stream.
namespace cuda {
template <class T> void project_forward(const ProjectInput<T>& in, const ProjectOutput<T>& out);
template <class T>
void project_backward(const ProjectInput<T>& in, const T* depths, const ProjectCotangent<T>& bar,
                      const ProjectGradient<T>& grad);
}  // namespace cuda

}  // namespace gk
