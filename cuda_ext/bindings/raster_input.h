// What a rasterizer reads, checked: of the CPU with the entries of its lists, of the GPU without.
#pragma once
#include "../splatting/rasterize.h"
#include "arrays.h"

template <class T>
gk::RasterInput<T> raster_input(const Array<T>& means2d, const Array<T>& conics, const Array<T>& opacities, const Array<T>& features,
                                const Array<T>& waves, const Array<T>& background, const Ids& offsets, const gk::Entry* entries,
                                int64_t width, int64_t height) {
  const int64_t n = int64_t(opacities.size()), c = int64_t(background.size()), k = n ? int64_t(waves.size()) / (4 * n) : 0;
  if (k > gk::kMaxWaves) throw std::invalid_argument("a splat carries at most " + std::to_string(gk::kMaxWaves) + " waves");
  return {n, c, k, width, height, GK_DATA(means2d, 2 * n), GK_DATA(conics, 3 * n), opacities.data(), GK_DATA(features, n * c),
          GK_DATA(waves, 4 * n * k), background.data(), GK_DATA(offsets, gk::tile_columns(width) * gk::tile_rows(height) + 1), entries};
}
