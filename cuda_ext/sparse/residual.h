// How far functions are from being eigenvectors: contract.
#pragma once
#include "pattern.h"

namespace gk {

template <class T> struct ResidualInput {
  SparsePattern pattern;
  int64_t count;                             // K
  const T *entries, *masses, *values, *functions;  // (E,) (N,) (K,) (N, K): S, M, lambda, X
};

// squares (2, K): the sums over rows of (S X - M X lambda)^2 and of (M X)^2, column by column of X.
template <class T> void residual_squares(const ResidualInput<T>& in, T* squares);

}  // namespace gk
