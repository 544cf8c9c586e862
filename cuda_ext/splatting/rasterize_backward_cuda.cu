// The backward pass walks up the lists. What is kept of the forward pass are a pixel's transmittance and how much of its
// list it took; the transmittance before a splat is that behind it divided by 1 - alpha, at least a thousandth, and the
// light behind a splat follows r <- r + alpha (c.g - r): nothing cancels.
//
// The gradients by one splat are summed over a lane's pixels, over the warp (warp_sums), over the tile (shared memory), and
// then added to the splat's row: one addition to global memory a value and tile.
#include <type_traits>

#include "rasterize_tile_cuda.h"

namespace gk::cuda {
namespace {

// A row of gradients: by the mean (2), the conic (3) and the logarithm of the opacity, the sums of |dL / d mean| (2) if
// wanted, by the features (C), by the waves (K, 4).
constexpr int kShape = 6;
constexpr double kTwoPi = 6.283185307179586, kLn2 = 0.6931471805599453;

// The cotangent of a pixel's light if all of it came from behind its last splat.
template <class T> __device__ T light_behind(const RasterInput<T>& in, const RasterCotangent<T>& bar, int64_t pixel) {
  T light = bar.transmittance[pixel];
  for (int64_t q = 0; q < in.channels; ++q) light += bar.image[pixel * in.channels + q] * in.background[q];
  return light;
}

// Where a lane's pixels are in the picture, -1 outside; what they let through and took of their list.
template <class T, int kPixels>
__device__ __forceinline__ void place_pixels(const RasterInput<T>& in, const RasterKept<T>& kept, Lane<T, kPixels>& lane, int64_t (&pixels)[kPixels],
                                             int32_t (&ends)[kPixels]) {
#pragma unroll
  for (int p = 0; p < kPixels; ++p) {
    const int row = lane.row + 2 * p;
    const bool inside = lane.column < in.width && row < in.height;
    pixels[p] = inside ? row * in.width + lane.column : -1;
    lane.transmittance[p] = inside ? kept.transmittance[pixels[p]] : T(1), ends[p] = inside ? kept.ends[pixels[p]] : 0;
  }
}

// The most that any pixel of the block's tile took of its list.
template <int kPixels, int kWarps> __device__ __forceinline__ int32_t end_of_tile(const int32_t (&ends)[kPixels]) {
  __shared__ int32_t room[kWarps];
  int32_t end = ends[0];
  for (int p = 1; p < kPixels; ++p) end = max(end, ends[p]);
  for (int flip = 16; flip; flip /= 2) end = max(end, __shfl_xor_sync(kWholeWarp, end, flip));
  if (threadIdx.x % 32 == 0) room[threadIdx.x / 32] = end;
  __syncthreads();
  for (int w = 0; w < kWarps; ++w) end = max(end, room[w]);
  return end;
}

// dL / d alpha of a splat that a pixel sees, where alpha is free of its upper bound; moves on to what is before it.
template <class T> __device__ __forceinline__ T pass(T raw, T shade, T& transmittance, T& behind, T& weight) {
  const T alpha = minimum(raw, T(kAlphaMax)), before = fast_divide(transmittance, T(1) - alpha), difference = shade - behind;
  transmittance = before, weight = before * alpha;
  behind += alpha * difference;
  return raw <= T(kAlphaMax) ? before * difference : T(0);
}

// The sums over a lane's pixels, which share dx, that the gradients of a splat's shape are made of.
template <class T> struct ShapeSums {
  T all = T(0), dy = T(0), dy2 = T(0);  // of v, v dy and v dy^2; v = dL / d(the exponent)
  T turn_x = T(0), turn_y = T(0);       // of dL / d(the waves' turns) times their frequencies
  T absolute_x = T(0), absolute_y = T(0);

  __device__ __forceinline__ void add(T v, T y) { all += v, dy += v * y, dy2 += v * y * y; }
  __device__ __forceinline__ void add_absolute(const LoadedSplat<T>& s, T v, T dx, T y, T x_turn, T y_turn) {
    const T scale = T(-kLn2);
    absolute_x += fabs(v * scale * (T(2) * s.a * dx + s.b * y) - x_turn);
    absolute_y += fabs(v * scale * (s.b * dx + T(2) * s.c * y) - y_turn);
  }
  template <bool kAbsolute> __device__ __forceinline__ void write(const LoadedSplat<T>& s, T dx, T* values) const {
    const T scale = T(-kLn2), x = all * dx;
    values[0] = scale * (T(2) * s.a * x + s.b * dy) - turn_x, values[1] = scale * (s.b * x + T(2) * s.c * dy) - turn_y;
    values[2] = T(-0.5) * x * dx, values[3] = -dx * dy, values[4] = T(-0.5) * dy2, values[5] = all;
    if constexpr (kAbsolute) values[6] = absolute_x, values[7] = absolute_y;
  }
};

constexpr int kPixels = 2, kWarps = 8 / kPixels, kThreads = 32 * kWarps;
constexpr int kBatch = 64;

template <class T, int kChannels, int kWaves, bool kAbsolute>
__global__ void __launch_bounds__(kThreads)
    backward(RasterInput<T> in, const int32_t* ids, const int32_t* slots, RasterKept<T> kept, RasterCotangent<T> bar, T* rows) {
  constexpr int kFeatures = kShape + (kAbsolute ? 2 : 0), kValues = kFeatures + kChannels + 4 * kWaves;
  __shared__ Batch<T, kWaves, kBatch> batch;
  __shared__ T sums[kWarps][kBatch][kValues];
  for (int i = threadIdx.x; i < kWarps * kBatch * kValues; i += kThreads) (&sums[0][0][0])[i] = T(0);
  const TilePlace tile = tile_place(in.offsets, in.width);
  Lane<T, kPixels> lane(tile, in.height);
  int64_t pixels[kPixels];
  int32_t ends[kPixels];
  T behind[kPixels], colour_bar[kPixels][kChannels];
  place_pixels(in, kept, lane, pixels, ends);
#pragma unroll
  for (int p = 0; p < kPixels; ++p) {
    behind[p] = pixels[p] < 0 ? T(0) : light_behind(in, bar, pixels[p]);
    for (int q = 0; q < kChannels; ++q) colour_bar[p][q] = pixels[p] < 0 ? T(0) : bar.image[pixels[p] * kChannels + q];
  }
  const int place = place_of_sum<kValues>(threadIdx.x % 32);
  walk_up<kBatch>(
      in, ids, tile, true, batch, lane, ends, end_of_tile<kPixels, kWarps>(ends),
      [&](int at, int32_t, const Evaluated<T, kWaves, kPixels>& e) {
        if (!__any_sync(kWholeWarp, e.seen != 0)) return;
        const LoadedSplat<T>& s = batch.splats[at];
        T values[kValues] = {};
        ShapeSums<T> shape;
#pragma unroll
        for (int p = 0; p < kPixels; ++p) {
          if (!(e.seen >> p & 1)) continue;
          T shade = T(0), weight;
#pragma unroll
          for (int q = 0; q < kChannels; ++q) shade += colour_bar[p][q] * batch.features[at][q];
          const T alpha_bar = pass(e.raw[p], shade, lane.transmittance[p], behind[p], weight);
#pragma unroll
          for (int q = 0; q < kChannels; ++q) values[kFeatures + q] += weight * colour_bar[p][q];
          const T v = alpha_bar * e.raw[p];
          T turn_x = T(0), turn_y = T(0);
#pragma unroll
          for (int k = 0; k < kWaves; ++k) {
            const LoadedWave<T>& wave = batch.waves[at][k];
            const T modulation_bar = alpha_bar * e.envelope[p], cosine = modulation_bar * e.cosine[k][p], sine = modulation_bar * e.sine[k][p];
            const T turn = T(kTwoPi) * (cosine * wave.sine - sine * wave.cosine);
            T* w = values + kFeatures + kChannels + 4 * k;
            w[0] += turn * e.dx, w[1] += turn * e.dy[p], w[2] += cosine, w[3] += sine;
            turn_x += turn * wave.fx, turn_y += turn * wave.fy;
          }
          shape.add(v, e.dy[p]);
          shape.turn_x += turn_x, shape.turn_y += turn_y;
          if constexpr (kAbsolute) shape.add_absolute(s, v, e.dx, e.dy[p], turn_x, turn_y);
        }
        shape.template write<kAbsolute>(s, e.dx, values);
        const T total = warp_sums(values);
        if (place >= 0) sums[threadIdx.x / 32][at][place] = total;
      },
      [&](int32_t begin, int count) {
        __syncthreads();
        for (int i = threadIdx.x; i < count * kValues; i += kThreads) {
          const int at = i / kValues, value = i % kValues;
          T total = T(0);
          for (int w = 0; w < kWarps; ++w) total += sums[w][at][value], sums[w][at][value] = T(0);
          if (slots) rows[int64_t(slots[begin + at]) * kValues + value] = total;
          else if (total != T(0)) atomicAdd(rows + int64_t(batch.splats[at].id) * kValues + value, total);
        }
      });
}

constexpr int kAnyPixels = 8;  // one warp a tile: nothing to sum over warps, however long the row is

// Any number of channels and waves, and float64: a sum over the warp for every value.
template <class T>
__global__ void __launch_bounds__(32)
    backward_any(RasterInput<T> in, const int32_t* ids, const int32_t* slots, RasterKept<T> kept, RasterCotangent<T> bar, bool absolute, int64_t length,
                 T* rows) {
  __shared__ Batch<T, kAny, 32> batch;
  const TilePlace tile = tile_place(in.offsets, in.width);
  Lane<T, kAnyPixels> lane(tile, in.height);
  int64_t pixels[kAnyPixels];
  int32_t ends[kAnyPixels];
  T behind[kAnyPixels];
  place_pixels(in, kept, lane, pixels, ends);
  for (int p = 0; p < kAnyPixels; ++p) behind[p] = pixels[p] < 0 ? T(0) : light_behind(in, bar, pixels[p]);
  walk_up<32>(
      in, ids, tile, false, batch, lane, ends, end_of_tile<kAnyPixels, 1>(ends),
      [&](int at, int32_t index, const Evaluated<T, kAny, kAnyPixels>& e) {
        if (!__any_sync(kWholeWarp, e.seen != 0)) return;
        const LoadedSplat<T>& s = batch.splats[at];
        T* row = rows + (slots ? slots[tile.begin + index] : s.id) * length;
        const auto put = [&](int64_t place, T value) {
          const T total = warp_sum(value);
          if (threadIdx.x) return;
          if (slots) row[place] = total;
          else if (total != T(0)) atomicAdd(row + place, total);
        };
        const T* feature = in.features + in.channels * s.id;
        const int features = kShape + (absolute ? 2 : 0);
        T weight[kAnyPixels], alpha_bar[kAnyPixels], turn_x[kAnyPixels], turn_y[kAnyPixels];
#pragma unroll
        for (int p = 0; p < kAnyPixels; ++p) {
          weight[p] = alpha_bar[p] = turn_x[p] = turn_y[p] = T(0);
          if (!(e.seen >> p & 1)) continue;
          T shade = T(0);
          for (int64_t q = 0; q < in.channels && pixels[p] >= 0; ++q) shade += bar.image[pixels[p] * in.channels + q] * feature[q];
          alpha_bar[p] = pass(e.raw[p], shade, lane.transmittance[p], behind[p], weight[p]);
        }
        for (int64_t q = 0; q < in.channels; ++q) {
          T sum = T(0);
#pragma unroll
          for (int p = 0; p < kAnyPixels; ++p)
            if (pixels[p] >= 0) sum += weight[p] * bar.image[pixels[p] * in.channels + q];
          put(features + q, sum);
        }
        for (int k = 0; k < int(in.waves); ++k) {
          const LoadedWave<T> wave = wave_of(in, s.id, k);
          T c[kAnyPixels], n[kAnyPixels], w[4] = {T(0), T(0), T(0), T(0)};
          wave_at(wave, e.dx, e.dy, c, n);
#pragma unroll
          for (int p = 0; p < kAnyPixels; ++p) {
            const T modulation_bar = alpha_bar[p] * e.envelope[p], cosine = modulation_bar * c[p], sine = modulation_bar * n[p];
            const T turn = T(kTwoPi) * (cosine * wave.sine - sine * wave.cosine);
            w[0] += turn * e.dx, w[1] += turn * e.dy[p], w[2] += cosine, w[3] += sine;
            turn_x[p] += turn * wave.fx, turn_y[p] += turn * wave.fy;
          }
          for (int j = 0; j < 4; ++j) put(features + in.channels + 4 * k + j, w[j]);
        }
        ShapeSums<T> shape;
        T values[kShape + 2];
#pragma unroll
        for (int p = 0; p < kAnyPixels; ++p) {
          const T v = e.seen >> p & 1 ? alpha_bar[p] * e.raw[p] : T(0);
          shape.add(v, e.dy[p]);
          shape.turn_x += turn_x[p], shape.turn_y += turn_y[p];
          shape.add_absolute(s, v, e.dx, e.dy[p], turn_x[p], turn_y[p]);
        }
        shape.template write<true>(s, e.dx, values);
        for (int j = 0; j < features; ++j) put(j, values[j]);
      },
      [](int32_t, int) {});
}

// One thread a value: from the rows of a splat to the arrays.
template <class T, class Index>
__global__ void __launch_bounds__(256) unpack(RasterInput<T> in, const int32_t* first_slots, int64_t length, RasterGradient<T> grad) {
  const int64_t thread = thread_index();
  if (thread >= in.splats * length) return;
  const int64_t i = Index(thread) / Index(length), value = Index(thread) % Index(length);
  T total = T(0);
  if (first_slots) {
    for (int64_t slot = first_slots[i]; slot < first_slots[i + 1]; ++slot) total += grad.rows[slot * length + value];
  } else {
    total = grad.rows[thread];
  }
  int64_t left = value - kShape;
  if (left < 0) {
    if (value < 2) grad.means2d[2 * i + value] = total;
    else if (value < 5) grad.conics[3 * i + value - 2] = total;
    else grad.opacities[i] = total / maximum(in.opacities[i], T(1e-12));
    return;
  }
  if (grad.absolute) {
    if (left < 2) return void(grad.absolute[2 * i + left] = total);
    left -= 2;
  }
  if (left < in.channels) grad.features[in.channels * i + left] = total;
  else grad.wave_parameters[4 * in.waves * i + left - in.channels] = total;
}

template <class T> struct Call {
  const RasterInput<T>& in;
  const int32_t *ids, *slots;
  const RasterKept<T>& kept;
  const RasterCotangent<T>& bar;
  T* rows;
  unsigned tiles;
};

template <int kChannels, int kWaves> void launch_with(const Call<float>& c, bool absolute) {
  launch(absolute ? backward<float, kChannels, kWaves, true> : backward<float, kChannels, kWaves, false>, c.tiles, kThreads, 0, c.in, c.ids, c.slots,
         c.kept, c.bar, c.rows);
}
template <int kChannels> void by_waves(const Call<float>& c, bool absolute) {
  if (c.in.waves == 0) launch_with<kChannels, 0>(c, absolute);
  else if (c.in.waves == 1) launch_with<kChannels, 1>(c, absolute);
  else launch_with<kChannels, 2>(c, absolute);
}

}  // namespace

template <class T>
void rasterize_backward(const RasterInput<T>& in, const int32_t* ids, const SplatSlots& order, const RasterKept<T>& kept,
                        const RasterCotangent<T>& bar, const RasterGradient<T>& grad) {
  const bool absolute = grad.absolute != nullptr;
  const int64_t length = gradient_row_length(in.channels, in.waves, absolute);
  const Call<T> call = {in, ids, order.slots, kept, bar, grad.rows, unsigned(tile_columns(in.width) * tile_rows(in.height))};
  bool done = false;
  if constexpr (std::is_same_v<T, float>) {
    done = in.waves <= 2 && (in.channels == 3 || in.channels == 4);
    if (done) in.channels == 3 ? by_waves<3>(call, absolute) : by_waves<4>(call, absolute);
  }
  if (!done)
    launch(backward_any<T>, call.tiles, 32, 0, in, ids, order.slots, kept, bar, absolute, length, grad.rows);
  const int64_t values = in.splats * length;
  const bool small = values <= int64_t(UINT32_MAX);  // a division by 64 bits costs more than the rest
  launch(small ? unpack<T, uint32_t> : unpack<T, uint64_t>, blocks_for(values, 256), 256, 0, in, order.first_slots, length, grad);
}

template void rasterize_backward(const RasterInput<float>&, const int32_t*, const SplatSlots&, const RasterKept<float>&,
                                 const RasterCotangent<float>&, const RasterGradient<float>&);
template void rasterize_backward(const RasterInput<double>&, const int32_t*, const SplatSlots&, const RasterKept<double>&,
                                 const RasterCotangent<double>&, const RasterGradient<double>&);

}  // namespace gk::cuda
