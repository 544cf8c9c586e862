// Rows that many items add to, summed in a fixed order, where atomic additions would give other bits in every run.
#pragma once
#include <cstdint>

namespace gk::cuda {

// sums (K, C): of rows (N, C) those that order[starts[k]] ... order[starts[k + 1] - 1] name. starts (K + 1), order (N).
template <class T>
void sum_rows(int64_t keys, int64_t columns, const T* rows, const int64_t* order, const int64_t* starts, T* sums);

}  // namespace gk::cuda
