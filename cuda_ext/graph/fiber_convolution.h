// Messages along the edges of a graph whose nodes hold a feature for each of O orientations and C channels: contract.
//
//   out[i,o,c] = sum over the edges e that i receives of k[e,o,c] features[senders[e],o,c]
//   k[e,o,c] = sum_l profiles[e,o,l] weights[rows[e],l,c]
//
// The kernel k, of the size of E nodes, is never stored. Every sum runs in an order that the graph alone decides. The
// gradient by the features is the same sum with senders and receivers exchanged.
#pragma once
#include <cstdint>

#include "group.h"

namespace gk {

template <class T> struct FiberInput {
  int64_t edges, orientations, channels, functions;  // E, O, C (a multiple of 16), L
  const int64_t *senders, *receivers, *rows;         // (E,), in [0, N), [0, M) and [0, K)
  const T* features;                                 // (N, O, C)
  const T* weights;                                  // (K, L, C)
  const T* profiles;                                 // (E, O, L)
};

template <class T> void fiber_convolution(const FiberInput<T>& in, const Groups& by_receiver, T* out);  // (M, O, C)

// The gradients by the weights (K, L, C) and the profiles (E, O, L), each unless null, of out_bar (M, O, C).
template <class T>
void fiber_convolution_backward(const FiberInput<T>& in, const Groups& by_row, const T* out_bar, T* weights_bar,
                                T* profiles_bar);

namespace cuda {

// How many values of memory the sums take on a GPU for parts of what a group receives.
int64_t fiber_convolution_room(int64_t edges, int64_t receivers, int64_t orientations, int64_t channels);
int64_t fiber_convolution_weights_room(int64_t edges, int64_t rows, int64_t functions, int64_t channels);

template <class T> void fiber_convolution(const FiberInput<T>& in, const Groups& by_receiver, T* room, T* out);
template <class T> void fiber_convolution_weights(const FiberInput<T>& in, const Groups& by_row, const T* out_bar, T* room, T* weights_bar);
template <class T> void fiber_convolution_profiles(const FiberInput<T>& in, const T* out_bar, T* profiles_bar);

}  // namespace cuda
}  // namespace gk
