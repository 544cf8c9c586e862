// Values, gradients and Laplacians at queries: one thread a query, or several where there are few queries. Threads take
// queries in an order in which neighbours follow each other, so that a warp reads the same kernels, most from the cache,
// and its lists are of about one length. A jet serves up to 4 kQuads channels; for more it is made again.
#include "../cuda/warp.h"
#include "radial_pair_cuda.h"

namespace gk::cuda {
namespace {

constexpr int kThreads = 128;
constexpr int64_t kEnough = 1 << 17;  // threads that fill a large device

template <int D, int Order, Kind K, int Quads, class T>
__global__ void __launch_bounds__(kThreads)
    sum(RadialInput<T> in, PairLists pairs, const int32_t* order, int tiles, int share, T* out) {
  using Pair = gk::cuda::Pair<D, Order, K, T>;
  constexpr int kParts = Pair::kParts, kTile = 4 * Quads;
  const int channels = int(in.channels), first = int(blockIdx.x % tiles) * kTile, lanes = 1 << share, lane = threadIdx.x & (lanes - 1);
  const int64_t item = (int64_t(blockIdx.x / tiles) * kThreads + threadIdx.x) >> share, room = Pair::kRoom + quads(channels);
  const bool live = item < in.queries;
  const int64_t q = live ? order[item] : 0;
  const int begin = live ? int(pairs.offsets[q]) : 0, end = live ? int(pairs.offsets[q + 1]) : 0;
  const T inverse = T(1) / in.support2;
  T x[D], sums[kParts][kTile] = {};
  for (int k = 0; k < D; ++k) x[k] = live ? in.rows[q * D + k] : T(0);

  for (int i = begin + lane; i < end; i += lanes) {
    const T* row = in.table + pairs.ids[i] * room;
    Pair pair;
    T jet[kParts];
    pair.read_shape(row);
    pair.template meet<Order>(in.profile, inverse, x);
    pair.jet(jet);
#pragma unroll
    for (int quad = 0; quad < kTile; quad += 4) {
      if (first + quad >= channels) break;
      T w[4];
      read<4>(row + Pair::kRoom + first + quad, w);
#pragma unroll
      for (int j = 0; j < 4; ++j) {
        if (!in.frequencies) {
          for (int p = 0; p < kParts; ++p) sums[p][quad + j] += w[j] * jet[p];
        } else if (first + quad + j < channels) {
          T sine[kParts];
          sine_jet(jet, Order, D, in.frequencies[first + quad + j], sine);
          for (int p = 0; p < kParts; ++p) sums[p][quad + j] += w[j] * sine[p];
        }
      }
    }
  }
  for (int flip = lanes / 2; flip; flip /= 2)
    for (int p = 0; p < kParts; ++p)
      for (int c = 0; c < kTile; ++c) sums[p][c] += __shfl_xor_sync(kWholeWarp, sums[p][c], flip);
  if (!live || lane) return;
  T* to = out + q * kParts * channels + first;
  for (int p = 0; p < kParts; ++p)
    for (int c = 0; c < kTile; ++c)
      if (first + c < channels) to[p * channels + c] = sums[p][c];
}

template <int D, int Order, Kind K, class T>
__global__ void __launch_bounds__(kThreads)
    pull_queries(RadialInput<T> in, PairLists pairs, const int32_t* order, int share, const T* out_bar, T* x_bar) {
  using Pair = gk::cuda::Pair<D, Order, K, T>;
  constexpr int kParts = Pair::kParts, kTile = Order == 2 ? 4 : 8;
  const int channels = int(in.channels), lanes = 1 << share, lane = threadIdx.x & (lanes - 1);
  const int64_t item = thread_index() >> share, room = Pair::kRoom + quads(channels);
  const bool live = item < in.queries;
  const int64_t q = live ? order[item] : 0;
  const int begin = live ? int(pairs.offsets[q]) : 0, end = live ? int(pairs.offsets[q + 1]) : 0;
  const T inverse = T(1) / in.support2;
  T x[D], by_x[D] = {};
  for (int k = 0; k < D; ++k) x[k] = live ? in.rows[q * D + k] : T(0);

  for (int first = 0; first < channels; first += kTile) {
    T from[kParts][kTile];
    for (int p = 0; p < kParts; ++p)
      for (int c = 0; c < kTile; ++c)
        from[p][c] = live && first + c < channels ? out_bar[(q * kParts + p) * channels + first + c] : T(0);
    for (int i = begin + lane; i < end; i += lanes) {
      const T* row = in.table + pairs.ids[i] * room;
      Pair pair;
      T jet[kParts] = {}, bar[kParts] = {};
      pair.read_shape(row);
      pair.template meet<Order + 1>(in.profile, inverse, x);
      if (in.frequencies) pair.jet(jet);
#pragma unroll
      for (int quad = 0; quad < kTile; quad += 4) {
        if (first + quad >= channels) break;
        T w[4];
        read<4>(row + Pair::kRoom + first + quad, w);
#pragma unroll
        for (int j = 0; j < 4; ++j) {
          T weighted[kParts];
          for (int p = 0; p < kParts; ++p) weighted[p] = w[j] * from[p][quad + j];
          if (!in.frequencies) {
            for (int p = 0; p < kParts; ++p) bar[p] += weighted[p];
          } else if (first + quad + j < channels) {
            add_sine_jet_vjp(jet, Order, D, in.frequencies[first + quad + j], weighted, bar);
          }
        }
      }
      const JetBar<D, T> by = pair.pull(bar);
      for (int k = 0; k < D; ++k) by_x[k] += by.x[k];
    }
  }
  for (int flip = lanes / 2; flip; flip /= 2)
    for (int k = 0; k < D; ++k) by_x[k] += __shfl_xor_sync(kWholeWarp, by_x[k], flip);
  if (!live || lane) return;
  for (int k = 0; k < D; ++k) x_bar[q * D + k] = by_x[k];
}

// 2^share threads go through a query's list together: more of them where queries are few and their lists long.
int share_for(int64_t queries, int64_t pairs) {
  int share = 0;
  while (share < 5 && queries << share < kEnough && queries << (share + 2) < pairs) ++share;
  return share;
}

}  // namespace

template <class T> void radial_sum(const RadialInput<T>& in, const PairLists& pairs, const int32_t* order, T* out) {
  for_pair(in, [&](auto d, auto o, auto kind) {
    const auto with = [&](auto n) {
      const int tiles = int((in.channels + 4 * n - 1) / (4 * n)), share = share_for(in.queries * tiles, pairs.pairs * tiles);
      const unsigned blocks = blocks_for(in.queries << share, kThreads) * tiles;
      launch(sum<d(), o(), kind(), n(), T>, blocks, kThreads, 0, in, pairs, order, tiles, share, out);
    };
    if constexpr (o() > 0) with(Number<2>());
    else if (in.channels > 4) with(Number<4>());
    else with(Number<1>());
  });
}

template <class T>
void radial_queries_backward(const RadialInput<T>& in, const PairLists& pairs, const int32_t* order, const T* out_bar, T* x_bar) {
  const int share = share_for(in.queries, pairs.pairs);
  const unsigned blocks = blocks_for(in.queries << share, kThreads);
  for_pair(in, [&](auto d, auto o, auto kind) {
    launch(pull_queries<d(), o(), kind(), T>, blocks, kThreads, 0, in, pairs, order, share, out_bar, x_bar);
  });
}

#define GK_INSTANCES(T)                                                                         \
  template void radial_sum(const RadialInput<T>&, const PairLists&, const int32_t*, T*);       \
  template void radial_queries_backward(const RadialInput<T>&, const PairLists&, const int32_t*, const T*, T*);
GK_INSTANCES(float)
GK_INSTANCES(double)
#undef GK_INSTANCES

}  // namespace gk::cuda
