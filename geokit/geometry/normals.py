"""Normals of points: the plane through each point's neighbours, all looking the same way."""

from dataclasses import dataclass

import torch
from torch import Tensor

from geokit.backend.checks import FLOATS, check_tensor
from geokit.errors import InvalidInput
from geokit.geometry.neighbors import nearest_neighbors
from geokit.geometry.orientation import orient_normals
from geokit.geometry.point_cloud import PointCloud

_FEWEST, _MOST = 16, 128  # neighbours, where they are chosen by the noise
_SLOPE = 0.045  # radians, the error of a plane by the noise that asks for more neighbours
_CURVED = 0.9  # noise alone lets the ratio of radius to scatter fall by less than this from one k to the next
_PROBES = 2000  # points at which the noise is measured
_CHUNK = 1 << 16  # points whose neighbourhoods are in memory at once


@dataclass(frozen=True)
class LocalPlanes:
    """What the plane fitted to a point's neighbours says of the surface there.

    normals: (N, 3) unit, of either sign. variances: (N, 3) of the neighbours along the three axes of their scatter,
    ascending, squared units of length; the first is that across the plane.
    """

    normals: Tensor
    variances: Tensor

    @property
    def curvature(self) -> Tensor:
        """(N,) the surface variation, 0 on a plane and at most 1/3 (Pauly, Gross, Kobbelt 2002)."""
        return self.variances[:, 0] / self.variances.sum(1).clamp_min(torch.finfo(self.variances.dtype).tiny)


def estimate_normals(cloud: PointCloud, k: int | None = None, viewpoint: Tensor | None = None) -> PointCloud:
    """The cloud with unit normals across the plane of every point's k nearest neighbours, all oriented.

    k: None takes as many as the noise of the points asks for, see `neighbors_for_noise`.
    viewpoint: (3,) a place, or (N, 3) one for every point, from which the points were seen: normals look towards it.
    Without it they look out of the surface, see `geokit.geometry.orientation.orient_normals`.
    Raises `InvalidInput` where there are fewer than three points or k is less than 2.
    """
    points = cloud.points.detach()
    if len(points) < 3:
        raise InvalidInput(f"normals need at least 3 points, got {len(points)}")
    if k is None:
        k = neighbors_for_noise(points)
    elif k < 2:
        raise InvalidInput(f"k, the neighbours of a plane, must be at least 2, got {k}")
    _, ids = nearest_neighbors(points, min(k, len(points) - 1))
    normals = planes_through(points, ids).normals
    if viewpoint is None:
        return cloud.replace(normals=orient_normals(points, normals, ids))
    if viewpoint.dim() == 1:
        viewpoint = viewpoint[None].expand(len(points), -1)
    check_tensor("viewpoint", viewpoint, (len(points), 3), FLOATS, finite=True)
    away = ((viewpoint.to(points) - points) * normals).sum(1, keepdim=True) < 0
    return cloud.replace(normals=torch.where(away, -normals, normals))


def local_planes(points: Tensor, k: int = 16) -> LocalPlanes:
    """The plane of least squares through every point (N, 3) and its k nearest neighbours."""
    check_tensor("points", points, ("N", 3), FLOATS, finite=True)
    if len(points) < 3 or k < 2:
        raise InvalidInput(f"a plane needs at least 3 points and 2 neighbours, got {len(points)} and {k}")
    return planes_through(points, nearest_neighbors(points, min(k, len(points) - 1))[1])


def planes_through(points: Tensor, ids: Tensor, centers: Tensor | None = None) -> LocalPlanes:
    """The planes through points `ids` (Q, k) and `centers` (Q,), the point each neighbourhood belongs to.

    Without `centers`, Q is N and the neighbourhoods are those of the points in order.
    """
    if centers is None:
        centers = torch.arange(len(points), device=points.device)
    normals, variances = [], []
    for part, own in zip(ids.split(_CHUNK), centers.split(_CHUNK)):
        spread = points[torch.cat([own[:, None], part], dim=1)].double()
        spread = spread - spread.mean(1, keepdim=True)
        values, vectors = smallest_eigenvectors(spread.transpose(1, 2) @ spread / spread.shape[1])
        normals.append(vectors.to(points.dtype))
        variances.append(values.to(points.dtype))
    return LocalPlanes(torch.cat(normals), torch.cat(variances))


