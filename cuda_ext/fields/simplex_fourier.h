// The Fourier transform of weighted simplices: contract.
//
//   out[c](f) = sum over simplices n of weights[n, c] phi_J(s_n0 .. s_nJ),   s_nt = 2 pi f . x_nt,
//
// with phi_J of math/exponential_differences.h: with weights density times J! times content, the transform of the density.
#pragma once
#include <cstdint>

namespace gk {

// Frequencies, in cycles per unit of length. On a grid, frequency i of an axis is first + i step; its last axis is the one
// that runs through the lanes. In a list every frequency stands for itself.
struct Frequencies {
  bool grid;
  int64_t sizes[3];    // of a list: 1, 1, K
  double first[3], step[3];  // of a grid
  const double* list;  // (K, 3); of a grid, for kernels on a GPU, first and step
  int64_t count() const { return sizes[0] * sizes[1] * sizes[2]; }
};

template <class T> struct SimplexInput {
  int64_t count, channels;
  int corners;       // J + 1, 1 to 4
  const T* places;   // (N, J + 1, 3)
  const T* weights;  // (N, C)
};

// out (C, K, 2), K = the product of the sizes: real and imaginary parts.
template <class T> void simplex_fourier(const SimplexInput<T>& in, const Frequencies& at, T* out);

// From out_bar (C, K, 2): places_bar (N, J + 1, 3), unless null, and weights_bar (N, C).
template <class T>
void simplex_fourier_backward(const SimplexInput<T>& in, const Frequencies& at, const T* out_bar, T* places_bar, T* weights_bar);

namespace cuda {

// Results in parts that add up, each of some simplices or some frequencies: as many as fill the device.
int64_t simplex_fourier_parts(int64_t simplices, const Frequencies& at);
int64_t simplex_fourier_backward_parts(int64_t simplices, const Frequencies& at);

// sums (parts, C, K, 2).
template <class T> void simplex_fourier(const SimplexInput<T>& in, const Frequencies& at, int64_t parts, double* sums);

// sums (parts, N, 12 + C rounded up to a multiple of 4): 3 (J + 1) of the gradient by the places, if asked for, and from the
// 13th on the gradient by the weights.
template <class T>
void simplex_fourier_backward(const SimplexInput<T>& in, const Frequencies& at, const T* out_bar, bool by_places, int64_t parts,
                              double* sums);

}  // namespace cuda
}  // namespace gk
