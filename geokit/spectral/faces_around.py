"""The nearest points on the faces around given vertices of a surface that is embedded in many dimensions."""

import torch
from torch import Tensor

_NUMBERS = 1 << 20  # coordinates of queries looked at together
_FLAT = 1e-12  # faces of a smaller squared sine are matched by their edges


def nearest_around(queries: Tensor, rows: Tensor, faces: Tensor, nearest: Tensor) -> tuple[Tensor, Tensor]:
    """The faces (N,) and barycentrics (N, 3) of the points nearest to queries (N, K) among the faces around vertices.

    rows: (V, K) of the vertices. faces: (F, 3). nearest: (N,) int64, the vertex around which each query looks; one that
    no face uses gives face 0 and the weights of its first corner.
    """
    around, starts, counts = _faces_around(faces, len(rows))
    found = torch.zeros(len(queries), dtype=torch.int64)
    weights = torch.zeros(len(queries), 3, dtype=queries.dtype)
    weights[:, 0] = 1
    for block in _blocks(counts[nearest] * queries.shape[1]):
        asking = torch.repeat_interleave(block, counts[nearest[block]])
        if not len(asking):
            continue
        before = counts[nearest[block]].cumsum(0) - counts[nearest[block]]
        place = torch.arange(len(asking)) - torch.repeat_interleave(before, counts[nearest[block]])
        candidates = around[starts[nearest[asking]] + place]
        barycentrics, distances = _project(queries[asking], rows[faces[candidates]])
        best = torch.full((len(queries),), torch.inf, dtype=queries.dtype)
        best.scatter_reduce_(0, asking, distances, "amin")
        winners = (distances == best[asking]).nonzero()[:, 0].flip(0)  # the first of equals is written last
        found[asking[winners]] = candidates[winners]
        weights[asking[winners]] = barycentrics[winners]
    return found, weights


def _faces_around(faces: Tensor, vertices: int) -> tuple[Tensor, Tensor, Tensor]:
    """Faces in the order of the vertices that use them, where those of each vertex begin, and how many there are."""
    order = torch.argsort(faces.reshape(-1), stable=True)
    counts = torch.bincount(faces.reshape(-1), minlength=vertices)
    return order // 3, counts.cumsum(0) - counts, counts


def _blocks(counts: Tensor) -> list[Tensor]:
    """Consecutive numbers in blocks of about _NUMBERS counts."""
    number = torch.div(counts.cumsum(0), _NUMBERS, rounding_mode="floor")
    return [part for part in torch.arange(len(counts)).split(torch.bincount(number).tolist()) if len(part)]


def _project(queries: Tensor, corners: Tensor) -> tuple[Tensor, Tensor]:
    """Barycentrics (P, 3) of the points of triangles (P, 3, K) nearest to queries (P, K), and squared distances."""
    a = corners[:, 0]
    u, v, q = corners[:, 1] - a, corners[:, 2] - a, queries - a
    uu, uv, vv = (u * u).sum(1), (u * v).sum(1), (v * v).sum(1)
    uq, vq, qq = (u * q).sum(1), (v * q).sum(1), (q * q).sum(1)

    def squared(s: Tensor, t: Tensor) -> Tensor:
        return (qq - 2 * (s * uq + t * vq) + s * s * uu + 2 * s * t * uv + t * t * vv).clamp(min=0)

    tiny = torch.finfo(queries.dtype).tiny
    zero = torch.zeros_like(uu)
    along_u, along_v = (uq / uu.clamp(min=tiny)).clamp(0, 1), (vq / vv.clamp(min=tiny)).clamp(0, 1)
    opposite = ((vq - uq + uu - uv) / (uu - 2 * uv + vv).clamp(min=tiny)).clamp(0, 1)  # from corner 1 to corner 2
    determinant = uu * vv - uv * uv
    some = determinant > _FLAT * uu * vv
    safe = torch.where(some, determinant, 1)
    s, t = (vv * uq - uv * vq) / safe, (uu * vq - uv * uq) / safe
    inside = some & (s >= 0) & (t >= 0) & (s + t <= 1)
    choices_s = torch.stack([torch.where(inside, s, 0), along_u, zero, 1 - opposite])
    choices_t = torch.stack([torch.where(inside, t, 0), zero, along_v, opposite])
    distances = torch.stack([squared(a, b) for a, b in zip(choices_s, choices_t)])
    best = torch.where(inside, 0, distances[1:].argmin(0) + 1)
    s, t = (choice.gather(0, best[None])[0] for choice in (choices_s, choices_t))
    return torch.stack([1 - s - t, s, t], 1).clamp(min=0), squared(s, t)
