"""What the kernels of the GPU must show: the values and the gradients of the CPU's."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from tests.reference.comparison import assert_close

TOLERANCE = {torch.float32: 1e-4, torch.float64: 1e-10}  # of the largest entry of each tensor


def assert_agrees(
    device: Callable[..., Any],
    function: Callable[..., Any],
    *arguments: Any,
    dtypes: tuple[torch.dtype, ...] = (torch.float32, torch.float64),
    tolerance: dict[torch.dtype, float] | None = None,
) -> None:
    """`function` returns on `device` what it returns on the CPU, and its gradients by the arguments that require them.

    Arguments of float64 are cast to each of `dtypes`; integers and flags must be equal.
    """
    for dtype in dtypes:
        cast = [_cast(a, dtype) for a in arguments]
        expected, found = _outcome(function, *cast), device(_outcome, function, *cast)
        assert len(expected) == len(found)
        for number, (want, have) in enumerate(zip(expected, found)):
            name = f"{getattr(function, '__name__', 'function')}: tensor {number} in {dtype}"
            assert want.dtype == have.dtype, name
            if want.is_floating_point():
                assert_close(name, have, want, (tolerance or TOLERANCE)[dtype])
            else:
                assert torch.equal(want, have), name


def _outcome(function: Callable[..., Any], *arguments: Any) -> list[Tensor]:
    """The outputs, then the gradients of their sum with fixed weights."""
    given = [a.detach().clone().requires_grad_(a.requires_grad) if isinstance(a, Tensor) else a for a in arguments]
    found = function(*given)
    outputs = [t for t in (found if isinstance(found, (tuple, list)) else [found]) if isinstance(t, Tensor)]
    leaves = [a for a in given if isinstance(a, Tensor) and a.requires_grad]
    if leaves:
        loss = sum((t * _weights(t)).sum() for t in outputs if t.requires_grad)
        gradients = torch.autograd.grad(loss, leaves, allow_unused=True)
        outputs += [torch.zeros_like(x) if g is None else g for x, g in zip(leaves, gradients)]
    return [t.detach() for t in outputs]


def _weights(like: Tensor) -> Tensor:
    g = torch.Generator().manual_seed(like.numel())
    return torch.randn(like.shape, dtype=torch.float64, generator=g).to(like)


def _cast(argument: Any, dtype: torch.dtype) -> Any:
    if not isinstance(argument, Tensor) or argument.dtype != torch.float64:
        return argument
    return argument.detach().to(dtype).requires_grad_(argument.requires_grad)
