"""The zero set of a surface field as a mesh."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from geokit.backend import spline_ops as ops
from geokit.fields.surface_lattice import find
from geokit.geometry.mesh import Mesh

if TYPE_CHECKING:
    from geokit.fields.surface import SurfaceField

_CHUNK = 1 << 17  # vertices in memory at once
_CELLS = 1 << 18  # cells marched at once, but for planes of more
_STEEP = 0.2  # least gradient that a vertex is moved along


@torch.no_grad()
def march_field(field: "SurfaceField", parts: int) -> Mesh:
    """The zero set in the finest lattice, its cells cut into parts^3 cubes, with vertices moved onto it.

    Slab by slab across the first axis, so that no more than a slab is in memory beside the mesh.
    """
    spacing, keys, coefficients = field.lattice(field.levels - 1)
    keys, coefficients = keys.cpu(), coefficients.detach().cpu()
    vertices, faces, count = [field.bounds.new_zeros(0, 3)], [keys.new_zeros(0, 3, dtype=torch.int32)], 0
    known, start = (
        keys[:0],
        0,
    )  # the edges of the slab before in the plane that it shares with this one, the last of its edges
    for own in _slabs(keys):
        around = ops.around(keys, own)
        whole = (around & 7 == 7).all(1)
        cells = ops.cells_of(own[whole]).to(torch.int32)
        corners, shares = ops.march(around[whole], cells, coefficients, parts)
        edges, ids = torch.unique(corners, return_inverse=True)
        share = coefficients.new_empty(len(edges))
        share[ids.reshape(-1)] = shares.reshape(-1)
        at = find(known, edges) if len(known) else torch.full_like(edges, -1)
        new = at < 0
        number = torch.where(new, count - 1 + new.cumsum(0), start + at)
        faces.append(number[ids].to(torch.int32))
        vertices.append(_placed(field, edges[new], share[new], spacing / parts))
        count += len(vertices[-1])
        end = (int(own[-1] >> 40) + 1 - ops.BIAS) * parts + ops.BIAS
        shared = edges >> 42 == end
        known, start = edges[shared], count - int(shared.sum())
    joined = torch.empty(sum(map(len, faces)), 3, dtype=torch.int64)
    torch.cat(faces, out=joined)
    return Mesh(torch.cat(vertices), joined.to(field.bounds.device))


def _slabs(keys: Tensor) -> Iterator[Tensor]:
    """Ascending keys in parts of about `_CELLS` that end between planes across the first axis."""
    first = 0
    while first < len(keys):
        last = min(first + _CELLS, len(keys)) - 1
        after = int(torch.searchsorted(keys, ((keys[last] >> 40) + 1) << 40))
        yield keys[first:after]
        first = after


def _placed(field: "SurfaceField", edges: Tensor, share: Tensor, size: float) -> Tensor:
    """Where the vertices on these edges of cubes of that size are."""
    axis, mask = edges & 3, (1 << 20) - 1
    places = torch.stack([edges >> 42, (edges >> 22) & mask, (edges >> 2) & mask], dim=1) - ops.BIAS
    places = places.to(share)
    places[torch.arange(len(places)), axis] += share
    return _polished(field, places.to(field.bounds) * size + field.origin, size / 2)


def _polished(field: "SurfaceField", vertices: Tensor, most: float) -> Tensor:
    """Vertices moved by a Newton step along the gradient to where the field is zero, none further than `most`."""
    moved = [vertices.new_zeros(0, 3)]
    for some in vertices.split(_CHUNK):
        value, slope = field.values(some), field.slopes(some)[:, 0]
        step = -value * slope / slope.square().sum(1, keepdim=True).clamp_min(_STEEP**2)
        moved.append(some + step * (most / step.norm(dim=1, keepdim=True).clamp_min(1e-30)).clamp_max(1))
    return torch.cat(moved)
