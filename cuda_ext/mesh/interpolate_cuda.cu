// Forward a thread a value, so that neighbouring threads write neighbouring values; backward a thread a pixel.
#include "add_to_vertices.h"
#include "triangles.h"

namespace gk::cuda {
namespace {

constexpr int kThreads = 128;
constexpr int kColumns = 5;  // channels whose gradients a warp adds at a time

// The face that a pixel sees, or -1: for none, and with `wrong` for one that is not there or has no such vertices.
template <class T> __device__ __forceinline__ int32_t face_of(const InterpolateInput<T>& in, int64_t pixel, int64_t* wrong) {
  const int64_t face = in.face_ids[pixel];
  if (face < 0) return -1;
  bool there = face < in.faces;
  for (int k = 0; k < 3 && there; ++k) there = uint64_t(in.corners[3 * face + k]) < uint64_t(in.vertices);
  if (!there && wrong) atomicMin(reinterpret_cast<unsigned long long*>(wrong), (unsigned long long)(pixel));
  return there ? int32_t(face) : -1;
}

// Index is unsigned where it suffices: a division by 64 bits costs more than the rest.
template <class T, class Index> __global__ void __launch_bounds__(kThreads) carry(InterpolateInput<T> in, T* values, int64_t* wrong) {
  const int64_t i = thread_index();
  if (i >= in.pixels * in.channels) return;
  const int64_t pixel = Index(i) / Index(in.channels), channel = i - pixel * in.channels;
  const int32_t face = face_of(in, pixel, wrong);
  T value = 0;
  for (int k = 0; k < 3 && face >= 0; ++k)
    value += in.barycentrics[3 * pixel + k] * in.attributes[in.channels * in.corners[3 * int64_t(face) + k] + channel];
  values[i] = value;
}

// Either adds to attributes_bar or writes rows (P, 3, C), whichever is there.
template <class T>
__global__ void __launch_bounds__(kThreads) pull(InterpolateInput<T> in, const T* values_bar, T* attributes_bar, T* rows, T* barycentrics_bar) {
  const int64_t pixel = thread_index();
  const bool inside = pixel < in.pixels;
  const int32_t face = inside ? face_of(in, pixel, nullptr) : -1;
  T w[3] = {}, w_bar[3] = {};
  for (int k = 0; k < 3 && face >= 0; ++k) w[k] = in.barycentrics[3 * pixel + k];
  for (int64_t first = 0; first < in.channels; first += kColumns) {
    const int columns = in.channels - first < kColumns ? int(in.channels - first) : kColumns;
    T g[3 * kColumns] = {};
#pragma unroll
    for (int j = 0; j < kColumns; ++j) {
      if (j >= columns || face < 0) continue;
      const T bar = values_bar[in.channels * pixel + first + j];
#pragma unroll
      for (int k = 0; k < 3; ++k) {
        w_bar[k] += bar * in.attributes[in.channels * in.corners[3 * int64_t(face) + k] + first + j];
        g[kColumns * k + j] = w[k] * bar;
      }
    }
    if (attributes_bar) add_to_vertices<kColumns>(in.corners, face, g, columns, in.channels, attributes_bar + first);
    if (rows && inside)
#pragma unroll
      for (int k = 0; k < 3 * kColumns; ++k)
        if (k % kColumns < columns) rows[in.channels * (3 * pixel + k / kColumns) + first + k % kColumns] = g[k];
  }
  for (int k = 0; k < 3 && inside; ++k) barycentrics_bar[3 * pixel + k] = w_bar[k];
}

}  // namespace

template <class T> void interpolate(const InterpolateInput<T>& in, T* values, int64_t* wrong) {
  const int64_t count = in.pixels * in.channels;
  launch(count <= int64_t(UINT32_MAX) ? carry<T, uint32_t> : carry<T, uint64_t>, blocks_for(count, kThreads), kThreads, 0, in, values, wrong);
}
template <class T> void interpolate_backward(const InterpolateInput<T>& in, const T* values_bar, T* attributes_bar, T* barycentrics_bar) {
  launch(pull<T>, blocks_for(in.pixels, kThreads), kThreads, 0, in, values_bar, attributes_bar, nullptr, barycentrics_bar);
}
template <class T> void interpolate_rows(const InterpolateInput<T>& in, const T* values_bar, T* rows, T* barycentrics_bar) {
  launch(pull<T>, blocks_for(in.pixels, kThreads), kThreads, 0, in, values_bar, nullptr, rows, barycentrics_bar);
}

#define GK_INSTANTIATE(T)                                                                        \
  template void interpolate(const InterpolateInput<T>&, T*, int64_t*);                           \
  template void interpolate_backward(const InterpolateInput<T>&, const T*, T*, T*);              \
  template void interpolate_rows(const InterpolateInput<T>&, const T*, T*, T*);
GK_INSTANTIATE(float)
GK_INSTANTIATE(double)
#undef GK_INSTANTIATE

}  // namespace gk::cuda
