"""Several attributes of layers exchanged at once, so that it can be taken back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .layers.layer import Layer

Attributes = dict[str, Any]  # of a layer, by name; its shape is one of them


def give(attributes: Mapping[Layer, Attributes]) -> dict[Layer, Attributes]:
    """Give layers other attributes and draw them; returns those that they had, which given again undo it.

    Where one of them cannot be drawn, all stay as they were.
    """
    before = {layer: {name: getattr(layer, name) for name in some} for layer, some in attributes.items()}
    try:
        _set(attributes)
    except BaseException:
        _set(before)
        raise
    return before


def _set(attributes: Mapping[Layer, Attributes]) -> None:
    for layer, some in attributes.items():
        for name, value in some.items():
            setattr(layer, name, value)
    for layer in attributes:  # when all have theirs: some are drawn by what others are
        layer.replace(layer.shape)
