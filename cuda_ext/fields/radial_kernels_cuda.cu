// The gradients by kernels: a warp a piece of a kernel's list of queries, a lane a query at a time, sums in registers; then
// the pieces of each kernel in their order. Lists of any length are so the work of as many warps as they need.
#include "../cuda/search.h"
#include "../cuda/warp.h"
#include "radial_pair_cuda.h"

namespace gk::cuda {
namespace {

constexpr int kThreads = 128;

__host__ __device__ constexpr int power_of_two(int n) { return n <= 1 ? 1 : 2 * power_of_two((n + 1) / 2); }

// Sums values over the warp and writes the first `count` of them.
template <int N, class T> __device__ __forceinline__ void write_sums(T (&values)[N], int count, T* to) {
  const T total = warp_sums(values);
  const int lane = threadIdx.x % 32, place = lane / (32 / N);
  if (lane % (32 / N) == 0 && place < count) to[place] = total;
}

template <int D, int Order, Kind K, bool Shapes, class T>
__global__ void __launch_bounds__(kThreads) pull_pieces(RadialInput<T> in, PairLists pairs, PairPieces pieces, T* partial) {
  using Pair = gk::cuda::Pair<D, Order, K, T>;
  constexpr int kParts = Pair::kParts, kTile = D == 3 ? 4 : 8, kShape = Shapes ? Pair::kShape : 0;
  const int64_t piece = thread_index() / 32, channels = in.channels, room = quads(channels);
  if (piece >= pieces.starts[in.kernels]) return;
  const int64_t kernel = last_not_above(pieces.starts, in.kernels, piece);
  const int64_t begin = pairs.offsets[kernel] + (piece - pieces.starts[kernel]) * pieces.length;
  const int64_t last = pairs.offsets[kernel + 1], end = begin + pieces.length < last ? begin + pieces.length : last;
  const T inverse = T(1) / in.support2, *row = in.table + kernel * (Pair::kRoom + room);
  T* to = partial + piece * (kShape + channels);
  T by_shape[power_of_two(Pair::kShape)] = {};
  Pair pair;
  pair.read_shape(row);

  for (int64_t first = 0; first < channels; first += kTile) {
    T w[kTile] = {}, by_feature[kTile] = {};
#pragma unroll
    for (int quad = 0; quad < kTile; quad += 4)
      if (first + quad < channels) read<4>(row + Pair::kRoom + first + quad, w + quad);
    for (int64_t i = begin + threadIdx.x % 32; i < end; i += 32) {
      const T* query = in.rows + pairs.ids[i] * (4 + kParts * room);
      T x[4], jet[kParts], bar[kParts] = {};
      read<4>(query, x);
      pair.template meet<Order + Shapes>(in.profile, inverse, x);
      pair.jet(jet);
#pragma unroll
      for (int quad = 0; quad < kTile; quad += 4) {
        if (first + quad >= channels) break;
        T from[kParts][4];
        for (int p = 0; p < kParts; ++p) read<4>(query + 4 + p * room + first + quad, from[p]);
#pragma unroll
        for (int j = 0; j < 4; ++j) {
          T sine[kParts], weighted[kParts];
          const bool plain = !in.frequencies;
          if (!plain && first + quad + j >= channels) break;
          if (!plain) sine_jet(jet, Order, D, in.frequencies[first + quad + j], sine);
          for (int p = 0; p < kParts; ++p) {
            by_feature[quad + j] += from[p][j] * (plain ? jet[p] : sine[p]);
            weighted[p] = w[quad + j] * from[p][j];
            if (Shapes && plain) bar[p] += weighted[p];
          }
          if (Shapes && !plain) add_sine_jet_vjp(jet, Order, D, in.frequencies[first + quad + j], weighted, bar);
        }
      }
      if constexpr (Shapes) {
        const JetBar<D, T> by = pair.pull(bar);
#pragma unroll
        for (int k = 0; k < D; ++k) by_shape[k] -= by.x[k];
#pragma unroll
        for (int k = 0; k < packed_size(D); ++k) by_shape[D + k] += by.a[k];
        if constexpr (K == Kind::kWaves) {
          T* by_wave = by_shape + D + packed_size(D);
#pragma unroll
          for (int k = 0; k < D; ++k) by_wave[k] += by.wave[k] * T(6.283185307179586);
          by_wave[D] += by.phase;
        }
      }
    }
    write_sums(by_feature, int(channels - first < kTile ? channels - first : kTile), to + kShape + first);
  }
  if constexpr (Shapes) write_sums(by_shape, kShape, to);
}

// One thread a value of the gradient.
template <class T>
__global__ void __launch_bounds__(kThreads) add_pieces(const int64_t* starts, int64_t kernels, int columns, const T* partial, T* table_bar) {
  const int64_t i = thread_index(), kernel = i / columns, column = i % columns;
  if (kernel >= kernels) return;
  T sum = T(0);
  for (int64_t piece = starts[kernel]; piece < starts[kernel + 1]; ++piece) sum += partial[piece * columns + column];
  table_bar[i] = sum;
}

}  // namespace

template <class T>
void radial_kernels_backward(const RadialInput<T>& in, const PairLists& pairs, const PairPieces& pieces, bool shapes, T* partial,
                             T* table_bar) {
  const unsigned blocks = blocks_for(32 * pieces.most, kThreads);
  for_pair(in, [&](auto d, auto order, auto kind) {
    const auto kernel = shapes ? pull_pieces<d(), order(), kind(), true, T> : pull_pieces<d(), order(), kind(), false, T>;
    launch(kernel, blocks, kThreads, 0, in, pairs, pieces, partial);
  });
  const int64_t columns = (shapes ? in.shape_width() : 0) + in.channels;
  launch(add_pieces<T>, blocks_for(in.kernels * columns, kThreads), kThreads, 0, pieces.starts, in.kernels, columns, partial, table_bar);
}

#define GK_INSTANCES(T) \
  template void radial_kernels_backward(const RadialInput<T>&, const PairLists&, const PairPieces&, bool, T*, T*);
GK_INSTANCES(float)
GK_INSTANCES(double)
#undef GK_INSTANCES

}  // namespace gk::cuda
