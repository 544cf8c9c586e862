"""Maps between shapes refined beyond ZoomOut: eigenfunctions, places and normals agree at once."""

import torch
from torch import Tensor

from geokit.errors import InvalidInput
from geokit.geometry.mesh import Mesh
from geokit.spectral.conversions import check_point_to_point, functional_map_of
from geokit.spectral.deformation import Deformation
from geokit.spectral.nearest_rows import nearest_rows
from geokit.spectral.shape import SpectralShape

PULLS = (300.0, 1000.0, 3000.0, 3000.0)  # of shape 2 towards its image, per unit of area
PLACES = 400.0  # how much a difference of places weighs beside one of eigenfunctions
NORMALS = 30.0  # and one of normals


def refine(p2p_21: Tensor, shape1: SpectralShape, shape2: SpectralShape, *, count: int = 150) -> tuple[Tensor, Tensor]:
    """A better C_12 (count, count) and p2p_21 (N2,) than the given p2p_21, say of ZoomOut.

    In each step shape 2 is deformed, as rigidly as its image on shape 1 allows, onto that image; then every vertex of
    it looks for the vertex of shape 1 that agrees best in carried eigenfunctions, in place and in normal (the product
    space of Smooth Shells, Eisenberger et al. 2020, with an as-rigid-as-possible deformation instead of spectral
    shells). Where eigenfunctions leave stretched limbs undecided, places and normals decide.

    Raises `InvalidInput` for a map that does not fit the shapes and for fewer than `count` eigenfunctions.
    """
    check_point_to_point("p2p_21", p2p_21, len(shape2), len(shape1))
    if count > min(len(shape1.basis), len(shape2.basis)):
        raise InvalidInput(
            f"count is {count}, but the shapes have {len(shape1.basis)} and {len(shape2.basis)} eigenfunctions; "
            "prepare them with more"
        )
    basis1, basis2 = shape1.basis.first(count), shape2.basis.first(count)
    places1, deformation = shape1.mesh.vertices, Deformation(shape2)
    places2 = places1[p2p_21]
    for pull in PULLS:
        functional_map = functional_map_of(p2p_21, basis1, basis2)
        places2 = deformation.towards(places1[p2p_21], places2, pull)
        normals2 = Mesh(places2, shape2.mesh.faces).vertex_normals()
        rows1 = basis1.eigenvectors @ functional_map.T, PLACES * places1, NORMALS * shape1.normals
        rows2 = basis2.eigenvectors, PLACES * places2, NORMALS * normals2
        p2p_21 = nearest_rows(torch.cat(rows2, dim=1), torch.cat(rows1, dim=1))
    return functional_map_of(p2p_21, basis1, basis2), p2p_21
