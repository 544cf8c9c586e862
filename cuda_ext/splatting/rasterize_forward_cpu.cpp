#include "rasterize_tile.h"

#include "../cpu/parallel.h"

namespace gk {
namespace {

template <class T> GK_INLINE void mark_median(int32_t* ids, const Lanes<T>& before, const Lanes<T>& after, int32_t id) {
  for (int x = 0; x < kLanes; ++x) ids[x] = (before.v[x] >= T(0.5)) & (after.v[x] < T(0.5)) ? id : ids[x];
}

// kChannels = 0: any number, known at run time.
template <class T, int kChannels, int kWaves>
GK_INLINE void forward_tile(const RasterInput<T>& in, const Record<T>* records, const RasterOutput<T>& out, int64_t t,
                            T* color) {
  const Tile<T> tile = make_tile(in, t);
  const int64_t channels = kChannels ? kChannels : in.channels;
  Lanes<T> transmittance[kTile];
  int32_t median[kTile][kLanes];
  for (int y = 0; y < kTile; ++y) transmittance[y] = T(1);
  std::fill(color, color + channels * kTile * kLanes, T(0));
  if (out.median_ids) std::fill(&median[0][0], &median[0][0] + kTile * kLanes, -1);
  unsigned open = rows_inside(tile.y0, in.height);
  int64_t pairs = 0;
  SplatOverTile<T, kWaves> s;
  for (int64_t i = 0; i < tile.count; ++i) {
    if (i % kCheckEvery == 0 && i && !(open = open_rows(transmittance, open))) break;
    const int32_t id = tile.entries[i].id;
    const unsigned touched = unsigned(tile.entries[i].rows) & open;
    prefetch(tile, records, i + kAhead);
    if (!touched) continue;
    place(in, tile, records[id], id, s);
    const T* feature = kChannels == 3 ? records[id].rgb : in.features + channels * id;
    for (unsigned rows = touched; rows; rows &= rows - 1) {
      const int y = __builtin_ctz(rows);
      Lanes<T> envelope, raw;
      evaluate(s, y, row_offset(tile, s.my, y), envelope, raw);
      const Lanes<T> before = transmittance[y], weight = before * bounded(raw);
      transmittance[y] = before - weight;
      for (int64_t c = 0; c < channels; ++c) {
        T* p = color + (c * kTile + y) * kLanes;
        store(p, load(p) + weight * feature[c]);
      }
      if (out.median_ids) mark_median(median[y], before, transmittance[y], id);
    }
    pairs += kLanes * __builtin_popcount(touched);
  }
  if (out.pairs) out.pairs[t] = pairs;
  const int64_t wide = std::min<int64_t>(kTile, in.width - tile.x0);
  const int64_t high = std::min<int64_t>(kTile, in.height - tile.y0);
  for (int64_t y = 0; y < high; ++y) {
    const int64_t first = (tile.y0 + y) * in.width + tile.x0;
    T through[kLanes];
    store(through, transmittance[y]);
    for (int64_t x = 0; x < wide; ++x) {
      out.transmittance[first + x] = through[x];
      if (out.median_ids) out.median_ids[first + x] = median[y][x];
      for (int64_t c = 0; c < channels; ++c)
        out.image[(first + x) * channels + c] = color[(c * kTile + y) * kLanes + x] + through[x] * in.background[c];
    }
  }
}

#define GK_INSTANTIATE(T, ATTRIBUTES, NAME, CHANNELS, WAVES)                                                           \
  ATTRIBUTES void forward_##NAME(const RasterInput<T>& in, const Record<T>* records, const RasterOutput<T>& out,       \
                                 int64_t t, T* color) {                                                                \
    forward_tile<T, CHANNELS, WAVES>(in, records, out, t, color);                                                      \
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
void forward_one(const RasterInput<float>& in, const Record<float>* records, const RasterOutput<float>& out, int64_t t,
                 float* color) {
  if (in.channels == 3 && in.waves == 0) forward_gaussian_rgb(in, records, out, t, color);
  else if (in.channels == 3 && in.waves == 1) forward_one_wave_rgb(in, records, out, t, color);
  else if (in.channels == 3 && in.waves == 2) forward_two_waves_rgb(in, records, out, t, color);
  else if (in.waves == 0) forward_gaussian_any(in, records, out, t, color);
  else forward_gabor_any(in, records, out, t, color);
}
void forward_one(const RasterInput<double>& in, const Record<double>* records, const RasterOutput<double>& out,
                 int64_t t, double* color) {
  in.waves ? forward_gabor_any(in, records, out, t, color) : forward_gaussian_any(in, records, out, t, color);
}

}  // namespace

template <class T> void rasterize_forward(const RasterInput<T>& in, const RasterOutput<T>& out) {
  const int64_t tiles = tile_columns(in.width) * tile_rows(in.height);
  // All scratch is made here: memory that runs out inside a parallel region would end the process.
  Records<T> records(in.splats);
  std::vector<AlignedVector<T>> colors(thread_count(), AlignedVector<T>(in.channels * kTile * kLanes));
#pragma omp parallel if (int64_t(in.offsets[tiles]) * 64 + in.width * in.height > kParallelWork)
  {
#pragma omp for schedule(static)
    for (int64_t i = 0; i < in.splats; ++i) records[i] = make_record(in, i);
    T* color = colors[thread_index()].data();
#pragma omp for schedule(dynamic, 2)
    for (int64_t t = 0; t < tiles; ++t) forward_one(in, records.data(), out, t, color);
  }
}

template void rasterize_forward(const RasterInput<float>&, const RasterOutput<float>&);
template void rasterize_forward(const RasterInput<double>&, const RasterOutput<double>&);

}  // namespace gk
