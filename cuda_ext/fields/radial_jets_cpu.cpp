#include "radial_jets.h"

namespace gk {
namespace {

template <int D, int Order, Kind K, class T> GK_INLINE void jets_of(int steps, Chunk<T>& chunk) {
  for (int j = 0; j < steps; ++j) {
    Lanes<T> phi[Order + 1];
    Jet<D, Lanes<T>> jet;
    if constexpr (Order == 0 && K == Kind::kRadial) {
      chunk.jet[0][j] = chunk.phi[0][j];
      continue;
    }
    Place<D, Lanes<T>> at;
    fill_place<D, K>(chunk, j, at);
    if constexpr (K == Kind::kHat) {
      jet = hat_jet<D, Order>(at);
    } else {
      for (int n = 0; n <= Order; ++n) phi[n] = chunk.phi[n][j];
      jet = radial_jet<D, Order, K == Kind::kWaves>(at, phi);
    }
    chunk.jet[0][j] = jet.value;
    if constexpr (Order > 0)
      for (int k = 0; k < D; ++k) chunk.jet[1 + k][j] = jet.slope[k];
    if constexpr (Order > 1) chunk.jet[1 + D][j] = jet.curvature;
  }
}

template <int D, class T> GK_INLINE void any_jets(const RadialInput<T>& in, int steps, Chunk<T>& chunk) {
  for_kind(in, [&](auto order, auto kind) GK_INLINE_LAMBDA { jets_of<D, order.value, kind.value>(steps, chunk); });
}

#define GK_JETS(D)                                                                                                 \
  GK_MULTIVERSION void jets##D(const RadialInput<float>& in, int n, Chunk<float>& c) { any_jets<D>(in, n, c); } \
  void jets##D(const RadialInput<double>& in, int n, Chunk<double>& c) { any_jets<D>(in, n, c); }
GK_JETS(1)
GK_JETS(2)
GK_JETS(3)
#undef GK_JETS

}  // namespace

template <class T> void fill_jets(const RadialInput<T>& in, int steps, Chunk<T>& chunk) {
  if (in.dimension == 1) jets1(in, steps, chunk);
  else if (in.dimension == 2) jets2(in, steps, chunk);
  else jets3(in, steps, chunk);
}

template void fill_jets(const RadialInput<float>&, int, Chunk<float>&);
template void fill_jets(const RadialInput<double>&, int, Chunk<double>&);

}  // namespace gk
