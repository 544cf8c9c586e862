// The backward pass walks down the lists as the forward pass does. The light that comes from behind a splat is what the
// pixel's light has left after the splats up to it, so nothing but the picture is kept from the forward pass:
// with L = sum_j T_j alpha_j c_j.g + T_end (background.g + g_T) = picture.g + T_end g_T,
// dL / d alpha_i = T_i c_i.g - (L - sum_{j <= i} T_j alpha_j c_j.g) / (1 - alpha_i).
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

// What is known of a pixel: its light that is left, and the cotangent of its colour, zero outside the picture.
template <class T, int kPixels, int kChannels> struct Light {
  T left[kPixels], colour[kPixels][kChannels];

  __device__ Light(const RasterInput<T>& in, const Lane<T, kPixels>& lane, const T* image, const T* transmittance, const RasterCotangent<T>& bar) {
#pragma unroll
    for (int p = 0; p < kPixels; ++p) {
      const int row = lane.row + 2 * p;
      const bool inside = lane.column < in.width && row < in.height;
      const int64_t pixel = inside ? row * in.width + lane.column : 0;
      left[p] = inside ? transmittance[pixel] * bar.transmittance[pixel] : T(0);
#pragma unroll
      for (int q = 0; q < kChannels; ++q) {
        colour[p][q] = inside && q < in.channels ? bar.image[pixel * in.channels + q] : T(0);
        if (inside && q < in.channels) left[p] += colour[p][q] * image[pixel * in.channels + q];
      }
    }
  }
};

