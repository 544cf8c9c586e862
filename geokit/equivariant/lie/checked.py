"""What the methods of a group look at before they compute: sizes and dtypes, never values, so that no GPU waits."""

import functools
import inspect
from collections.abc import Callable
from typing import Any, Protocol

import torch
from torch import Tensor

from geokit.backend.checks import FLOATS
from geokit.errors import InvalidInput


class Sized(Protocol):
    """n: of the space that a group acts on. size: of its matrices."""

    n: int
    size: int


MATRICES = frozenset(("g", "h", "x", "y", "k", "algebra"))  # arguments of these names are (..., size, size)


def checked(method: Callable[..., Any]) -> Callable[..., Any]:
    """The method of a group, but first `InvalidInput` unless all its matrices have the size of the group and one dtype,
    float32 or float64."""
    names = list(inspect.signature(method).parameters)[1:]

    @functools.wraps(method)
    def wrapper(self: Sized, *args: Any, **options: Any) -> Any:
        dtype = None
        for name, value in (*zip(names, args), *options.items()):
            if name in MATRICES:
                check_matrices(self, value, name)
                if dtype is not None and value.dtype != dtype:
                    raise InvalidInput(f"{name} is {value.dtype} and the matrix before it {dtype}; make them agree")
                dtype = value.dtype
        return method(self, *args, **options)

    return wrapper


def check_methods(group: type) -> None:
    """Let every method of a class that takes matrices be `checked`, but for those that name them in messages."""
    for name, method in list(vars(group).items()):
        if inspect.isfunction(method):
            arguments = inspect.signature(method).parameters
            if "name" not in arguments and not MATRICES.isdisjoint(arguments):
                setattr(group, name, checked(method))


def check_matrices(group: Sized, matrices: Tensor, name: str) -> None:
    """Raise `InvalidInput` unless matrices are (..., size, size) of the group, float32 or float64."""
    wanted = (group.size, group.size)
    if matrices.shape[-2:] != wanted:
        raise InvalidInput(f"{name} has shape {tuple(matrices.shape)}; elements of {group} are (..., %d, %d)" % wanted)
    if matrices.dtype not in FLOATS:
        raise InvalidInput(f"{name} is {matrices.dtype}; elements of {group} are float32 or float64")


def check_points(group: Sized, points: Tensor, dtype: torch.dtype) -> None:
    """Raise `InvalidInput` unless points are (..., n) of the dtype of the element that moves them."""
    if points.shape[-1:] != (group.n,) or points.dtype != dtype:
        raise InvalidInput(
            f"points are {points.dtype} of shape {tuple(points.shape)}; this element of {group} moves {dtype} of shape "
            f"(..., {group.n})"
        )


def check_coordinates(group: Sized, coordinates: Tensor, count: int) -> None:
    """Raise `InvalidInput` unless coordinates are (..., count), float32 or float64."""
    if coordinates.shape[-1:] != (count,) or coordinates.dtype not in FLOATS:
        raise InvalidInput(
            f"coordinates are {coordinates.dtype} of shape {tuple(coordinates.shape)}; those of {group} are float32 or "
            f"float64 of shape (..., {count})"
        )


def raise_unless_side(side: str) -> None:
    """Raise `InvalidInput` unless a Haar measure is asked for by "left" or "right"."""
    if side not in ("left", "right"):
        raise InvalidInput(f"a Haar measure is invariant from the 'left' or the 'right', got {side!r}")
