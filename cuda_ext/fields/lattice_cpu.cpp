#include "lattice.h"

#include "../cpu/parallel.h"

#include <algorithm>

namespace gk {

int64_t lattice_grow(const int64_t* keys, int64_t count, int axis, int64_t* out) {
  const int64_t step = kAxisStep[axis];
  int64_t before = 0, at = 0, after = 0, written = 0;  // places in the three shifted copies, each of which is sorted
  while (after < count) {
    int64_t next = keys[after] + step;
    if (at < count) next = std::min(next, keys[at]);
    if (before < count) next = std::min(next, keys[before] - step);
    out[written++] = next;
    if (before < count && keys[before] - step == next) ++before;
    if (at < count && keys[at] == next) ++at;
    if (keys[after] + step == next) ++after;
  }
  return written;
}

void lattice_around(const int64_t* keys, int64_t count, const int64_t* wanted, int64_t asked, int32_t* out) {
  constexpr int64_t kBlock = 4096;
  constexpr int kWalk = 16;  // steps from where the last was found, before a search
  const int64_t blocks = (asked + kBlock - 1) / kBlock;
  const int64_t* end = keys + count;
#pragma omp parallel for schedule(static) if (asked * kColumns > kParallelWork)
  for (int64_t block = 0; block < blocks; ++block)
    for (int c = 0; c < kColumns; ++c) {
      const int64_t shift = (c / 3 - 1) * kAxisStep[0] + (c % 3 - 1) * kAxisStep[1] - 1;
      const int64_t* place = keys;
      for (int64_t i = block * kBlock; i < std::min(asked, (block + 1) * kBlock); ++i) {
        const int64_t lowest = wanted[i] + shift;
        if (place > keys && place[-1] >= lowest) place = std::lower_bound(keys, place, lowest);
        for (int step = 0; step < kWalk && place < end && *place < lowest; ++step) ++place;
        if (place < end && *place < lowest) place = std::lower_bound(place, end, lowest);
        int32_t bits = 0;
        for (const int64_t* at = place; at < end && *at < lowest + 3; ++at) bits |= 1 << (*at - lowest);
        out[i * kColumns + c] = int32_t(place - keys) << 3 | bits;
      }
    }
}

}  // namespace gk