// dL / d alpha of a splat that a pixel sees, where alpha is free of its upper bound; moves on to what is behind it.
template <class T> __device__ __forceinline__ T pass(T raw, T shade, T& transmittance, T& left, T& weight) {
  const T alpha = minimum(raw, T(kAlphaMax)), before = transmittance;
  weight = before * alpha;
  left -= weight * shade;
  transmittance = before - weight;
  return raw <= T(kAlphaMax) ? before * shade - fast_divide(left, T(1) - alpha) : T(0);
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
    backward(RasterInput<T> in, const int32_t* ids, const int32_t* slots, const T* image, const T* transmittance, RasterCotangent<T> bar, T* rows) {
  constexpr int kFeatures = kShape + (kAbsolute ? 2 : 0), kValues = kFeatures + kChannels + 4 * kWaves;
  __shared__ Batch<T, kWaves, kBatch> batch;
  __shared__ T sums[kWarps][kBatch][kValues];
  for (int i = threadIdx.x; i < kWarps * kBatch * kValues; i += kThreads) (&sums[0][0][0])[i] = T(0);
  const TilePlace tile = tile_place(in.offsets, in.width);
  Lane<T, kPixels> lane(tile, in.height);
  Light<T, kPixels, kChannels> light(in, lane, image, transmittance, bar);
  const int place = place_of_sum<kValues>(threadIdx.x % 32);
  walk<kBatch>(
      in, ids, tile, true, batch, lane,
      [&](int at, const Evaluated<T, kWaves, kPixels>& e) {
        if (!__any_sync(kWholeWarp, e.seen != 0)) return;
        const LoadedSplat<T>& s = batch.splats[at];
        T values[kValues] = {};
        ShapeSums<T> shape;
#pragma unroll
        for (int p = 0; p < kPixels; ++p) {
          if (!(e.seen >> p & 1)) continue;
          T shade = T(0), weight;
#pragma unroll
          for (int q = 0; q < kChannels; ++q) shade += light.colour[p][q] * batch.features[at][q];
          const T alpha_bar = pass(e.raw[p], shade, lane.transmittance[p], light.left[p], weight);
#pragma unroll
          for (int q = 0; q < kChannels; ++q) values[kFeatures + q] += weight * light.colour[p][q];
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
      [&](int begin, int count) {
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
    backward_any(RasterInput<T> in, const int32_t* ids, const int32_t* slots, const T* image, const T* transmittance, RasterCotangent<T> bar,
                 bool absolute, int64_t length, T* rows) {
  __shared__ Batch<T, kAny, 32> batch;
  const TilePlace tile = tile_place(in.offsets, in.width);
  Lane<T, kAnyPixels> lane(tile, in.height);
  T left[kAnyPixels];
  int64_t pixels[kAnyPixels];  // -1: outside the picture
  for (int p = 0; p < kAnyPixels; ++p) {
    const int row = lane.row + 2 * p;
    pixels[p] = lane.column < in.width && row < in.height ? row * in.width + lane.column : -1;
    left[p] = pixels[p] < 0 ? T(0) : transmittance[pixels[p]] * bar.transmittance[pixels[p]];
    for (int64_t q = 0; q < in.channels && pixels[p] >= 0; ++q) left[p] += bar.image[pixels[p] * in.channels + q] * image[pixels[p] * in.channels + q];
  }
  int32_t begin = tile.begin;
  walk<32>(
      in, ids, tile, false, batch, lane,
      [&](int at, const Evaluated<T, kAny, kAnyPixels>& e) {
        if (!__any_sync(kWholeWarp, e.seen != 0)) return;
        const LoadedSplat<T>& s = batch.splats[at];
        T* row = rows + (slots ? slots[begin + at] : s.id) * length;
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
          alpha_bar[p] = pass(e.raw[p], shade, lane.transmittance[p], left[p], weight[p]);
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
          wave_at(wave, e.dx, e.dy[0], c, n);
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
      [&](int, int count) { begin += count; });
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
  const T *image, *transmittance;
  const RasterCotangent<T>& bar;
  T* rows;
  unsigned tiles;
};

template <int kChannels, int kWaves> void launch_with(const Call<float>& c, bool absolute) {
  launch(absolute ? backward<float, kChannels, kWaves, true> : backward<float, kChannels, kWaves, false>, c.tiles, kThreads, 0, c.in, c.ids, c.slots,
         c.image, c.transmittance, c.bar, c.rows);
}
template <int kChannels> void by_waves(const Call<float>& c, bool absolute) {
  if (c.in.waves == 0) launch_with<kChannels, 0>(c, absolute);
  else if (c.in.waves == 1) launch_with<kChannels, 1>(c, absolute);
  else launch_with<kChannels, 2>(c, absolute);
}

}  // namespace

template <class T>
void rasterize_backward(const RasterInput<T>& in, const int32_t* ids, const SplatSlots& order, const T* image, const T* transmittance,
                        const RasterCotangent<T>& bar, const RasterGradient<T>& grad) {
  const bool absolute = grad.absolute != nullptr;
  const int64_t length = gradient_row_length(in.channels, in.waves, absolute);
  const Call<T> call = {in, ids, order.slots, image, transmittance, bar, grad.rows, unsigned(tile_columns(in.width) * tile_rows(in.height))};
  bool done = false;
  if constexpr (std::is_same_v<T, float>) {
    done = in.waves <= 2 && (in.channels == 3 || in.channels == 4);
    if (done) in.channels == 3 ? by_waves<3>(call, absolute) : by_waves<4>(call, absolute);
  }
  if (!done)
    launch(backward_any<T>, call.tiles, 32, 0, in, ids, order.slots, image, transmittance, bar, absolute, length, grad.rows);
  const int64_t values = in.splats * length;
  const bool small = values <= int64_t(UINT32_MAX);  // a division by 64 bits costs more than the rest
  launch(small ? unpack<T, uint32_t> : unpack<T, uint64_t>, blocks_for(values, 256), 256, 0, in, order.first_slots, length, grad);
}

template void rasterize_backward(const RasterInput<float>&, const int32_t*, const SplatSlots&, const float*, const float*,
                                 const RasterCotangent<float>&, const RasterGradient<float>&);
template void rasterize_backward(const RasterInput<double>&, const int32_t*, const SplatSlots&, const double*, const double*,
                                 const RasterCotangent<double>&, const RasterGradient<double>&);

}  // namespace gk::cuda
