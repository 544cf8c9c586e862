// One thread sums one tile of what a receiver gets: some orientations of 16 bytes of channels. The kernel of an edge is in
// its registers.
//
// An edge costs 2 O C (L + 1) operations, for which O C features, O L profiles and L C weights are read from the second cache or
// memory. With four functions that is 2.5 operations a byte: gathering the features is all the time, so that neighbouring
// threads read neighbouring channels and the next edge's indices are read while this one is at work. With dozens of functions
// it is arithmetic: a load of weights serves all rows of the tile and one of profiles four channels, 4 rows x 4 channels = 16
// operations of a warp for loads of 4 + 1 times 128 bytes, which a multiprocessor makes in the time of 10 to 20.
#include <type_traits>

#include "fiber_convolution.h"
#include "group_sums.h"

namespace gk::cuda {
namespace {

constexpr int kThreads = 128;
constexpr int kMostRows = 4;  // orientations of a tile

struct Edge {
  int64_t number, sender, row;
};
template <class T> __device__ __forceinline__ Edge edge_at(const FiberInput<T>& in, int64_t e) {
  return {e, in.senders[e], in.rows[e]};
}

// kTogether functions at once: as many as a load of profiles brings, or one.
template <int kRows, int kTogether, class T>
__global__ void __launch_bounds__(kThreads) receive(FiberInput<T> in, Groups groups, Cuts cuts, unsigned tiles, T* room, T* out) {
  constexpr int kSize = Pack<T>::kSize;
  const unsigned packs = unsigned(in.channels / kSize);
  int64_t number;
  unsigned item;
  if (!share_of(thread_index(), tiles * packs, groups.count + cuts.count, number, item)) return;
  const Task task = task_of(number, groups, in.receivers, cuts);
  if (!task.first && task.begin == task.end) return;

  const int64_t C = in.channels, L = in.functions, size = in.orientations * C;
  const int64_t o = item / packs * kRows, c = item % packs * kSize;
  int row[kRows];  // of the tile; beyond the last orientation that one again
  for (int r = 0; r < kRows; ++r) row[r] = int(min(int64_t(r), in.orientations - 1 - o));
  T sum[kRows][kSize] = {};
  Edge next = {};
  if (task.begin < task.end) next = edge_at(in, groups.order[task.begin]);
  for (int64_t j = task.begin; j < task.end; ++j) {
    const Edge edge = next;
    if (j + 1 < task.end) next = edge_at(in, groups.order[j + 1]);
    Pack<T> features[kRows];
    const T* from = in.features + edge.sender * size + o * C + c;
    for (int r = 0; r < kRows; ++r) features[r] = pack_at(from + row[r] * C);
    const T *weights = in.weights + edge.row * L * C + c, *profiles = in.profiles + (edge.number * in.orientations + o) * L;
    T kernel[kRows][kSize] = {};
    for (int64_t l = 0; l < L; l += kTogether) {
      Pack<T> weight[kTogether];
#pragma unroll
      for (int k = 0; k < kTogether; ++k) weight[k] = pack_at(weights + (l + k) * C);
#pragma unroll
      for (int r = 0; r < kRows; ++r) {
        T profile[kTogether];
        const T* at = profiles + row[r] * L + l;
        if constexpr (kTogether == kSize) {
          const Pack<T> pack = pack_at(at);
          for (int k = 0; k < kTogether; ++k) profile[k] = pack.v[k];
        } else {
          profile[0] = *at;
        }
#pragma unroll
        for (int k = 0; k < kTogether; ++k)
          for (int v = 0; v < kSize; ++v) kernel[r][v] += profile[k] * weight[k].v[v];
      }
    }
    for (int r = 0; r < kRows; ++r)
      for (int v = 0; v < kSize; ++v) sum[r][v] += kernel[r][v] * features[r].v[v];
  }
  T* to = place_of(task, number, groups.count, size, out, room) + o * C + c;
  for (int r = 0; r < kRows; ++r) {
    if (o + r >= in.orientations) break;
    Pack<T> pack;
    for (int v = 0; v < kSize; ++v) pack.v[v] = sum[r][v];
    *reinterpret_cast<Pack<T>*>(to + r * C) = pack;
  }
}

int64_t tiles_of(int64_t orientations) { return (orientations + kMostRows - 1) / kMostRows; }
Cuts cuts_for(int64_t edges, int64_t receivers, int64_t orientations, int64_t channels) {
  return cuts_of(edges, receivers, tiles_of(orientations) * channels / 4);
}

template <int kRows, class T> void receive_all(const FiberInput<T>& in, const Groups& groups, const Cuts& cuts, T* room, T* out) {
  constexpr int kSize = Pack<T>::kSize;
  const int64_t tiles = tiles_of(in.orientations), threads = (groups.count + cuts.count) * tiles * (in.channels / kSize);
  const auto kernel = in.functions % kSize == 0 ? receive<kRows, kSize, T> : receive<kRows, 1, T>;
  launch(kernel, blocks_for(threads, kThreads), kThreads, 0, in, groups, cuts, unsigned(tiles), room, out);
}

}  // namespace

int64_t fiber_convolution_room(int64_t edges, int64_t receivers, int64_t orientations, int64_t channels) {
  return cuts_for(edges, receivers, orientations, channels).count * orientations * channels;
}

template <class T> void fiber_convolution(const FiberInput<T>& in, const Groups& by_receiver, T* room, T* out) {
  const Cuts cuts = cuts_for(in.edges, by_receiver.count, in.orientations, in.channels);
  const int64_t tiles = tiles_of(in.orientations);
  switch ((in.orientations + tiles - 1) / tiles) {  // rows as even as can be
    case 1: receive_all<1>(in, by_receiver, cuts, room, out); break;
    case 2: receive_all<2>(in, by_receiver, cuts, room, out); break;
    case 3: receive_all<3>(in, by_receiver, cuts, room, out); break;
    default: receive_all<4>(in, by_receiver, cuts, room, out);
  }
  add_cuts(by_receiver, in.receivers, cuts, in.orientations * in.channels, room, out);
}

template void fiber_convolution(const FiberInput<float>&, const Groups&, float*, float*);
template void fiber_convolution(const FiberInput<double>&, const Groups&, double*, double*);

}  // namespace gk::cuda
