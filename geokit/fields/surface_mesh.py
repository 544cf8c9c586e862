"""The zero set of a surface field as a mesh."""

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from geokit.backend import spline_ops as ops
from geokit.geometry.mesh import Mesh

if TYPE_CHECKING:
    from geokit.fields.surface import SurfaceField

_CHUNK = 1 << 17  # vertices in memory at once
_CELLS = 1 << 20  # cells marched at once
_STEEP = 0.2  # least gradient that a vertex is moved along


@torch.no_grad()
def march_field(field: "SurfaceField", parts: int) -> Mesh:
    """The zero set in the finest lattice, its cells cut into parts^3 cubes, with vertices moved onto it."""
    spacing, *tensors = field.lattice(field.levels - 1)
    keys, around, coefficients = (t.detach().cpu() for t in tensors)
    edges, shares = [], []
    for nodes, own in zip(around.split(_CELLS), keys.split(_CELLS)):
        whole = (nodes >= 0).all(1)
        found = ops.march(nodes[whole], ops.cells_of(own[whole]).to(torch.int32), coefficients, parts)
        edges.append(found[0])
        shares.append(found[1])
    unique, faces = torch.unique(torch.cat(edges), return_inverse=True)
    share = coefficients.new_empty(len(unique))
    share[faces.reshape(-1)] = torch.cat(shares).reshape(-1)
    axis, mask = unique & 3, (1 << 20) - 1
    places = torch.stack([unique >> 42, (unique >> 22) & mask, (unique >> 2) & mask], dim=1) - ops.BIAS
    places = places.to(coefficients)
    places[torch.arange(len(places)), axis] += share
    vertices = places.to(field.bounds) * (spacing / parts) + field.origin
    return Mesh(_polished(field, vertices, spacing / parts / 2), faces.to(vertices.device))


def _polished(field: "SurfaceField", vertices: Tensor, most: float) -> Tensor:
    """Vertices moved by a Newton step along the gradient to where the field is zero, none further than `most`."""
    moved = [vertices.new_zeros(0, 3)]
    for some in vertices.split(_CHUNK):
        value, slope = field.values(some), field.slopes(some)[:, 0]
        step = -value * slope / slope.square().sum(1, keepdim=True).clamp_min(_STEEP**2)
        moved.append(some + step * (most / step.norm(dim=1, keepdim=True).clamp_min(1e-30)).clamp_max(1))
    return torch.cat(moved)
