// Internal to radial_*_cuda.cu: one pair of a query and a kernel in the registers of a thread.
#pragma once
#include <algorithm>

#include "../cuda/launch.h"
#include "../math/sine_jet.h"
#include "radial_kinds.h"

namespace gk::cuda {

GK_HD constexpr int parts_of(int dimension, int order) { return order == 0 ? 1 : order + dimension; }

template <class T> struct alignas(16) Sixteen {
  T values[16 / sizeof(T)];
};

// N values, a multiple of four, from a multiple of sixteen bytes.
template <int N, class T> __device__ __forceinline__ void read(const T* from, T* values) {
  constexpr int kEach = 16 / sizeof(T);
#pragma unroll
  for (int i = 0; i < N / kEach; ++i) {
    const Sixteen<T> piece = reinterpret_cast<const Sixteen<T>*>(from)[i];
#pragma unroll
    for (int j = 0; j < kEach; ++j) values[i * kEach + j] = piece.values[j];
  }
}

// A kernel's shape as a row of the table has it, and the pair that it makes with a point.
template <int D, int Order, Kind K, class T> struct Pair {
  static constexpr bool kWaves = K == Kind::kWaves;
  static constexpr int kShape = D + packed_size(D) + (kWaves ? D + 1 : 0);
  static constexpr int kRoom = int(quads(kShape)), kParts = parts_of(D, Order);

  T shape[kRoom], phi[4];
  Place<D, T> at;

  __device__ __forceinline__ void read_shape(const T* row) { read<kRoom>(row, shape); }

  // With as many derivatives of the profile as are asked for; inverse: 1 / R^2.
  template <int Derivatives> __device__ __forceinline__ void meet(Profile profile, T inverse, const T* x) {
    for (int k = 0; k < D; ++k) at.y[k] = x[k] - shape[k];
    for (int k = 0; k < packed_size(D); ++k) at.a[k] = shape[D + k];
    finish_place<D, kWaves>(at, shape + D + packed_size(D));
    if constexpr (K != Kind::kHat) {
      const auto series = profile_series<Derivatives>(profile, dot_of<D>(at.u, at.u), inverse);
      for (int n = 0; n <= Derivatives; ++n) phi[n] = series.d[n];
    }
  }

  __device__ __forceinline__ void jet(T (&parts)[kParts]) const {
    Jet<D, T> jet;
    if constexpr (K == Kind::kHat) jet = hat_jet<D, Order>(at);
    else jet = radial_jet<D, Order, kWaves>(at, phi);
    parts[0] = jet.value;
    if constexpr (Order > 0)
      for (int k = 0; k < D; ++k) parts[1 + k] = jet.slope[k];
    if constexpr (Order > 1) parts[1 + D] = jet.curvature;
  }

  __device__ __forceinline__ JetBar<D, T> pull(const T (&bar)[kParts]) const {
    if constexpr (K == Kind::kHat) return hat_jet_vjp<D, Order>(at, bar[0], bar + 1);
    else return radial_jet_vjp<D, Order, kWaves>(at, phi, bar[0], bar + 1, bar[kParts - 1]);
  }
};

// Calls f(dimension, order, kind), known to the compiler.
template <class T, class F> void for_pair(const RadialInput<T>& in, const F& f) {
  const auto with = [&](auto dimension) { for_kind(in, [&](auto order, auto kind) { f(dimension, order, kind); }); };
  if (in.dimension == 1) with(Number<1>());
  else if (in.dimension == 2) with(Number<2>());
  else with(Number<3>());
}

}  // namespace gk::cuda
