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

void lattice_around(const int64_t* keys, int64_t count, int32_t* out) {
  constexpr int64_t kBlock = 4096;
  const int64_t blocks = (count + kBlock - 1) / kBlock;
#pragma omp parallel for schedule(static) if (count * kAround > kParallelWork)
  for (int64_t block = 0; block < blocks; ++block) {
    const int64_t first = block * kBlock, last = std::min(count, first + kBlock);
    for (int o = 0; o < kAround; ++o) {
      const int64_t shift = (o / 9 - 1) * kAxisStep[0] + (o / 3 % 3 - 1) * kAxisStep[1] + (o % 3 - 1);
      const int64_t* place = std::lower_bound(keys, keys + count, keys[first] + shift);
      for (int64_t i = first; i < last; ++i) {  // both walk upwards together
        const int64_t wanted = keys[i] + shift;
        while (place < keys + count && *place < wanted) ++place;
        out[i * kAround + o] = place < keys + count && *place == wanted ? int32_t(place - keys) : -1;
      }
    }
  }
}

}  // namespace gk
