// The quadratic form of a spline surface: how far a sum of quadratic B-splines is from points and their normals, and how
// much it bends.
//
// Spline n is centred in cell n of a sparse lattice and is 1.5 cells wide on every side, so that in a cell the 27
// splines around it are not zero. Lengths are in cells.
#pragma once
#include <cstdint>

namespace gk {

template <class T> struct SplineFit {
  int64_t nodes, cells;    // cells: those with points
  const int32_t* around;   // (nodes, 9) columns of lattice_around
  const int32_t* centers;  // (cells,) the node in the middle of each cell
  const int32_t* cell_of;  // (nodes,) the cell whose middle the node is, or -1
  const int64_t* offsets;  // (cells + 1,) the points of each cell
  const T* places;         // (points, 3) from the middle of the cell, each in [-1/2, 1/2]
  const T* normals;        // (points, 3) the gradient wanted there, or null for zero
  const T* weights;        // (points,)
  T value_weight, bend_weight;
};

// out (nodes,): half the gradient by the coefficients x (nodes,) of
//   sum_p weights_p (value_weight f(p)^2 + |grad f(p) - normals_p|^2) + bend_weight |second differences of x|^2,
// where differences are taken wherever all of their nodes are there, the mixed ones twice.
// Scratch: forces (cells, 27), bends (nodes, 6).
template <class T> void spline_fit_gradient(const SplineFit<T>& fit, const T* x, T* forces, T* bends, T* out);

// out (nodes,): the diagonal of that form. Scratch: forces (cells, 27).
template <class T> void spline_fit_diagonal(const SplineFit<T>& fit, T* forces, T* out);

}  // namespace gk
