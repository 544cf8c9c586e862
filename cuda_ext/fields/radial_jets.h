// Internal to radial_jets_cpu.cpp and radial_pull_cpu.cpp: the places of a step.
#pragma once
#include "radial_kinds.h"
#include "radial_stages.h"

namespace gk {

template <int D, Kind K, class T> GK_INLINE void fill_place(const Chunk<T>& chunk, int j, Place<D, Lanes<T>>& at) {
  for (int k = 0; k < D; ++k) at.y[k] = chunk.y[k][j];
  for (int k = 0; k < packed_size(D); ++k) at.a[k] = chunk.a[k][j];
  Lanes<T> k_and_phase[D + 1];
  for (int k = 0; K == Kind::kWaves && k <= D; ++k) k_and_phase[k] = chunk.wave[k][j];
  finish_place<D, K == Kind::kWaves>(at, k_and_phase);
}

}  // namespace gk
