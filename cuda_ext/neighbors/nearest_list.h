// The nearest of a query so far.
#pragma once
#include "tree_lanes.h"

namespace gk {

// Ascending, equal distances by index, in whole vectors: places that k does not fill come first and hold -infinity, as
// does one place before the first. Distances and indices are equally wide.
template <class T> struct NearestList {
  using Id = typename BitsOf<T>::type;
  T* d2;
  Id* ids;
  int64_t size;
  GK_INLINE T worst() const { return d2[size - 1]; }
  GK_INLINE int32_t worst_id() const { return int32_t(ids[size - 1]); }
};

template <class T> GK_INLINE bool comes_before(T d2, int64_t id, T other_d2, int64_t other_id) {
  return d2 < other_d2 || (d2 == other_d2 && id < other_id);
}

}  // namespace gk
