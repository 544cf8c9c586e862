// Internal to rasterize_forward_cpu.cpp and rasterize_backward_cpu.cpp: one splat over the sixteen rows of one tile,
// evaluated with the same bits in both directions. Included by nothing else.
#pragma once
#include <algorithm>
#include <cmath>

#include "../cpu/aligned.h"
#include "../cpu/lanes.h"
#include "rasterize.h"

namespace gk {

// 2^x for x <= 0: one multiplication cheaper than exp; the conic is scaled by log2(e) once a splat instead.
GK_INLINE Lanes<double> exp2_nonpositive(const Lanes<double>& x) {
  return each_lane(x, [](double t) { return std::exp2(t); });
}
// Far below 1/255 nothing matters but that the products stay normal numbers: a denormal costs a hundred cycles.
GK_INLINE Lanes<float> exp2_nonpositive(const Lanes<float>& x) {
  return exp2_bounded(maximum(x, Lanes<float>(-64.f)));
}

// What the pixel loops need of a splat, in one cache line.
template <class T> struct alignas(sizeof(T) * kLanes) Record {
  T mx, my;
  T a, b, c;         // of the conic
  T opacity;
  T rgb[3];          // the features when there are three
};
template <class T> using Records = AlignedVector<Record<T>>;

template <class T> Record<T> make_record(const RasterInput<T>& in, int64_t i) {
  Record<T> r = {in.means2d[2 * i], in.means2d[2 * i + 1], in.conics[3 * i], in.conics[3 * i + 1], in.conics[3 * i + 2],
                 in.opacities[i], {}};
  if (in.channels == 3) std::copy_n(in.features + 3 * i, 3, r.rgb);
  return r;
}

template <class T> struct Tile {
  int64_t x0, y0;
  Lanes<T> x;  // pixel centres of a row
  const Entry* entries;
  int64_t count;
};

template <class T> GK_INLINE Tile<T> make_tile(const RasterInput<T>& in, int64_t t) {
  const int64_t columns = tile_columns(in.width);
  Tile<T> tile;
  tile.x0 = (t % columns) * kTile, tile.y0 = (t / columns) * kTile;
  tile.x = lane_index<T>() + T(tile.x0 + 0.5);
  tile.entries = in.entries + in.offsets[t];
  tile.count = in.offsets[t + 1] - in.offsets[t];
  return tile;
}

constexpr int64_t kAhead = 16;  // list entries
template <class T> GK_INLINE void prefetch(const Tile<T>& tile, const Record<T>* records, int64_t i) {
  if (i >= 0 && i < tile.count) __builtin_prefetch(records + tile.entries[i].id);
}

// One wave over a tile: by the addition theorem its value in a row is columns' (cos, sin) against row scalars.
template <class T> struct WaveOverTile {
  Lanes<T> cosine, sine;              // of fx dx, along the row
  T row_cosine[kTile], row_sine[kTile];  // of fy dy, down the rows
  T even[kTile], odd[kTile];          // a cos + b sin of the row angle, b cos - a sin
};

// A splat prepared for the sixteen rows of one tile. kWaves is the number of waves, or kAnyWaves: known at run time.
constexpr int kAnyWaves = -1;
template <class T, int kWaves> struct SplatOverTile {
  Lanes<T> dx, quadratic, linear;  // exponent (base 2) = quadratic + dy (linear + constant dy)
  T constant, opacity, my;
  int some_waves;
  WaveOverTile<T> wave[kWaves == kAnyWaves ? kMaxWaves : kWaves ? kWaves : 1];
  GK_INLINE int waves() const { return kWaves == kAnyWaves ? some_waves : kWaves; }
};

template <class T, int kWaves>
GK_INLINE void place(const RasterInput<T>& in, const Tile<T>& tile, const Record<T>& r, int32_t id,
                     SplatOverTile<T, kWaves>& s) {
  const T log2e = T(1.4426950408889634);
  s.my = r.my;
  s.dx = tile.x - r.mx;
  s.quadratic = s.dx * s.dx * (T(-0.5) * log2e * r.a);
  s.linear = s.dx * (-log2e * r.b);
  s.constant = T(-0.5) * log2e * r.c;
  s.opacity = r.opacity;
  if constexpr (kWaves) {
    s.some_waves = int(in.waves);
    const Lanes<T> dy = lane_index<T>() + (T(tile.y0 + 0.5) - s.my);
    for (int k = 0; k < s.waves(); ++k) {
      const T* p = in.wave_parameters + 4 * (in.waves * id + k);
      auto& wave = s.wave[k];
      Lanes<T> c, n;
      cosine_sine_of_turns(s.dx * p[0], wave.cosine, wave.sine);
      cosine_sine_of_turns(dy * p[1], c, n);
      store(wave.row_cosine, c), store(wave.row_sine, n);
      store(wave.even, c * p[2] + n * p[3]), store(wave.odd, c * p[3] - n * p[2]);
    }
  }
}

// Opacity times envelope, and the modulated alpha before its bounds, of one row.
template <class T, int kWaves>
GK_INLINE void evaluate(const SplatOverTile<T, kWaves>& s, int y, T dy, Lanes<T>& envelope, Lanes<T>& raw) {
  envelope = exp2_nonpositive(s.quadratic + (s.linear + s.constant * dy) * dy) * s.opacity;
  raw = envelope;
  if constexpr (kWaves) {
    Lanes<T> modulation = T(1);
    for (int k = 0; k < s.waves(); ++k) {
      const auto& wave = s.wave[k];
      modulation = modulation + wave.cosine * wave.even[y] + wave.sine * wave.odd[y];
    }
    raw = raw * modulation;
  }
}

template <class T> GK_INLINE Lanes<T> bounded(const Lanes<T>& raw) {
  return select(raw >= Lanes<T>(T(kAlphaMin)), minimum(raw, Lanes<T>(T(kAlphaMax))), Lanes<T>(T(0)));
}

template <class T> GK_INLINE T row_offset(const Tile<T>& tile, T my, int y) { return T(tile.y0 + y) + T(0.5) - my; }

// Rows in which some pixel is still open. Checked every eighth splat.
constexpr int64_t kCheckEvery = 8;
template <class T> GK_INLINE unsigned open_rows(const Lanes<T>* transmittance, unsigned open) {
  for (unsigned rows = open; rows; rows &= rows - 1) {
    const int y = __builtin_ctz(rows);
    if (largest(transmittance[y]) < T(kOpaque)) open &= ~(1u << y);
  }
  return open;
}

GK_INLINE unsigned rows_inside(int64_t y0, int64_t height) {
  return height - y0 >= kTile ? 0xffffu : (1u << (height - y0)) - 1u;
}

}  // namespace gk
