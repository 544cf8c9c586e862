// Exact nearest neighbours and radius search in a tree of points: contract. A squared distance is (dx dx + dy dy) + dz dz,
// each operation rounded to T, on every machine. Equal distances are ordered by index.
#pragma once
#include "../math/scalar.h"
#include "tree.h"

namespace gk {

template <class T, class Id, class OtherId> GK_HD bool comes_before(T d2, Id id, T other_d2, OtherId other_id) {
  return d2 < other_d2 || (d2 == other_d2 && id < other_id);
}

// Queries side by side, sixteen neighbours to a group: the leaves of a tree of their own, or of the points themselves.
template <class T> struct QueryGroups {
  int64_t groups;
  const T* points;     // (groups, 3, 16); unused lanes are infinite and come last
  const int32_t* ids;  // (groups, 16): numbers of the queries; unused lanes hold kNone
};

template <class T> struct SearchInput {
  PointTree<T> tree;
  QueryGroups<T> queries;
  bool exclude_self;  // query i is point i, which is not its own neighbour
};

// distances (Q, k) ascending, indices (Q, k); the tree holds at least k other points.
template <class T> void nearest(const SearchInput<T>& in, int64_t k, T* distances, int64_t* indices);

// Points whose squared distance is at most radius2. counts (Q).
template <class T> void radius_count(const SearchInput<T>& in, T radius2, int64_t* counts);
// offsets (Q + 1): running sums of the counts; indices (E) ascending within each query, distances (E).
template <class T>
void radius_fill(const SearchInput<T>& in, T radius2, const int64_t* offsets, int64_t* indices, T* distances);

namespace cuda {
template <class T> void nearest(const SearchInput<T>& in, int64_t k, T* distances, int64_t* indices);
template <class T> void radius_count(const SearchInput<T>& in, T radius2, int64_t* counts);
// In the order of the tree; radius_sort brings each of the lists, of which the longest is known, into ascending order of
// index. Where lists are longer than kSortedInPlace, it works in spare memory as large as the lists.
template <class T>
void radius_fill(const SearchInput<T>& in, T radius2, const int64_t* offsets, int64_t* indices, T* distances);
constexpr int64_t kSortedInPlace = 32;
template <class T> struct RadiusLists {
  int64_t* indices;
  T* distances;
};
template <class T>
void radius_sort(int64_t queries, const int64_t* offsets, int64_t longest, const RadiusLists<T>& lists, const RadiusLists<T>& spare);
}  // namespace cuda

}  // namespace gk
