// Interpolation in grids of several resolutions, dense or hashed into tables (Mueller et al. 2022): contract.
//
// A level divides [0, 1]^d into cells; a point's features at a level are sums of table rows over the lattice sites around its
// cell, `taps` of them along an axis: sum over sites of W(x) table[entry(site)]. Outside of the box the last cell's
// polynomial goes on. Arrays of points and features run over the points fastest: x (d, N), features (L F, N).
#pragma once
#include <cstdint>

#include "../math/lattice_weights.h"

namespace gk {

struct GridLevel {
  int64_t first;      // its first row in the table of all levels
  int64_t entries;    // its rows
  bool hashed;        // entry = (xor of site_k primes_k + shift) mod entries, or else site_0 + site_1 stride_1 + ..., shifted
  uint32_t shift;
  int32_t cells[3];   // along each axis
};

struct GridShape {
  int64_t points;     // N
  int32_t dimension;  // d: 2 or 3
  int32_t features;   // F of a level; an even number is faster
  GridBasis basis;
  int64_t level_count;
  const GridLevel* levels;
};

// features (L F, N) of x (d, N) and table (E, F).
template <class T> void grid_encode(const GridShape& s, const T* x, const T* table, T* features);

// The gradients by the table, (E, F), and by the points, (d, N), each unless null. Every level is summed up by one thread in
// the order of the points.
template <class T>
void grid_encode_backward(const GridShape& s, const T* x, const T* table, const T* features_bar, T* table_bar, T* x_bar);

// The gradients of sum(x_probe x_bar) + sum(table_probe table_bar), of what the function above returns; a null probe is
// zero. By the points (d, N), the table (E, F) and features_bar (L F, N), each unless null.
template <class T> struct GridSecond {
  const T *x, *table, *features_bar, *x_probe, *table_probe;
  T *x_bar, *table_bar, *features_out;
};
template <class T> void grid_encode_second(const GridShape& s, const GridSecond<T>& a);

// On the GPU the table's gradients are sums by atomic operations, whose order and so whose last bits are chance.
namespace cuda {
template <class T> void grid_encode(const GridShape& s, const T* x, const T* table, T* features);
template <class T>
void grid_encode_backward(const GridShape& s, const T* x, const T* table, const T* features_bar, T* table_bar, T* x_bar);
template <class T> void grid_encode_second(const GridShape& s, const GridSecond<T>& a);
}  // namespace cuda

}  // namespace gk
