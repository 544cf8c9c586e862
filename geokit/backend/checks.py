"""Argument checks shared by every public function: one helper, one wording."""

from collections.abc import Sequence

import torch
from torch import Tensor

from geokit.errors import InvalidInput


def check_tensor(
    name: str,
    value: Tensor,
    shape: Sequence[int | str],
    dtype: torch.dtype | Sequence[torch.dtype] | None = None,
    finite: bool = False,
) -> None:
    """Raise `InvalidInput` unless `value` has the wanted shape (names stand for any size) and dtype.

    >>> check_tensor("means", torch.zeros(5, 3), ("N", 3))
    """
    if not isinstance(value, Tensor):
        raise InvalidInput(f"{name} must be a tensor of shape {_described(shape)}, got {type(value).__name__}")
    sizes: dict[str, int] = {}
    matches = value.dim() == len(shape)
    for got, want in zip(value.shape, shape) if matches else ():
        matches &= got == (sizes.setdefault(want, got) if isinstance(want, str) else want)
    if not matches:
        raise InvalidInput(f"{name} must have shape {_described(shape)}, got {tuple(value.shape)}")
    if dtype is not None:
        allowed = (dtype,) if isinstance(dtype, torch.dtype) else tuple(dtype)
        if value.dtype not in allowed:
            names = " or ".join(str(d).removeprefix("torch.") for d in allowed)
            raise InvalidInput(f"{name} must be {names}, got {str(value.dtype).removeprefix('torch.')}")
    # The sum is not finite where a value is not, and takes no memory; where it overflows, every value is looked at.
    if finite and not bool(torch.isfinite(value.detach().sum())) and not bool(torch.isfinite(value).all()):
        bad = int((~torch.isfinite(value)).sum())
        raise InvalidInput(f"{name} must be finite, but {bad} of its {value.numel()} values are NaN or infinite")


def _described(shape: Sequence[int | str]) -> str:
    return "(" + ", ".join(map(str, shape)) + ")"


FLOATS = (torch.float32, torch.float64)
