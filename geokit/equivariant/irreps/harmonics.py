"""Real spherical harmonics of any degree, as polynomials: no angle, no pole, nothing singular.

Conventions are e3nn's: the polar axis is y, and Y_l^m for m = -l, ..., l is

    Y_l^m(x, y, z) = c_lm Q_l^|m|(y) sqrt(2) {Im (z + i x)^|m| for m < 0, 1 / sqrt(2) for m = 0, Re (z + i x)^m for m > 0}

without Condon-Shortley phase, so that degree 1 is proportional to (x, y, z); Q_l^m is the m-th derivative of Legendre's
polynomial P_l. Coefficients are ordered (0, 0), (1, -1), (1, 0), (1, 1), (2, -2), ...: entry l^2 + l + m of (L + 1)^2.
"""

import math

import torch
from torch import Tensor

from geokit.errors import InvalidInput

NORMALIZATIONS = ("component", "integral", "norm")


def spherical_harmonics(
    degree: int, vectors: Tensor, normalize: bool = True, normalization: str = "component"
) -> Tensor:
    """(..., (degree + 1)^2) the harmonics of degree 0 to `degree` at vectors (..., 3), in their dtype.

    normalize: of the directions of the vectors; otherwise of the vectors themselves, where degree l is a homogeneous
    polynomial of degree l (a solid harmonic). A zero vector has the direction zero, and no gradient. normalization:
    "component", where the mean of Y^2 over the sphere is 1 and sum_m Y_lm^2 = 2 l + 1; "integral", where the integral of
    Y^2 is 1 (component / sqrt(4 pi)); "norm", where sum_m Y_lm^2 = 1 (component / sqrt(2 l + 1)).

    Recurrence in l for all orders m at once, of Legendre functions without their factor sin^m (Holmes and Featherstone
    2002, equation 11). At degree 30 float32 differs from float64 by less than 1e-5 of sqrt(2 l + 1).
    Raises `InvalidInput` for a negative degree, an unknown normalization and shapes other than (..., 3).
    """
    if degree < 0:
        raise InvalidInput(f"degree must be 0 or more, got {degree}")
    if normalization not in NORMALIZATIONS:
        raise InvalidInput(f"normalization must be one of {', '.join(NORMALIZATIONS)}, got {normalization}")
    if not vectors.is_floating_point() or vectors.dim() < 1 or vectors.shape[-1] != 3:
        raise InvalidInput(f"vectors must be floating point of shape (..., 3), got {tuple(vectors.shape)}")
    if normalize:
        vectors = torch.nn.functional.normalize(vectors, dim=-1, eps=torch.finfo(vectors.dtype).tiny ** 0.5)
    x, y, z = vectors.flatten(0, -2).mT.unbind()
    azimuthal = _azimuthal(degree, x, z)
    square = None if normalize else vectors.flatten(0, -2).square().sum(-1)
    rows = [
        azimuthal[degree - l : degree + l + 1] * torch.cat([legendre[1:].flip(0), legendre])
        for l, legendre in enumerate(_legendre(degree, y, square))
    ]
    values = torch.cat(rows).mT
    if normalization == "integral":
        values = values / math.sqrt(4 * math.pi)
    elif normalization == "norm":
        values = values / (2 * degrees_of(degree, vectors.device) + 1).to(values).sqrt()
    return values.contiguous().unflatten(0, vectors.shape[:-1])


def degrees_of(degree: int, device: torch.device | None = None) -> Tensor:
    """((degree + 1)^2,) int64: the degree l that each coefficient belongs to, 0, 1, 1, 1, 2, ..."""
    sizes = 2 * torch.arange(degree + 1, device=device) + 1
    return torch.arange(degree + 1, device=device).repeat_interleave(sizes, output_size=(degree + 1) ** 2)


def _azimuthal(degree: int, x: Tensor, z: Tensor) -> Tensor:
    """(2 degree + 1, N): sqrt(2) Im (z + i x)^|m| for m = -degree, ..., -1, then 1, then sqrt(2) Re (z + i x)^m."""
    real, imaginary = [math.sqrt(2) * torch.ones_like(x)], [torch.zeros_like(x)]
    for _ in range(degree):
        c, s = real[-1], imaginary[-1]
        real.append(z * c - x * s)
        imaginary.append(x * c + z * s)
    return torch.stack([*imaginary[:0:-1], torch.ones_like(x), *real[1:]])


def _legendre(degree: int, y: Tensor, square: Tensor | None) -> list[Tensor]:
    """For each l the (l + 1, N) normalised Q_l^m(y), m = 0, ..., l, made homogeneous by `square` = |v|^2 (None: 1)."""
    l = torch.arange(degree + 1, device=y.device, dtype=torch.float64)[:, None]
    m = l.T
    ahead = ((4 * l**2 - 1) / (l**2 - m**2).clamp(min=1)).sqrt()
    back = (((l - 1) ** 2 - m**2).clamp(min=0) / (4 * (l - 1) ** 2 - 1)).abs().sqrt()
    diagonal = (1 + 0.5 / l[1:, 0]).cumprod(0).sqrt().to(y)
    ahead, back = ahead.to(y)[..., None], (ahead * back).to(y)[..., None]
    found = [torch.ones_like(y)[None]]
    for l in range(1, degree + 1):
        next_ = ahead[l, :l] * (y * found[-1])
        if l > 1:
            before = found[-2] if square is None else square * found[-2]
            next_ = torch.cat([next_[:-1] - back[l, : l - 1] * before, next_[-1:]])
        found.append(torch.cat([next_, diagonal[l - 1].expand(1, len(y))]))
    return found