def neighbors_for_noise(points: Tensor) -> int:
    """The fewest neighbours, 16 to 128, whose plane the noise of the points (N, 3) tilts by less than 0.045 radians.

    The slope of the plane of least squares through k points of a disc of radius r has the standard deviation
    2 sigma / (r sqrt(k)), where sigma is that of the noise; the medians of both over 2,000 points decide. Where sigma
    grows with the square of r it is no noise but the curvature of the surface, which more neighbours only blur.
    """
    count = len(points)
    most = min(_MOST, count - 1)
    if most <= _FEWEST:
        return most
    chosen = torch.randperm(count, generator=torch.Generator().manual_seed(0))[:_PROBES].to(points.device)
    distances, ids = nearest_neighbors(points, most + 1, points[chosen])

    def flatness(k: int) -> float:
        across = planes_through(points, ids[:, 1 : k + 1], chosen).variances[:, 0].sqrt()
        return float(distances[:, k].median()) / max(float(across.median()), torch.finfo(torch.float32).tiny)

    k, flat = _FEWEST, flatness(_FEWEST)
    while k < most and _SLOPE * k**0.5 * flat < 2:
        wider = min(most, k * 3 // 2)
        before, flat = flat, flatness(wider)
        if flat < _CURVED * before:
            break
        k = wider
    return k


def smallest_eigenvectors(matrices: Tensor) -> tuple[Tensor, Tensor]:
    """Eigenvalues (N, 3), ascending, and the unit eigenvector (N, 3) of the least, of symmetric matrices (N, 3, 3).

    In closed form (Smith 1961), for speed: a LAPACK call for each of a million matrices takes seconds. Where the least
    two eigenvalues are equal, any eigenvector of theirs is given.
    """
    tiny = torch.finfo(matrices.dtype).tiny
    scale = matrices.abs().amax((1, 2)).clamp_min(tiny)
    scaled = matrices / scale[:, None, None]
    eye = torch.eye(3).to(matrices)
    mean = scaled.diagonal(dim1=1, dim2=2).mean(1)
    centred = scaled - mean[:, None, None] * eye
    radius = (centred.square().sum((1, 2)) / 6).sqrt()
    unit = centred / radius.clamp_min(tiny)[:, None, None]
    angle = (_determinants(unit) / 2).clamp(-1, 1).acos() / 3
    high = mean + 2 * radius * angle.cos()
    low = mean + 2 * radius * (angle + 2 * torch.pi / 3).cos()
    values = torch.stack([low, 3 * mean - high - low, high], dim=1).clamp_min(0)

    rows = scaled - low[:, None, None] * eye
    crosses = torch.linalg.cross(rows, rows.roll(-1, dims=1))  # along the eigenvector, unless the rows are parallel
    lengths = crosses.norm(dim=2)
    best = lengths.argmax(1)
    every = torch.arange(len(matrices), device=matrices.device)
    vectors = crosses[every, best]
    double = lengths[every, best] <= 1e-13
    if bool(double.any()):
        vectors[double] = _perpendicular(rows[double])
    return values * scale[:, None], vectors / vectors.norm(dim=1, keepdim=True)


def _determinants(matrices: Tensor) -> Tensor:
    a, b, c = matrices.unbind(1)
    return (a * torch.linalg.cross(b, c)).sum(1)


def _perpendicular(rows: Tensor) -> Tensor:
    """Vectors (N, 3) perpendicular to the longest row of matrices (N, 3, 3) of rank 1 or 0."""
    longest = rows[torch.arange(len(rows), device=rows.device), rows.norm(dim=2).argmax(1)]
    axes = torch.eye(3).to(rows)[longest.abs().argmin(1)]
    across = torch.linalg.cross(longest, axes)
    return torch.where(across.norm(dim=1, keepdim=True) > 0, across, axes)
