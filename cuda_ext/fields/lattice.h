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

// The 27 cells around a cell are 9 columns of 3 along z. As keys ascend with z, those of a column that are there follow one
// another: a column is (the index of the first) << 3 | (bit k where step k - 1 is there). A fourth of 27 indices.
constexpr int kColumns = 9;
constexpr int64_t kMostCells = int64_t(1) << 28;

// The index of number o of the 27 around a cell with these columns, -1 where it is missing.
inline int32_t cell_at(const int32_t* columns, int o) {
  const int32_t column = columns[o / 3], bits = column & ((1 << o % 3) - 1);
  return column >> o % 3 & 1 ? (column >> 3) + (bits & 1) + (bits >> 1) : -1;
}

inline void cells_at(const int32_t* columns, int32_t* ids) {
  for (int c = 0; c < kColumns; ++c) {
    const int32_t column = columns[c], first = column >> 3, low = column & 1, middle = column >> 1 & 1;
    ids[3 * c] = low ? first : -1;
    ids[3 * c + 1] = middle ? first + low : -1;
    ids[3 * c + 2] = column & 4 ? first + low + middle : -1;
  }
}

// Which of keys (count,), ascending and fewer than kMostCells, are around each of the cells wanted (asked,): their columns,
// out (asked, 9). Fastest where the wanted ascend.
void lattice_around(const int64_t* keys, int64_t count, const int64_t* wanted, int64_t asked, int32_t* out);

}  // namespace gk
