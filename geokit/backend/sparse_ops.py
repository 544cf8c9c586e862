"""Factorization of sparse symmetric matrices as torch operators: where the factor's entries are, what they are, solves.

The layout of the factor is the contract of cuda_ext/sparse/symbolic.h. Arguments are checked by
`geokit.spectral.cholesky`.
"""

from typing import Any

import torch
from torch import Tensor

from geokit.backend.native import _native, custom_op, plain

PADDING: int = _native.SPARSE_FACTOR_PADDING


@custom_op("geokit::sparse_twins")
def twins(offsets: Tensor, columns: Tensor) -> tuple[Tensor, Tensor]:
    """(E,) where the transposed entry of every entry is stored, and (1,) a row with an entry that has none, or -1."""
    found, row = torch.empty_like(columns), columns.new_empty(1)
    row[0] = _native.sparse_twins(*plain(offsets, columns), found)
    return found, row


@twins.register_fake
def _(offsets: Tensor, columns: Tensor) -> tuple[Tensor, Tensor]:
    return torch.empty_like(columns), columns.new_empty(1)


@custom_op("geokit::sparse_analyze")
def analyze(offsets: Tensor, columns: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]:
    """The plan of a factorization: permutation (N,), first (S + 1,), parent (S,), row_begin (S + 1,),
    value_begin (S + 1,) and rows (R,) of its supernodes. The pattern must be symmetric."""
    offsets, columns = plain(offsets, columns)
    size = len(offsets) - 1
    order, permutation, first, parent = (offsets.new_empty(n, dtype=torch.int32) for n in (size, size, size + 1, size))
    row_begin, value_begin = torch.empty_like(offsets), torch.empty_like(offsets)
    _native.sparse_order(offsets, columns, order)
    count = _native.sparse_plan(offsets, columns, order, permutation, first, parent, row_begin, value_begin)
    first, parent = first[: count + 1].clone(), parent[:count].clone()
    row_begin, value_begin = row_begin[: count + 1].clone(), value_begin[: count + 1].clone()
    rows = order.new_empty(int(row_begin[count]))
    _native.sparse_fill(offsets, columns, permutation, first, parent, row_begin, value_begin, rows)
    return permutation, first, parent, row_begin, value_begin, rows


@analyze.register_fake
def _(offsets: Tensor, columns: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]:
    context = torch.library.get_ctx()
    count, rows = context.new_dynamic_size(), context.new_dynamic_size()
    short = offsets.new_empty(len(offsets) - 1, dtype=torch.int32)
    begins = offsets.new_empty(count + 1), offsets.new_empty(count + 1)
    return short, short.new_empty(count + 1), short.new_empty(count), *begins, short.new_empty(rows)


@custom_op("geokit::sparse_factor")
def factor(
    offsets: Tensor, columns: Tensor, entries: Tensor, plan: list[Tensor], definite: bool
) -> tuple[Tensor, Tensor, Tensor]:
    """L's panels, D (N,) of +-1 and (3,): the permuted column that failed or -1, its pivot, how many are negative."""
    values, signs = entries.new_empty(int(plan[4][-1]) + PADDING), entries.new_empty(len(offsets) - 1)
    result = _native.sparse_factor(*plain(offsets, columns, entries), definite, *plain(*plan), values, signs)
    return values, signs, torch.tensor(result, dtype=torch.float64)


@factor.register_fake
def _(
    offsets: Tensor, columns: Tensor, entries: Tensor, plan: list[Tensor], definite: bool
) -> tuple[Tensor, Tensor, Tensor]:
    size = torch.library.get_ctx().new_dynamic_size()
    signs = entries.new_empty(len(offsets) - 1)
    return entries.new_empty(size), signs, entries.new_empty(3, dtype=torch.float64)


@custom_op("geokit::sparse_residual_squares")
def residual_squares(
    offsets: Tensor, columns: Tensor, entries: Tensor, masses: Tensor, values: Tensor, functions: Tensor
) -> Tensor:
    """(2, K) the squared norms of S X - M X lambda and of M X for functions X (N, K). Without a gradient."""
    squares = values.new_empty(2, len(values))
    _native.sparse_residual_squares(*plain(offsets, columns, entries, masses, values, functions), squares)
    return squares


@residual_squares.register_fake
def _(offsets: Tensor, columns: Tensor, entries: Tensor, masses: Tensor, values: Tensor, functions: Tensor) -> Tensor:
    return values.new_empty(2, len(values))


@custom_op("geokit::sparse_solve")
def solve(
    entries: Tensor, right: Tensor, rows: Tensor, columns: Tensor, plan: list[Tensor], values: Tensor, signs: Tensor
) -> Tensor:
    """(N, K) X with A X = right, A being the matrix of `entries` (E,) at (rows, columns) that was factored.

    Differentiable by the entries of the symmetric matrix, half of a gradient for each of two mirrored ones, and by
    `right`.
    """
    by_columns = right.T.is_contiguous()  # as one layout or the other, to save a copy
    block = right.T if by_columns else right
    solution = torch.empty_like(block, memory_format=torch.contiguous_format)
    _native.sparse_solve(*plain(*plan, values, signs, block), by_columns, solution)
    return solution.T if by_columns else solution


@solve.register_fake
def _(
    entries: Tensor, right: Tensor, rows: Tensor, columns: Tensor, plan: list[Tensor], values: Tensor, signs: Tensor
) -> Tensor:
    by_columns = right.T.is_contiguous()
    solution = torch.empty_like(right.T if by_columns else right, memory_format=torch.contiguous_format)
    return solution.T if by_columns else solution


def _setup_solve(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    entries, _, rows, columns, plan, values, signs = inputs
    ctx.save_for_backward(output, entries, rows, columns, values, signs, *plan)


def _solve_backward(ctx: Any, bar: Tensor) -> tuple[Any, ...]:
    """dX = A^-1 (dB - dA X), and A is its own transpose."""
    x, entries, rows, columns, values, signs, *plan = ctx.saved_tensors
    right_bar = solve(entries, bar, rows, columns, plan, values, signs)
    entries_bar = None
    if ctx.needs_input_grad[0]:
        entries_bar = torch.zeros_like(entries)
        for pulled, column in zip(right_bar.T, x.T):  # one column at a time: (E, K) may not fit in memory
            entries_bar = entries_bar - (pulled[rows] * column[columns] + pulled[columns] * column[rows]) / 2
    return entries_bar, right_bar, None, None, [None] * 6, None, None


solve.register_autograd(_solve_backward, setup_context=_setup_solve)
