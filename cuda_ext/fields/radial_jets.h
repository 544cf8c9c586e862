// Internal to radial_jets_cpu.cpp and radial_pull_cpu.cpp: the places of a step, and the choice among the kinds of jets.
#pragma once
#include <type_traits>

#include "radial_stages.h"

namespace gk {

enum class Kind : int { kRadial, kWaves, kHat };
template <Kind K> using KindOf = std::integral_constant<Kind, K>;
template <int N> using Number = std::integral_constant<int, N>;

template <int D, Kind K, class T> GK_INLINE void fill_place(const Chunk<T>& chunk, int j, Place<D, Lanes<T>>& at) {
  for (int k = 0; k < D; ++k) at.y[k] = chunk.y[k][j];
  for (int k = 0; k < packed_size(D); ++k) at.a[k] = chunk.a[k][j];
  times_factor<D>(at.a, at.y, at.u);
  if constexpr (K == Kind::kWaves) {
    Lanes<T> turns = chunk.wave[D][j] * T(0.15915494309189535);
    for (int k = 0; k < D; ++k) {
      turns = turns + chunk.wave[k][j] * at.y[k];
      at.wave[k] = chunk.wave[k][j] * T(6.283185307179586);
    }
    cosine_sine_of_turns(turns, at.cosine, at.sine);
  }
}

// Calls f(order, kind) for a dimension, all known to the compiler.
template <class T, class F> GK_INLINE void for_kind(const RadialInput<T>& in, F f) {
  const auto with_order = [&](auto order) GK_INLINE_LAMBDA {
    if (in.profile == Profile::kHat) {
      if constexpr (order.value < 2) f(order, KindOf<Kind::kHat>());
    } else if (in.waves) {
      f(order, KindOf<Kind::kWaves>());
    } else {
      f(order, KindOf<Kind::kRadial>());
    }
  };
  if (in.order == 0) with_order(Number<0>());
  else if (in.order == 1) with_order(Number<1>());
  else with_order(Number<2>());
}

}  // namespace gk
