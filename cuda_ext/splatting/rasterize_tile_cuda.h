// Internal to rasterize_forward_cuda.cu and rasterize_backward_cuda.cu: how a block walks down and up the list of its tile,
// with the same bits in both directions. Included by nothing else.
//
// A block of 8 / kPixels warps draws a tile of 16 x 16 pixels; a warp has 2 kPixels rows of it, a lane one pixel in every
// second of them. Splats come in batches through shared memory; a warp skips those that reach none of its rows.
#pragma once
#include "../cuda/fast.h"
#include "../cuda/warp.h"
#include "../math/ellipse.h"
#include "rasterize.h"

namespace gk::cuda {

constexpr int kAny = -1;           // a number of channels or waves that is known at run time
constexpr int kCheckEvery = 8;     // list entries between looks for rows that are opaque
// A pixel that lets less through takes no more, so that its transmittance stays a normal number.
template <class T> constexpr T kNothing = T(sizeof(T) == 4 ? 1e-20 : 1e-200);
constexpr int kFeatureLanes = 4;   // features in shared memory, where there are no more

template <class T> struct alignas(16) LoadedSplat {
  T mx, my;
  T a, b, c;  // alpha = opacity 2^(a dx^2 + b dx dy + c dy^2) times the waves
  T opacity;
  T faintest;  // envelopes below this are below 1/255 whatever the waves say
  int32_t id;
};

template <class T> struct alignas(16) LoadedWave {
  T fx, fy, cosine, sine;     // cycles per pixel, weights
  T step_cosine, step_sine;  // of the turn from one of a lane's pixels to the next, two rows down
};

template <class T, int kWaves, int kBatch> struct Batch {
  LoadedSplat<T> splats[kBatch];
  T features[kBatch][kFeatureLanes];
  LoadedWave<T> waves[kBatch][kWaves > 0 ? kWaves : 1];
  int32_t rows[kBatch];  // bit y: the splat reaches row y of the tile
};

struct TilePlace {
  int32_t index, x0, y0, begin, end;
};

__device__ __forceinline__ TilePlace tile_place(const int32_t* offsets, int64_t width) {
  const int32_t index = int32_t(blockIdx.x), columns = int32_t((width + kTile - 1) / kTile);
  return {index, index % columns * kTile, index / columns * kTile, offsets[index], offsets[index + 1]};
}

template <class T, int kWaves, int kBatch>
__device__ void load_splat(const RasterInput<T>& in, int32_t id, const TilePlace& tile, int at, bool with_features, Batch<T, kWaves, kBatch>& batch) {
  const T log2e = T(1.4426950408889634), opacity = in.opacities[id];
  const T conic[3] = {in.conics[3 * int64_t(id)], in.conics[3 * int64_t(id) + 1], in.conics[3 * int64_t(id) + 2]};
  const T mean[2] = {in.means2d[2 * int64_t(id)], in.means2d[2 * int64_t(id) + 1]};
  T gain = T(1);
  for (int k = 0; k < int(in.waves); ++k) {
    const T* p = in.wave_parameters + 4 * (in.waves * id + k);
    gain += square_root(p[2] * p[2] + p[3] * p[3]);
    if constexpr (kWaves > 0) {
      LoadedWave<T>& wave = batch.waves[at][k];
      wave.fx = p[0], wave.fy = p[1], wave.cosine = p[2], wave.sine = p[3];
      fast_cosine_sine_of_turns(T(2) * p[1], wave.step_cosine, wave.step_sine);
    }
  }
  // A little less, for the rounding of the waves' sum.
  const T faintest = T(kAlphaMin * 0.999) / gain;
  batch.splats[at] = {mean[0], mean[1], T(-0.5) * log2e * conic[0], -log2e * conic[1], T(-0.5) * log2e * conic[2], opacity, faintest, id};
  const Ellipse<T> ellipse = make_ellipse(mean, conic, reach_of(mean, conic, T(1), opacity * gain), T(in.width), T(in.height));
  batch.rows[at] = rows_reached(ellipse, tile.y0 / kTile, tile.x0 / kTile);
  if (with_features)
    for (int q = 0; q < kFeatureLanes; ++q) batch.features[at][q] = q < in.channels ? in.features[in.channels * id + q] : T(0);
}

// What a lane knows of its pixels.
template <class T, int kPixels> struct Lane {
  int column, row;  // of the first pixel, in the picture
  int half;         // of the warp: which of two rows
  T x, y;           // its centre; the others lie 2 rows apart
  T transmittance[kPixels];
  unsigned open_rows;  // of the warp's 2 kPixels rows: bit 2 p + half

  __device__ __forceinline__ Lane(const TilePlace& tile, int64_t height) {
    const int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
    half = lane / 16;
    column = tile.x0 + lane % 16, row = tile.y0 + 2 * kPixels * warp + half;
    x = T(column) + T(0.5), y = T(row) + T(0.5);
    const int64_t inside = height - (tile.y0 + 2 * kPixels * warp);
    open_rows = inside <= 0 ? 0u : inside >= 2 * kPixels ? (1u << (2 * kPixels)) - 1u : (1u << inside) - 1u;
    for (int p = 0; p < kPixels; ++p) transmittance[p] = T(1);
  }
  // Bit p: the pixel takes more splats.
  __device__ __forceinline__ unsigned open_pixels() const {
    unsigned open = 0;
#pragma unroll
    for (int p = 0; p < kPixels; ++p) open |= unsigned((open_rows >> (2 * p + half) & 1) && transmittance[p] >= kNothing<T>) << p;
    return open;
  }
  // Rows close once no pixel of them, inside the picture or not, lets more than kOpaque through.
  __device__ __forceinline__ void close_opaque_rows() {
    unsigned bits = 0;
#pragma unroll
    for (int p = 0; p < kPixels; ++p) {
      const unsigned votes = __ballot_sync(kWholeWarp, transmittance[p] >= T(kOpaque));
      bits |= unsigned((votes & 0xffffu) != 0) << (2 * p) | unsigned((votes >> 16) != 0) << (2 * p + 1);
    }
    open_rows &= bits;
  }
};

// One splat at the pixels of a lane.
template <class T, int kWaves, int kPixels> struct Evaluated {
  T dx, dy[kPixels];
  T envelope[kPixels], raw[kPixels];  // opacity times the Gaussian; times the waves as well: alpha before its bounds
  T cosine[kWaves > 0 ? kWaves : 1][kPixels], sine[kWaves > 0 ? kWaves : 1][kPixels];
  unsigned seen;  // bit p: alpha >= 1/255 in a pixel that is open
};

// The cosine and the sine of a wave's turn at each pixel of a lane; at every second one turned on by the step.
template <class T, int kPixels>
__device__ __forceinline__ void wave_at(const LoadedWave<T>& wave, T dx, const T (&dy)[kPixels], T (&cosine)[kPixels], T (&sine)[kPixels]) {
#pragma unroll
  for (int p = 0; p < kPixels; ++p) {
    if (p % 2 == 0) {
      fast_cosine_sine_of_turns(multiply_add(wave.fx, dx, wave.fy * dy[p]), cosine[p], sine[p]);
    } else {
      cosine[p] = multiply_add(cosine[p - 1], wave.step_cosine, -(sine[p - 1] * wave.step_sine));
      sine[p] = multiply_add(sine[p - 1], wave.step_cosine, cosine[p - 1] * wave.step_sine);
    }
  }
}

template <class T> __device__ __forceinline__ LoadedWave<T> wave_of(const RasterInput<T>& in, int32_t id, int k) {
  const T* p = in.wave_parameters + 4 * (in.waves * id + k);
  LoadedWave<T> wave = {p[0], p[1], p[2], p[3], T(0), T(0)};
  fast_cosine_sine_of_turns(T(2) * p[1], wave.step_cosine, wave.step_sine);
  return wave;
}

template <class T> __device__ __forceinline__ void add_wave(const LoadedWave<T>& wave, T cosine, T sine, T& modulation) {
  modulation = multiply_add(wave.cosine, cosine, multiply_add(wave.sine, sine, modulation));
}

// The light that a splat takes from a pixel that sees it.
template <class T> __device__ __forceinline__ T blend(T raw, T& transmittance) {
  const T before = transmittance, alpha = minimum(raw, T(kAlphaMax));
  transmittance = multiply_add(-before, alpha, before);
  return before * alpha;
}

template <class T, int kWaves, int kPixels>
__device__ __forceinline__ void evaluate(const RasterInput<T>& in, const LoadedSplat<T>& s, const LoadedWave<T>* waves, const Lane<T, kPixels>& lane,
                                         unsigned open, Evaluated<T, kWaves, kPixels>& e) {
  e.dx = lane.x - s.mx;
  const T across = s.a * e.dx * e.dx, tilt = s.b * e.dx;
  bool bright = false;
#pragma unroll
  for (int p = 0; p < kPixels; ++p) {
    e.dy[p] = lane.y + T(2 * p) - s.my;
    e.envelope[p] = e.raw[p] = s.opacity * fast_exp2(multiply_add(multiply_add(s.c, e.dy[p], tilt), e.dy[p], across));
    bright |= e.envelope[p] >= s.faintest;
  }
  if (kWaves != 0 && bright) {
    T modulation[kPixels];
    for (int p = 0; p < kPixels; ++p) modulation[p] = T(1);
    if constexpr (kWaves > 0) {
#pragma unroll
      for (int k = 0; k < kWaves; ++k) {
        wave_at(waves[k], e.dx, e.dy, e.cosine[k], e.sine[k]);
        for (int p = 0; p < kPixels; ++p) add_wave(waves[k], e.cosine[k][p], e.sine[k][p], modulation[p]);
      }
    } else {
      for (int k = 0; k < int(in.waves); ++k) {
        const LoadedWave<T> wave = wave_of(in, s.id, k);
        wave_at(wave, e.dx, e.dy, e.cosine[0], e.sine[0]);
        for (int p = 0; p < kPixels; ++p) add_wave(wave, e.cosine[0][p], e.sine[0][p], modulation[p]);
      }
    }
    for (int p = 0; p < kPixels; ++p) e.raw[p] *= modulation[p];
  }
  e.seen = 0;
#pragma unroll
  for (int p = 0; p < kPixels; ++p) e.seen |= unsigned(bright && e.raw[p] >= T(kAlphaMin)) << p;
  e.seen &= open;
}

// Calls visit(at, evaluated) for every entry of the tile's list that reaches an open row of this warp, front to back:
// every lane of the warp, with the place of the splat in `batch`; the visitor lowers the transmittance. Stops where every
// row of the tile is closed.
template <int kBatch, class T, int kWaves, int kPixels, class Visit>
__device__ __forceinline__ void walk_down(const RasterInput<T>& in, const int32_t* ids, const TilePlace& tile, bool with_features,
                                          Batch<T, kWaves, kBatch>& batch, Lane<T, kPixels>& lane, const Visit& visit) {
  static_assert(kBatch % 32 == 0, "a warp votes on 32 entries at a time");
  const int first_row = 2 * kPixels * (threadIdx.x / 32);
  for (int32_t begin = tile.begin; begin < tile.end; begin += kBatch) {
    if (!__syncthreads_or(lane.open_rows != 0)) return;
    const int count = min(kBatch, tile.end - begin);
    for (int i = threadIdx.x; i < count; i += blockDim.x) load_splat(in, ids[begin + i], tile, i, with_features, batch);
    __syncthreads();
    int checked = -1;  // the last group of entries before which opaque rows were closed
    for (int chunk = 0; chunk < count && lane.open_rows; chunk += 32) {
      const int mine = chunk + threadIdx.x % 32;
      unsigned left = __ballot_sync(kWholeWarp, mine < count && (batch.rows[mine] >> first_row & lane.open_rows));
      for (; left; left &= left - 1) {
        const int at = chunk + __ffs(left) - 1, group = at / kCheckEvery;
        if (group != checked && begin - tile.begin + group > 0) {
          lane.close_opaque_rows();
          if (!lane.open_rows) break;
        }
        checked = group;
        if (!(batch.rows[at] >> first_row & lane.open_rows)) continue;
        Evaluated<T, kWaves, kPixels> evaluated;
        evaluate<T, kWaves, kPixels>(in, batch.splats[at], batch.waves[at], lane, lane.open_pixels(), evaluated);
        visit(at, begin + at - tile.begin, evaluated);
      }
    }
  }
}

// The same back to front: ends[p] entries of the list, `end` of any pixel of the tile, were taken by the lane's pixels.
// Calls after_batch(begin, count) in every thread, between two barriers.
template <int kBatch, class T, int kWaves, int kPixels, class Visit, class AfterBatch>
__device__ __forceinline__ void walk_up(const RasterInput<T>& in, const int32_t* ids, const TilePlace& tile, bool with_features,
                                        Batch<T, kWaves, kBatch>& batch, const Lane<T, kPixels>& lane, const int32_t (&ends)[kPixels], int32_t end,
                                        const Visit& visit, const AfterBatch& after_batch) {
  const int first_row = 2 * kPixels * (threadIdx.x / 32);
  int32_t last = ends[0];
  for (int p = 1; p < kPixels; ++p) last = max(last, ends[p]);
  for (int flip = 16; flip; flip /= 2) last = max(last, __shfl_xor_sync(kWholeWarp, last, flip));
  for (int32_t first = (end - 1) / kBatch * kBatch; first >= 0 && end; first -= kBatch) {
    const int count = min(kBatch, end - first);
    __syncthreads();
    for (int i = threadIdx.x; i < count; i += blockDim.x) load_splat(in, ids[tile.begin + first + i], tile, i, with_features, batch);
    __syncthreads();
    for (int chunk = (count - 1) / 32 * 32; chunk >= 0; chunk -= 32) {
      const int mine = chunk + threadIdx.x % 32;
      const unsigned rows = (1u << (2 * kPixels)) - 1u;
      unsigned left = __ballot_sync(kWholeWarp, mine < count && first + mine < last && (batch.rows[mine] >> first_row & rows));
      while (left) {
        const int bit = 31 - __clz(int(left)), at = chunk + bit;
        left ^= 1u << bit;
        unsigned open = 0;
#pragma unroll
        for (int p = 0; p < kPixels; ++p) open |= unsigned(first + at < ends[p]) << p;
        Evaluated<T, kWaves, kPixels> evaluated;
        evaluate<T, kWaves, kPixels>(in, batch.splats[at], batch.waves[at], lane, open, evaluated);
        visit(at, first + at, evaluated);
      }
    }
    after_batch(tile.begin + first, count);
  }
}

}  // namespace gk::cuda
