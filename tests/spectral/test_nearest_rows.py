"""Nearest rows against all distances."""

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from geokit.spectral import nearest_rows as module
from geokit.spectral.nearest_rows import first_largest, nearest_rows


@settings(deadline=None)
@given(st.integers(0, 10_000), st.integers(0, 40), st.integers(1, 60), st.integers(1, 12))
def test_the_nearest_of_all(seed, queries, rows, width):
    generator = torch.Generator().manual_seed(seed)
    q = torch.randint(-4, 5, (queries, width), generator=generator).double()
    r = torch.randint(-4, 5, (rows, width), generator=generator).double()  # exact in float32, with many equal ones
    wanted = torch.cdist(q, r, compute_mode="donot_use_mm_for_euclid_dist").square().round().argmin(1)
    assert torch.equal(nearest_rows(q, r), wanted)


def test_blocks_do_not_matter(monkeypatch):
    q, r = torch.randn(100, 5), torch.randn(70, 5)
    whole = nearest_rows(q, r)
    monkeypatch.setattr(module, "BLOCK", 70 * 20)
    assert torch.equal(nearest_rows(q, r), whole)


def test_the_first_of_equal_ones():
    scores = torch.tensor([[[1.0, 3.0, 3.0]], [[-1.0, -1.0, -2.0]]])
    assert first_largest(scores).tolist() == [[1], [0]]
