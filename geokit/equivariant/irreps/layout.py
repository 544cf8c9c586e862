"""How coefficients are laid out: ours (..., C, (L + 1)^2), and e3nn's, where every degree is a block of all channels.

Ours keeps the coefficients of one function together, so that transforms are matrix products over all leading
dimensions. e3nn's `Irreps` "Cx0e+Cx1o+..." are (..., C (L + 1)^2): for each degree the 2 l + 1 coefficients of channel
after channel.
"""

import math
from types import ModuleType

import torch
from torch import Tensor

from geokit.backend.optional import optional
from geokit.errors import InvalidInput


def degree_of_size(name: str, coefficients: Tensor) -> int:
    """The degree L of coefficients (..., (L + 1)^2); raises `InvalidInput` where their number is no square."""
    size = coefficients.shape[-1] if coefficients.dim() else 0
    degree = math.isqrt(size) - 1
    if size == 0 or (degree + 1) ** 2 != size:
        raise InvalidInput(f"{name} must be (..., (L + 1)^2) coefficients, got shape {tuple(coefficients.shape)}")
    return degree


def to_e3nn(coefficients: Tensor) -> Tensor:
    """(..., C (L + 1)^2), of coefficients (..., C, (L + 1)^2)."""
    degree = degree_of_size("coefficients", coefficients)
    blocks = coefficients.split([2 * l + 1 for l in range(degree + 1)], dim=-1)
    return torch.cat([block.flatten(-2) for block in blocks], dim=-1)


def from_e3nn(features: Tensor, channels: int) -> Tensor:
    """(..., C, (L + 1)^2), of e3nn's features (..., C (L + 1)^2) with C = `channels` of each degree."""
    count = features.shape[-1] // channels
    degree = math.isqrt(count) - 1
    if features.shape[-1] != channels * (degree + 1) ** 2:
        raise InvalidInput(
            f"features must have {channels} (L + 1)^2 entries in the last dimension, got {tuple(features.shape)}"
        )
    blocks = features.split([channels * (2 * l + 1) for l in range(degree + 1)], dim=-1)
    return torch.cat([block.unflatten(-1, (channels, -1)) for block in blocks], dim=-1)


def e3nn_irreps(channels: int, degree: int, pseudo: bool = False) -> object:
    """e3nn's `Irreps` of `to_e3nn`: parity (-1)^l as of harmonics, or with `pseudo` the opposite, as of brackets.

    Raises `MissingDependency` without e3nn.
    """
    o3: ModuleType = optional("e3nn.o3", "e3nn's Irreps", "equivariant")
    return o3.Irreps([(channels, (l, (-1) ** (l + pseudo))) for l in range(degree + 1)])
