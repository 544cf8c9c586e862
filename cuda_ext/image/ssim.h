// Mean structural similarity (Wang et al. 2004) as in the 3DGS loss: 11x11 Gaussian window of sigma 1.5, zero padding,
// C1 = 0.01^2, C2 = 0.03^2 for values in [0, 1]: contract.
#pragma once
#include <cstdint>

namespace gk {

template <class T> struct SsimInput {
  int64_t height, width, channels;
  const T* image;   // (H, W, C)
  const T* target;  // (H, W, C)
};

// row_sums (H,): sums of the similarity over each row. slopes (3, H, W, C) or null: its derivatives by the windowed
// mean of the image, of its square, and of its product with the target.
template <class T> void ssim_forward(const SsimInput<T>& in, T* row_sums, T* slopes);
// image_bar (H, W, C) = scale * gradient of the sum of the similarity.
template <class T> void ssim_backward(const SsimInput<T>& in, const T* slopes, T scale, T* image_bar);

}  // namespace gk
