"""Argument checks shared by every public function: one helper, one wording."""

from collections.abc import Iterable, Sequence
from typing import Any

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


def check_one_device(**things: Any) -> torch.device | None:
    """The device that all of them are on: tensors, lists of them; None and numbers are nowhere.

    Raises `InvalidInput` if two of them are apart.
    """
    return one_device(things.items())


def one_device(things: Iterable[tuple[str, Any]]) -> torch.device | None:
    """`check_one_device` of pairs of a name and a thing."""
    first, device = "", None
    for name, thing in things:
        place = getattr(thing, "device", None)
        if place is None and isinstance(thing, (list, tuple)):
            place = one_device((name, part) for part in thing)
        if device is None:
            first, device = name, place
        elif place is not None and place != device:
            raise InvalidInput(
                f"tensors must be on one device, got {first} on {device} and {name} on {place}: move them with "
                ".to(device)"
            )
    return device


def _described(shape: Sequence[int | str]) -> str:
    return "(" + ", ".join(map(str, shape)) + ")"


FLOATS = (torch.float32, torch.float64)
