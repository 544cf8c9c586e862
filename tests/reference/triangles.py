"""Points against triangles in float64, every one against every other: slow and obvious."""

import math

import torch
from torch import Tensor


def on_segments(queries: Tensor, a: Tensor, b: Tensor) -> Tensor:
    """(Q, F, 3) places on segments nearest to the queries."""
    edge = b - a
    length2 = (edge * edge).sum(-1)
    t = ((queries[:, None] - a) * edge).sum(-1) / torch.where(length2 > 0, length2, 1)
    return a + t.clamp(0, 1)[..., None] * edge


def closest(queries: Tensor, corners: Tensor) -> tuple[Tensor, Tensor]:
    """Squared distances (Q, F) and places (Q, F, 3) on every triangle (F, 3, 3) nearest to every query (Q, 3)."""
    queries, corners = queries.double(), corners.double()
    a, b, c = corners.unbind(1)
    normal = torch.linalg.cross(b - a, c - a)
    nn = (normal * normal).sum(-1)
    height = ((queries[:, None] - a) * normal).sum(-1) / torch.where(nn > 0, nn, 1)
    foot = queries[:, None] - height[..., None] * normal
    signs = [
        (torch.linalg.cross((end - start).expand_as(foot), foot - start, dim=-1) * normal).sum(-1)
        for start, end in ((a, b), (b, c), (c, a))
    ]
    inside = (torch.stack(signs).amin(0) >= 0) & (nn > 0)
    places = torch.stack([foot, *(on_segments(queries, *ends) for ends in ((a, b), (b, c), (c, a)))])
    squared = (places - queries[:, None]).square().sum(-1)
    squared[0] = torch.where(inside, squared[0], math.inf)
    best = squared.argmin(0)
    return squared.amin(0), places.gather(0, best[None, ..., None].expand(1, -1, -1, 3))[0]


def winding(queries: Tensor, corners: Tensor) -> Tensor:
    """(Q,) sums of solid angles over 4 pi."""
    a, b, c = (corners.double()[None] - queries.double()[:, None, None]).unbind(2)
    la, lb, lc = a.norm(dim=-1), b.norm(dim=-1), c.norm(dim=-1)
    top = (a * torch.linalg.cross(b, c)).sum(-1)
    bottom = la * lb * lc + (a * b).sum(-1) * lc + (b * c).sum(-1) * la + (c * a).sum(-1) * lb
    return torch.atan2(top, bottom).sum(1) / (2 * math.pi)


def first_hits(origins: Tensor, directions: Tensor, corners: Tensor) -> tuple[Tensor, Tensor]:
    """First t (R,), inf without a hit, and how close (R,) the ray comes to an edge, in weights (Moeller-Trumbore)."""
    origins, directions, corners = origins.double()[:, None], directions.double()[:, None], corners.double()
    a, b, c = corners.unbind(1)
    p = torch.linalg.cross(directions, (c - a).expand(len(directions), -1, 3), dim=-1)
    det = ((b - a) * p).sum(-1)
    q = torch.linalg.cross(origins - a, (b - a).expand(len(directions), -1, 3), dim=-1)
    safe = torch.where(det == 0, 1, det)
    u, v = ((origins - a) * p).sum(-1) / safe, (directions * q).sum(-1) / safe
    t = ((c - a) * q).sum(-1) / safe
    margin = torch.where(det == 0, math.inf, torch.stack([u, v, 1 - u - v]).amin(0))
    hit = (margin >= 0) & (t >= 0) & (det != 0)
    return torch.where(hit, t, math.inf).amin(1), margin.abs().amin(1)
