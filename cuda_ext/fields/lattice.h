// Sparse sets of cells of a regular lattice of space, as sorted keys.
//
// A cell (i, j, k), each in [-2^19, 2^19), has the key ((i + 2^19) << 40) | ((j + 2^19) << 20) | (k + 2^19), so that keys
// ascend as triples do and a step along an axis adds a constant. Sets keep two cells away from the ends of the range.
#pragma once
#include <cstdint>

namespace gk {

constexpr int64_t kAxisStep[3] = {int64_t(1) << 40, int64_t(1) << 20, 1};
constexpr int kAround = 27;  // a cell and those around it; number o is the step (o / 9 - 1, o / 3 % 3 - 1, o % 3 - 1)

// keys (count,) ascending and all those one step along `axis` from one of them, ascending, into out (3 count,) at most.
// Returns how many.
int64_t lattice_grow(const int64_t* keys, int64_t count, int axis, int64_t* out);

// Where each of the 27 cells around every cell of keys (count,), ascending, is: out (count, 27), -1 where it is missing.
void lattice_around(const int64_t* keys, int64_t count, int32_t* out);

}  // namespace gk
