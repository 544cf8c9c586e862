"""Distance fields fitted to meshes, as detailed as a number of parameters allows."""

import math

import torch
from torch import Tensor

from geokit.backend import spline_ops as ops
from geokit.errors import InvalidInput
from geokit.fields.distance_field import DistanceField
from geokit.fields.distance_fit import LatticeFit, Samples
from geokit.fields.distance_lattice import box_keys, coefficients_at
from geokit.fields.distance_refine import Refinement
from geokit.fields.distance_samples import drawn
from geokit.fields.distance_solid import Solid
from geokit.geometry.mesh import Mesh

COARSEST = 8  # cells along the longest side of the mesh
_ROOM = 1.0  # cells of the coarsest lattice around the mesh
_SHY = 0.01  # of a cell, by which the box ends before the lattice does
VALUE, BEND = 30.0, 1e-3
_LEVELS = 9
_FAR = 0.01  # of the longest side: the distance from the surface at which a value counts 1/4 as much


def fit_sdf(mesh: Mesh, parameters: int = 200_000, *, signed: bool = True, seed: int = 0) -> DistanceField:
    """The distance to a mesh, negative inside, as a field of at most so many parameters.

    ...
    """
    if not isinstance(mesh, Mesh) or not len(mesh):
        raise InvalidInput("a distance field needs a mesh with at least one face")
    size = float((mesh.vertices.amax(0) - mesh.vertices.amin(0)).max())
    low = mesh.vertices.double().amin(0)
    spacing = size / COARSEST
    extent = (mesh.vertices.double().amax(0) - low) / spacing
    shape = (extent + 2 * _ROOM + _SHY).ceil().long()
    begin = (extent - shape) / 2  # of the lattice, in cells from the lower corner of the mesh
    unit = Mesh(((mesh.vertices.double() - low) / spacing - begin).float().cpu(), mesh.faces.cpu())
    keys = [box_keys(shape.tolist())]
    solid = Solid.of(unit, signed, (len(mesh) and 30 / parameters**0.5) * 1.0)
    samples, surface = drawn(solid, shape, parameters, seed)
    refinement = Refinement(samples, parameters)
    shares: list[Tensor] = []
    while True:
        level = len(shares)
        cell = 0.5**level
        nodes = keys[0] if not level else ops.dilate(ops.dilate(keys[level]))
        start = coefficients_at(keys, [*shares, samples.places.new_zeros(len(keys[level]))], level, nodes)
        free = torch.isin(nodes, keys[level])
        fit = LatticeFit(nodes, cell, samples)
        found = fit.solved(start, free, VALUE, BEND, 400 if not level else 40)
        shares.append((found - start)[free])
        finer = refinement.next(fit, found, keys, level)
        if finer is None:
            break
        keys.append(finer)
    corner = low + begin * spacing
    bounds = torch.stack([corner, corner + (shape - _SHY) * spacing]).to(mesh.vertices.dtype)
    lengths = [(some.double() * spacing).to(mesh.vertices.dtype) for some in shares]
    return DistanceField(bounds, spacing, keys[1:], lengths, signed)
