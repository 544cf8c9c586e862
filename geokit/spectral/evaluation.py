"""How far a map is from the known one: mean geodesic errors as the field reports them."""

from dataclasses import dataclass

import torch
from torch import Tensor

from geokit.backend.checks import check_tensor
from geokit.errors import InvalidInput
from geokit.geometry.mesh import Mesh
from geokit.spectral.tips import edge_distances


@dataclass(frozen=True)
class GeodesicError:
    """Errors (L,) of a map at L known places, in units of the square root of shape 1's area.

    mirrored: the mean error against the map with left and right exchanged, None where it is not known.
    """

    errors: Tensor
    mirrored: float | None

    @property
    def mean(self) -> float:
        """The mean error times 100, as tables have it."""
        return 100 * float(self.errors.double().mean())

    @property
    def flipped(self) -> bool:
        """Is the map nearer to the mirrored one, where that is known?"""
        return self.mirrored is not None and self.mirrored < float(self.errors.double().mean())


def edge_geodesics(mesh: Mesh) -> Tensor:
    """(N, N) float32 shortest ways along the edges: the distances of most published tables, some 5 % too long."""
    return edge_distances(mesh, torch.arange(len(mesh.vertices))).float()


def geodesic_error(
    p2p_21: Tensor,
    landmarks2: Tensor,
    landmarks1: Tensor,
    distances1: Tensor,
    area1: float,
    mirrored1: Tensor | None = None,
) -> GeodesicError:
    """Errors of p2p_21 (N2,) where landmark i is vertex landmarks2[i] of shape 2 and landmarks1[i] of shape 1.

    landmarks2, landmarks1, mirrored1: (L,) int64, "vts" and "vts_sym" in the data sets of Ren et al. (2018); vertices
    that are no landmark do not count. distances1: (N1, N1) between all vertices of shape 1, by any method, whose total
    area is area1 in the same unit: errors are distances1[p2p_21[landmarks2], landmarks1] / sqrt(area1).
    Raises `InvalidInput` for landmarks out of range or of different counts.
    """
    count1, count2 = len(distances1), len(p2p_21)
    check_tensor("distances1", distances1, (count1, count1))
    if not 0 < area1 < torch.inf:
        raise InvalidInput(f"area1 must be positive and finite, got {area1}")
    check_vertices("p2p_21", p2p_21, count2, count1)
    check_vertices("landmarks2", landmarks2, len(landmarks2), count2)
    check_vertices("landmarks1", landmarks1, len(landmarks2), count1)
    images = p2p_21[landmarks2]
    errors = distances1[images, landmarks1].float() / area1**0.5
    if mirrored1 is None:
        return GeodesicError(errors, None)
    check_vertices("mirrored1", mirrored1, len(landmarks2), count1)
    return GeodesicError(errors, float((distances1[images, mirrored1].double() / area1**0.5).mean()))


def check_vertices(name: str, vertices: Tensor, length: int, count: int) -> None:
    """Raise `InvalidInput` unless vertices are (length,) int64 in [0, count)."""
    check_tensor(name, vertices, (length,), torch.int64)
    low, high = (int(value) for value in vertices.aminmax()) if length else (0, 0)
    if length and (low < 0 or high >= count):
        raise InvalidInput(f"{name} reaches from {low} to {high}, but there are vertices 0 to {count - 1}")
