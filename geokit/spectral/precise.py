"""Vertices matched to points inside faces: what a map to vertices rounds away."""

from dataclasses import dataclass

import torch
from torch import Tensor

from geokit.backend import embedded_faces_ops
from geokit.backend.checks import check_tensor
from geokit.errors import InvalidInput
from geokit.spectral.conversions import check_point_to_point, embeddings
from geokit.spectral.eigen import Eigenbasis
from geokit.spectral.faces_around import nearest_around

BLOCK = 1 << 21  # squared distances at once


@dataclass(frozen=True)
class PreciseMap:
    """For each of N vertices of one shape a point on the surface of another.

    face_ids: (N,) int64. barycentrics: (N, 3), weights of the corners of that face, at least 0 and of sum 1.
    """

    face_ids: Tensor
    barycentrics: Tensor

    def __len__(self) -> int:
        return len(self.face_ids)

    def __repr__(self) -> str:
        return f"PreciseMap({len(self):,} points in faces)"

    def interpolate(self, faces: Tensor, values: Tensor) -> Tensor:
        """(N, ...) values (V, ...) at the vertices of the surface with those faces (F, 3), at the points."""
        weights = self.barycentrics.to(values.dtype)
        corners = faces[self.face_ids]
        flat = values.reshape(len(values), -1)
        mixed = sum(weights[:, c, None] * flat[corners[:, c]] for c in range(3))
        assert isinstance(mixed, Tensor)
        return mixed.reshape(len(self), *values.shape[1:])


def precise_map(functional_map: Tensor, basis1: Eigenbasis, basis2: Eigenbasis, faces1: Tensor) -> PreciseMap:
    """For every vertex of shape 2 the point in a face of shape 1 that C_12 (K2, K1) brings nearest (float64).

    faces1: (F, 3). Rows of Phi2 are compared with the triangles of rows of Phi1 C^T (Ezuz, Ben-Chen 2017).
    """
    rows2, rows1 = embeddings(functional_map, basis1, basis2)
    return nearest_in_faces(rows2, rows1, faces1)


def nearest_in_faces(queries: Tensor, rows: Tensor, faces: Tensor, around: Tensor | None = None) -> PreciseMap:
    """The point nearest to each of queries (Q, K) on triangles faces (F, 3) between rows (N, K).

    It is exact over all faces: one is looked at if no corner of it is farther from the query than the nearest point so
    far by more than the face reaches. Between a query and a face six squared distances say all, so that after the
    product with all vertices the work does not grow with K. around: (Q,) int64, vertices; then only the faces around
    each query's vertex are looked at: for maps that are known and shall only be made finer, and above 10,000 vertices,
    where the product with all costs too much. Without a gradient. Raises `InvalidInput` where there is no face or K
    differs.
    """
    check_tensor("queries", queries, ("Q", "K"))
    check_tensor("rows", rows, ("N", queries.shape[1]))
    check_tensor("faces", faces, ("F", 3), torch.int64)
    if not len(faces):
        raise InvalidInput("there are no faces to find points in; a point cloud is matched by nearest_rows")
    if int(faces.min()) < 0 or int(faces.max()) >= len(rows):
        raise InvalidInput(
            f"faces name the vertices {int(faces.min())} to {int(faces.max())}; want 0 to {len(rows) - 1}"
        )
    if not len(queries):
        return PreciseMap(faces.new_empty(0), rows.new_empty(0, 3).double())
    queries, rows = queries.detach().double(), rows.detach().double()
    if around is not None:
        check_point_to_point("around", around, len(queries), len(rows))
        return PreciseMap(*nearest_around(queries, rows, faces, around))
    order, turn, surface = _surface(rows, faces)
    squares = rows.square().sum(1)
    found, weights = [], []
    for part in queries.split(max(BLOCK // max(len(rows), 1), 1)):
        distances = torch.addmm(squares, part, rows.T, alpha=-2).add_(part.square().sum(1)[:, None]).clamp_(min=0)
        face, weight = embedded_faces_ops.nearest_in_faces(distances, surface)
        found.append(face)
        weights.append(weight)
    chosen, turned = torch.cat(found), torch.cat(weights)
    return PreciseMap(order[chosen], torch.zeros_like(turned).scatter_(1, turn[chosen], turned))


def _surface(rows: Tensor, faces: Tensor) -> tuple[Tensor, Tensor, list[Tensor]]:
    """The faces in the order of their first corners, those that the others are nearest to: embedded_faces.h.

    Which face each of them is (F,), which corner of it each of its corners is (F, 3), and the arrays.
    """
    corners = rows[faces]
    opposite = (corners.roll(-1, 1) - corners.roll(-2, 1)).square().sum(2)  # squared length of each corner's edge
    turn = (opposite.argmax(1)[:, None] + torch.arange(3)) % 3
    faces, opposite = faces.gather(1, turn), opposite.gather(1, turn)
    order = torch.argsort(faces[:, 0], stable=True)
    faces, opposite = faces[order], opposite[order]
    bc, ca, ab = opposite.sqrt().unbind(1)
    reach = torch.stack([torch.maximum(ca, ab), torch.maximum(bc, ab), torch.maximum(bc, ca)], 1)
    vertex_reach = rows.new_zeros(len(rows)).scatter_reduce(0, faces[:, 0], reach[:, 0], "amax")
    around = torch.argsort(faces.reshape(-1), stable=True) // 3
    first, around_first = _starts(faces[:, 0], len(rows)), _starts(faces.reshape(-1), len(rows))
    return order, turn[order], [faces, first, opposite, reach, around, around_first, vertex_reach]


def _starts(vertices: Tensor, count: int) -> Tensor:
    """(count + 1,) where what belongs to each vertex begins."""
    counts = torch.bincount(vertices, minlength=count)
    return torch.cat([counts.new_zeros(1), counts.cumsum(0)])
