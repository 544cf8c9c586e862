"""Samples of distances to a solid: on its surface, near it and everywhere, four to three to one."""

import torch
from torch import Tensor

from geokit.fields.distance_fit import Samples
from geokit.fields.distance_solid import Solid
from geokit.geometry.surface_sampling import sample_surface

_A_PARAMETER = 1.6  # samples on the surface
_FEWEST = 25_000
_WIDEST, _NARROWEST = 0.8, 0.015  # cells of the coarsest lattice, standard deviations of what is near


def drawn(solid: Solid, shape: Tensor, parameters: int, seed: int) -> Samples:
    """Samples in a box of shape (3,) cells, those on the surface first, and how many these are."""
    count = max(_FEWEST, int(_A_PARAMETER * parameters))
    generator = torch.Generator().manual_seed(seed)
    on = sample_surface(solid.boundary, count, seed, low_discrepancy=True)
    base = sample_surface(solid.boundary, 3 * count // 4, seed + 1, low_discrepancy=True).points
    wide = _WIDEST * (_NARROWEST / _WIDEST) ** torch.rand(len(base), 1, generator=generator)
    near = base + wide * torch.randn(len(base), 3, generator=generator)
    anywhere = torch.rand(count // 4, 3, generator=generator) * shape.float()
    off = torch.cat([torch.minimum(near.clamp_min(0), shape.float()), anywhere])
    distances, slopes = solid.distances(off)
    assert on.normals is not None
    places = torch.cat([on.points, off])
    values = torch.cat([torch.zeros(len(on.points)), distances])
    weights = torch.ones_like(values)
    if solid.around is None:  # at the surface itself the gradient of an unsigned distance has no direction
        weights[: len(on.points)] = 0
    order = torch.randperm(len(places), generator=generator)
    return Samples(places, values, torch.cat([on.normals, slopes]), weights)[order]
