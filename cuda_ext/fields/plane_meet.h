// Places moved to where the planes of the oriented points around them meet.
#pragma once
#include <cstdint>

namespace gk {

template <class T> struct OrientedCells {
  int64_t points;
  const T* places;   // (points, 3), in units of `width`, cell by cell
  const T* normals;  // (points, 3) unit
  int64_t cells;
  const int64_t* keys;     // (cells,) of lattice.h, ascending: cells of side 1
  const int64_t* offsets;  // (cells + 1,) the points of each
  T reach;                 // points further away than this do not count; at most 3
  T turn;                  // the difference of normals by which a weight falls to exp(-1/2)
  T pull;                  // the weight of the distance to the mean of the points against that to their planes
};

// moved (points, 3): for every point s with its normal m the place that minimises
//   sum_j w_j ((n_j + m)/2 . (p_j - s))^2 + pull sum_j w_j |p_j - s|^2,  w_j = exp(-|p_j - p|^2/2 - |n_j - m|^2/(2 turn^2)),
// over the points within reach; no point moves further than 2. turned (points, 3): sum_j w_j n_j, of unit length.
template <class T> void plane_meet(const OrientedCells<T>& cloud, T* moved, T* turned);

}  // namespace gk
