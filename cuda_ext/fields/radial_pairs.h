// Which queries lie in the support of which kernels: contract. Exactly those with |A (x - c)|^2 < R^2, A and its packing
// as in radial.h; a hat's support is the box |u_k| < 1 instead.
//
// Queries are sorted into the cells of a uniform grid over most of them (those beyond lie in its border cells), so that a
// kernel asks one run of queries for each row of cells that it crosses, whatever its size and shape.
#pragma once
#include <cstdint>

#include "../math/scalar.h"

namespace gk {

template <class T> struct QueryGrid {
  int64_t queries;        // N, below 2^31
  int dimension;          // d
  double low[3], size[3];  // the corner of the first cell and the size of cells
  double per_length[3];    // cells in a unit of length
  int32_t cells[3];       // along each axis, at least 1, fewer than 2^31 in all
  int64_t* starts;        // (cells + 1,)
  int32_t* order;         // (N,) queries cell by cell, ascending in each; along the first axis cells are neighbours
  T* sorted;              // (d, N + 16) their coordinates, and room that is never looked at
  GK_HD int64_t stride() const { return queries + 16; }
};

// Fills starts, order and sorted from points x (N, d).
template <class T> void sort_queries(const T* x, const QueryGrid<T>& grid);

template <class T> struct Supports {
  int64_t kernels;
  const T* centres;      // (M, d)
  const T* factors;      // (M, d (d + 1) / 2)
  const int32_t* visit;  // (M,) the kernels, neighbours after one another: for speed
  T support;             // R
  bool hat;
};

// Without ids: how many queries each kernel has, into offsets[i + 1]. With ids (P,): those queries, row of cells by row.
template <class T> void kernel_pairs(const QueryGrid<T>& grid, const Supports<T>& supports, int64_t* offsets, int32_t* ids);

// The same pairs by query, its kernels in the order of visit (M,): offsets (N + 1,) and ids (P,) from those by kernel.
void transpose_pairs(int64_t queries, int64_t kernels, const int32_t* visit, const int64_t* kernel_offsets,
                     const int32_t* kernel_ids, int64_t* offsets, int32_t* ids);

namespace cuda {

// The cells (N,) of points x (N, d), by which a stable sort makes starts, order and sorted.
template <class T> void query_cells(const T* x, const QueryGrid<T>& grid, int32_t* cells);

// A task is up to kRowsOfTask rows of cells of one kernel: how many tasks each kernel has (M,).
constexpr int64_t kRowsOfTask = 32;
template <class T> void kernel_tasks(const QueryGrid<T>& grid, const Supports<T>& supports, int64_t* tasks);

// Without ids: how many queries each task finds, into found (tasks,). With ids (P,): those queries, row of cells by row,
// and the kernel of each (P,), from found[task] on. Kernel i has the tasks first[i] to first[i + 1], `tasks` in all.
struct FoundPairs {
  const int64_t* first;  // (M + 1,)
  int64_t tasks;
  int64_t* found;
  int32_t *ids, *kernels;
};
template <class T> void kernel_pairs(const QueryGrid<T>& grid, const Supports<T>& supports, const FoundPairs& pairs);

// Sorts pairs by query, those of a query in the order in which they come: into queries and kernels (P,), with room of as
// many bytes as sort_room says.
int64_t sort_room(int64_t pairs, int64_t queries);
void sort_pairs(int64_t pairs, int64_t queries, const int32_t* ids, const int32_t* owners, int32_t* sorted, int32_t* kernels, void* room,
                int64_t bytes);

}  // namespace cuda
}  // namespace gk
