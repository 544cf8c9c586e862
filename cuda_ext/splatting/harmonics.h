// Colours from spherical harmonics: contract.
#pragma once
#include <cstdint>

namespace gk {

template <class T> struct HarmonicsInput {
  int64_t splats;       // N
  int64_t stored;       // B, coefficients stored a channel
  int degree;           // 0..3, with (degree + 1)^2 <= B
  const T* directions;  // (N, 3), any non-zero length
  const T* coeffs;      // (N, B, 3)
  const bool* visible;  // (N,) or null: all
};

template <class T> void harmonics_forward(const HarmonicsInput<T>& in, T* colors);  // (N, 3), zero where not visible
template <class T>
void harmonics_backward(const HarmonicsInput<T>& in, const T* colors_bar, T* directions_bar, T* coeffs_bar);

// The same on the GPU, asynchronously on the current stream.
namespace cuda {
template <class T> void harmonics_forward(const HarmonicsInput<T>& in, T* colors);
template <class T>
void harmonics_backward(const HarmonicsInput<T>& in, const T* colors_bar, T* directions_bar, T* coeffs_bar);
}  // namespace cuda

}  // namespace gk
