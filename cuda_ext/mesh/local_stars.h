// The triangles of a point with its neighbours, in the plane of its normal: contract.
#pragma once
#include <cstdint>

namespace gk {

struct StarInput {
  int64_t points, k;
  const double* places;      // (N, 3)
  const double* normals;     // (N, 3) unit
  const int64_t* neighbors;  // (N, k), nearest first, none of them the point itself
};

// stars (N, k): the neighbours that the Delaunay triangulation of a point and its neighbours, projected along its normal,
// joins to it, counter-clockwise about the normal, then -1. Two that follow each other make a triangle with the point;
// closed (N): whether the last and the first do too. Points at one place with their neighbour have no triangle with it.
// Where four points lie on a circle, every point takes the same diagonal.
void local_stars(const StarInput& in, int64_t* stars, int8_t* closed);

}  // namespace gk
