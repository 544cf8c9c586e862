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
  int64_t pairs;           // P
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

// On the GPU what is read at random is read sixteen bytes at a time. In a row of `table` the shape and the features, in
// one of `rows` (of the kernels' gradients alone) the point and each part of the outputs begin at multiples of four and
// are filled up with zeros: quads(n) is the room that n values take.
GK_HD constexpr int64_t quads(int64_t n) { return (n + 3) / 4 * 4; }

namespace cuda {

// order (N,): queries, neighbours after one another, for speed.
template <class T> void radial_sum(const RadialInput<T>& in, const PairLists& pairs, const int32_t* order, T* out);

template <class T>
void radial_queries_backward(const RadialInput<T>& in, const PairLists& pairs, const int32_t* order, const T* out_bar, T* x_bar);

// The pairs of a kernel in pieces of `length`: those of kernel i are pieces starts[i] to starts[i + 1], and there are at
// most `most` in all.
struct PairPieces {
  const int64_t* starts;  // (M + 1,)
  int64_t length, most;
};

// partial (most, width of a row of table_bar): room for the sums of each piece.
template <class T>
void radial_kernels_backward(const RadialInput<T>& in, const PairLists& pairs, const PairPieces& pieces, bool shapes, T* partial,
                             T* table_bar);

}  // namespace cuda
}  // namespace gk
