"""How far a map is from the known one, at every place where that is known."""

from dataclasses import dataclass

import torch
from torch import Tensor

from geokit.errors import InvalidInput
from geokit.geometry.mesh import Mesh
from geokit.geometry.neighbors import nearest_neighbors
from geokit.spectral.evaluation import check_vertices
from geokit.spectral.tips import edge_distances

MOST_WORK = 100_000_000  # places times vertices: a few seconds
_BLOCK = 20_000_000  # distances at once
_NEAR = 0.15  # in units of the square root of the area: most errors are smaller, and looking no farther is fast


@dataclass(frozen=True)
class MapErrors:
    """Errors (L,) float64 of a map from shape 2 to shape 1, in units of the square root of the area of shape 1.

    known: (L, 2) int64 vertices of shape 1 and shape 2 that correspond. places: how many were known, before some were
    left out because there were too many to measure.
    """

    errors: Tensor
    known: Tensor
    places: int

    @property
    def mean(self) -> float:
        """The mean error times 100, as tables have it."""
        return 100 * float(self.errors.mean())

    @property
    def sentence(self) -> str:
        """The figures in words."""
        worst, middle = 100 * float(self.errors.max()), 100 * float(self.errors.median())
        where = f"{len(self.errors):,}" + (f" of {self.places:,}" if len(self.errors) < self.places else "")
        return f"mean error {self.mean:.2f}, median {middle:.2f}, worst {worst:.1f}, at {where} places"

    def curve(self, count: int = 100) -> tuple[Tensor, Tensor]:
        """Errors (count,) times 100 from 0 on, and the share (count,) of the places whose error is at most that."""
        top = 100 * max(float(self.errors.quantile(0.99)), 1e-4)
        limits = torch.linspace(0, top, count, dtype=torch.float64)
        ordered = (100 * self.errors).sort().values
        return limits, torch.searchsorted(ordered, limits, right=True) / len(ordered)

    def at_vertices(self, vertices2: Tensor) -> Tensor:
        """(N2,) the error at the measured place that is nearest to each of vertices2 (N2, 3) of shape 2."""
        nearest = nearest_neighbors(vertices2.double()[self.known[:, 1]], 1, vertices2.double())[1][:, 0]
        return self.errors[nearest]


def map_errors(p2p_21: Tensor, mesh1: Mesh, known: Tensor) -> MapErrors:
    """The errors of p2p_21 (N2,) where vertex known[i, 1] of shape 2 belongs to vertex known[i, 0] of shape 1.

    The same as `spectral.evaluation.geodesic_error` with `edge_geodesics`: shortest ways along the edges of mesh1, over
    the square root of its area. Of very many places every so many are measured. Raises `InvalidInput` for vertices out
    of range and for a mesh without area.
    """
    places, count = len(known), len(mesh1.vertices)
    check_vertices("p2p_21", p2p_21, len(p2p_21), count)
    check_vertices("vertices of shape 1", known[:, 0], places, count)
    check_vertices("vertices of shape 2", known[:, 1], places, len(p2p_21))
    size = float(mesh1.to(torch.float64).face_areas().sum()) ** 0.5
    if not places or not size > 0:
        raise InvalidInput("errors need at least one known place and a first shape with an area")
    known = known[:: -(-places * count // MOST_WORK)]
    images = p2p_21[known[:, 1]]
    ways = _ways(mesh1, known[:, 0], images, _NEAR * size)
    far = ways.isinf()
    if bool(far.any()):
        ways[far] = _ways(mesh1, known[far, 0], images[far], torch.inf)
    return MapErrors(ways / size, known, places)


def _ways(mesh: Mesh, sources: Tensor, ends: Tensor, limit: float) -> Tensor:
    """(L,) the length of the way from each source to its end; inf beyond the limit."""
    step = max(1, _BLOCK // len(mesh.vertices))
    parts = []
    for first in range(0, len(sources), step):
        own, number = sources[first : first + step].unique(return_inverse=True)
        parts.append(edge_distances(mesh, own, limit)[number, ends[first : first + step]])
    return torch.cat(parts)
