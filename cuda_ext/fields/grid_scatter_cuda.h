// Internal to grid_*_cuda.cu: the gradients by the table.
#pragma once
#include "grid_encode.h"

namespace gk::cuda {

// Sets a.table_bar to the sums over points and sites of features_bar times the weight of the site or, `second`, its
// derivative along x_probe.
template <class T> void scatter(const GridShape& s, const GridSecond<T>& a, bool second);

}  // namespace gk::cuda
