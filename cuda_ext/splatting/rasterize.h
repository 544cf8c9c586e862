// Front-to-back blending of 2D splats in 16x16 tiles: contract.
//
// alpha_i(pixel) = o exp(-(a dx^2 + 2 b dx dy + c dy^2) / 2) (1 + sum_k a_k cos(2 pi f_k.d) + b_k sin(2 pi f_k.d)),
// at most kAlphaMax, zero below kAlphaMin; image = sum_i T_i alpha_i feature_i + T_end background.
#pragma once
#include "bin.h"

namespace gk {

constexpr double kAlphaMax = 0.999;
constexpr double kOpaque = 1e-4;  // a row of a tile stops once no pixel of it lets more than this through
constexpr int kMaxWaves = 16;

template <class T> struct RasterInput {
  int64_t splats, channels, waves;  // N, C, K
  int64_t width, height;            // pixels
  const T* means2d;                 // (N, 2), pixels
  const T* conics;                  // (N, 3), 1/pixels^2
  const T* opacities;               // (N,)
  const T* features;                // (N, C)
  const T* wave_parameters;         // (N, K, 4): fx, fy in cycles per pixel, cosine and sine weight
  const T* background;              // (C,)
  const int32_t* offsets;           // (tiles + 1,)
  const Entry* entries;             // (I,), of bin_fill
};

template <class T> struct RasterOutput {
  T* image;             // (H, W, C)
  T* transmittance;     // (H, W)
  int32_t* median_ids;  // (H, W) or null: the first splat after which transmittance < 1/2, or -1
  int64_t* pairs;       // (tiles,) or null: (splat, pixel) pairs evaluated
};

template <class T> struct RasterCotangent {
  const T* image;          // (H, W, C)
  const T* transmittance;  // (H, W)
};

// Gradients land in one row per list entry and are summed per splat in a fixed order: no atomics, and the same bits on
// any number of threads.
template <class T> struct RasterGradient {
  const int32_t* first_slots;  // (N + 1,)
  T* rows;                     // (I, row_length) scratch
  T* means2d;                  // (N, 2)
  T* conics;                   // (N, 3)
  T* opacities;                // (N,)
  T* features;                 // (N, C)
  T* wave_parameters;          // (N, K, 4)
  T* absolute;                 // (N, 2) or null: sum over pixels of |dL/d means2d|
};

inline int64_t gradient_row_length(int64_t channels, int64_t waves) { return 8 + channels + 4 * waves; }

template <class T> void rasterize_forward(const RasterInput<T>& in, const RasterOutput<T>& out);
template <class T>
void rasterize_backward(const RasterInput<T>& in, const RasterCotangent<T>& bar, const RasterGradient<T>& grad);

// The same on the GPU, asynchronously on the current stream. `in.entries` is not used: ids (I,) holds the splats of each
// tile front to back.
namespace cuda {

// ends (H, W): how many entries of its tile's list each pixel took, for the backward pass.
template <class T> void rasterize_forward(const RasterInput<T>& in, const int32_t* ids, const RasterOutput<T>& out, int32_t* ends);

// Of the forward pass.
template <class T> struct RasterKept {
  const T* transmittance;  // (H, W)
  const int32_t* ends;     // (H, W)
};

// Gradients are summed over each tile, and over the tiles of a splat by atomic additions; with slots (I,), in which the
// entries of one splat lie side by side, in a fixed order. The rows (N, row_length), or with slots (I, row_length), must
// be zero.
struct SplatSlots {
  const int32_t* slots;        // (I,) or null
  const int32_t* first_slots;  // (N + 1,) or null
};
inline int64_t gradient_row_length(int64_t channels, int64_t waves, bool absolute) {
  return 6 + (absolute ? 2 : 0) + channels + 4 * waves;
}

template <class T>
void rasterize_backward(const RasterInput<T>& in, const int32_t* ids, const SplatSlots& order, const RasterKept<T>& kept,
                        const RasterCotangent<T>& bar, const RasterGradient<T>& grad);

}  // namespace cuda

}  // namespace gk
