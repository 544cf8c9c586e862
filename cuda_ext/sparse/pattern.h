// The pattern of a square sparse matrix: row i holds the columns offsets[i] to offsets[i + 1], ascending, each once.
#pragma once
#include <cstdint>

namespace gk {

struct SparsePattern {
  int64_t size;            // N
  const int64_t* offsets;  // (N + 1,)
  const int64_t* columns;  // (E,), each in [0, N)
};

// twins (E): where the transposed entry of each entry is stored. Returns the row of an entry that has none, or -1.
int64_t find_twins(const SparsePattern& a, int64_t* twins);

}  // namespace gk
