#include <type_traits>

#include "rasterize_tile_cuda.h"

namespace gk::cuda {
namespace {

constexpr int kPixels = 2;  // of a lane: what is read of a splat, and its waves' phases, serve both
constexpr int kThreads = 32 * (8 / kPixels);
constexpr int kBatch = 128;  // list entries
constexpr int kManyChannels = 32;  // that a block blends at once where there are more than four

// Channels [first_channel, first_channel + kChannels) of the picture; with the first come transmittance and median.
template <class T, int kChannels, int kWaves>
__global__ void __launch_bounds__(kThreads) forward(RasterInput<T> in, const int32_t* ids, RasterOutput<T> out, int32_t* ends) {
  constexpr bool kFew = kChannels <= kFeatureLanes;
  __shared__ Batch<T, kWaves, kBatch> batch;
  const TilePlace tile = tile_place(in.offsets, in.width);
  const int first_channel = kFew ? 0 : kChannels * blockIdx.y, channels = min(kChannels, int(in.channels) - first_channel);
  Lane<T, kPixels> lane(tile, in.height);
  T color[kPixels][kChannels] = {};
  int32_t median[kPixels], taken[kPixels];  // list entries up to the last that the pixel took
  for (int p = 0; p < kPixels; ++p) median[p] = -1, taken[p] = 0;
  int64_t pairs = 0;
  walk_down<kBatch>(
      in, ids, tile, kFew, batch, lane,
      [&](int at, int32_t index, const Evaluated<T, kWaves, kPixels>& e) {
        if (out.pairs) pairs += 16 * __popc(batch.rows[at] >> (2 * kPixels * (threadIdx.x / 32)) & lane.open_rows);
        if (!e.seen) return;
#pragma unroll
        for (int p = 0; p < kPixels; ++p) {
          if (!(e.seen >> p & 1)) continue;
          const T before = lane.transmittance[p], weight = blend(e.raw[p], lane.transmittance[p]);
          taken[p] = index + 1;
          if (before >= T(0.5) && lane.transmittance[p] < T(0.5)) median[p] = batch.splats[at].id;
          if constexpr (kFew) {
#pragma unroll
            for (int q = 0; q < kChannels; ++q) color[p][q] += weight * batch.features[at][q];
          } else {
            const T* feature = in.features + in.channels * batch.splats[at].id + first_channel;
#pragma unroll
            for (int q = 0; q < kChannels; ++q)
              if (q < channels) color[p][q] += weight * feature[q];
          }
        }
      });
  if (out.pairs) {
    __shared__ int64_t room[kThreads / 32];
    const int64_t total = block_sum<kThreads>(threadIdx.x % 32 == 0 ? pairs : int64_t(0), room);
    if (threadIdx.x == 0 && blockIdx.y == 0) out.pairs[tile.index] = total;
  }
  if (lane.column >= in.width) return;
#pragma unroll
  for (int p = 0; p < kPixels; ++p) {
    const int row = lane.row + 2 * p;
    if (row >= in.height) continue;
    const int64_t pixel = row * in.width + lane.column;
    T* place = out.image + pixel * in.channels + first_channel;
    for (int q = 0; q < kChannels; ++q)
      if (q < channels) place[q] = color[p][q] + lane.transmittance[p] * in.background[first_channel + q];
    if (blockIdx.y) continue;
    out.transmittance[pixel] = lane.transmittance[p], ends[pixel] = taken[p];
    if (out.median_ids) out.median_ids[pixel] = median[p];
  }
}

template <class T, int kChannels, int kWaves>
void launch_with(const RasterInput<T>& in, const int32_t* ids, const RasterOutput<T>& out, int32_t* ends) {
  const int64_t tiles = tile_columns(in.width) * tile_rows(in.height), parts = (in.channels + kChannels - 1) / kChannels;
  launch(forward<T, kChannels, kWaves>, dim3(unsigned(tiles), unsigned(parts > 0 ? parts : 1)), kThreads, 0, in, ids, out, ends);
}

// Colours in float have versions of their own for up to two waves.
template <class T, int kChannels> void by_waves(const RasterInput<T>& in, const int32_t* ids, const RasterOutput<T>& out, int32_t* ends) {
  if (in.waves == 0) return launch_with<T, kChannels, 0>(in, ids, out, ends);
  if constexpr (std::is_same_v<T, float> && kChannels <= kFeatureLanes) {
    if (in.waves == 1) return launch_with<T, kChannels, 1>(in, ids, out, ends);
    if (in.waves == 2) return launch_with<T, kChannels, 2>(in, ids, out, ends);
  }
  launch_with<T, kChannels, kAny>(in, ids, out, ends);
}

}  // namespace

template <class T> void rasterize_forward(const RasterInput<T>& in, const int32_t* ids, const RasterOutput<T>& out, int32_t* ends) {
  if (in.channels <= 3) by_waves<T, 3>(in, ids, out, ends);
  else if (in.channels == 4) by_waves<T, 4>(in, ids, out, ends);
  else by_waves<T, kManyChannels>(in, ids, out, ends);
}

template void rasterize_forward(const RasterInput<float>&, const int32_t*, const RasterOutput<float>&, int32_t*);
template void rasterize_forward(const RasterInput<double>&, const int32_t*, const RasterOutput<double>&, int32_t*);

}  // namespace gk::cuda
