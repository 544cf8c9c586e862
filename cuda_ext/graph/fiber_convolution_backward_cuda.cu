// The gradient by the weights: one thread sums up to 16 functions of 16 bytes of channels over the edges of a row. The gradient by
// the profiles: eight threads share the channels of four orientations and four functions of an edge.
//
// Both read features and out_bar once for 2 L + 1 operations each. Few functions are bound by these reads, from the second
// cache or memory; with dozens, 16 functions by 4 channels are 64 operations of a warp for the loads of 12 times 128 bytes.
#include "../cuda/warp.h"
#include "fiber_convolution.h"
#include "group_sums.h"

namespace gk::cuda {
namespace {

constexpr int kThreads = 128;
constexpr int kMostFunctions = 16;  // of a thread

template <int kFunctions, bool kPacked, class T>
__global__ void __launch_bounds__(kThreads)
    sum_weights(FiberInput<T> in, Groups groups, Cuts cuts, unsigned chunks, const T* out_bar, T* room, T* weights_bar) {
  constexpr int kSize = Pack<T>::kSize;
  const unsigned packs = unsigned(in.channels / kSize);
  int64_t number;
  unsigned item;
  if (!share_of(thread_index(), chunks * packs, groups.count + cuts.count, number, item)) return;
  const Task task = task_of(number, groups, in.rows, cuts);
  if (!task.first && task.begin == task.end) return;

  const int64_t C = in.channels, L = in.functions, size = in.orientations * C;
  const int64_t l = item / packs * kFunctions, c = item % packs * kSize;
  T sum[kFunctions][kSize] = {};
  int64_t next = task.begin < task.end ? groups.order[task.begin] : 0;
  for (int64_t j = task.begin; j < task.end; ++j) {
    const int64_t e = next;
    if (j + 1 < task.end) next = groups.order[j + 1];
    const T *features = in.features + in.senders[e] * size + c, *bars = out_bar + in.receivers[e] * size + c;
    const T* profiles = in.profiles + e * in.orientations * L + l;
#pragma unroll 4
    for (int64_t o = 0; o < in.orientations; ++o) {
      const Pack<T> feature = pack_at(features + o * C), bar = pack_at(bars + o * C);
      T profile[kFunctions];
      if constexpr (kPacked) {
        for (int k = 0; k < kFunctions; k += kSize) {
          Pack<T> pack = {};
          if (l + k < L) pack = pack_at(profiles + o * L + k);
          for (int v = 0; v < kSize; ++v) profile[k + v] = pack.v[v];
        }
      } else {
        for (int k = 0; k < kFunctions; ++k) profile[k] = l + k < L ? profiles[o * L + k] : T(0);
      }
#pragma unroll
      for (int v = 0; v < kSize; ++v) {
        const T kernel_bar = feature.v[v] * bar.v[v];
        for (int k = 0; k < kFunctions; ++k) sum[k][v] += profile[k] * kernel_bar;
      }
    }
  }
  T* to = place_of(task, number, groups.count, L * C, weights_bar, room) + l * C + c;
#pragma unroll
  for (int k = 0; k < kFunctions; ++k) {
    if (l + k >= L) break;
    Pack<T> pack;
    for (int v = 0; v < kSize; ++v) pack.v[v] = sum[k][v];
    *reinterpret_cast<Pack<T>*>(to + k * C) = pack;
  }
}

int64_t chunks_of(int64_t functions) { return (functions + kMostFunctions - 1) / kMostFunctions; }
Cuts cuts_for(int64_t edges, int64_t rows, int64_t functions, int64_t channels) {
  return cuts_of(edges, rows, chunks_of(functions) * channels / 4);
}

template <int kFunctions, class T>
void sum_all_weights(const FiberInput<T>& in, const Groups& groups, const Cuts& cuts, const T* out_bar, T* room, T* weights_bar) {
  constexpr int kSize = Pack<T>::kSize;
  const int64_t chunks = chunks_of(in.functions), threads = (groups.count + cuts.count) * chunks * (in.channels / kSize);
  const auto kernel = in.functions % kSize == 0 ? sum_weights<kFunctions, true, T> : sum_weights<kFunctions, false, T>;
  launch(kernel, blocks_for(threads, kThreads), kThreads, 0, in, groups, cuts, unsigned(chunks), out_bar, room, weights_bar);
}

constexpr int kLanes = 8;  // that share the channels
constexpr int kTile = 4;   // functions

// A team of kLanes threads for each edge, kRows orientations and kTile functions: teams of a warp share features, or weights.
template <int kRows, class T>
__global__ void __launch_bounds__(kThreads)
    sum_profiles(FiberInput<T> in, unsigned tiles, unsigned chunks, const T* out_bar, T* profiles_bar) {
  constexpr int kSize = Pack<T>::kSize;
  const int64_t team = thread_index() / kLanes, C = in.channels, L = in.functions, size = in.orientations * C;
  const int lane = threadIdx.x % kLanes;
  int64_t e;
  unsigned item;
  const bool inside = share_of(team, tiles * chunks, in.edges, e, item);
  const int64_t o = item / chunks * kRows, l = item % chunks * kTile;
  T sums[kRows * kTile] = {};
  if (inside) {
    const int64_t from = in.senders[e] * size + o * C, to = in.receivers[e] * size + o * C, row = (in.rows[e] * L + l) * C;
    for (int64_t c = lane * kSize; c < C; c += kLanes * kSize) {
      Pack<T> weights[kTile];
      for (int k = 0; k < kTile; ++k) weights[k] = pack_at(in.weights + row + min(int64_t(k), L - 1 - l) * C + c);
#pragma unroll
      for (int r = 0; r < kRows; ++r) {
        const int64_t at = min(int64_t(r), in.orientations - 1 - o) * C + c;
        const Pack<T> feature = pack_at(in.features + from + at), bar = pack_at(out_bar + to + at);
#pragma unroll
        for (int v = 0; v < kSize; ++v) {
          const T kernel_bar = feature.v[v] * bar.v[v];
          for (int k = 0; k < kTile; ++k) sums[r * kTile + k] += kernel_bar * weights[k].v[v];
        }
      }
    }
  }
  constexpr int kPair = 2 * kTile;  // two orientations: a sum for each lane
#pragma unroll
  for (int r = 0; r < kRows; r += 2) {
    T pair[kPair];
    for (int i = 0; i < kPair; ++i) pair[i] = sums[r * kTile + i];
    const T total = warp_sums<kPair, kLanes>(pair);
    const int64_t orientation = o + r + lane / kTile, function = l + lane % kTile;
    if (inside && orientation < in.orientations && function < L)
      profiles_bar[(e * in.orientations + orientation) * L + function] = total;
  }
}

template <int kRows, class T> void sum_all_profiles(const FiberInput<T>& in, const T* out_bar, T* profiles_bar) {
  const int64_t tiles = (in.orientations + kRows - 1) / kRows, chunks = (in.functions + kTile - 1) / kTile;
  const unsigned blocks = blocks_for(in.edges * tiles * chunks * kLanes, kThreads);
  launch(sum_profiles<kRows, T>, blocks, kThreads, 0, in, unsigned(tiles), unsigned(chunks), out_bar, profiles_bar);
}

}  // namespace

int64_t fiber_convolution_weights_room(int64_t edges, int64_t rows, int64_t functions, int64_t channels) {
  return cuts_for(edges, rows, functions, channels).count * functions * channels;
}

template <class T>
void fiber_convolution_weights(const FiberInput<T>& in, const Groups& by_row, const T* out_bar, T* room, T* weights_bar) {
  const Cuts cuts = cuts_for(in.edges, by_row.count, in.functions, in.channels);
  const int64_t chunks = chunks_of(in.functions);
  switch ((in.functions + 4 * chunks - 1) / (4 * chunks)) {
    case 1: sum_all_weights<4>(in, by_row, cuts, out_bar, room, weights_bar); break;
    case 2: sum_all_weights<8>(in, by_row, cuts, out_bar, room, weights_bar); break;
    case 3: sum_all_weights<12>(in, by_row, cuts, out_bar, room, weights_bar); break;
    default: sum_all_weights<16>(in, by_row, cuts, out_bar, room, weights_bar);
  }
  add_cuts(by_row, in.rows, cuts, in.functions * in.channels, room, weights_bar);
}

template <class T> void fiber_convolution_profiles(const FiberInput<T>& in, const T* out_bar, T* profiles_bar) {
  in.orientations > 2 ? sum_all_profiles<4>(in, out_bar, profiles_bar) : sum_all_profiles<2>(in, out_bar, profiles_bar);
}

template void fiber_convolution_weights(const FiberInput<float>&, const Groups&, const float*, float*, float*);
template void fiber_convolution_weights(const FiberInput<double>&, const Groups&, const double*, double*, double*);
template void fiber_convolution_profiles(const FiberInput<float>&, const float*, float*);
template void fiber_convolution_profiles(const FiberInput<double>&, const double*, double*);

}  // namespace gk::cuda
