// Points grouped by the cells of a grid of cubes: contract. The cell of a coordinate x is floor(x / size), in float64.
#pragma once
#include <cstdint>

namespace gk {

template <class T> struct VoxelInput {
  int64_t count;
  const T* points;  // (N, 3), N at least 1 and below 2^31
  double size;
};

// bounds (2, 3): the first and the last occupied cell along x, y, z.
template <class T> void voxel_bounds(const VoxelInput<T>& in, double* bounds);

// groups (N): the number of each point's cell, occupied cells being numbered in ascending order of (i, j, k). first (N): the
// lowest index of a point in each cell, as many as the number of occupied cells, which is returned. The box of cells
// `bounds` holds fewer than 2^63.
template <class T> int64_t voxel_groups(const VoxelInput<T>& in, const double* bounds, int64_t* groups, int64_t* first);

}  // namespace gk
