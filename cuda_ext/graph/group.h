// Things sorted into groups by an integer key each, as the edges of a graph by the node that receives them: contract.
#pragma once
#include <cstddef>
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

namespace cuda {

// Memory for `group`: numbers (4, E), and as many bytes for the sorting.
struct GroupRoom {
  int32_t* numbers;
  void* bytes;
  size_t size;
};

size_t group_bytes(int64_t things, int64_t groups);

// The same for fewer than 2^31 things and groups. *wrong holds E, and becomes the first thing whose key is wrong.
void group(const int64_t* keys, int64_t things, int64_t groups, const GroupRoom& room, int64_t* offsets, int64_t* order, int32_t* wrong);

}  // namespace cuda

}  // namespace gk
