"""The nearest points on a triangulated surface that is embedded in many dimensions, over all of its faces."""

import torch
from torch import Tensor

from geokit.backend.checks import check_tensor
from geokit.spectral.conversions import embeddings
from geokit.spectral.eigen import Eigenbasis
from geokit.spectral.precise import PreciseMap

BLOCK = 1 << 21  # squared distances at once


def precise_map(functional_map: Tensor, basis1: Eigenbasis, basis2: Eigenbasis, faces1: Tensor) -> PreciseMap:
    """For every vertex of shape 2 the point in a face of shape 1 that C_12 (K2, K1) brings nearest (float64).

    faces1: (F, 3). Rows of Phi2 are compared with the triangles of rows of Phi1 C^T (Ezuz, Ben-Chen 2017).
    """
    rows2, rows1 = embeddings(functional_map, basis1, basis2)
    return nearest_in_faces(rows2, rows1, faces1)


def nearest_in_faces(queries: Tensor, rows: Tensor, faces: Tensor) -> PreciseMap:
    """The point nearest to each of queries (Q, K) on triangles faces (F, 3) between rows (N, K), exactly.

    A face is looked at if no corner of it is farther from the query than the nearest vertex by more than the face
    reaches. Between a query and a face six squared distances say all, so the work after the one with all vertices does
    not grow with K. Of equally near faces the one met first is taken. Without a gradient.
    """
    check_tensor("queries", queries, ("Q", "K"))
    check_tensor("rows", rows, ("N", queries.shape[1]))
    check_tensor("faces", faces, ("F", 3), torch.int64)
    queries, rows = queries.detach().double(), rows.detach().double()
    triangles = _Triangles(rows, faces)
    squares = rows.square().sum(1)
    found, weights = [], []
    for part in queries.split(max(BLOCK // max(len(rows), 1), 1)):
        distances = torch.addmm(squares, part, rows.T, alpha=-2).add_(part.square().sum(1)[:, None]).clamp_(min=0)
        face, weight = triangles.nearest(distances)
        found.append(face)
        weights.append(weight)
    return PreciseMap(torch.cat(found), torch.cat(weights))


class _Triangles:
    """Faces in the order of their first corners, which are those that the others are nearest to."""

    def __init__(self, rows: Tensor, faces: Tensor) -> None:
        corners = rows[faces]
        opposite = (corners.roll(-1, 1) - corners.roll(-2, 1)).square().sum(2)  # squared length of each corner's edge
        turn = (opposite.argmax(1)[:, None] + torch.arange(3)) % 3
        faces, opposite = faces.gather(1, turn), opposite.gather(1, turn)
        self._order = torch.argsort(faces[:, 0], stable=True)
        self._faces, self._opposite, self._turn = faces[self._order], opposite[self._order], turn[self._order]
        bc, ca, ab = self._opposite.sqrt().unbind(1)
        self._reach = torch.stack([torch.maximum(ca, ab), torch.maximum(bc, ab), torch.maximum(bc, ca)], 1)
        self._counts = torch.bincount(self._faces[:, 0], minlength=len(rows))
        self._used = torch.unique(faces) if len(torch.unique(faces)) < len(rows) else slice(None)
        self._starts = self._counts.cumsum(0) - self._counts
        self._vertex_reach = torch.full((len(rows),), -torch.inf, dtype=rows.dtype)
        self._vertex_reach.scatter_reduce_(0, self._faces[:, 0], self._reach[:, 0], "amax")

    def nearest(self, squares: Tensor) -> tuple[Tensor, Tensor]:
        """Faces (Q,) and barycentrics (Q, 3) of queries with these squared distances (Q, N) to the vertices."""
        bound = squares[:, self._used].amin(1).sqrt() * (1 + 1e-9) + 1e-12
        limit = bound[:, None] + self._vertex_reach  # a vertex that is no first corner reaches to minus infinity
        asking, vertex = ((squares <= limit.square_()) & (self._counts > 0)).nonzero(as_tuple=True)
        repeats = self._counts[vertex]
        ends = repeats.cumsum(0)
        place = torch.arange(int(ends[-1])) - torch.repeat_interleave(ends - repeats, repeats)
        face = torch.repeat_interleave(self._starts[vertex], repeats) + place
        asking = torch.repeat_interleave(asking, repeats)
        to_corners = squares[asking[:, None], self._faces[face]]
        near = (to_corners.sqrt() - self._reach[face] <= bound[asking, None]).all(1)
        asking, face, to_corners = asking[near], face[near], to_corners[near]
        weights, distances = _project(to_corners, self._opposite[face])
        best = torch.full((len(squares),), torch.inf, dtype=squares.dtype).scatter_reduce_(0, asking, distances, "amin")
        winners = (distances == best[asking]).nonzero()[:, 0].flip(0)  # the first of equals is written last
        chosen = torch.zeros(len(squares), dtype=torch.int64)
        chosen[asking[winners]] = winners
        turned = torch.zeros(len(squares), 3, dtype=squares.dtype)
        turned.scatter_(1, self._turn[face[chosen]], weights[chosen])
        return self._order[face[chosen]], turned


def _project(to_corners: Tensor, opposite: Tensor) -> tuple[Tensor, Tensor]:
    """Barycentrics (P, 3) and squared distances (P,) of the points of triangles nearest to queries.

    to_corners: (P, 3) squared lengths from the query to corners a, b, c. opposite: (P, 3) those of bc, ca, ab.
    """
    qa, qb, qc = to_corners.unbind(1)
    bc, ca, ab = opposite.unbind(1)
    across = (ab + ca - bc) / 2  # of b - a and c - a
    along_b, along_c = (qa + ab - qb) / 2, (qa + ca - qc) / 2  # of q - a with these
    area = ab * ca - across.square()
    flat = area <= 1e-12 * ab * ca
    area = torch.where(flat, 1, area)
    inside_b, inside_c = (ca * along_b - across * along_c) / area, (ab * along_c - across * along_b) / area
    inside = (inside_b >= 0) & (inside_c >= 0) & (inside_b + inside_c <= 1) & ~flat

    def share(part: Tensor, whole: Tensor) -> Tensor:
        return (part / torch.where(whole > 0, whole, 1)).clamp(0, 1)

    on_ab, on_ac = share(along_b, ab), share(along_c, ca)
    on_bc = share(along_c - along_b - across + ab, bc)
    zero = torch.zeros_like(on_ab)
    choices_b = torch.stack([inside_b, on_ab, zero, 1 - on_bc])
    choices_c = torch.stack([inside_c, zero, on_ac, on_bc])
    distances = qa - 2 * (choices_b * along_b + choices_c * along_c)
    distances = distances + choices_b.square() * ab + choices_c.square() * ca + 2 * choices_b * choices_c * across
    distances[0] = torch.where(inside, distances[0], torch.inf)
    least, which = distances.min(0)
    b, c = choices_b.gather(0, which[None])[0], choices_c.gather(0, which[None])[0]
    return torch.stack([1 - b - c, b, c], 1), least.clamp(min=0)
