// Numerical factorization, supernode by supernode (multifrontal method, Duff and Reid 1983; Liu 1992): contract.
#pragma once
#include "symbolic.h"

namespace gk {

// Stored beyond the last panel, so that a vector may be read past the end of a column.
constexpr int64_t kFactorPadding = 64;

template <class T> struct FactorInput {
  SparsePattern pattern;  // symmetric
  const T* entries;       // (E,); of each pair of entries that mirror each other the one of the lower permuted triangle is read
  Supernodes plan;
  bool definite;          // stop at the first pivot that is not positive
};

struct FactorResult {
  int64_t failed;    // the column of the permuted matrix whose pivot stopped the factorization, or -1
  double pivot;      // that pivot
  int64_t negative;  // pivots below zero: the number of negative eigenvalues (Sylvester's law of inertia)
};

// P A P^T = L D L^T with D of +-1, without exchanges of rows. values (value_begin[S] + kFactorPadding): the panels of L, with
// the inverse of its diagonal on the diagonal. signs (N): D.
template <class T> FactorResult factor(const FactorInput<T>& in, T* values, T* signs);

}  // namespace gk
