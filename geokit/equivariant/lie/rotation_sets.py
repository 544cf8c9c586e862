"""Evenly spread rotations, and evenly spread points of the unit cube."""

import math

import torch
from torch import Tensor
from torch.quasirandom import SobolEngine

from geokit.errors import InvalidInput
from geokit.geometry.rotations import gram_schmidt, matrix_from_quaternion, random_rotations

# Alexa, "Super-Fibonacci Spirals: Fast, Low-Discrepancy Sampling of SO(3)", CVPR 2022: psi solves psi^4 = psi + 4.
PHI, PSI = math.sqrt(2.0), 1.533751168755204288118041


def uniform_points(count: int, dim: int, generator: torch.Generator | None = None) -> Tensor:
    """(count, dim) scrambled Sobol points inside the unit cube, float64; the same ones in every call without a
    generator."""
    if dim == 0:
        return torch.zeros(count, 0, dtype=torch.float64, device="cpu")
    seed = 0 if generator is None else int(torch.randint(2**31, (), generator=generator, device="cpu"))
    # Half a cell of the lattice on which they lie keeps zero out.
    return SobolEngine(dim, scramble=True, seed=seed).draw(count, dtype=torch.float64) + 2.0**-31


def equidistant_rotations(count: int, offset: float = 0.0) -> Tensor:
    """(count, 2, 2) the turns by offset + 2 pi i / count radians, float64: a full turn is not there twice."""
    angles = offset + torch.arange(count, dtype=torch.float64, device="cpu") * (2 * math.pi / count)
    cos, sin = angles.cos(), angles.sin()
    return torch.stack([cos, -sin, sin, cos], dim=-1).unflatten(-1, (2, 2))


def fibonacci_rotations(count: int) -> Tensor:
    """(count, 3, 3) super-Fibonacci spirals, float64 (Alexa 2022, algorithm 1)."""
    step = torch.arange(count, dtype=torch.float64, device="cpu") + 0.5
    part, turn = step / count, 2 * math.pi * step
    inner, outer = part.sqrt(), (1 - part).sqrt()
    alpha, beta = turn / PHI, turn / PSI
    quats = [inner * alpha.sin(), inner * alpha.cos(), outer * beta.sin(), outer * beta.cos()]
    return matrix_from_quaternion(torch.stack(quats, dim=-1))


def rotation_set(
    n: int,
    count: int,
    *,
    normal: Tensor | None = None,
    offset: float = 0.0,
    generator: torch.Generator | None = None,
) -> Tensor:
    """(count, n, n) rotations spread evenly over SO(n), float64.

    n = 2 equidistant angles, n = 3 super-Fibonacci spirals, larger n the Gram-Schmidt process on n - 1 columns
    (Stewart 1980) with the entries `normal` (count, n (n - 1)), which ought to be spread evenly by a normal law; Sobol
    points unless given. A generator turns the whole set at random. Raises `InvalidInput` for n < 1 or count < 1.
    """
    if n < 1 or count < 1:
        raise InvalidInput(f"a set of rotations needs n >= 1 and count >= 1, got n = {n} and count = {count}")
    if n == 1:
        return torch.ones(count, 1, 1, dtype=torch.float64, device="cpu")
    if n == 2:
        rotations = equidistant_rotations(count, offset)
    elif n == 3:
        rotations = fibonacci_rotations(count)
    else:
        if normal is None:
            normal = torch.special.ndtri(uniform_points(count, n * (n - 1), generator))
        rotations = gram_schmidt(normal.unflatten(-1, (n, n - 1)))
    return rotations if generator is None else rotations @ random_rotations((), n, generator, device="cpu")
