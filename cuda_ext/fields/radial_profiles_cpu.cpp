#include "radial_stages.h"

namespace gk {
namespace {

template <int D, class T> GK_INLINE void squares(int steps, Chunk<T>& chunk) {
  for (int j = 0; j < steps; ++j) {
    Lanes<T> y[D], a[packed_size(D)], u[D];
    for (int k = 0; k < D; ++k) y[k] = chunk.y[k][j];
    for (int k = 0; k < packed_size(D); ++k) a[k] = chunk.a[k][j];
    times_factor<D>(a, y, u);
    chunk.s[j] = dot_of<D>(u, u);
  }
}

template <class T> GK_INLINE void fill_squares(int dimension, int steps, Chunk<T>& chunk) {
  if (dimension == 1) squares<1>(steps, chunk);
  else if (dimension == 2) squares<2>(steps, chunk);
  else squares<3>(steps, chunk);
}

template <int N, Profile P, class T> GK_INLINE void fill(T support2, int steps, Chunk<T>& chunk) {
  const Lanes<T> inverse(T(1) / support2);
  for (int j = 0; j < steps; ++j) {
    const auto series = profile_series<N>(P, chunk.s[j], inverse);
    for (int n = 0; n <= N; ++n) chunk.phi[n][j] = series.d[n];
  }
}

template <int N, class T> GK_INLINE void choose(const RadialInput<T>& in, int steps, Chunk<T>& chunk) {
  if (in.profile == Profile::kHat) return;
  fill_squares(in.dimension, steps, chunk);
  switch (in.profile) {
    case Profile::kInverseQuadratic: return fill<N, Profile::kInverseQuadratic>(in.support2, steps, chunk);
    case Profile::kInverseMultiquadric: return fill<N, Profile::kInverseMultiquadric>(in.support2, steps, chunk);
    case Profile::kGaussian: return fill<N, Profile::kGaussian>(in.support2, steps, chunk);
    case Profile::kMarkov: return fill<N, Profile::kMarkov>(in.support2, steps, chunk);
    case Profile::kWendland2: return fill<N, Profile::kWendland2>(in.support2, steps, chunk);
    case Profile::kWendland4: return fill<N, Profile::kWendland4>(in.support2, steps, chunk);
    case Profile::kBump: return fill<N, Profile::kBump>(in.support2, steps, chunk);
    case Profile::kHat: return;
  }
}

#define GK_FILL(N)                                                                                         \
  GK_MULTIVERSION void fill##N(const RadialInput<float>& in, int steps, Chunk<float>& c) { choose<N>(in, steps, c); } \
  void fill##N(const RadialInput<double>& in, int steps, Chunk<double>& c) { choose<N>(in, steps, c); }
GK_FILL(0)
GK_FILL(1)
GK_FILL(2)
GK_FILL(3)
#undef GK_FILL

}  // namespace

template <class T> void fill_profiles(const RadialInput<T>& in, int derivatives, int steps, Chunk<T>& chunk) {
  if (derivatives == 0) fill0(in, steps, chunk);
  else if (derivatives == 1) fill1(in, steps, chunk);
  else if (derivatives == 2) fill2(in, steps, chunk);
  else fill3(in, steps, chunk);
}

template void fill_profiles(const RadialInput<float>&, int, int, Chunk<float>&);
template void fill_profiles(const RadialInput<double>&, int, int, Chunk<double>&);

}  // namespace gk
