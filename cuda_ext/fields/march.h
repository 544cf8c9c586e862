// Marching cubes through the cells of a sparse lattice of quadratic B-splines.
//
// Every cell is cut into parts^3 cubes, parts 1 or 2, at whose corners the field is a sum of few coefficients with weights
// that are powers of two or 3/4: neighbouring cells find bitwise the same values, so that the mesh has no cracks. On an
// ambiguous face the corners inside are kept apart, which depends on the face alone.
#pragma once
#include <cstdint>

namespace gk {

template <class T> struct MarchedCells {
  int64_t count;
  const int32_t* around;  // (count, 9) columns of lattice_around, all 27 nodes there
  const int32_t* places;  // (count, 3) of each cell in the lattice, in [-2^18, 2^18)
  const T* coefficients;  // (nodes,)
  int parts;
};

// triangles (count,): how many triangles pass through every cell; a corner is inside where the field is negative.
template <class T> void march_count(const MarchedCells<T>& cells, int32_t* triangles);

// The triangles of every cell, from begins (count,) on, counter-clockwise from where the field is positive. Of each corner,
// the edge of a cube that it lies on, in edges (triangles, 3), and how far it is from the edge's lower end, as a share of
// the edge, in shares (triangles, 3). An edge is ((i + 2^19) << 42 | (j + 2^19) << 22 | (k + 2^19) << 2 | axis) with the
// lower end's place (i, j, k) in the lattice of the corners of cubes.
template <class T> void march_triangles(const MarchedCells<T>& cells, const int64_t* begins, int64_t* edges, T* shares);

}  // namespace gk
