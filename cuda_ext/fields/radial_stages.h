// Internal to radial_*_cpu.cpp: sums over pairs in stages, each over a chunk of steps of sixteen pairs that stays in the
// first cache. Only what a stage needs to know is known to the compiler: the profile in one, the dimension and order in
// another, neither where features are multiplied.
#pragma once
#include "../cpu/lanes.h"
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

// The derivatives of sin(f phi) by phi, up to the N-th.
template <int N, class T> GK_INLINE void sine_series(const Lanes<T>& phi, T f, Lanes<T>* d) {
  Lanes<T> cosine, sine;
  cosine_sine_of_turns(phi * (f * T(0.15915494309189535)), cosine, sine);
  d[0] = sine, d[1] = cosine * f;
  if constexpr (N > 1) d[2] = sine * (-f * f);
  if constexpr (N > 2) d[3] = cosine * (-f * f * f);
}

template <class T> GK_INLINE Lanes<T> square_of_slope(const Chunk<T>& chunk, int dimension, int step) {
  Lanes<T> square = chunk.jet[1][step] * chunk.jet[1][step];
  for (int k = 2; k <= dimension; ++k) square = square + chunk.jet[k][step] * chunk.jet[k][step];
  return square;
}

// The jet of sin(f phi) from that of phi at one step: the chain rule.
template <class T> GK_INLINE void sine_jet(const Chunk<T>& chunk, int order, int dimension, int step, T f, Lanes<T>* r) {
  Lanes<T> d[3];
  sine_series<2>(chunk.jet[0][step], f, d);
  r[0] = d[0];
  if (order > 0)
    for (int k = 1; k <= dimension; ++k) r[k] = d[1] * chunk.jet[k][step];
  if (order > 1)
    r[dimension + 1] = d[1] * chunk.jet[dimension + 1][step] + d[2] * square_of_slope(chunk, dimension, step);
}

// Adds to chunk.bar what a gradient `from` by the jet of sin(f phi) means for the jet of phi.
template <class T>
GK_INLINE void add_sine_jet_vjp(Chunk<T>& chunk, int order, int dimension, int step, T f, const Lanes<T>* from) {
  Lanes<T> d[4];
  sine_series<3>(chunk.jet[0][step], f, d);
  Lanes<T> by_value = from[0] * d[1];
  if (order > 0)
    for (int k = 1; k <= dimension; ++k) {
      Lanes<T> by_slope = d[1] * from[k];
      by_value = by_value + from[k] * chunk.jet[k][step] * d[2];
      if (order > 1) by_slope = by_slope + T(2) * (from[dimension + 1] * d[2]) * chunk.jet[k][step];
      chunk.bar[k][step] = chunk.bar[k][step] + by_slope;
    }
  if (order > 1) {
    const Lanes<T> curved = from[dimension + 1];
    by_value = by_value + curved * (d[2] * chunk.jet[dimension + 1][step] + d[3] * square_of_slope(chunk, dimension, step));
    chunk.bar[dimension + 1][step] = chunk.bar[dimension + 1][step] + curved * d[1];
  }
  chunk.bar[0][step] = chunk.bar[0][step] + by_value;
}

template <class T> GK_INLINE void clear_bars(int parts, int steps, Chunk<T>& chunk) {
  for (int p = 0; p < parts; ++p)
    for (int j = 0; j < steps; ++j) chunk.bar[p][j] = Lanes<T>(T(0));
}

}  // namespace gk
