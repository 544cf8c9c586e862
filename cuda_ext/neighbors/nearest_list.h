// The nearest of a query so far.
#pragma once
#include "search.h"
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

}  // namespace gk
