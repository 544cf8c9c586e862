// Sums of radial kernels over stored pairs of a query and a kernel: contract.
//
//   value[q,f]    = sum over the pairs (q, i) of features[i,f] psi_f(x[q] - centre[i])
//   gradient[q,f] = the same of its gradient, laplacian[q,f] of its Laplacian
//
// psi is phi(s) of math/radial_basis.h, times cos(2 pi k.y + phase) with waves; with frequencies, psi_f is the sine of
// frequency f times that. A pair outside of a kernel's support adds nothing: pairs may be more than needed, not fewer.
// Every sum runs in the order of the pairs.
#pragma once
#include <cstdint>

#include "../math/radial_basis.h"

namespace gk {

struct PairLists {
  const int64_t* offsets;  // (one more than lists,)
  const int32_t* ids;      // (P,)
};

template <class T> struct RadialInput {
  int64_t queries, kernels, channels;  // N, M (at least 1), F
  int dimension, order;                // 1, 2 or 3; 0 values, 1 and gradients, 2 and Laplacians (none of the hat)
  Profile profile;
  bool waves;
  T support2;            // R^2
  const T* frequencies;  // (F,), or null
  const T* table;        // (M, W): centre (d), A (d (d + 1) / 2), with waves k (d) and phase; features (F)
  const T* rows;         // (N, d) points; for the kernels' gradients (N, d + C), followed by the gradient by the outputs
  int parts() const { return order == 0 ? 1 : order == 1 ? 1 + dimension : 2 + dimension; }
  int64_t outputs() const { return parts() * channels; }  // C
  int64_t shape_width() const { return dimension + packed_size(dimension) + (waves ? dimension + 1 : 0); }
  int64_t width() const { return shape_width() + channels; }  // W
};

// out (N, C): of each query values (F), derivatives along each axis (d, F), Laplacians (F); pairs by query, ids of kernels.
template <class T> void radial_sum(const RadialInput<T>& in, const PairLists& pairs, T* out);

// x_bar (N, d) from out_bar (N, C).
template <class T>
void radial_queries_backward(const RadialInput<T>& in, const PairLists& pairs, const T* out_bar, T* x_bar);

// table_bar (M, W), or of the features alone (M, F) where `shapes` is false; pairs by kernel, ids of queries.
template <class T>
void radial_kernels_backward(const RadialInput<T>& in, const PairLists& pairs, bool shapes, T* table_bar);

}  // namespace gk
