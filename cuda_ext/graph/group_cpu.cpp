#include <algorithm>

#include "group.h"

namespace gk {

int64_t group(const int64_t* keys, int64_t things, int64_t groups, int64_t* offsets, int64_t* order) {
  std::fill_n(offsets, groups + 1, 0);
  for (int64_t e = 0; e < things; ++e) {
    if (keys[e] < 0 || keys[e] >= groups) return e;
    ++offsets[keys[e] + 1];
  }
  for (int64_t g = 0; g < groups; ++g) offsets[g + 1] += offsets[g];
  // Each group's beginning moves up to its end, which is where the next group begins.
  for (int64_t e = 0; e < things; ++e) order[offsets[keys[e]]++] = e;
  std::copy_backward(offsets, offsets + groups, offsets + groups + 1);
  offsets[0] = 0;
  return -1;
}

}  // namespace gk
