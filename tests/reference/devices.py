"""What a public function must do with the tensors of a GPU: what it does on the CPU, and leave the results there."""

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import fields, is_dataclass
from typing import Any

import pytest
import torch
from torch import Tensor

from tests.reference.pretend_gpu import GPU, pretend_gpu


@contextmanager
def emulated_gpu() -> Iterator[None]:
    """A pretended GPU whose kernels are the emulated ones; skips the test where this build has none."""
    emulated = pytest.importorskip("geokit._emulated", reason="this build is not for development")
    emulated.set_order(0)
    with pretend_gpu(emulated):
        yield


def assert_serves_both(
    function: Callable[..., Any], *arguments: Any, stays: bool = False, tolerance: float = 1e-4
) -> None:
    """`function`, a module or not, returns on a pretended GPU what it returns on the CPU, and so do its gradients by
    the arguments and the parameters that require them; `stays`: its tensors are on the CPU still."""
    expected = outcome(copy.deepcopy(function), *map(_leaf, arguments))
    with emulated_gpu():
        found = outcome(on_the_gpu(function), *(_leaf(on_the_gpu(a)) for a in arguments))
        assert len(found) == len(expected)
        for have, want in zip(found, expected):
            assert (have is None) == (want is None)
            if have is not None and want is not None:
                assert have.device.type == ("cpu" if stays else "cuda"), "a result is on the other device"
                have = have.detach().cpu()
                assert have.dtype == want.dtype
                torch.testing.assert_close(have, want.detach(), rtol=tolerance, atol=tolerance)


def outcome(function: Callable[..., Any], *arguments: Any) -> list[Tensor | None]:
    """All tensors of the result, then the gradients of their sum of squares."""
    torch.manual_seed(0)
    results = list(_tensors(function(*arguments)))
    leaves = [a for a in arguments if isinstance(a, Tensor) and a.requires_grad]
    leaves += function.parameters() if isinstance(function, torch.nn.Module) else []
    losses = [t.square().sum() for t in results if t.requires_grad and not t.is_complex()]
    gradients = torch.autograd.grad(sum(losses), leaves, allow_unused=True) if leaves and losses else ()  # type: ignore
    return [*results, *gradients]


def on_the_gpu(value: Any) -> Any:
    """A tensor, a shape, a copy of a module or a dictionary of these, moved."""
    if isinstance(value, torch.nn.Module):
        return copy.deepcopy(value).to(GPU)
    if isinstance(value, dict):
        return {name: on_the_gpu(part) for name, part in value.items()}
    return value.to(GPU) if hasattr(value, "to") else value


def _leaf(value: Any) -> Any:
    return value.detach().requires_grad_(value.requires_grad) if isinstance(value, Tensor) else value


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
