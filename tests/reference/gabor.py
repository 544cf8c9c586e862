"""The picture of one Gabor wave under the local affine camera, by numerical integration, and two wrong shortcuts.

density(x) = exp(-x' S^-1 x / 2) exp(2 pi i f . x), x the displacement from the mean (real part cosine, imaginary sine).
The ray of the pixel displacement p is the line {x : P x = p}, P = J R (2 x 3). Its picture is
I(p) = integral of density along that line / the same integral for f = 0 and p = 0,
and with a pixel filter of variance h, I_h(p) = integral of N(q; 0, h) I(p - q) dq.
All integrals are trapezoidal sums, which converge exponentially for Gaussians.
"""

import math

import torch
from torch import Tensor

REACH = 7.0  # standard deviations that the sums cover on each side
STEP = 0.2  # standard deviations between nodes


def line_integrals(covariance: Tensor, frequency: Tensor, affine: Tensor, offsets: Tensor) -> Tensor:
    """(M,) complex I(p) at pixel displacements `offsets` (M, 2), for one primitive, without pixel filter."""
    precision = torch.linalg.inv(covariance)
    along = torch.linalg.cross(affine[0], affine[1])
    along = along / along.norm()
    sigma = (along @ precision @ along) ** -0.5  # of the density along any of these parallel lines
    nodes = torch.arange(-REACH, REACH + STEP / 2, STEP, dtype=torch.float64) * sigma

    def integral(start: Tensor, wave: Tensor) -> Tensor:
        center = -(start @ precision @ along) / (along @ precision @ along)  # where the line is densest
        points = start[:, None, :] + (center[:, None] + nodes)[..., None] * along
        power = torch.einsum("mui,ij,muj->mu", points, precision, points) / 2
        return (torch.exp(-power) * torch.exp(2j * math.pi * (points @ wave))).sum(-1)

    start = offsets @ torch.linalg.pinv(affine).T
    return integral(start, frequency) / integral(torch.zeros(1, 3).to(start), torch.zeros_like(frequency)).real


def filtered_integrals(
    covariance: Tensor, frequency: Tensor, affine: Tensor, offsets: Tensor, dilation: float
) -> Tensor:
    """(M,) complex I_h(p) at pixel displacements `offsets` (M, 2), h = `dilation` (0 for no filter)."""
    if dilation == 0:
        return line_integrals(covariance, frequency, affine, offsets)
    sigma = math.sqrt(dilation)
    narrowest = torch.linalg.eigvalsh(affine @ covariance @ affine.T)[0].sqrt()
    step = 0.6 * (1 / dilation + 1 / float(narrowest) ** 2) ** -0.5  # resolves filter times picture
    line = torch.arange(-6 * sigma, 6 * sigma + step / 2, step, dtype=torch.float64)
    shifts = torch.cartesian_prod(line, line)
    weights = torch.exp(-(shifts**2).sum(-1) / (2 * dilation)) * step**2 / (2 * math.pi * dilation)
    return torch.stack([(weights * line_integrals(covariance, frequency, affine, p - shifts)).sum() for p in offsets])


def naive_covector(frequency: Tensor, affine: Tensor, world_to_camera: Tensor) -> Tensor:
    """(2,) rows 1-2 of (J R)^-T f, depth as the third coordinate: forgets its coupling to depth. Wrong."""
    full = torch.cat([affine, world_to_camera[2:3, :3]])
    return torch.linalg.solve(full.T, frequency)[:2]


def naive_vector(frequency: Tensor, affine: Tensor) -> Tensor:
    """(2,) J R f: maps a frequency as if it were a displacement. Wrong."""
    return affine @ frequency
