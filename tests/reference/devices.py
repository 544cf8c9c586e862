"""What a public function must do with the tensors of a GPU: what it does on the CPU, and leave the results there."""

from collections.abc import Callable, Iterator
from dataclasses import fields, is_dataclass
from typing import Any

import pytest
import torch
from torch import Tensor

from tests.reference.pretend_gpu import GPU, pretend_gpu


def assert_serves_both(
    function: Callable[..., Any], *arguments: Any, stays: bool = False, tolerance: float = 1e-4
) -> None:
    """`function` returns on a pretended GPU what it returns on the CPU; `stays`: its tensors are on the CPU still."""
    emulated = pytest.importorskip("geokit._emulated", reason="this build is not for development")
    expected = list(_tensors(function(*arguments)))
    emulated.set_order(0)
    with pretend_gpu(emulated):
        found = list(_tensors(function(*(on_the_gpu(a) for a in arguments))))
        assert len(found) == len(expected)
        for have, want in zip(found, expected):
            assert have.device.type == ("cpu" if stays else "cuda"), "a result is on the other device"
            have = have.detach().cpu()
            assert have.dtype == want.dtype
            torch.testing.assert_close(have, want.detach(), rtol=tolerance, atol=tolerance)


def on_the_gpu(value: Any) -> Any:
    """A tensor or a shape, moved."""
    return value.to(GPU) if hasattr(value, "to") else value


def _tensors(value: Any) -> Iterator[Tensor]:
    """All tensors in a result, numbers among them."""
    if isinstance(value, Tensor):
        yield value
    elif is_dataclass(value):
        for field in fields(value):
            yield from _tensors(getattr(value, field.name))
    elif isinstance(value, (list, tuple)):
        for part in value:
            yield from _tensors(part)
