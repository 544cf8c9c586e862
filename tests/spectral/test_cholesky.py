"""Sparse factorizations against dense ones."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from geokit.backend import sparse_ops
from geokit.errors import InvalidInput, NumericalFailure
from geokit.geometry.sparse import SparseMatrix
from geokit.spectral.cholesky import Cholesky, SymmetricPattern


def random_matrix(size: int, links: int, seed: int, dtype: torch.dtype = torch.float64) -> SparseMatrix:
    """Symmetric, with a dominant diagonal and `links` random pairs of entries."""
    generator = torch.Generator().manual_seed(seed)
    i, j = torch.randint(size, (2, links), generator=generator)
    values = torch.randn(links, generator=generator, dtype=dtype)
    here = torch.arange(size)
    rows, columns = torch.cat([i, j, here]), torch.cat([j, i, here])
    sums = values.new_ones(size).index_add(0, torch.cat([i, j]), 2 * values.abs().repeat(2))
    return SparseMatrix.from_triplets(rows, columns, torch.cat([values, values, sums]), (size, size))


def grid_matrix(side: int, shift: float = 0.01) -> SparseMatrix:
    """The Laplacian of a square grid plus a multiple of the identity."""
    here = torch.arange(side * side).reshape(side, side)
    i = torch.cat([here[:, 1:].flatten(), here[1:].flatten()])
    j = torch.cat([here[:, :-1].flatten(), here[:-1].flatten()])
    ones = torch.ones(len(i), dtype=torch.float64)
    size = side * side
    degrees = ones.new_full((size,), shift).index_add(0, torch.cat([i, j]), ones.repeat(2))
    rows, columns = torch.cat([i, j, here.flatten()]), torch.cat([j, i, here.flatten()])
    return SparseMatrix.from_triplets(rows, columns, torch.cat([-ones, -ones, degrees]), (size, size))


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 90), st.floats(0, 4), st.integers(0, 2**31))
def test_any_matrix_is_solved_as_densely(size, density, seed):
    matrix = random_matrix(size, int(density * size), seed)
    right = torch.randn(size, 1 + seed % 20, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    wanted = torch.linalg.solve(matrix.dense(), right)
    torch.testing.assert_close(Cholesky(matrix).solve(right), wanted, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-11), (torch.float32, 2e-3)])
@pytest.mark.parametrize("columns", [None, 1, 16, 37])
def test_a_grid_is_solved_in_both_precisions_and_for_any_number_of_columns(dtype, tolerance, columns):
    matrix = grid_matrix(40).to(dtype)
    generator = torch.Generator().manual_seed(0)
    wanted = torch.randn(1600, *([] if columns is None else [columns]), generator=generator, dtype=torch.float64)
    found = Cholesky(matrix).solve((grid_matrix(40) @ wanted).to(dtype))
    assert found.dtype == dtype
    assert found.shape == wanted.shape
    torch.testing.assert_close(found.double(), wanted, rtol=0, atol=tolerance)


def test_the_order_is_a_permutation_with_little_fill_in():
    from scipy.sparse.linalg import splu

    matrix = grid_matrix(60)
    peer = splu(matrix.to_scipy().tocsc(), permc_spec="MMD_AT_PLUS_A", options={"SymmetricMode": True})
    pattern = SymmetricPattern.of(matrix)
    permutation, first, _, row_begin, *_ = pattern.plan()
    assert torch.equal(permutation.sort().values.long(), torch.arange(3600))
    columns, below = first.diff().long(), row_begin.diff()
    entries = int((columns * (columns + 1) // 2 + columns * below).sum())
    assert entries < 1.4 * peer.L.nnz


def test_a_hub_and_separate_parts():
    size = 3000
    spokes, zeros = torch.arange(1, size - 3), torch.zeros(size - 4, dtype=torch.int64)
    values = torch.full((size - 4,), -0.01, dtype=torch.float64)
    here = torch.arange(size)
    matrix = SparseMatrix.from_triplets(
        torch.cat([zeros, spokes, here]),
        torch.cat([spokes, zeros, here]),
        torch.cat([values, values, torch.ones(size, dtype=torch.float64)]),
        (size, size),
    )
    right = torch.randn(size, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    factor = Cholesky(matrix)
    assert factor.stored < 5 * size
    torch.testing.assert_close(matrix @ factor.solve(right), right)


def test_matrices_that_are_not_positive_definite_are_refused_and_named():
    matrix = grid_matrix(12, shift=1.0)
    bad = matrix.add_diagonal(torch.zeros(144, dtype=torch.float64).index_fill(0, torch.tensor([77]), -50))
    with pytest.raises(NumericalFailure, match=r"pivot of row \d+ of 144 is -\d"):
        Cholesky(bad)
    alone = SparseMatrix.from_triplets(
        torch.arange(4), torch.arange(4), torch.tensor([1.0, 2.0, 0.0, 3.0], dtype=torch.float64), (4, 4)
    )
    with pytest.raises(NumericalFailure, match="pivot of row 2 of 4 is 0"):
        Cholesky(alone)


def test_what_cannot_be_factored_is_told_in_one_sentence():
    def matrix(rows, columns, values, shape):
        return SparseMatrix.from_triplets(torch.tensor(rows), torch.tensor(columns), torch.tensor(values), shape)

    with pytest.raises(InvalidInput, match="square"):
        Cholesky(matrix([0], [1], [1.0], (2, 3)))
    with pytest.raises(InvalidInput, match="row 0 has an entry without a mirror image"):
        Cholesky(matrix([0, 0, 1], [0, 1, 1], [1.0, 1.0, 1.0], (2, 2)))
    with pytest.raises(InvalidInput, match=r"entries at \(0, 1\) and mirrored are 1 and 2"):
        Cholesky(matrix([0, 0, 1, 1], [0, 1, 0, 1], [9.0, 1.0, 2.0, 9.0], (2, 2)))
    with pytest.raises(InvalidInput, match="finite"):
        Cholesky(matrix([0, 1], [0, 1], [float("nan"), 1.0], (2, 2)))
    with pytest.raises(InvalidInput, match="right must have shape"):
        Cholesky(grid_matrix(3)).solve(torch.zeros(8, dtype=torch.float64))
    with pytest.raises(InvalidInput, match="float64"):
        Cholesky(grid_matrix(3)).solve(torch.zeros(9))


def test_solutions_do_not_depend_on_threads_or_neighbouring_columns():
    matrix = grid_matrix(50)
    right = torch.randn(2500, 40, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    threads = torch.get_num_threads()
    try:
        results = []
        for count in (1, 4):
            torch.set_num_threads(count)
            results.append(Cholesky(matrix).solve(right))
    finally:
        torch.set_num_threads(threads)
    assert torch.equal(*results)
    assert torch.equal(Cholesky(matrix).solve(right[:, 5]), results[0][:, 5])


def test_gradients_by_values_and_right_hand_sides():
    matrix = random_matrix(7, 8, seed=3)
    right = torch.randn(7, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(1))

    def solution(values, right):
        return Cholesky(matrix.replace(values=(values + values[SymmetricPattern.of(matrix).twins]) / 2)).solve(right)

    assert torch.autograd.gradcheck(solution, (matrix.values.requires_grad_(), right.requires_grad_()))


def test_the_operators_keep_their_contract():
    matrix = random_matrix(9, 12, seed=5)
    pattern = SymmetricPattern.of(matrix)
    entries = pattern.symmetric_part(matrix.values)
    plan = pattern.plan()
    values, signs, _ = sparse_ops.factor(pattern.offsets, pattern.columns, entries, plan, True)
    torch.library.opcheck(sparse_ops.twins, (matrix.offsets, matrix.columns))
    torch.library.opcheck(sparse_ops.analyze, (matrix.offsets, matrix.columns))
    torch.library.opcheck(sparse_ops.factor, (pattern.offsets, pattern.columns, entries, plan, True))
    right = torch.randn(9, 3, dtype=torch.float64, requires_grad=True)
    leaf = entries.clone().requires_grad_()
    torch.library.opcheck(sparse_ops.solve, (leaf, right, pattern.rows, pattern.columns, plan, values, signs))


def test_negative_pivots_count_negative_eigenvalues():
    matrix = grid_matrix(15, shift=0.0)
    pattern = SymmetricPattern.of(matrix)
    eigenvalues = torch.linalg.eigvalsh(matrix.dense())
    for shift in (0.31, 1.7, 4.03):
        moved = matrix.add_diagonal(torch.full((225,), -shift, dtype=torch.float64))
        result = sparse_ops.factor(pattern.offsets, pattern.columns, moved.values, pattern.plan(), False)[2]
        assert int(result[0]) == -1
        assert int(result[2]) == int((eigenvalues < shift).sum())
