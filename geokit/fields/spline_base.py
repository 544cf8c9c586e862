"""The smooth part of an image: cubic B-splines on a wide lattice, which take few numbers where all is flat."""

import torch
from torch import Tensor

_RIDGE = 1e-9  # for the splines at the ends that no sample tells from their neighbours


def spline_count(size: int, spacing: int) -> int:
    """How many splines reach samples at 0.5, ... size - 0.5."""
    return (size - 1) // spacing + 4


def splines(x: Tensor, spacing: int) -> tuple[Tensor, Tensor]:
    """The first of the four splines that reach x (N,), int64, and the four at x, (N, 4); differentiable in x."""
    t = x / spacing
    first = t.detach().floor()
    u = t - first
    v = 1 - u
    rising, falling = u**3 / 6, v**3 / 6
    left, right = 2 / 3 - u**2 + u**3 / 2, 2 / 3 - v**2 + v**3 / 2
    return first.to(torch.int64), torch.stack([falling, left, right, rising], 1)


def spline_matrix(x: Tensor, spacing: int, count: int) -> Tensor:
    """All splines at x (N,): (N, count)."""
    first, values = splines(x, spacing)
    matrix = x.new_zeros(len(x), count + 8)
    matrix.scatter_(1, (first[:, None] + torch.arange(4, device=x.device)).clamp(-4, count + 3) + 4, values)
    return matrix[:, 4:-4]


def spline_values(lattice: Tensor, x: Tensor, spacing: int) -> Tensor:
    """The sum of splines with coefficients lattice (rows, columns, c) at x (N, 2), (x, y): (N, c).

    Outside of the lattice its last coefficients go on.
    """
    (column, across), (row, down) = splines(x[:, 0], spacing), splines(x[:, 1], spacing)
    step = torch.arange(4, device=x.device)
    rows = (row[:, None] + step).clamp(0, lattice.shape[0] - 1)
    columns = (column[:, None] + step).clamp(0, lattice.shape[1] - 1)
    near = lattice[rows[:, :, None], columns[:, None]]
    return torch.einsum("na,nabc,nb->nc", down, near, across)


def spline_projection(size: int, spacing: int) -> Tensor:
    """What makes least-squares coefficients (count,) of samples (size,): (count, size) float64."""
    x = torch.arange(size, dtype=torch.float64) + 0.5
    matrix = spline_matrix(x, spacing, spline_count(size, spacing))
    normal = matrix.T @ matrix
    return torch.linalg.solve(normal + _RIDGE * torch.eye(len(normal), dtype=torch.float64), matrix.T)
