// Things sorted into groups by an integer key each, as the edges of a graph by the node that receives them: contract.
#pragma once
#include <cstdint>

namespace gk {

// Group g holds the things order[offsets[g]] to order[offsets[g + 1] - 1], ascending.
struct Groups {
  int64_t count;           // G
  const int64_t* offsets;  // (G + 1,)
  const int64_t* order;    // (E,)
};

// Fills offsets (G + 1,) and order (E,) for keys (E,). Returns the first thing whose key is not in [0, G), or -1.
int64_t group(const int64_t* keys, int64_t things, int64_t groups, int64_t* offsets, int64_t* order);

}  // namespace gk
