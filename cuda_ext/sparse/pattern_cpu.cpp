#include "pattern.h"

#include <algorithm>
#include <vector>

namespace gk {

int64_t find_twins(const SparsePattern& a, int64_t* twins) {
  // Rows are met in ascending order, so the transposed entries of a row are met in the order in which they are stored.
  std::vector<int64_t> next(a.offsets, a.offsets + a.size);
  for (int64_t i = 0; i < a.size; ++i)
    for (int64_t e = a.offsets[i]; e < a.offsets[i + 1]; ++e) {
      const int64_t j = a.columns[e], twin = next[j]++;
      if (twin >= a.offsets[j + 1] || a.columns[twin] != i) return i;
      twins[e] = twin;
    }
  return -1;
}

}  // namespace gk
