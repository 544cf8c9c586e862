#include "fiber_convolution.h"

#include <algorithm>

#include "../cpu/parallel.h"
#include "registers.h"

namespace gk {
namespace {

constexpr int64_t kLine = 16;    // values that one prefetch brings
constexpr int64_t kNear = 8192;  // weights of a row that stay in the first cache while a node's edges pass

// One tile of one edge: the kernel is summed in registers, multiplied by the features and added to the result.
template <class R, int Rows, int Vectors, class T>
GK_INLINE void add_message(int64_t channels, int64_t functions, int64_t count, const T* profiles, const T* weights,
                           const T* features, const T* next_features, T* out) {
  typename R::Vector kernel[Rows][Vectors];
  GK_UNROLL
  for (int r = 0; r < Rows; ++r)
    GK_UNROLL
    for (int v = 0; v < Vectors; ++v) {
      kernel[r][v] = typename R::Vector{};
      __builtin_prefetch(next_features + r * channels + v * R::kWidth);
    }
  for (int64_t l = 0; l < count; ++l) {
    typename R::Vector weight[Vectors];
    GK_UNROLL
    for (int v = 0; v < Vectors; ++v) weight[v] = R::load(weights + l * channels + v * R::kWidth);
    GK_UNROLL
    for (int r = 0; r < Rows; ++r)
      GK_UNROLL
      for (int v = 0; v < Vectors; ++v) kernel[r][v] = kernel[r][v] + weight[v] * profiles[r * functions + l];
  }
  GK_UNROLL
  for (int r = 0; r < Rows; ++r)
    GK_UNROLL
    for (int v = 0; v < Vectors; ++v) {
      const int64_t at = r * channels + v * R::kWidth;
      R::store(out + at, R::load(out + at) + kernel[r][v] * R::load(features + at));
    }
}

// What the next edge needs may lie anywhere: it is asked for while this edge is at work.
template <class R, class T>
GK_INLINE void receive(const FiberInput<T>& in, const Groups& by_receiver, int64_t node, T* out) {
  const int64_t channels = in.channels, functions = in.functions, size = in.orientations * channels;
  const int64_t block = std::max<int64_t>(kNear / channels, 1);
  std::fill_n(out, size, T(0));
  for (int64_t first = 0; first < functions; first += block) {
    const int64_t count = std::min(block, functions - first);
    for (int64_t j = by_receiver.offsets[node]; j < by_receiver.offsets[node + 1]; ++j) {
      const int64_t e = by_receiver.order[j], next = by_receiver.order[std::min(j + 1, in.edges - 1)];
      const T *features = in.features + in.senders[e] * size, *next_features = in.features + in.senders[next] * size;
      const T* weights = in.weights + (in.rows[e] * functions + first) * channels;
      const T* profiles = in.profiles + e * in.orientations * functions + first;
      const T* next_profiles = in.profiles + next * in.orientations * functions + first;
      each_row_tile(in.orientations, [&](int64_t o, auto rows) GK_INLINE_LAMBDA {
        if (count >= kLine)
          for (int64_t r = o; r < o + rows; ++r)
            for (int64_t l = 0; l < count; l += kLine) __builtin_prefetch(next_profiles + r * functions + l);
        each_channel_tile<R>(channels, [&](int64_t c, auto vectors) GK_INLINE_LAMBDA {
          const int64_t at = o * channels + c;
          add_message<R, rows.value, vectors.value>(channels, functions, count, profiles + o * functions, weights + c,
                                                    features + at, next_features + at, out + at);
        });
      });
    }
  }
}

#define GK_RECEIVE(BYTES)                                                                               \
  void receive_at(const FiberInput<float>& in, const Groups& by_receiver, int64_t node, float* out) {   \
    receive<Register<float, BYTES>>(in, by_receiver, node, out);                                        \
  }
GK_FOR_EACH_WIDTH(GK_RECEIVE)
#undef GK_RECEIVE
void receive_at(const FiberInput<double>& in, const Groups& by_receiver, int64_t node, double* out) {
  receive<Register<double, 16>>(in, by_receiver, node, out);
}

}  // namespace

template <class T> void fiber_convolution(const FiberInput<T>& in, const Groups& by_receiver, T* out) {
  const int64_t size = in.orientations * in.channels;
#pragma omp parallel for schedule(dynamic, 8) if (in.edges * in.functions * size > 16 * kParallelWork)
  for (int64_t node = 0; node < by_receiver.count; ++node) receive_at(in, by_receiver, node, out + node * size);
}

template void fiber_convolution(const FiberInput<float>&, const Groups&, float*);
template void fiber_convolution(const FiberInput<double>&, const Groups&, double*);

}  // namespace gk
