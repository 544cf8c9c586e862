// The tile lists on the GPU: contract. Which splats they hold is said in bin.h; here a list entry is an id of 4 bytes.
//
// Splats are sorted by depth once, the (tile, splat) pairs are emitted in that order, and a stable sort by tile alone
// keeps it: at 1920 x 1080 two passes over 6 bytes an entry, where a sort by (tile, depth) takes six over 12. While it is
// sorted an entry takes 12 bytes (16 with slots, 4 more with over 65535 tiles), afterwards 4 (8 with slots). A splat
// takes 28 bytes (in float) while it is sorted by depth, then 16 until the lists are made.
#pragma once
#include <type_traits>

#include "bin.h"

namespace gk::cuda {

// Positive numbers sort as their bits do.
template <class T> using DepthKey = std::conditional_t<sizeof(T) == 4, uint32_t, uint64_t>;

template <class T> struct SplatOrder {
  int32_t* counts;      // (N,) tiles that each splat touches
  DepthKey<T>* keys;    // (2, N) scratch
  int32_t* ids[2];      // (N,) each: one becomes the order of the splats, front to back, those without a tile last
  int64_t* starts;      // (N + 1,) the entries before each splat in that order, and all
  void* scratch;        // of order_scratch bytes
};

// Orders the splats, asynchronously on the current stream; returns which of `ids` holds the order.
template <class T> int order_splats(const BinInput<T>& in, const SplatOrder<T>& out);
template <class T> size_t order_scratch(int64_t splats);

template <class Key> struct TileLists {
  const int32_t* order;   // (N,) of order_splats
  const int64_t* starts;  // (N + 1,)
  int64_t capacity;       // entries that there is room for; those beyond, of the farthest splats, are left out
  int bits;               // of the largest tile; of the number of tiles where there may be more room than entries
  int64_t* needed;        // (1,) or null: becomes the number of entries wanted where that is more
  Key* keys;              // (2, capacity) scratch; uint16_t where `bits` is at most 16
  int32_t* values[2];     // (capacity,) each: one becomes the ids, or with slots one the slots and the other the ids
  int32_t* offsets;       // (tiles + 1,) where each tile's list starts; the last one: where the unused entries start
  int32_t* first_slots;   // (N + 1,) or null: where the slots of each splat start, in order of id
  int32_t* ids_of_slots;  // (capacity,) scratch, with slots
  void* scratch;          // of list_scratch bytes
};

// Makes the lists, asynchronously on the current stream; returns which of `values` holds the sorted ones.
template <class T, class Key> int make_lists(const BinInput<T>& in, const TileLists<Key>& out);
size_t list_scratch(int64_t splats, int64_t capacity, int bits);

}  // namespace gk::cuda
