#include <algorithm>

#include "../cpu/aligned.h"
#include "../cpu/parallel.h"
#include "radial_stages.h"

// One kernel with its queries, sixteen at a time.

namespace gk {
namespace {

constexpr int64_t kTask = 16;  // kernels that a task takes

template <class T>
GK_INLINE void fill_shape(const RadialInput<T>& in, const T* record, int steps, Chunk<T>& chunk) {
  const int d = in.dimension, size = packed_size(d);
  for (int j = 0; j < steps; ++j) {
    for (int k = 0; k < size; ++k) chunk.a[k][j] = Lanes<T>(record[d + k]);
    for (int k = 0; in.waves && k <= d; ++k) chunk.wave[k][j] = Lanes<T>(record[d + size + k]);
  }
}

// The places of up to steps times sixteen queries; beyond the last its row is taken again, far away.
template <class T>
GK_INLINE void fill_places(const RadialInput<T>& in, const T* record, const int32_t* ids, int64_t count, int steps,
                           Chunk<T>& chunk) {
  const int32_t width = int32_t(in.dimension + in.outputs());
  for (int j = 0; j < steps; ++j, ids += kLanes, count -= kLanes) {
    int32_t* at = chunk.at[j];
    if (count >= kLanes)
      for (int lane = 0; lane < kLanes; ++lane) at[lane] = ids[lane] * width;
    else
      for (int lane = 0; lane < kLanes; ++lane) at[lane] = ids[std::min<int64_t>(lane, count - 1)] * width;
    for (int k = 0; k < in.dimension; ++k) chunk.y[k][j] = gather(in.rows + k, at) - record[k];
    if (count < kLanes) {
      const Lanes<T> far(far_away(in) / record[in.dimension]);
      chunk.y[0][j] = select(lane_index<T>() < Lanes<T>(T(count)), chunk.y[0][j], far);
    }
  }
}

// Adds to the gradient by the features, and with Shapes fills chunk.bar with that by the jets.
template <int Parts, bool Shapes, class T>
GK_INLINE void add_channels(const RadialInput<T>& in, const T* features, int steps, Chunk<T>& chunk, Lanes<T>* sums) {
  const T* outputs = in.rows + in.dimension;
  if constexpr (Shapes) clear_bars(Parts, steps, chunk);
  for (int64_t f = 0; f < in.channels; ++f) {
    const Lanes<T> w(features[f]);
    Lanes<T> sum = sums[f];
    for (int j = 0; j < steps; ++j)
      for (int p = 0; p < Parts; ++p) {
        const Lanes<T> from = gather(outputs + p * in.channels + f, chunk.at[j]);
        sum = sum + from * chunk.jet[p][j];
        if constexpr (Shapes) chunk.bar[p][j] = chunk.bar[p][j] + w * from;
      }
    sums[f] = sum;
  }
}

template <class T>
GK_INLINE void add_sines(const RadialInput<T>& in, const T* features, bool shapes, int steps, Chunk<T>& chunk,
                         Lanes<T>* sums) {
  const T* outputs = in.rows + in.dimension;
  const int parts = in.parts();
  for (int j = 0; j < steps; ++j) {
    Lanes<T> jet[kMostParts], sine[kMostParts], from[kMostParts], bar[kMostParts];
    take_step(chunk.jet, parts, j, jet);
    for (int p = 0; p < parts; ++p) bar[p] = Lanes<T>(T(0));
    for (int64_t f = 0; f < in.channels; ++f) {
      sine_jet(jet, in.order, in.dimension, in.frequencies[f], sine);
      for (int p = 0; p < parts; ++p) {
        from[p] = gather(outputs + p * in.channels + f, chunk.at[j]);
        sums[f] = sums[f] + from[p] * sine[p];
        from[p] = from[p] * features[f];
      }
      if (shapes) add_sine_jet_vjp(jet, in.order, in.dimension, in.frequencies[f], from, bar);
    }
    for (int p = 0; p < parts; ++p) chunk.bar[p][j] = bar[p];
  }
}

template <bool Shapes, class T>
GK_INLINE void add_any(const RadialInput<T>& in, const T* features, int steps, Chunk<T>& chunk, Lanes<T>* sums) {
  if (in.frequencies) return add_sines(in, features, Shapes, steps, chunk, sums);
  switch (in.parts()) {
    case 1: return add_channels<1, Shapes>(in, features, steps, chunk, sums);
    case 2: return add_channels<2, Shapes>(in, features, steps, chunk, sums);
    case 3: return add_channels<3, Shapes>(in, features, steps, chunk, sums);
    case 4: return add_channels<4, Shapes>(in, features, steps, chunk, sums);
    default: return add_channels<5, Shapes>(in, features, steps, chunk, sums);
  }
}

template <class T>
GK_INLINE void pull_kernel(const RadialInput<T>& in, const PairLists& pairs, bool shapes, int64_t kernel, T* table_bar,
                           Chunk<T>& chunk, Lanes<T>* sums) {
  const int64_t shape = shapes ? in.shape_width() : 0, written = shape + in.channels;
  const T *record = in.table + kernel * in.width(), *features = record + in.shape_width();
  const int64_t begin = pairs.offsets[kernel], count = pairs.offsets[kernel + 1] - begin;
  Lanes<T> by[kMostShape];
  for (auto& sum : by) sum = Lanes<T>(T(0));
  for (int64_t f = 0; f < in.channels; ++f) sums[f] = Lanes<T>(T(0));
  for (int64_t from = 0; from < count; from += kSteps * kLanes) {
    const int steps = int(std::min<int64_t>(kSteps, (count - from + kLanes - 1) / kLanes));
    if (from == 0) fill_shape(in, record, steps, chunk);
    fill_places(in, record, pairs.ids + begin + from, count - from, steps, chunk);
    fill_profiles(in, in.order + shapes, steps, chunk);
    fill_jets(in, steps, chunk);
    if (shapes) {
      add_any<true>(in, features, steps, chunk, sums);
      pull_jets(in, steps, chunk, by);
    } else {
      add_any<false>(in, features, steps, chunk, sums);
    }
  }
  T* to = table_bar + kernel * written;
  for (int64_t i = 0; i < shape; ++i) to[i] = i < in.dimension ? -sum(by[i]) : sum(by[i]);
  for (int64_t f = 0; f < in.channels; ++f) to[shape + f] = sum(sums[f]);
}

template <class T>
GK_INLINE void pull_kernels(const RadialInput<T>& in, const PairLists& pairs, bool shapes, int64_t begin, int64_t end,
                            T* table_bar, Lanes<T>* sums) {
  Chunk<T> chunk;
  for (int64_t kernel = begin; kernel < end; ++kernel) pull_kernel(in, pairs, shapes, kernel, table_bar, chunk, sums);
}

GK_MULTIVERSION void run(const RadialInput<float>& in, const PairLists& pairs, bool shapes, int64_t begin, int64_t end,
                         float* table_bar, Lanes<float>* sums) {
  pull_kernels(in, pairs, shapes, begin, end, table_bar, sums);
}
void run(const RadialInput<double>& in, const PairLists& pairs, bool shapes, int64_t begin, int64_t end,
         double* table_bar, Lanes<double>* sums) {
  pull_kernels(in, pairs, shapes, begin, end, table_bar, sums);
}

}  // namespace

template <class T>
void radial_kernels_backward(const RadialInput<T>& in, const PairLists& pairs, bool shapes, T* table_bar) {
  const int64_t tasks = (in.kernels + kTask - 1) / kTask;
#pragma omp parallel if (32 * pairs.offsets[in.kernels] > kParallelWork)
  {
    AlignedVector<Lanes<T>> sums(in.channels);
#pragma omp for schedule(dynamic, 1)
    for (int64_t i = 0; i < tasks; ++i)
      run(in, pairs, shapes, i * kTask, std::min((i + 1) * kTask, in.kernels), table_bar, sums.data());
  }
}

template void radial_kernels_backward(const RadialInput<float>&, const PairLists&, bool, float*);
template void radial_kernels_backward(const RadialInput<double>&, const PairLists&, bool, double*);

}  // namespace gk
