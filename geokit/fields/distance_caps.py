"""Caps over the holes of a mesh: where its winding number is 1/2 without a face being there."""

import torch
from torch import Tensor

from geokit.backend import spline_ops as ops
from geokit.fields.lattice_mesh import cells_mesh
from geokit.geometry.distance import Bvh, closest_points, winding_number
from geokit.geometry.mesh import Mesh
from geokit.geometry.topology import boundary_loops, half_edges

_SAMPLES = 56  # along the longest side of the box around a hole, at most
_WIDER = 0.3  # of the diagonal of a rim, how far a cap may reach beyond it
_APART = 0.75  # cells from the mesh below which its own faces are the boundary
_LEAST = 2.0  # cells: smaller holes stay open


def caps(mesh: Mesh, around: Bvh, cell: float) -> Mesh:
    """The level set 1/2 of the winding number near the rims of a mesh (Jacobson et al. 2013), away from its faces.

    cell: of the lattice of samples, a length; larger for large holes. Faces look outward.
    """
    found = half_edges(mesh.faces)
    places, faces, count = [mesh.vertices[:0]], [mesh.faces[:0]], 0
    for loop in boundary_loops(found) if bool((found.faces_at_edge == 1).any()) else []:
        rim = mesh.vertices[loop]
        low, high = rim.amin(0), rim.amax(0)
        size = float((high - low).norm())
        if size < _LEAST * cell:
            continue
        cap = _cap(around, low - _WIDER * size, high + _WIDER * size, cell)
        places.append(cap.vertices)
        faces.append(cap.faces + count)
        count += len(cap.vertices)
    return Mesh(torch.cat(places), torch.cat(faces))


def _cap(around: Bvh, low: Tensor, high: Tensor, cell: float) -> Mesh:
    side = max(cell, float((high - low).max()) / _SAMPLES)
    shape = ((high - low) / side).ceil().long() + 1
    cells = torch.cartesian_prod(*(torch.arange(int(n), device=low.device) for n in shape))
    values = 0.5 - winding_number(around, low + (cells.to(low) + 0.5) * side)
    # A spline with these coefficients is within a second difference of them, which is small but at the mesh.
    keys = ops.keys_of(cells)
    columns = ops.around(keys, keys)
    whole = (columns & 7 == 7).all(1)
    places, faces = cells_mesh(columns[whole], cells[whole], values, 1)
    cap = Mesh(low + places * side, faces)
    if not len(cap):
        return cap
    away = closest_points(around, cap.corners.mean(1)).distances > _APART * side
    return Mesh(cap.vertices, cap.faces[away])
