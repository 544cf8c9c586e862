// Triangular solves with a factor, for many right-hand sides at once: contract.
#pragma once
#include "factor.h"

namespace gk {

// solution (N, K) with A solution = right (N, K), row by row. They may be the same array. Blocks of kLanes columns are
// solved together, so that the factor is read once for each; a block never depends on the others.
template <class T>
void solve(const Supernodes& plan, const T* values, const T* signs, const T* right, int64_t columns, T* solution);

}  // namespace gk
