"""The zero set of a surface field as a mesh."""

import torch
from torch import Tensor

from geokit.backend import spline_ops as ops
from geokit.fields.surface import SurfaceField
from geokit.fields.surface_lattice import find
from geokit.geometry.mesh import Mesh

_CHUNK = 1 << 17  # vertices in memory at once
_STEEP = 0.2  # least gradient that a vertex is moved along


@torch.no_grad()
def march_field(field: SurfaceField, parts: int, polish: int) -> Mesh:
    """The zero set in the finest lattice, each of whose cells is cut into parts^3 cubes; vertices are moved onto it by
    that many Newton steps."""
    spacing, keys, around, coefficients = field.lattice(field.levels - 1)
    whole = field.get_buffer(f"whole_{field.levels - 1}").nonzero()[:, 0]
    cells = ops.cells_of(keys[whole])
    edges, shares = ops.march(around[whole], cells.to(torch.int32), coefficients, parts)
    unique, faces = torch.unique(edges, return_inverse=True)
    share = shares.new_empty(len(unique))
    share[faces.reshape(-1)] = shares.reshape(-1)
    axis, mask = unique & 3, (1 << 20) - 1
    corners = torch.stack([unique >> 42, (unique >> 22) & mask, (unique >> 2) & mask], dim=1) - ops.BIAS
    places = corners.to(coefficients)
    places[torch.arange(len(places)), axis] += share
    vertices = places * (spacing / parts)
    most = spacing / parts / 2
    return Mesh(_polished(field, vertices, polish, most), faces)


def _polished(field: SurfaceField, vertices: Tensor, steps: int, most: float) -> Tensor:
    """Vertices moved along the gradient to where the field is zero, no step longer than `most`."""
    for _ in range(steps):
        moved = []
        for some in vertices.split(_CHUNK):
            value, slope = field.values(some), field.slopes(some)[:, 0]
            step = -value * slope / slope.square().sum(1, keepdim=True).clamp_min(_STEEP**2)
            moved.append(some + step * (most / step.norm(dim=1, keepdim=True).clamp_min(1e-30)).clamp_max(1))
        vertices = torch.cat(moved)
    return vertices
