// What searches keep: neighbours, subtrees still to be visited, the lists of a group of queries.
#pragma once
#include <limits>

#include "../cpu/aligned.h"
#include "nearest_list.h"
#include "search.h"
#include "tree_lanes.h"

namespace gk {

constexpr int kStack = 8 * kTreeWidth;  // 8 levels hold 2^31 points
constexpr int64_t kMostInRegisters = 4 * kLanes;  // places of a list

template <class T> struct Neighbor {
  T d2;
  int32_t id;
  GK_INLINE bool operator<(const Neighbor& o) const { return d2 < o.d2 || (d2 == o.d2 && id < o.id); }
};

// A subtree that is still to be visited, its distance, and the smallest index in it.
template <class T> struct Visit {
  Neighbor<T> nearest;
  int32_t child;
  bool leaf;
};

template <class T> struct GroupVisit {
  Neighbor<T> nearest;  // by the distance from the middle of the group
  int32_t node, child;  // and the lane of the child in the node
};

// Places of a list of k: 1, 2 or 4 vectors, or as many as it needs.
inline int64_t list_size(int64_t k) {
  const int64_t vectors = (k + kLanes - 1) / kLanes;
  return kLanes * (vectors == 3 ? 4 : vectors);
}

// What a thread needs: the lists of a group's queries and their bounds, lane by lane.
template <class T> struct Scratch {
  using Id = typename BitsOf<T>::type;
  int64_t k, size;  // of a list
  AlignedVector<T> d2;
  AlignedVector<Id> ids;
  alignas(64) T bounds[kLanes];
  int32_t bound_ids[kLanes];

  explicit Scratch(int64_t k)
      : k(k), size(list_size(k)), d2(kLanes * (size + kLanes)), ids(kLanes * (size + kLanes)) {}

  GK_INLINE NearestList<T> list(int lane) {
    const int64_t at = lane * (size + kLanes) + kLanes;
    return {d2.data() + at, ids.data() + at, size};
  }

  GK_INLINE void clear(int queries) {
    for (int lane = 0; lane < kLanes; ++lane) {
      bounds[lane] = lane < queries ? std::numeric_limits<T>::infinity() : T(-1);
      bound_ids[lane] = kNone;
      const NearestList<T> own = list(lane);
      for (int64_t i = -1; i < size; ++i) {
        own.d2[i] = i < size - k ? -std::numeric_limits<T>::infinity() : std::numeric_limits<T>::infinity();
        own.ids[i] = kNone;
      }
    }
  }
};

// Squared distances from one box, given by the first of six rows of sixteen, to the group's queries.
template <class T> GK_INLINE Lanes<T> distance_to_queries(const T* box, const T* queries) {
  Lanes<T> d[3];
  for (int a = 0; a < 3; ++a) {
    const Lanes<T> q = load(queries + a * kLanes);
    d[a] = maximum(maximum(box[a * kLanes] - q, q - box[(a + 3) * kLanes]), Lanes<T>(T(0)));
  }
  return squared_norm(d[0], d[1], d[2]);
}

// Squared distances between one box and sixteen.
template <class T> GK_INLINE Lanes<T> distance_between(const T* boxes, const T* low, const T* high) {
  Lanes<T> d[3];
  for (int a = 0; a < 3; ++a)
    d[a] = maximum(maximum(load(boxes + a * kLanes) - high[a], low[a] - load(boxes + (a + 3) * kLanes)), Lanes<T>(T(0)));
  return squared_norm(d[0], d[1], d[2]);
}

}  // namespace gk
