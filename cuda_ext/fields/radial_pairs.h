// Which queries lie in the support of which kernels: contract. Exactly those with |A (x - c)|^2 < R^2, A and its packing
// as in radial.h; a hat's support is the box |u_k| < 1 instead.
//
// Queries are sorted into the cells of a uniform grid over most of them (those beyond lie in its border cells), so that a
// kernel asks one run of queries for each row of cells that it crosses, whatever its size and shape.
#pragma once
#include <cstdint>

namespace gk {

template <class T> struct QueryGrid {
  int64_t queries;        // N, below 2^31
  int dimension;          // d
  double low[3], size[3];  // the corner of the first cell and the size of cells
  int32_t cells[3];       // along each axis, at least 1, fewer than 2^31 in all
  int64_t* starts;        // (cells + 1,)
  int32_t* order;         // (N,) queries cell by cell, ascending in each; along the first axis cells are neighbours
  T* sorted;              // (d, N) their coordinates
};

// Fills starts, order and sorted from points x (N, d).
template <class T> void sort_queries(const T* x, const QueryGrid<T>& grid);

template <class T> struct Supports {
  int64_t kernels;
  const T* centres;  // (M, d)
  const T* factors;  // (M, d (d + 1) / 2)
  T support;         // R
  bool hat;
};

// Without ids: how many queries each kernel has, into offsets[i + 1]. With ids (P,): those queries, row of cells by row.
template <class T> void kernel_pairs(const QueryGrid<T>& grid, const Supports<T>& supports, int64_t* offsets, int32_t* ids);

// The same pairs by query, kernels ascending: offsets (N + 1,) and ids (P,) from offsets (M + 1,) and ids (P,) by kernel.
void transpose_pairs(int64_t queries, int64_t kernels, const int64_t* kernel_offsets, const int32_t* kernel_ids,
                     int64_t* offsets, int32_t* ids);

}  // namespace gk
