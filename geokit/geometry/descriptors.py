"""What a neighbourhood looks like from any side: fast point feature histograms that need no oriented normals.

Rusu, Blodow and Beetz, "Fast Point Feature Histograms (FPFH) for 3D Registration", ICRA 2009. There, normals must point
to one side on both surfaces. Here every neighbourhood chooses its own side: the one to which its points bend.
"""

import torch
from torch import Tensor

from geokit.geometry.neighbors import nearest_neighbors
from geokit.geometry.scan_points import ScanPoints

_BINS = 11


def fpfh(scan: ScanPoints, radius: float, most: int = 80) -> Tensor:
    """(N, 33) histograms of the three angles between a point's normal and those around it, each third of sum one.

    At most `most` neighbours within `radius` count. The same for a moved copy, and for flipped normals.
    """
    count = min(most, len(scan.points) - 1)
    distances, indices = nearest_neighbors(scan.points, count)
    inside = (distances < radius) & (distances > 0)
    simple = _simple(scan, indices, inside, distances)
    # Nearer neighbourhoods count more.
    weights = inside / distances.clamp_min(1e-3 * radius)
    around = (weights[..., None] * simple[indices]).sum(1) / inside.sum(1, keepdim=True).clamp_min(1)
    total = (simple / radius + around).unflatten(1, (3, _BINS))
    return (total / total.sum(-1, keepdim=True).clamp_min(1e-12)).flatten(1)


def _simple(scan: ScanPoints, indices: Tensor, inside: Tensor, distances: Tensor) -> Tensor:
    """(N, 33) histograms of each point's own pairs."""
    steps = scan.points[indices] - scan.points[:, None]
    bend = ((steps * inside[..., None]).sum(1) * scan.normals).sum(1)
    normals = torch.where(bend[:, None] < 0, -scan.normals, scan.normals)[:, None]
    others = scan.normals[indices]
    others = torch.where((others * normals).sum(-1, keepdim=True) < 0, -others, others)
    along = steps / distances.clamp_min(1e-300)[..., None]
    # Darboux frame u = normal, v = along x u, w = u x v.
    v = torch.nn.functional.normalize(torch.linalg.cross(along, normals.expand_as(along)), dim=-1)
    w = torch.linalg.cross(normals.expand_as(v), v)
    tilt = (v * others).sum(-1)
    slope = (normals * along).sum(-1)
    twist = torch.atan2((w * others).sum(-1), (normals * others).sum(-1))
    parts = []
    for value, low, high in ((tilt, -1.0, 1.0), (slope, -1.0, 1.0), (twist, -torch.pi / 2, torch.pi / 2)):
        bins = ((value - low) / (high - low) * _BINS).long().clamp(0, _BINS - 1)
        histogram = value.new_zeros(len(value), _BINS).scatter_add(1, bins, inside.to(value))
        parts.append(histogram / inside.sum(1, keepdim=True).clamp_min(1))
    return torch.cat(parts, dim=1)
