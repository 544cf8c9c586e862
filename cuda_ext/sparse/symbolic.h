// Where the entries of a Cholesky factor are: elimination tree, column counts (Gilbert, Ng, Peyton 1994) and supernodes,
// runs of columns with the same rows below them: contract.
#pragma once
#include "pattern.h"

namespace gk {

// Supernode s has the columns first[s] to first[s + 1] of the permuted matrix and, below its diagonal block, the rows
// rows[row_begin[s]] to rows[row_begin[s + 1]], ascending. Its panel, all of these rows by its columns, column by column,
// starts at value_begin[s] of the factor's values. Only the lower triangle of the diagonal block has a meaning.
struct Supernodes {
  int64_t size, count;         // N, S
  const int32_t* permutation;  // (N,) permutation[k]: the row of the matrix that is row k of the permuted matrix
  const int32_t* first;        // (S + 1,)
  const int32_t* parent;       // (S,) > s: the supernode of the first row below, or -1
  const int64_t* row_begin;    // (S + 1,)
  const int64_t* value_begin;  // (S + 1,)
  const int32_t* rows;         // (row_begin[S],)
};

struct SupernodesOutput {
  int32_t *permutation, *first, *parent;  // (N,) (N + 1,) (N,): the first S (+ 1) of them are filled
  int64_t *row_begin, *value_begin;       // (N + 1,) each
};

// Everything but the rows, for an order of elimination; the permutation is that order with subtrees made contiguous.
// Returns S.
int64_t symbolic_plan(const SparsePattern& a, const int32_t* order, const SupernodesOutput& out);

// rows of all supernodes.
void symbolic_fill(const SparsePattern& a, const Supernodes& plan, int32_t* rows);

}  // namespace gk
