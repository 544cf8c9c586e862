// Internal to radial_*_cpu.cpp: sums over pairs in stages, each over a chunk of steps of sixteen pairs that stays in the
// first cache. Only what a stage needs to know is known to the compiler: the profile in one, the dimension and order in
// another, neither where features are multiplied.
#pragma once
#include "../cpu/lanes.h"
#include "../math/sine_jet.h"
#include "radial.h"

namespace gk {

constexpr int kSteps = 16;
constexpr int kMostParts = 5;   // of a jet: value, slopes, curvature
constexpr int kMostShape = 13;  // gradients of a pair by centre, A, wave and phase

template <class T> struct Chunk {
  Lanes<T> y[3][kSteps], a[6][kSteps], wave[4][kSteps];  // wave: k and phase
  Lanes<T> s[kSteps], phi[4][kSteps];
  Lanes<T> jet[kMostParts][kSteps], bar[kMostParts][kSteps];  // what a feature of one gives, and the gradient by it
  int32_t at[kSteps][kLanes];  // where each pair's features, or its gradient by the outputs, lie
};

// s of all steps from y and a; phi and as many derivatives as are asked for.
template <class T> void fill_profiles(const RadialInput<T>& in, int derivatives, int steps, Chunk<T>& chunk);
// jet from y, a, wave and phi.
template <class T> void fill_jets(const RadialInput<T>& in, int steps, Chunk<T>& chunk);
// Adds to sums (kMostShape): the gradients by x, A, k and phase (as many as there are), from bar. Needs one more
// derivative of phi than the jets.
template <class T> void pull_jets(const RadialInput<T>& in, int steps, const Chunk<T>& chunk, Lanes<T>* sums);

// A pair that is none: outside of every support.
template <class T> GK_INLINE T far_away(const RadialInput<T>& in) { return T(2) + in.support2; }

template <class T> GK_INLINE Lanes<T> gather(const T* base, const int32_t* at) {
  T values[kLanes];
  for (int i = 0; i < kLanes; ++i) values[i] = base[at[i]];
  return load(values);
}

// The jet, or the gradient by it, of one step.
template <class T> GK_INLINE void take_step(const Lanes<T> (*from)[kSteps], int parts, int step, Lanes<T>* to) {
  for (int p = 0; p < parts; ++p) to[p] = from[p][step];
}

template <class T> GK_INLINE void clear_bars(int parts, int steps, Chunk<T>& chunk) {
  for (int p = 0; p < parts; ++p)
    for (int j = 0; j < steps; ++j) chunk.bar[p][j] = Lanes<T>(T(0));
}

}  // namespace gk
