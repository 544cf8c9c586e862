// Internal to grid_*: which row of a table belongs to which site of a level.
#pragma once
#include "grid_encode.h"

namespace gk {

// A site's number is the sum, or for hashed ones the xor, of its coordinates times the factors; plus the shift, modulo the
// entries, its row.
template <int D> struct LevelIndex {
  bool hashed, whole;  // whole: no site's number is beyond the rows
  uint32_t shift, entries, factor[D];
  int32_t cells[D];

  LevelIndex() = default;
  LevelIndex(const GridLevel& level, GridBasis basis)
      : hashed(level.hashed), whole(!level.hashed && level.shift == 0), shift(level.shift), entries(uint32_t(level.entries)) {
    constexpr uint32_t primes[3] = {1u, 2654435761u, 805459861u};
    uint32_t stride = 1;
    for (int k = 0; k < D; ++k) {
      cells[k] = level.cells[k];
      factor[k] = hashed ? primes[k] : stride;
      stride *= uint32_t(cells[k] + (basis == GridBasis::kSpline ? 2 : 1));
    }
  }
};

}  // namespace gk
