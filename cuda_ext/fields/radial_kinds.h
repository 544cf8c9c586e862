// Internal to radial_*: the kinds of jets, and the choice among them.
#pragma once
#include <type_traits>

#include "../cpu/multiversion.h"
#include "radial.h"

namespace gk {

enum class Kind : int { kRadial, kWaves, kHat };
template <Kind K> using KindOf = std::integral_constant<Kind, K>;
template <int N> using Number = std::integral_constant<int, N>;

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
