#include <algorithm>

#include "../cpu/parallel.h"
#include "triangles.h"

namespace gk {
namespace {

constexpr int64_t kBlock = 4096;  // pixels a task covers

// The three rows of attributes that a pixel mixes; false where its face or a vertex is not there.
template <class T> inline bool corners_of(const InterpolateInput<T>& in, int64_t pixel, const int64_t*& corner) {
  const int64_t id = in.face_ids[pixel];
  if (id >= in.faces) return false;
  corner = in.corners + 3 * id;
  for (int k = 0; k < 3; ++k)
    if (uint64_t(corner[k]) >= uint64_t(in.vertices)) return false;
  return true;
}

// Calls visit(pixel, corners) for all pixels that see a face, and blank(pixel) for the others, side by side.
template <class T, class Visit, class Blank> int64_t each_pixel(const InterpolateInput<T>& in, Visit visit, Blank blank) {
  int64_t bad = in.pixels;
#pragma omp parallel for schedule(static) reduction(min : bad) if (in.pixels * (in.channels + 1) > kParallelWork)
  for (int64_t begin = 0; begin < in.pixels; begin += kBlock)
    for (int64_t i = begin; i < std::min(in.pixels, begin + kBlock); ++i) {
      const int64_t* corner;
      if (in.face_ids[i] < 0) blank(i);
      else if (corners_of(in, i, corner)) visit(i, corner);
      else bad = std::min(bad, i);
    }
  return bad;
}

}  // namespace

template <class T> void interpolate(const InterpolateInput<T>& in, T* values, int64_t* wrong) {
  const int64_t channels = in.channels;
  *wrong = each_pixel(
      in,
      [&](int64_t i, const int64_t* corner) {
        const T *w = in.barycentrics + 3 * i, *a = in.attributes + channels * corner[0], *b = in.attributes + channels * corner[1],
                *c = in.attributes + channels * corner[2];
        for (int64_t k = 0; k < channels; ++k) values[channels * i + k] = w[0] * a[k] + w[1] * b[k] + w[2] * c[k];
      },
      [&](int64_t i) { std::fill_n(values + channels * i, channels, T(0)); });
}

template <class T> void interpolate_backward(const InterpolateInput<T>& in, const T* values_bar, T* attributes_bar, T* barycentrics_bar) {
  const int64_t channels = in.channels;
  each_pixel(
      in,
      [&](int64_t i, const int64_t* corner) {
        for (int j = 0; j < 3; ++j) {
          T sum = 0;
          for (int64_t k = 0; k < channels; ++k) sum += values_bar[channels * i + k] * in.attributes[channels * corner[j] + k];
          barycentrics_bar[3 * i + j] = sum;
        }
      },
      [&](int64_t i) { std::fill_n(barycentrics_bar + 3 * i, 3, T(0)); });
  std::fill_n(attributes_bar, in.vertices * channels, T(0));
  // One pixel after the other: the same bits on any number of threads.
  for (int64_t i = 0; i < in.pixels; ++i) {
    const int64_t* corner;
    if (in.face_ids[i] < 0 || !corners_of(in, i, corner)) continue;
    for (int j = 0; j < 3; ++j) {
      T* row = attributes_bar + channels * corner[j];
      const T w = in.barycentrics[3 * i + j];
      for (int64_t k = 0; k < channels; ++k) row[k] += w * values_bar[channels * i + k];
    }
  }
}

template void interpolate(const InterpolateInput<float>&, float*, int64_t*);
template void interpolate(const InterpolateInput<double>&, double*, int64_t*);
template void interpolate_backward(const InterpolateInput<float>&, const float*, float*, float*);
template void interpolate_backward(const InterpolateInput<double>&, const double*, double*, double*);

}  // namespace gk
