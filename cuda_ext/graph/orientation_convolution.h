// Functions on a grid of orientations, one for each node and channel, convolved with a kernel of each channel: contract.
//
//   out[n,p,c] = sum over o of kernel[p,o,c] features[n,o,c]
//
// The gradient by the features is the same with the kernel's first two dimensions exchanged. Channels are a multiple of 16.
#pragma once
#include <cstdint>

namespace gk {

struct OrientationSizes {
  int64_t nodes, orientations, channels;  // N, O, C
};

template <class T> void orientation_convolution(const OrientationSizes& size, const T* kernel, const T* features, T* out);

// kernel_bar[p,o,c] = sum over n of out_bar[n,p,c] features[n,o,c], (O, O, C), in the order of the nodes.
template <class T>
void orientation_convolution_backward(const OrientationSizes& size, const T* features, const T* out_bar, T* kernel_bar);

namespace cuda {

template <class T> void orientation_convolution(const OrientationSizes& size, const T* kernel, const T* features, T* out);

// kernel_bar in parts (P, O, O, C) that add up to it, each of some of the nodes. Channels may be any number here.
int64_t orientation_parts(const OrientationSizes& size);
template <class T>
void orientation_convolution_backward(const OrientationSizes& size, const T* features, const T* out_bar, int64_t parts, T* kernel_bar);

}  // namespace cuda
}  // namespace gk
