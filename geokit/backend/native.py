"""The native module, imported after torch so that both share one OpenMP thread pool."""

import torch  # noqa: F401  (first: the native module then reuses torch's OpenMP runtime)
from torch import Tensor

import geokit._native as _native

__all__ = ["_native", "plain"]


def plain(*tensors: Tensor) -> tuple[Tensor, ...]:
    """The tensors as the native layer takes them: detached and contiguous."""
    return tuple(t.detach().contiguous() for t in tensors)
