// Two pictures compared in one pass: structural similarity (Wang et al. 2004) as in the 3DGS loss (11x11 Gaussian window
// of sigma 1.5, zero padding, C1 = 0.01^2, C2 = 0.03^2 for values in [0, 1]), absolute and squared differences: contract.
#pragma once
#include <cstdint>

namespace gk {

template <class T> struct CompareInput {
  int64_t height, width, channels;
  const T* image;   // (H, W, C)
  const T* target;  // (H, W, C)
};

// Into how many parts the pictures are cut: rows on the CPU, tiles on the GPU.
template <class T> int64_t compare_parts(const CompareInput<T>& in);

// sums (parts, 3): sums over each part of the similarity, the absolute and the squared difference. slopes (3, H, W, C) or
// null: the derivatives of the similarity by the windowed mean of the image, of its square, and of its product with the
// target.
template <class T> void compare_forward(const CompareInput<T>& in, T* sums, T* slopes);

// bar (3,): cotangents of the similarity, the absolute and the squared difference of every value. image_bar (H, W, C).
template <class T> void compare_backward(const CompareInput<T>& in, const T* slopes, const T* bar, T* image_bar);

namespace cuda {
template <class T> int64_t compare_parts(const CompareInput<T>& in);
template <class T> void compare_forward(const CompareInput<T>& in, T* sums, T* slopes);
template <class T> void compare_backward(const CompareInput<T>& in, const T* slopes, const T* bar, T* image_bar);
}  // namespace cuda

}  // namespace gk
