#include <algorithm>

#include "../cpu/aligned.h"
#include "../cpu/parallel.h"
#include "radial_stages.h"

// Sixteen queries side by side, each going through its own list of kernels.

namespace gk {
namespace {

constexpr int64_t kTask = 512;  // queries that a task takes

template <class T> struct QueryGroup {
  int64_t first, here;  // the first query, and how many there are
  const int32_t* ids;
  int32_t begin[kLanes], last[kLanes], count[kLanes], most;
  Lanes<T> x[3];
  Chunk<T> chunk;
};

template <class T>
GK_INLINE void start_group(const RadialInput<T>& in, const PairLists& pairs, int64_t first, QueryGroup<T>& g) {
  g.first = first, g.here = std::min<int64_t>(kLanes, in.queries - first);
  g.ids = pairs.ids + pairs.offsets[first], g.most = 0;
  T x[3][kLanes];
  for (int lane = 0; lane < kLanes; ++lane) {
    const int64_t q = first + std::min<int64_t>(lane, g.here - 1);
    const int32_t count = lane < g.here ? int32_t(pairs.offsets[q + 1] - pairs.offsets[q]) : 0;
    g.begin[lane] = count ? int32_t(pairs.offsets[q] - pairs.offsets[first]) : 0;
    g.count[lane] = count, g.last[lane] = std::max(count - 1, 0), g.most = std::max(g.most, count);
    for (int k = 0; k < in.dimension; ++k) x[k][lane] = in.rows[q * in.dimension + k];
  }
  for (int k = 0; k < in.dimension; ++k) g.x[k] = load(x[k]);
}

// The places of `steps` pairs of each query from the pair `from` on; a query without more is far away from its last.
template <class T> GK_INLINE void fill_places(const RadialInput<T>& in, int32_t from, int steps, QueryGroup<T>& g) {
  const int d = in.dimension, size = packed_size(d);
  const int32_t width = int32_t(in.width());
  const T far = far_away(in);
  Chunk<T>& c = g.chunk;
  for (int j = 0; j < steps; ++j) {
    int32_t* at = c.at[j];
    T more[kLanes];
    for (int lane = 0; lane < kLanes; ++lane) {
      at[lane] = g.ids[g.begin[lane] + std::min(from + j, g.last[lane])] * width;
      more[lane] = from + j < g.count[lane] ? T(1) : T(0);
    }
    const Lanes<T> live = load(more);
    for (int k = 0; k < d; ++k) c.y[k][j] = g.x[k] - gather(in.table + k, at);
    for (int k = 0; k < size; ++k) c.a[k][j] = gather(in.table + d + k, at);
    c.y[0][j] = select(live > Lanes<T>(T(0)), c.y[0][j], Lanes<T>(far));
    c.a[0][j] = select(live > Lanes<T>(T(0)), c.a[0][j], Lanes<T>(T(1)));
    for (int k = 0; in.waves && k <= d; ++k) c.wave[k][j] = gather(in.table + d + size + k, at);
  }
}

// sums (C,) += feature times jet; where there are no frequencies a jet serves all channels.
template <int Parts, class T>
GK_INLINE void add_channels(const RadialInput<T>& in, int steps, const Chunk<T>& chunk, Lanes<T>* sums) {
  const T* features = in.table + in.shape_width();
  for (int64_t f = 0; f < in.channels; ++f) {
    Lanes<T> part[Parts];
    for (int p = 0; p < Parts; ++p) part[p] = sums[p * in.channels + f];
    for (int j = 0; j < steps; ++j) {
      const Lanes<T> w = gather(features + f, chunk.at[j]);
      for (int p = 0; p < Parts; ++p) part[p] = part[p] + w * chunk.jet[p][j];
    }
    for (int p = 0; p < Parts; ++p) sums[p * in.channels + f] = part[p];
  }
}

template <class T>
GK_INLINE void add_sines(const RadialInput<T>& in, int steps, const Chunk<T>& chunk, Lanes<T>* sums) {
  const T* features = in.table + in.shape_width();
  const int parts = in.parts();
  for (int j = 0; j < steps; ++j) {
    Lanes<T> jet[kMostParts], sine[kMostParts];
    take_step(chunk.jet, parts, j, jet);
    for (int64_t f = 0; f < in.channels; ++f) {
      sine_jet(jet, in.order, in.dimension, in.frequencies[f], sine);
      const Lanes<T> w = gather(features + f, chunk.at[j]);
      for (int p = 0; p < parts; ++p) sums[p * in.channels + f] = sums[p * in.channels + f] + w * sine[p];
    }
  }
}

template <class T>
GK_INLINE void sum_group(const RadialInput<T>& in, QueryGroup<T>& g, T* out, Lanes<T>* sums) {
  const int64_t outputs = in.outputs();
  for (int64_t c = 0; c < outputs; ++c) sums[c] = Lanes<T>(T(0));
  for (int32_t from = 0; from < g.most; from += kSteps) {
    const int steps = std::min<int32_t>(kSteps, g.most - from);
    fill_places(in, from, steps, g);
    fill_profiles(in, in.order, steps, g.chunk);
    fill_jets(in, steps, g.chunk);
    if (in.frequencies) {
      add_sines(in, steps, g.chunk, sums);
      continue;
    }
    switch (in.parts()) {
      case 1: add_channels<1>(in, steps, g.chunk, sums); break;
      case 2: add_channels<2>(in, steps, g.chunk, sums); break;
      case 3: add_channels<3>(in, steps, g.chunk, sums); break;
      case 4: add_channels<4>(in, steps, g.chunk, sums); break;
      default: add_channels<5>(in, steps, g.chunk, sums);
    }
  }
  for (int64_t c = 0; c < outputs; ++c) {
    T values[kLanes];
    store(values, sums[c]);
    for (int64_t lane = 0; lane < g.here; ++lane) out[(g.first + lane) * outputs + c] = values[lane];
  }
}

// The gradient by the jets: the sum over the channels of feature times gradient by the outputs, `bars` (C,).
template <class T>
GK_INLINE void fill_bars(const RadialInput<T>& in, int steps, Chunk<T>& chunk, const Lanes<T>* bars) {
  const T* features = in.table + in.shape_width();
  const int parts = in.parts();
  for (int j = 0; j < steps; ++j) {
    Lanes<T> jet[kMostParts], bar[kMostParts], from[kMostParts];
    if (in.frequencies) take_step(chunk.jet, parts, j, jet);
    for (int p = 0; p < parts; ++p) bar[p] = Lanes<T>(T(0));
    for (int64_t f = 0; f < in.channels; ++f) {
      const Lanes<T> w = gather(features + f, chunk.at[j]);
      for (int p = 0; p < parts; ++p) from[p] = w * bars[p * in.channels + f];
      if (in.frequencies) add_sine_jet_vjp(jet, in.order, in.dimension, in.frequencies[f], from, bar);
      else
        for (int p = 0; p < parts; ++p) bar[p] = bar[p] + from[p];
    }
    for (int p = 0; p < parts; ++p) chunk.bar[p][j] = bar[p];
  }
}

template <class T>
GK_INLINE void pull_group(const RadialInput<T>& in, QueryGroup<T>& g, const T* out_bar, T* x_bar, Lanes<T>* bars) {
  const int64_t outputs = in.outputs();
  Lanes<T> sums[kMostShape];
  for (auto& sum : sums) sum = Lanes<T>(T(0));
  for (int64_t c = 0; c < outputs; ++c) {
    T values[kLanes];
    for (int64_t lane = 0; lane < kLanes; ++lane)
      values[lane] = out_bar[(g.first + std::min(lane, g.here - 1)) * outputs + c];
    bars[c] = load(values);
  }
  for (int32_t from = 0; from < g.most; from += kSteps) {
    const int steps = std::min<int32_t>(kSteps, g.most - from);
    fill_places(in, from, steps, g);
    fill_profiles(in, in.order + 1, steps, g.chunk);
    if (in.frequencies) fill_jets(in, steps, g.chunk);
    fill_bars(in, steps, g.chunk, bars);
    pull_jets(in, steps, g.chunk, sums);
  }
  for (int k = 0; k < in.dimension; ++k) {
    T values[kLanes];
    store(values, sums[k]);
    for (int64_t lane = 0; lane < g.here; ++lane) x_bar[(g.first + lane) * in.dimension + k] = values[lane];
  }
}

template <class T>
GK_INLINE void each_group(const RadialInput<T>& in, const PairLists& pairs, int64_t begin, int64_t end,
                          const T* out_bar, T* out, Lanes<T>* scratch) {
  QueryGroup<T> g;
  for (int64_t first = begin; first < end; first += kLanes) {
    start_group(in, pairs, first, g);
    if (out_bar) pull_group(in, g, out_bar, out, scratch);
    else sum_group(in, g, out, scratch);
  }
}

GK_MULTIVERSION void run(const RadialInput<float>& in, const PairLists& pairs, int64_t begin, int64_t end,
                         const float* out_bar, float* out, Lanes<float>* scratch) {
  each_group(in, pairs, begin, end, out_bar, out, scratch);
}
void run(const RadialInput<double>& in, const PairLists& pairs, int64_t begin, int64_t end, const double* out_bar,
         double* out, Lanes<double>* scratch) {
  each_group(in, pairs, begin, end, out_bar, out, scratch);
}

template <class T>
void run_all(const RadialInput<T>& in, const PairLists& pairs, const T* out_bar, T* out) {
  const int64_t tasks = (in.queries + kTask - 1) / kTask;
#pragma omp parallel if (16 * pairs.offsets[in.queries] > kParallelWork)
  {
    AlignedVector<Lanes<T>> scratch(in.outputs());
#pragma omp for schedule(dynamic, 1)
    for (int64_t i = 0; i < tasks; ++i)
      run(in, pairs, i * kTask, std::min((i + 1) * kTask, in.queries), out_bar, out, scratch.data());
  }
}

}  // namespace

template <class T> void radial_sum(const RadialInput<T>& in, const PairLists& pairs, T* out) {
  run_all<T>(in, pairs, nullptr, out);
}
template <class T>
void radial_queries_backward(const RadialInput<T>& in, const PairLists& pairs, const T* out_bar, T* x_bar) {
  run_all(in, pairs, out_bar, x_bar);
}

template void radial_sum(const RadialInput<float>&, const PairLists&, float*);
template void radial_sum(const RadialInput<double>&, const PairLists&, double*);
template void radial_queries_backward(const RadialInput<float>&, const PairLists&, const float*, float*);
template void radial_queries_backward(const RadialInput<double>&, const PairLists&, const double*, double*);

}  // namespace gk
