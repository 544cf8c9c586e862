// Triangular solves with a factor, for many right-hand sides at once: contract.
#pragma once
#include "factor.h"

namespace gk {

// A right-hand side or a solution: row i of column k is at data[i * row_stride + k * column_stride].
struct ColumnLayout {
  int64_t columns, row_stride, column_stride;
};

// solution with A solution = right, laid out alike; they may be the same array. Blocks of kLanes columns are solved
// together, so that the factor is read once for each; a block never depends on the others.
template <class T>
void solve(const Supernodes& plan, const T* values, const T* signs, const T* right, const ColumnLayout& layout, T* solution);

}  // namespace gk
