#include "rasterize_tile.h"

#include <vector>

#include "../cpu/parallel.h"

namespace gk {
namespace {

// The backward pass replays a chunk of a tile's list forward, keeping alpha and transmittance of every row it
// evaluates, then walks the chunk back to front. No division: the light behind a splat follows
// r <- r + alpha (c.g - r).
constexpr int64_t kChunk = 512;  // splats: what is kept stays within a core's cache

template <class T> struct Kept {
  AlignedVector<T> alpha, transmittance, envelope;  // rows of kLanes
  AlignedVector<T> starts;                          // transmittance of the tile at the start of each chunk
  std::vector<unsigned> open;                       // rows open at the start of each chunk
  AlignedVector<T> cotangent;                       // (C, rows, lanes) of the image
  AlignedVector<T> feature_sum;                     // (C, lanes)
  unsigned rows[kChunk];

  void prepare(int64_t longest, int64_t channels, bool waves) {
    const size_t size = std::min(longest, kChunk) * kTile * kLanes, chunks = size_t(longest / kChunk + 1);
    alpha.resize(size), transmittance.resize(size), envelope.resize(waves ? size : 0);
    starts.resize(chunks * kTile * kLanes), open.resize(chunks), cotangent.resize(channels * kTile * kLanes);
    feature_sum.resize(channels * kLanes);
  }
};

// Replays splats [begin, end); returns how far it came before every row closed.
template <class T, int kWaves, bool kKeep>
GK_INLINE int64_t replay(const RasterInput<T>& in, const Record<T>* records, const Tile<T>& tile, int64_t begin,
                         int64_t end, Lanes<T>* transmittance, unsigned& open, Kept<T>& kept) {
  SplatOverTile<T, kWaves> s;
  T *alpha_out = kept.alpha.data(), *before_out = kept.transmittance.data(), *envelope_out = kept.envelope.data();
  for (int64_t i = begin; i < end; ++i) {
    if (i % kCheckEvery == 0 && i && !(open = open_rows(transmittance, open))) return i;
    const unsigned touched = unsigned(tile.entries[i].rows) & open;
    if constexpr (kKeep) kept.rows[i - begin] = touched;
    prefetch(tile, records, i + kAhead);
    if (!touched) continue;
    place(in, tile, records[tile.entries[i].id], tile.entries[i].id, s);
    for (unsigned rows = touched; rows; rows &= rows - 1) {
      const int y = __builtin_ctz(rows);
      Lanes<T> envelope, raw;
      evaluate(s, y, row_offset(tile, s.my, y), envelope, raw);
      const Lanes<T> before = transmittance[y], alpha = bounded(raw);
      transmittance[y] = before - before * alpha;
      if constexpr (kKeep) {
        store(alpha_out, alpha), store(before_out, before);
        alpha_out += kLanes, before_out += kLanes;
        if constexpr (kWaves) {  // zero where alpha is at a bound and does not depend on the splat
          const auto free = minimum(raw - T(kAlphaMin), T(kAlphaMax) - raw) >= Lanes<T>(T(0));
          store(envelope_out, select(free, envelope, Lanes<T>(T(0))));
          envelope_out += kLanes;
        }
      }
    }
  }
  return end;
}

template <class T> struct WaveSums { Lanes<T> c, s, cy, sy; };  // of alpha_bar envelope (cos, sin) [dy], down the rows

template <class T, int kChannels, int kWaves>
GK_INLINE void backward_splat(const RasterInput<T>& in, const Record<T>& record, bool absolute_wanted,
                              const Tile<T>& tile, int32_t id, unsigned rows, T* row_out, Lanes<T>* behind,
                              Kept<T>& kept, const T*& alpha_in, const T*& before_in, const T*& envelope_in) {
  using L = Lanes<T>;
  const int64_t channels = kChannels ? kChannels : in.channels;
  const T a = record.a, b = record.b, c = record.c;
  const T* feature = kChannels == 3 ? record.rgb : in.features + channels * id;
  const T* cotangent = kept.cotangent.data();
  SplatOverTile<T, kWaves> s;
  s.my = record.my;
  s.dx = tile.x - record.mx;
  if constexpr (kWaves) place(in, tile, record, id, s);
  WaveSums<T> wave_sums[kWaves == kAnyWaves ? kMaxWaves : kWaves ? kWaves : 1];
  if constexpr (kWaves)
    for (int k = 0; k < s.waves(); ++k) wave_sums[k] = {L(T(0)), L(T(0)), L(T(0)), L(T(0))};
  L v0 = T(0), v1 = T(0), v2 = T(0), absolute_x = T(0), absolute_y = T(0);
  L feature_sum[kChannels ? kChannels : 1];
  for (int q = 0; q < kChannels; ++q) feature_sum[q] = T(0);
  if constexpr (!kChannels) std::fill(kept.feature_sum.begin(), kept.feature_sum.end(), T(0));
  // Bottom row first: the order in which they were kept, reversed.
  for (; rows; rows ^= 1u << (31 - __builtin_clz(rows))) {
    const int y = 31 - __builtin_clz(rows);
    alpha_in -= kLanes, before_in -= kLanes;
    const L alpha = load(alpha_in), before = load(before_in), weight = before * alpha;
    const T dy = row_offset(tile, s.my, y);
    L shade = T(0);
    for (int64_t q = 0; q < channels; ++q) {
      const L g = load(cotangent + (q * kTile + y) * kLanes);
      shade = shade + g * feature[q];
      if constexpr (kChannels) {
        feature_sum[q] = feature_sum[q] + weight * g;
      } else {
        T* p = &kept.feature_sum[q * kLanes];
        store(p, load(p) + weight * g);
      }
    }
    const L difference = shade - behind[y], alpha_bar = before * difference;
    behind[y] = behind[y] + alpha * difference;
    L v, slope_x = T(0), slope_y = T(0);  // v: gradient to the exponent
    if constexpr (kWaves) {
      envelope_in -= kLanes;
      const L modulation_bar = alpha_bar * load(envelope_in);
      L modulation = T(1);
      for (int k = 0; k < s.waves(); ++k) {
        const auto& wave = s.wave[k];
        modulation = modulation + wave.cosine * wave.even[y] + wave.sine * wave.odd[y];
        const L mc = modulation_bar * wave.row_cosine[y], ms = modulation_bar * wave.row_sine[y];
        auto& sums = wave_sums[k];
        sums.c = sums.c + mc, sums.s = sums.s + ms;
        sums.cy = sums.cy + mc * dy, sums.sy = sums.sy + ms * dy;
        if (absolute_wanted) {
          const T* p = in.wave_parameters + 4 * (in.waves * id + k);
          const L turn = modulation_bar * (wave.cosine * wave.odd[y] - wave.sine * wave.even[y]);
          slope_x = slope_x + turn * (T(6.283185307179586) * p[0]);
          slope_y = slope_y + turn * (T(6.283185307179586) * p[1]);
        }
      }
      v = modulation_bar * modulation;
    } else {
      v = select(alpha < L(T(kAlphaMax)), alpha_bar * alpha, L(T(0)));
    }
    v0 = v0 + v, v1 = v1 + v * dy, v2 = v2 + v * (dy * dy);
    if (absolute_wanted) {
      absolute_x = absolute_x + absolute(v * (s.dx * a + b * dy) - slope_x);
      absolute_y = absolute_y + absolute(v * (s.dx * b + c * dy) - slope_y);
    }
  }
  const T sx = sum(v0 * s.dx), sy = sum(v1);
  T mean_x = a * sx + b * sy, mean_y = b * sx + c * sy;
  row_out[2] = T(-0.5) * sum(v0 * s.dx * s.dx);
  row_out[3] = -sum(v1 * s.dx);
  row_out[4] = T(-0.5) * sum(v2);
  row_out[5] = sum(v0) / maximum(record.opacity, T(1e-12));
  row_out[6] = sum(absolute_x);
  row_out[7] = sum(absolute_y);
  for (int q = 0; q < channels; ++q)
    row_out[8 + q] = kChannels ? sum(feature_sum[kChannels ? q : 0]) : sum(load(&kept.feature_sum[q * kLanes]));
  if constexpr (kWaves)
    for (int k = 0; k < s.waves(); ++k) {
      const T* p = in.wave_parameters + 4 * (in.waves * id + k);
      const auto& w = s.wave[k];
      const auto& m = wave_sums[k];
      const L cosine = w.cosine * m.c - w.sine * m.s, sine = w.sine * m.c + w.cosine * m.s;
      const L cosine_y = w.cosine * m.cy - w.sine * m.sy, sine_y = w.sine * m.cy + w.cosine * m.sy;
      const T two_pi = T(6.283185307179586);
      const L turn = (cosine * p[3] - sine * p[2]) * two_pi;
      const T turn_sum = sum(turn);
      mean_x -= p[0] * turn_sum, mean_y -= p[1] * turn_sum;
      T* q = row_out + 8 + channels + 4 * k;
      q[0] = sum(turn * s.dx), q[1] = sum((cosine_y * p[3] - sine_y * p[2]) * two_pi);
      q[2] = sum(cosine), q[3] = sum(sine);
    }
  row_out[0] = mean_x, row_out[1] = mean_y;
}

template <class T, int kChannels, int kWaves>
GK_INLINE void backward_tile(const RasterInput<T>& in, const Record<T>* records, const RasterCotangent<T>& bar,
                             const RasterGradient<T>& grad, int64_t t, Kept<T>& kept) {
  using L = Lanes<T>;
  const Tile<T> tile = make_tile(in, t);
  if (!tile.count) return;
  const int64_t channels = kChannels ? kChannels : in.channels, length = gradient_row_length(channels, in.waves);
  const int64_t wide = std::min<int64_t>(kTile, in.width - tile.x0);
  const int64_t high = std::min<int64_t>(kTile, in.height - tile.y0);
  L transmittance[kTile], behind[kTile];
  T* cotangent = kept.cotangent.data();
  std::fill(kept.cotangent.begin(), kept.cotangent.end(), T(0));
  for (int64_t y = 0; y < kTile; ++y) {
    T light[kLanes] = {};
    for (int64_t x = 0; x < wide && y < high; ++x) {
      const int64_t pixel = (tile.y0 + y) * in.width + tile.x0 + x;
      light[x] = bar.transmittance[pixel];
      for (int64_t q = 0; q < channels; ++q) {
        const T g = bar.image[pixel * channels + q];
        cotangent[(q * kTile + y) * kLanes + x] = g;
        light[x] += in.background[q] * g;
      }
    }
    behind[y] = load(light);
    transmittance[y] = T(1);
  }
  const auto clear = [&](int64_t first, int64_t last) GK_INLINE_LAMBDA {
    for (int64_t i = first; i < last; ++i) std::fill_n(grad.rows + tile.entries[i].slot * length, length, T(0));
  };
  // Forward to the last chunk, remembering how each begins.
  unsigned open = rows_inside(tile.y0, in.height);
  int64_t chunk = 0, stop = tile.count;
  const auto remember = [&]() GK_INLINE_LAMBDA {
    for (int y = 0; y < kTile; ++y) store(&kept.starts[(chunk * kTile + y) * kLanes], transmittance[y]);
    kept.open[chunk] = open;
  };
  remember();
  while ((chunk + 1) * kChunk < stop) {
    const int64_t next = (chunk + 1) * kChunk;
    const int64_t reached =
        replay<T, kWaves, false>(in, records, tile, chunk * kChunk, next, transmittance, open, kept);
    if (reached < next) {
      stop = reached;
      break;
    }
    ++chunk;
    remember();
  }
  clear(stop, tile.count);
  for (; chunk >= 0; --chunk) {
    const int64_t begin = chunk * kChunk, end = std::min(begin + kChunk, stop);
    for (int y = 0; y < kTile; ++y) transmittance[y] = load(&kept.starts[(chunk * kTile + y) * kLanes]);
    open = kept.open[chunk];
    const int64_t reached = replay<T, kWaves, true>(in, records, tile, begin, end, transmittance, open, kept);
    clear(reached, end);
    int64_t evaluated = 0;
    for (int64_t i = begin; i < reached; ++i) evaluated += __builtin_popcount(kept.rows[i - begin]);
    const T* alpha = kept.alpha.data() + evaluated * kLanes;
    const T* before = kept.transmittance.data() + evaluated * kLanes;
    const T* envelope = kept.envelope.data() + (kWaves ? evaluated * kLanes : 0);
    for (int64_t i = reached - 1; i >= begin; --i) {
      T* row_out = grad.rows + tile.entries[i].slot * length;
      prefetch(tile, records, i - kAhead);
      if (const unsigned rows = kept.rows[i - begin])
        backward_splat<T, kChannels, kWaves>(in, records[tile.entries[i].id], grad.absolute != nullptr, tile,
                                             tile.entries[i].id, rows, row_out, behind, kept, alpha, before, envelope);
      else
        std::fill_n(row_out, length, T(0));
    }
  }
}

// Sums the rows of every splat in their fixed order.
template <class T> void gather_rows(const RasterInput<T>& in, const RasterGradient<T>& grad, int64_t i) {
  const int64_t length = gradient_row_length(in.channels, in.waves);
  const auto total = [&](int64_t column) {
    T s = 0;
    for (int32_t slot = grad.first_slots[i]; slot < grad.first_slots[i + 1]; ++slot)
      s += grad.rows[slot * length + column];
    return s;
  };
  for (int c = 0; c < 2; ++c) grad.means2d[2 * i + c] = total(c);
  for (int c = 0; c < 3; ++c) grad.conics[3 * i + c] = total(2 + c);
  grad.opacities[i] = total(5);
  if (grad.absolute)
    for (int c = 0; c < 2; ++c) grad.absolute[2 * i + c] = total(6 + c);
  for (int64_t c = 0; c < in.channels; ++c) grad.features[in.channels * i + c] = total(8 + c);
  for (int64_t c = 0; c < 4 * in.waves; ++c) grad.wave_parameters[4 * in.waves * i + c] = total(8 + in.channels + c);
}

#define GK_INSTANTIATE(T, ATTRIBUTES, NAME, CHANNELS, WAVES)                                                           \
  ATTRIBUTES void backward_##NAME(const RasterInput<T>& in, const Record<T>* records, const RasterCotangent<T>& bar,   \
                                  const RasterGradient<T>& grad, int64_t t, Kept<T>& kept) {                           \
    backward_tile<T, CHANNELS, WAVES>(in, records, bar, grad, t, kept);                                                \
  }
GK_INSTANTIATE(float, GK_MULTIVERSION, gaussian_rgb, 3, 0)
GK_INSTANTIATE(float, GK_MULTIVERSION, gaussian_any, 0, 0)
GK_INSTANTIATE(float, GK_MULTIVERSION, one_wave_rgb, 3, 1)
GK_INSTANTIATE(float, GK_MULTIVERSION, two_waves_rgb, 3, 2)
GK_INSTANTIATE(float, GK_MULTIVERSION, gabor_any, 0, kAnyWaves)
GK_INSTANTIATE(double, , gaussian_any, 0, 0)
GK_INSTANTIATE(double, , gabor_any, 0, kAnyWaves)
#undef GK_INSTANTIATE

// Colours of up to two waves have versions of their own; everything else shares the general one. (A call each: the
// address of a multiversioned function cannot be taken.)
void backward_one(const RasterInput<float>& in, const Record<float>* records, const RasterCotangent<float>& bar,
                  const RasterGradient<float>& grad, int64_t t, Kept<float>& kept) {
  if (in.channels == 3 && in.waves == 0) backward_gaussian_rgb(in, records, bar, grad, t, kept);
  else if (in.channels == 3 && in.waves == 1) backward_one_wave_rgb(in, records, bar, grad, t, kept);
  else if (in.channels == 3 && in.waves == 2) backward_two_waves_rgb(in, records, bar, grad, t, kept);
  else if (in.waves == 0) backward_gaussian_any(in, records, bar, grad, t, kept);
  else backward_gabor_any(in, records, bar, grad, t, kept);
}
void backward_one(const RasterInput<double>& in, const Record<double>* records, const RasterCotangent<double>& bar,
                  const RasterGradient<double>& grad, int64_t t, Kept<double>& kept) {
  in.waves ? backward_gabor_any(in, records, bar, grad, t, kept)
           : backward_gaussian_any(in, records, bar, grad, t, kept);
}

}  // namespace

