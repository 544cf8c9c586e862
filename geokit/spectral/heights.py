"""Where a surface bulges and where it is hollow."""

from collections.abc import Sequence

import torch
from torch import Tensor

from geokit.spectral.shape import SpectralShape

TIMES = (0.0005, 0.002, 0.008)  # of diffusion, in units of the shape's area: some 2, 4 and 9 % of its size


def heights(shape: SpectralShape, times: Sequence[float] = TIMES) -> Tensor:
    """(N, T) float32: how far each vertex lies outside of the surface that diffusion makes, squashed by the median.

    The sign of mean curvature at a scale, without the large values at fingers and tails that would drown the rest: it
    is what tells the front of a body from its back.
    """
    basis, vertices = shape.basis, shape.mesh.vertices
    coefficients = basis.project(vertices)
    found = []
    for time in times:
        smooth = basis.synthesize(torch.exp(-time * basis.eigenvalues)[:, None] * coefficients)
        outside = ((vertices - smooth) * shape.normals).sum(1)
        found.append(torch.tanh(outside / outside.abs().median().clamp(min=1e-12)))
    return torch.stack(found, dim=1).float()
