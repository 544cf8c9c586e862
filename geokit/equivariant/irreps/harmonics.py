"""Real spherical harmonics of any degree, from products and sums of coordinates: no angle, no pole, nothing singular.

Conventions are e3nn's: the polar axis is y, and for m = -l, ..., l

    Y_l^m(x, y, z) = c_lm Q_l^|m|(y) {sqrt(2) Im (z + i x)^|m| for m < 0, 1 for m = 0, sqrt(2) Re (z + i x)^m for m > 0}

without Condon-Shortley phase, so that degree 1 is proportional to (x, y, z); Q_l^m is the m-th derivative of
Legendre's polynomial P_l. Coefficients are ordered (0, 0), (1, -1), (1, 0), (1, 1), (2, -2), ...: entry l^2 + l + m of
(L + 1)^2.
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

    normalize: of the directions of the vectors, a zero vector giving zero in all degrees but 0, and gradient zero;
    otherwise of the vectors themselves, where those of degree l are homogeneous polynomials of degree l (solid
    harmonics). normalization: "component", where the mean of Y^2 over the sphere is 1 and sum_m Y_lm^2 = 2 l + 1;
    "integral", where the integral of Y^2 is 1 (component / sqrt(4 pi)); "norm", where sum_m Y_lm^2 = 1 (component /
    sqrt(2 l + 1)). Errors of directions relative to sqrt(2 l + 1) stay below 4e-6 in float32 up to degree 60, at the
    poles too; of solid harmonics the length adds l roundings.
    Raises `InvalidInput` for a negative degree, an unknown normalization and shapes other than (..., 3).
    """
    if degree < 0:
        raise InvalidInput(f"degree must be 0 or more, got {degree}")
    if normalization not in NORMALIZATIONS:
        raise InvalidInput(f"normalization must be one of {', '.join(NORMALIZATIONS)}, got {normalization}")
    if not vectors.is_floating_point() or vectors.dim() < 1 or vectors.shape[-1] != 3:
        raise InvalidInput(f"vectors must be floating point of shape (..., 3), got {tuple(vectors.shape)}")
    square, tiny = vectors.square().sum(-1), torch.finfo(vectors.dtype).tiny
    # The bound keeps all derivatives of the length finite at zero.
    length = square.clamp(min=tiny**0.5).sqrt()
    if normalize:
        zero = square < tiny
        vectors = torch.where(zero[..., None], 0.0, vectors / torch.where(zero, 1.0, square).sqrt()[..., None])
        length = torch.where(zero, tiny**0.25, 1.0).to(vectors)
    x, y, z = vectors.reshape(-1, 3).mT.unbind()
    # Y_l(-v) = (-1)^l Y_l(v): of a vector and its opposite the one on the northern half is evaluated.
    sign = torch.where(y < 0, -1.0, 1.0).to(y)
    azimuthal = _azimuthal(degree, sign * x, sign * z)
    rows = [
        azimuthal[degree - l : degree + l + 1] * torch.cat([legendre[1:].flip(0), legendre])
        for l, legendre in enumerate(_legendre(degree, x, sign * y, z, length.reshape(-1)))
    ]
    rows[1::2] = [sign * row for row in rows[1::2]]
    values = torch.cat(rows).mT.reshape(*vectors.shape[:-1], (degree + 1) ** 2)
    if normalization == "integral":
        values = values / math.sqrt(4 * math.pi)
    elif normalization == "norm":
        values = values / (2 * degrees_of(degree, vectors.device) + 1).to(values).sqrt()
    return values


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


def _legendre(degree: int, x: Tensor, y: Tensor, z: Tensor, r: Tensor) -> list[Tensor]:
    """For each l the (l + 1, N) normalised Q_l^m, m = 0, ..., l, at vectors with y >= 0, homogeneous of degree l - m.

    With d = r - y, r being the length, the recurrence is Reinsch's for cosine sums, carried over to Legendre functions:
    Q_l = a r Q_{l-1} + d F_l, F_l = b r F_{l-1} - c Q_{l-1}, where a = Q_l / Q_{l-1} at the pole. The usual one, by
    y Q_{l-1} and Q_{l-2}, turns the rounding of y near 1 into errors of l^2 times as much; this one takes
    d = (x^2 + z^2) / (r + y), which is exact there.
    """
    l = torch.arange(degree + 1, device=y.device, dtype=torch.float64)[:, None]
    m = l.T
    ratio = ((2 * l + 1) / (2 * l - 1).clamp(min=1) * (l + m) / (l - m).clamp(min=1)).sqrt()
    a, b, c = (
        table.to(y)[..., None]
        for table in (ratio, ratio * (l - m - 1) / (l + m).clamp(min=1), ratio * (2 * l - 1) / (l + m).clamp(min=1))
    )
    diagonal = (1 + 0.5 / l[1:, 0]).cumprod(0).sqrt().to(y)
    d = (x * x + z * z) / (r + y)
    found, slope = [torch.ones_like(y)[None]], torch.zeros_like(y)[None]
    for l_ in range(1, degree + 1):
        longer, last = r * found[-1], found[-1]
        slope = torch.addcmul(b[l_, :l_] * (r * slope), c[l_, :l_], last, value=-1)
        values = torch.addcmul(a[l_, :l_] * longer, d, slope)
        found.append(torch.cat([values, diagonal[l_ - 1].expand(1, len(y))]))
        slope = torch.cat([slope, torch.zeros_like(y)[None]])
    return found
