"""Sparse matrices against dense ones."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from geokit.errors import InvalidInput
from geokit.geometry.sparse import SparseMatrix


def _random(seed: int, rows: int = 7, columns: int = 5, entries: int = 20) -> tuple[SparseMatrix, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    i = torch.randint(rows, (entries,), generator=generator)
    j = torch.randint(columns, (entries,), generator=generator)
    values = torch.randn(entries, generator=generator, dtype=torch.float64)
    dense = torch.zeros(rows, columns, dtype=torch.float64).index_put((i, j), values, accumulate=True)
    return SparseMatrix.from_triplets(i, j, values, (rows, columns)), dense


@settings(deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 9), st.integers(1, 9), st.integers(0, 30))
def test_agrees_with_dense(seed, rows, columns, entries):
    sparse, dense = _random(seed, rows, columns, entries)
    torch.testing.assert_close(sparse.dense(), dense)
    torch.testing.assert_close(sparse.transpose().dense(), dense.T)
    torch.testing.assert_close(sparse.diagonal(), dense.diagonal())
    torch.testing.assert_close(torch.from_numpy(sparse.to_scipy().toarray()), dense)
    torch.testing.assert_close(SparseMatrix.from_scipy(sparse.to_scipy()).dense(), dense)
    more = torch.arange(1.0, min(rows, columns) + 1, dtype=torch.float64)
    wide = torch.zeros_like(dense)
    wide.diagonal().copy_(more)
    torch.testing.assert_close(sparse.add_diagonal(more).dense(), dense + wide)
    other = torch.randn(columns, 3, dtype=torch.float64)
    torch.testing.assert_close(sparse @ other, dense @ other)
    torch.testing.assert_close(sparse @ other[:, 0], dense @ other[:, 0])


def test_gradients():
    sparse, _ = _random(3)
    values = sparse.values.clone().requires_grad_()
    other = torch.randn(5, 2, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda v, x: sparse.replace(values=v) @ x, (values, other))
    assert torch.autograd.gradcheck(lambda v: sparse.replace(values=v).add_diagonal(v[:5]).dense(), (values,))


def test_indices_outside_are_refused():
    two = torch.tensor([0, 2])
    with pytest.raises(InvalidInput, match="rows reach from 0 to 2; want 0 to 1"):
        SparseMatrix.from_triplets(two, two, torch.ones(2), (2, 3))
