"""The native module, imported after torch so that both share one OpenMP thread pool, and how its operators are made."""

from collections.abc import Callable, Iterable

import torch
from torch import Tensor
from torch.library import CustomOpDef

import geokit._native as _native

__all__ = ["_native", "custom_op", "plain"]


def custom_op(name: str, mutates_args: Iterable[str] = ()) -> Callable[[Callable[..., object]], CustomOpDef]:
    """`torch.library.custom_op` of a function for the CPU, without its first call importing the compiler of torch.

    Torch wraps the functions given to `custom_op` so that torch.compile does not look into them, which imports
    torch._dynamo when the first is called: 1 to 2 s that no command without torch.compile needs. A function registered
    by `torch.library.impl` is called by the dispatcher alone, and is as opaque to torch.compile.
    """

    def register(function: Callable[..., object]) -> CustomOpDef:
        operator = torch.library.custom_op(name, function, mutates_args=mutates_args, device_types=())
        torch.library.impl(name, "cpu", function)
        return operator

    return register


def plain(*tensors: Tensor) -> tuple[Tensor, ...]:
    """The tensors as the native layer takes them: detached and contiguous."""
    return tuple(t.detach().contiguous() for t in tensors)
