"""Assertions on closeness with the scale that rounding errors have."""

from contextlib import contextmanager

import torch
from torch import Tensor


def assert_rows_close(name: str, found: Tensor, expected: Tensor, tolerance: float, floor: float = 0.0) -> None:
    """Every entry differs by at most `tolerance` times (the largest entry of its row, plus `floor`)."""
    assert found.shape == expected.shape, f"{name}: shape {tuple(found.shape)}, expected {tuple(expected.shape)}"
    found, expected = found.detach().double(), expected.detach().double()
    assert bool(torch.isfinite(found).all()), f"{name}: not finite"
    if not found.numel():
        return
    scale = expected.abs().flatten(1).amax(1) if expected.dim() > 1 else expected.abs()
    allowed = tolerance * (scale + floor).reshape(-1, *[1] * (expected.dim() - 1))
    excess = (found - expected).abs() - allowed
    worst = tuple(int(i) for i in torch.unravel_index(excess.argmax(), excess.shape))
    assert float(excess.max()) <= 0, (
        f"{name}{list(worst)} is {float(found[worst])}, not {float(expected[worst])} within "
        f"{float(allowed.expand_as(excess)[worst]):.3g}; {int((excess > 0).sum())} of {excess.numel()} entries are off"
    )


def assert_close(name: str, found: Tensor, expected: Tensor, tolerance: float) -> None:
    """Every entry differs by at most `tolerance` times the largest entry of the tensor."""
    assert_rows_close(name, found.reshape(1, -1), expected.reshape(1, -1), tolerance)


@contextmanager
def threads(count: int):  # type: ignore[no-untyped-def]
    """Run with this many torch threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
