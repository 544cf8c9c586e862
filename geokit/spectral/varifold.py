"""A distance between surfaces without correspondence, differentiable: sliced transport of their faces.

Le, Nguyen, Sun, Ho and Xie, "Diffeomorphic Mesh Deformation via Efficient Optimal Transport for Cortical Surface
Reconstruction", ICLR 2024. A mesh is seen as an oriented varifold: a mass at every face's centre and unit normal, of
the face's part of the area. Along a direction of that six-dimensional space transport is a matter of sorting.
"""

import torch
from torch import Tensor

from geokit.backend.checks import FLOATS, check_tensor
from geokit.errors import InvalidInput
from geokit.geometry.mesh import Mesh


def varifold_distance(
    first: Mesh, second: Mesh, *, directions: Tensor | int = 64, normal_length: float | None = None, seed: int = 0
) -> Tensor:
    """The squared sliced 2-Wasserstein distance of two meshes as oriented varifolds, () squared units of length.

    The mean over `directions`, (D, 6) unit vectors or how many to draw by `seed`, of the squared transport distance of
    the projected faces. A unit normal counts as a step of `normal_length` in space (a twentieth of the second mesh's
    extent if not given). Neither numbers of vertices and faces nor their order need agree; the areas are compared as
    parts of one. Differentiable by the vertices of both, O(D F log F). Raises `InvalidInput` for meshes without area.
    """
    length = 0.05 * second.extent if normal_length is None else normal_length
    if isinstance(directions, int):
        directions = slicing_directions(directions, seed)
    check_tensor("directions", directions, ("D", 6), FLOATS)
    (points1, weights1), (points2, weights2) = (_varifold(mesh, length) for mesh in (first, second))
    lines = directions.to(points1).T
    return wasserstein((points1 @ lines).T, (points2 @ lines).T, weights1, weights2).mean()


def slicing_directions(count: int, seed: int = 0) -> Tensor:
    """(count, 6) unit vectors, evenly distributed, float64; the same for the same seed."""
    if count < 1:
        raise InvalidInput(f"slicing needs at least one direction, got {count}")
    drawn = torch.randn(count, 6, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return torch.nn.functional.normalize(drawn, dim=1)


def wasserstein(first: Tensor, second: Tensor, weights1: Tensor, weights2: Tensor, power: float = 2) -> Tensor:
    """(D,) the power-th power of the Wasserstein distances of masses on lines.

    first, second: (D, N) and (D, M) places on each of D lines; weights1, weights2: (N,) and (M,) their masses >= 0,
    scaled to the sum one. The integral of |Q1(u) - Q2(u)|^power over quantiles u in [0, 1]: both quantile functions
    are steps, so it is a sum over the N + M pieces between the steps of either. Differentiable by places and masses.
    Raises `InvalidInput` for other shapes and masses without a positive sum.
    """
    check_tensor("first", first, ("D", "N"), FLOATS)
    check_tensor("second", second, (len(first), "M"), first.dtype)
    order1, steps1 = _quantiles("weights1", first, weights1)
    order2, steps2 = _quantiles("weights2", second, weights2)
    ends, merged = torch.cat((steps1, steps2), dim=1).sort(dim=1)
    widths = ends.diff(dim=1, prepend=ends.new_zeros(len(ends), 1))
    # A piece lies at the place whose step is the next to come: as many steps of its kind are behind it.
    ours = merged < steps1.shape[1]
    gap = _at(first, order1, ours) - _at(second, order2, ~ours)
    return (widths * gap.abs().pow(power)).sum(1)


def _quantiles(name: str, places: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
    """(D, N) order of the places along each line, and the part of the mass up to and including each."""
    check_tensor(name, weights, (places.shape[1],), places.dtype)
    if not float(weights.detach().sum()) > 0:
        raise InvalidInput(f"{name} must have a positive sum: the surface has no area")
    order = places.argsort(dim=1)
    return order, (weights / weights.sum())[order].cumsum(1)


def _at(places: Tensor, order: Tensor, own: Tensor) -> Tensor:
    """(D, U) the places at which the pieces lie, `own` telling which pieces end in a step of these masses."""
    behind = (own.cumsum(1) - own.long()).clamp(max=places.shape[1] - 1)
    return places.gather(1, order.gather(1, behind))


def _varifold(mesh: Mesh, length: float) -> tuple[Tensor, Tensor]:
    """(F, 6) centres and scaled normals of the faces, and (F,) areas."""
    return torch.cat((mesh.corners.mean(1), length * mesh.face_normals()), dim=1), mesh.face_areas()
