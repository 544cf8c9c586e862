// Which splat touches which tile: contract.
//
// A tile's list holds the splats whose ellipse alpha >= 1/255 reaches one of its rows of pixel centres, front to back.
#pragma once
#include <cstdint>

#include "../math/ellipse.h"

namespace gk {

inline int64_t tile_columns(int64_t width) { return (width + kTile - 1) / kTile; }
inline int64_t tile_rows(int64_t height) { return (height + kTile - 1) / kTile; }

template <class T> struct BinInput {
  int64_t splats;       // N
  const T* means2d;     // (N, 2), pixels
  const T* conics;      // (N, 3)
  const T* depths;      // (N,), <= 0: culled
  const T* amplitudes;  // (N,), upper bound of alpha
  int64_t width, height;
};

// reaches (N,): 2 ln(255 amplitude), the squared Mahalanobis radius of the ellipse alpha >= 1/255; 0: nothing to draw.
// counts (N,): tiles touched. Returns the sum of the counts.
template <class T> int64_t bin_count(const BinInput<T>& in, T* reaches, int32_t* counts);

// One splat in one tile's list. slot: a place such that the entries of one splat lie side by side, splats in order of
// index. rows: bit y set where the ellipse reaches row y of the tile.
struct Entry {
  int32_t id, slot, rows;
};

// offsets (tiles + 1,): where each tile's list starts, tiles in row-major order. entries (I,): the lists.
// first_slots (N + 1,): where the slots of each splat start.
template <class T>
void bin_fill(const BinInput<T>& in, const T* reaches, const int32_t* counts, int32_t* offsets, Entry* entries,
              int32_t* first_slots);

}  // namespace gk
