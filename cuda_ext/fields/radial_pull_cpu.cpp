#include "radial_jets.h"

namespace gk {
namespace {

template <int D, int Order, Kind K, class T>
GK_INLINE void pull(int steps, const Chunk<T>& chunk, Lanes<T>* __restrict sums) {
  constexpr int kSize = packed_size(D);
  Lanes<T> x[D], a[kSize];
  for (int k = 0; k < D; ++k) x[k] = sums[k];
  for (int k = 0; k < kSize; ++k) a[k] = sums[D + k];
  for (int j = 0; j < steps; ++j) {
    Place<D, Lanes<T>> at;
    JetBar<D, Lanes<T>> by;
    Lanes<T> phi[Order + 2], slope[D];
    fill_place<D, K>(chunk, j, at);
    if constexpr (Order > 0)
      for (int k = 0; k < D; ++k) slope[k] = chunk.bar[1 + k][j];
    if constexpr (K == Kind::kHat) {
      by = hat_jet_vjp<D, Order>(at, chunk.bar[0][j], slope);
    } else {
      for (int n = 0; n < Order + 2; ++n) phi[n] = chunk.phi[n][j];
      by = radial_jet_vjp<D, Order, K == Kind::kWaves>(at, phi, chunk.bar[0][j], slope, chunk.bar[Order > 1 ? 1 + D : 0][j]);
    }
    for (int k = 0; k < D; ++k) x[k] = x[k] + by.x[k];
    for (int k = 0; k < kSize; ++k) a[k] = a[k] + by.a[k];
    if constexpr (K == Kind::kWaves) {
      for (int k = 0; k < D; ++k) sums[D + kSize + k] = sums[D + kSize + k] + by.wave[k] * T(6.283185307179586);
      sums[D + kSize + D] = sums[D + kSize + D] + by.phase;
    }
  }
  for (int k = 0; k < D; ++k) sums[k] = x[k];
  for (int k = 0; k < kSize; ++k) sums[D + k] = a[k];
}

template <int D, class T>
GK_INLINE void any_pull(const RadialInput<T>& in, int steps, const Chunk<T>& chunk, Lanes<T>* sums) {
  for_kind(in, [&](auto order, auto kind) GK_INLINE_LAMBDA { pull<D, order.value, kind.value>(steps, chunk, sums); });
}

#define GK_PULL(D)                                                                                                    \
  GK_MULTIVERSION void pull##D(const RadialInput<float>& in, int n, const Chunk<float>& c, Lanes<float>* sums) {      \
    any_pull<D>(in, n, c, sums);                                                                                      \
  }                                                                                                                   \
  void pull##D(const RadialInput<double>& in, int n, const Chunk<double>& c, Lanes<double>* sums) { any_pull<D>(in, n, c, sums); }
GK_PULL(1)
GK_PULL(2)
GK_PULL(3)
#undef GK_PULL

}  // namespace

template <class T> void pull_jets(const RadialInput<T>& in, int steps, const Chunk<T>& chunk, Lanes<T>* sums) {
  if (in.dimension == 1) pull1(in, steps, chunk, sums);
  else if (in.dimension == 2) pull2(in, steps, chunk, sums);
  else pull3(in, steps, chunk, sums);
}

template void pull_jets(const RadialInput<float>&, int, const Chunk<float>&, Lanes<float>*);
template void pull_jets(const RadialInput<double>&, int, const Chunk<double>&, Lanes<double>*);

}  // namespace gk