template <class T>
void rasterize_backward(const RasterInput<T>& in, const RasterCotangent<T>& bar, const RasterGradient<T>& grad) {
  const int64_t tiles = tile_columns(in.width) * tile_rows(in.height);
  int64_t longest = 0;
  for (int64_t t = 0; t < tiles; ++t) longest = std::max<int64_t>(longest, in.offsets[t + 1] - in.offsets[t]);
  // All scratch is made here: memory that runs out inside a parallel region would end the process.
  Records<T> records(in.splats);
  std::vector<Kept<T>> all_kept(thread_count());
  for (Kept<T>& kept : all_kept) kept.prepare(longest, in.channels, in.waves > 0);
#pragma omp parallel if (int64_t(in.offsets[tiles]) * 64 + in.width * in.height > kParallelWork)
  {
#pragma omp for schedule(static)
    for (int64_t i = 0; i < in.splats; ++i) records[i] = make_record(in, i);
    Kept<T>& kept = all_kept[thread_index()];
#pragma omp for schedule(dynamic, 2)
    for (int64_t t = 0; t < tiles; ++t) backward_one(in, records.data(), bar, grad, t, kept);
#pragma omp for schedule(static)
    for (int64_t i = 0; i < in.splats; ++i) gather_rows(in, grad, i);
  }
}

template void rasterize_backward(const RasterInput<float>&, const RasterCotangent<float>&,
                                 const RasterGradient<float>&);
template void rasterize_backward(const RasterInput<double>&, const RasterCotangent<double>&,
                                 const RasterGradient<double>&);

}  // namespace gk
