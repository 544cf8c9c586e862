"""Distance fields fitted to meshes, as detailed as a number of parameters allows."""

import math

import torch
from torch import Tensor

from geokit.backend import spline_ops as ops
from geokit.errors import InvalidInput
from geokit.fields.distance_field import DistanceField
from geokit.fields.distance_fit import LatticeFit
from geokit.fields.distance_lattice import box_keys, coefficients_at
from geokit.fields.distance_refine import Refinement
from geokit.fields.distance_samples import drawn
from geokit.fields.distance_solid import Solid
from geokit.geometry.mesh import Mesh

COARSEST = 8  # cells along the longest side of the mesh
MOST = 20_000_000  # parameters
_ROOM = 1.0  # cells of the coarsest lattice around the mesh
_SHY = 0.01  # of a cell, by which the box ends before the lattice does
_VALUE, _BEND = 30.0, 1e-3
_STEPS, _STEPS_COARSEST = 20, 200
_A_NODE, _MORE = 5, 20_000  # samples that a lattice is fitted to
_CAP = 30.0  # cells of the coarsest lattice over the root of the number of parameters: the accuracy of caps


def fit_sdf(mesh: Mesh, parameters: int = 200_000, *, signed: bool = True, seed: int = 0) -> DistanceField:
    """The distance to a mesh, negative inside, as a field of at most so many parameters and nearly as many.

    Lattices of B-splines are fitted from coarse to fine, by least squares, to exact distances and their gradients at
    random places: on the surface, near it and anywhere, four to three to one, those far away counting less (Chen et
    al., "NeuRBF", 2023, sample so). Each lattice has nodes only in those cells of the one before where the error is
    largest (hierarchical splines: Forsey and Bartels 1988); how many of them is foreseen from how the errors shrink, so
    that all lattices together are within the budget. A node counts as a number, and where nodes are as 32 bits each.

    Inside is where the winding number is above 1/2, so the sign is right for meshes with holes, which get caps, and
    for those that cut themselves: faces inside are not seen. With signed=False the distance is at least about 0 on
    either side of faces of any orientation; it is rounded at the surface, over about a cell, so that it is a little
    above zero there, and has no zero set to be meshed: mesh(level=...) gives the surface at a distance.

    parameters: at least what the coarsest lattice, of some 12^3 nodes for a cube, takes. The same seed gives the same
    field. float32 or float64 as the mesh is; fitted in float32 on the CPU, to about 1e-6 of the extent at best.
    Raises `InvalidInput` for a mesh without faces or extent, one that encloses nothing, and a number of parameters that
    is too small or above 20 million.
    """
    if not isinstance(mesh, Mesh) or not len(mesh):
        raise InvalidInput("a distance field needs a mesh with at least one face, got one of 0 faces")
    low, high = _bounds(mesh)
    size = float((high - low).max())
    if not 0 < size < math.inf:
        raise InvalidInput("a distance field needs a mesh with an extent, but all of its faces are in one point")
    if not isinstance(parameters, int) or parameters > MOST:
        raise InvalidInput(f"parameters must be a whole number of at most {MOST:,}, got {parameters!r}")
    spacing = size / COARSEST
    extent = (high - low) / spacing
    shape = (extent + 2 * _ROOM + _SHY).ceil().long()
    keys = [box_keys(shape.tolist())]
    if parameters < len(keys[0]):
        raise InvalidInput(
            f"a distance field of this mesh has at least {len(keys[0]):,} parameters, those of its coarsest lattice, "
            f"got {parameters:,}; allow more"
        )
    begin = (extent - shape + _SHY) / 2  # where the lattice begins, in cells from the mesh's lower corner
    places = ((mesh.vertices.detach().cpu().double() - low) / spacing - begin).float()
    solid = Solid.of(Mesh(places, mesh.faces.cpu()), signed, _CAP / parameters**0.5)
    shares = _fitted(solid, keys, shape, parameters, seed)
    corner = low + begin * spacing
    bounds = torch.stack([corner, corner + (shape - _SHY) * spacing]).to(mesh.vertices.dtype)
    lengths = [(some.double() * spacing).to(mesh.vertices.dtype) for some in shares]
    return DistanceField(bounds, spacing, keys[1:], lengths, signed).to(mesh.vertices.device)


def _bounds(mesh: Mesh) -> tuple[Tensor, Tensor]:
    """Of the vertices that faces use, float64."""
    corners = mesh.corners.detach().cpu().double().reshape(-1, 3)
    return corners.amin(0), corners.amax(0)


def _fitted(solid: Solid, keys: list[Tensor], shape: Tensor, parameters: int, seed: int) -> list[Tensor]:
    """The shares of the nodes of every lattice; appends to `keys` those of the finer ones."""
    samples = drawn(solid, shape, parameters, seed)
    refinement = Refinement(parameters)
    shares: list[Tensor] = []
    while True:
        level = len(shares)
        nodes = ops.dilate(ops.dilate(keys[level])) if level else keys[0]
        start = coefficients_at(keys, [*shares, samples.places.new_zeros(len(keys[level]))], level, nodes)
        free = torch.isin(nodes, keys[level])
        fit = LatticeFit(nodes, 0.5**level, samples[: _A_NODE * len(keys[level]) + _MORE])
        found = fit.solved(start, free, _VALUE, _BEND, _STEPS if level else _STEPS_COARSEST)
        shares.append((found - start)[free])
        finer = refinement.next(fit, found, keys)
        if finer is None:
            return shares
        keys.append(finer)
