"""Where distances along a surface start: vertices, or points inside faces."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from geokit.backend.checks import check_tensor
from geokit.errors import InvalidInput
from geokit.geometry.mesh import Mesh


@dataclass(frozen=True)
class SurfacePoints:
    """S places on a mesh. face_ids: (S,) int64. barycentrics: (S, 3) weights of the face's corners, >= 0, of sum 1."""

    face_ids: Tensor
    barycentrics: Tensor

    def __len__(self) -> int:
        return len(self.face_ids)


Sources = int | Sequence[int] | Tensor | SurfacePoints


@dataclass(frozen=True)
class Seeds:
    """K sets of vertices with the distances at which they start, and a place in space to know neighbours by.

    offsets: (K + 1,) int64. vertices: (S,) int64. starts: (S,) float64. weights: (S,) float64, the share of the source
    that is there. places: (K, 3) float64.
    """

    offsets: Tensor
    vertices: Tensor
    starts: Tensor
    weights: Tensor
    places: Tensor

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def take(self, order: Tensor) -> "Seeds":
        """The sets in another order, or some of them."""
        counts = self.offsets.diff()[order]
        offsets = torch.cat([counts.new_zeros(1), counts.cumsum(0)])
        member = torch.arange(int(offsets[-1])) - torch.repeat_interleave(offsets[:-1], counts)
        member += torch.repeat_interleave(self.offsets[:-1][order], counts)
        return Seeds(offsets, self.vertices[member], self.starts[member], self.weights[member], self.places[order])

    def together(self) -> "Seeds":
        """One set of all."""
        place = self.places.mean(0, keepdim=True)
        return Seeds(self.offsets[[0, -1]], self.vertices, self.starts, self.weights, place)


def seeds_of(mesh: Mesh, sources: Sources) -> Seeds:
    """One set for every source: a vertex at distance 0, or a face's corners at their distances from a point inside.

    Raises `InvalidInput` for no source, vertices or faces that the mesh does not have, weights that are negative or do
    not sum to 1.
    """
    if isinstance(sources, SurfacePoints):
        at = SurfacePoints(*(t.to(mesh.faces.device) for t in (sources.face_ids, sources.barycentrics)))
        return _seeds_in_faces(mesh, at)
    vertices = torch.as_tensor(sources).to(mesh.faces.device).reshape(-1)
    if not len(vertices):
        raise InvalidInput("distances need at least one source, got none")
    if vertices.dtype == torch.bool or vertices.is_floating_point():
        raise InvalidInput(
            f"sources must be whole numbers of vertices, got {str(vertices.dtype).removeprefix('torch.')}"
        )
    _check_range("source", vertices, len(mesh.vertices), "vertices")
    vertices = vertices.to(torch.int64)
    return Seeds(
        torch.arange(len(vertices) + 1),
        vertices,
        torch.zeros(len(vertices), dtype=torch.float64),
        torch.ones(len(vertices), dtype=torch.float64),
        mesh.vertices.detach().double()[vertices],
    )


def _seeds_in_faces(mesh: Mesh, points: SurfacePoints) -> Seeds:
    check_tensor("face_ids of the sources", points.face_ids, ("S",), torch.int64)
    check_tensor("barycentrics of the sources", points.barycentrics, (len(points), 3), finite=True)
    if not len(points):
        raise InvalidInput("distances need at least one source, got none")
    _check_range("the face of a source", points.face_ids, len(mesh), "faces")
    weights = points.barycentrics.detach().double()
    if float(weights.min()) < -1e-6 or float((weights.sum(1) - 1).abs().max()) > 1e-4:
        raise InvalidInput(
            "barycentrics of the sources must be at least 0 and sum to 1 in every row; got values from "
            f"{float(weights.min()):.3g} and sums up to {float(weights.sum(1).max()):.3g}"
        )
    corners = mesh.vertices.detach().double()[mesh.faces[points.face_ids]]
    places = (weights[..., None] * corners).sum(1)
    starts = (corners - places[:, None]).norm(dim=2).reshape(-1)
    vertices = mesh.faces[points.face_ids].reshape(-1)
    return Seeds(3 * torch.arange(len(points) + 1), vertices, starts, weights.reshape(-1), places)


def _check_range(name: str, ids: Tensor, count: int, what: str) -> None:
    low, high = int(ids.min()), int(ids.max())
    if low < 0 or high >= count:
        bad = low if low < 0 else high
        raise InvalidInput(f"{name} is {bad}, but the mesh has {count:,} {what}, numbered from 0")
