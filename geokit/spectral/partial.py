"""A part of a shape matched to the whole."""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from geokit.errors import InvalidInput
from geokit.geometry.mesh import Mesh
from geokit.geometry.sampling import farthest_points
from geokit.spectral.conversions import check_point_to_point, functional_map_of, point_to_point
from geokit.spectral.landmarks import checked_landmarks
from geokit.spectral.nearest_rows import nearest_rows
from geokit.spectral.shape import SpectralShape
from geokit.spectral.shot import shot
from geokit.spectral.tips import edge_distances
from geokit.spectral.zoomout import zoomout_samples

STEP, SAMPLES = 5, 1000
WITH_LANDMARKS, WITHOUT = (20, 30), (15, 30)  # functions of the whole that maps may start from
RADII = (0.1, 0.15)  # of the balls that SHOT describes, times the root of the whole's area
REACH = 0.2  # of a landmark, in the same unit
_TORN = 0.2  # edges whose image is longer count no more


@dataclass(frozen=True)
class PartialMap:
    """Where a part of N2 vertices lies on a whole of N1.

    p2p: (N2,) int64, the vertex of the whole that each vertex of the part goes to. indicator: (N1,) float64 in [0, 1],
    how surely a vertex of the whole is in the part. functional_map: (K2, K1), carries functions on the whole to the
    part, in eigenfunctions of unit norm in one unit of area; K2 is about ratio * K1 and C C^T nearly the identity.
    ratio: the area of the part over the area of the whole. stretch: the mean squared length of the images of the
    part's edges over that of the edges, 1 to 1.5 for good maps and above 2 for most bad ones.
    """

    p2p: Tensor
    indicator: Tensor
    functional_map: Tensor
    ratio: float
    stretch: float

    def __repr__(self) -> str:
        size = "x".join(map(str, self.functional_map.shape))
        return (
            f"PartialMap({len(self.p2p):,} vertices on {len(self.indicator):,}, {self.ratio:.0%} of the area, "
            f"functional map {size}, stretch {self.stretch:.2f})"
        )


def match_partial(part: SpectralShape, whole: SpectralShape, landmarks: Tensor | None = None) -> PartialMap:
    """The part found on the whole, both in the same unit of length, so that their areas tell how much of it there is.

    landmarks: (L, 2) int64, vertices of the part and of the whole that correspond; five are enough. Without them maps
    start from SHOT descriptors, which see only what is near: that finds some parts of the same animal or person in
    another pose and mostly fails otherwise; a `stretch` above 2 says so. Several starts are grown and the least
    stretched map is kept.
    Raises `InvalidInput` for landmarks out of range, and for a part of more than 1.1 times the area of the whole.
    """
    area_ratio(part, whole)  # refuses what is no part before the work begins
    if landmarks is None:
        described = [[shot(_in_one_unit(shape, whole), radius) for shape in (part, whole)] for radius in RADII]
        starts, sizes = [nearest_rows(*rows) for rows in described], WITHOUT
    else:
        landmarks = checked_landmarks(landmarks, len(part), len(whole))
        starts, sizes = [_nearest_by_landmarks(part, whole, landmarks)], WITH_LANDMARKS
    found = [grow_partial(start, part, whole, first=size) for start in starts for size in sizes]
    return min(found, key=lambda one: one.stretch)


def grow_partial(p2p: Tensor, part: SpectralShape, whole: SpectralShape, *, first: int = 20) -> PartialMap:
    """ZoomOut for parts, from a rough p2p (N2,) of the part's vertices to the whole's.

    A part of the area r has r times as many eigenvalues below a bound as the whole, so that the matrix of the map from
    functions on the whole to those on the part runs along a diagonal of slope r (Rodola et al. 2017, "Partial
    functional correspondence"): it grows by steps of (r K, K), from K = `first`. Point masses of the whole that the
    map carries near zero are outside the part: they are near no vertex of it, and none goes there.
    """
    ratio, basis1, basis2 = area_ratio(part, whole), whole.basis, part.basis
    basis2 = replace(  # in units where the whole has area one
        basis2,
        eigenvalues=basis2.eigenvalues / ratio,
        eigenvectors=basis2.eigenvectors / ratio**0.5,
        masses=basis2.masses * ratio,
    )
    check_point_to_point("p2p", p2p, len(part), len(whole))
    most = min(len(basis1), int(len(basis2) / ratio))
    sizes = [(min(max(round(ratio * k), 1), len(basis2)), k) for k in [*range(min(first, most), most, STEP), most]]
    chosen = farthest_points(part.mesh.vertices, min(SAMPLES, len(part)))
    size2, size1 = sizes[0]
    start = functional_map_of(p2p, basis1.first(size1), basis2.first(size2))
    rows = basis1.eigenvectors, basis2.eigenvectors[chosen]
    functional_map = zoomout_samples(start[None], *rows, sizes[1:])[0][0]
    p2p = point_to_point(functional_map, basis1, basis2)
    first1, first2 = basis1.first(sizes[-1][1]), basis2.first(sizes[-1][0])
    functional_map = functional_map_of(p2p, first1, first2)
    everywhere = first2.project(torch.ones(len(part), dtype=functional_map.dtype))
    indicator = first1.synthesize(functional_map.T @ everywhere).clamp(0, 1)
    return PartialMap(p2p, indicator, functional_map, ratio, _stretch(p2p, part, whole))


def area_ratio(part: SpectralShape, whole: SpectralShape) -> float:
    """The area of the part over that of the whole, at most 1. Raises `InvalidInput` where it is above 1.1."""
    ratio = (whole.scale / part.scale) ** 2
    if not ratio <= 1.1:
        raise InvalidInput(
            f"the part has {ratio:.3g} times the area of the whole; give the part first, and both in the same unit"
        )
    return min(ratio, 1.0)


def _in_one_unit(shape: SpectralShape, whole: SpectralShape) -> Mesh:
    return Mesh(shape.mesh.vertices * (whole.scale / shape.scale), shape.mesh.faces)


def _nearest_by_landmarks(part: SpectralShape, whole: SpectralShape, landmarks: Tensor) -> Tensor:
    """p2p (N2,) of vertices that lie alike among the landmarks; far ones hardly count: a cut makes ways longer."""
    rows = []
    for shape, vertices in zip((part, whole), landmarks.unbind(1)):
        distances = edge_distances(_in_one_unit(shape, whole), vertices).double()
        rows.append(torch.exp(-distances / REACH).mT)
    return nearest_rows(*rows)


def _stretch(p2p: Tensor, part: SpectralShape, whole: SpectralShape) -> float:
    given, images = _in_one_unit(part, whole).vertices, whole.mesh.vertices[p2p]
    start, end = part.mesh.faces.reshape(-1), part.mesh.faces.roll(-1, 1).reshape(-1)
    lengths = (images[start] - images[end]).norm(dim=1).clamp(max=_TORN)
    return float(lengths.square().sum() / (given[start] - given[end]).square().sum())
