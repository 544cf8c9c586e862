"""What a surface needs to know of its points before it is fitted: spacing, noise, normals, outliers."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from geokit.backend import spline_ops as ops
from geokit.fields.surface_lattice import sorted_by_cell
from geokit.geometry.neighbors import PointTree
from geokit.geometry.normals import estimate_normals, neighbors_for_noise, planes_through
from geokit.geometry.point_cloud import PointCloud

_K = 16
_PROBES = 2000  # points at which the noise is measured
_WIDE = 4.0  # radius of a neighbourhood against the noise from which its plane tells noise from slope
_FEW, _MOST = 64, 1024  # neighbours of a probe that are looked at first, and at most
_ALONE = 6.0  # a point whose neighbours are so much closer to theirs than it is to them is an outlier
_REACH = 2.5  # widths from which points count: the weight there is 1/23
_PULL = 0.05  # of the mean of the neighbours against their planes


@dataclass(frozen=True)
class Sampling:
    """reach: (N,) the radius of 16 neighbours of every point; spacing: side of the square that a point stands for;
    noise: standard deviation across the surface. Lengths in the points' unit."""

    reach: Tensor
    spacing: float
    noise: float


def without_outliers(points: Tensor) -> tuple[Tensor, Tensor]:
    """Which points (N,) to keep, and the radius of 16 neighbours of those."""
    k = min(_K, len(points) - 1)
    distances, ids = PointTree(points).nearest(k)
    reach = distances[:, -1]
    keep = reach <= _ALONE * reach[ids].median(1).values
    if not bool(keep.any()):
        keep[:] = True
    return keep, reach[keep]


def sampling_of(points: Tensor, reach: Tensor) -> Sampling:
    """Spacing and noise of points (N, 3) with these radii of 16 neighbours (N,)."""
    k = min(_K, len(points) - 1)
    spacing = float(reach.median()) * math.sqrt(math.pi / k)
    return Sampling(reach, spacing, noise_of(points))


def noise_of(points: Tensor) -> float:
    """The standard deviation of points (N, 3) across their surface, 0 where it cannot be told from curvature.

    The scatter across the plane of k neighbours of radius r is sigma^2 + (c r^2)^2, c by the curvature: two radii tell
    them apart. k is the least whose radius is 4 times the scatter, medians over 2,000 points.
    """
    count = len(points)
    chosen = torch.randperm(count, generator=torch.Generator().manual_seed(0))[:_PROBES].to(points.device)
    most, tree = min(_MOST, count - 1), PointTree(points)
    distances, ids = tree.nearest(min(_FEW, most), points[chosen])

    def scatter(k: int) -> tuple[float, float]:
        variance = planes_through(points, ids[:, 1:k], chosen).variances[:, 0].median()
        return float(distances[:, k - 1].median()), float(variance) * k / max(k - 3, 1)

    k = min(_K, most)
    radius, variance = scatter(k)
    while k < most and radius < _WIDE * variance**0.5:
        k = min(most, k * 5 // 4)
        if 2 * k > distances.shape[1] and distances.shape[1] < most:
            distances, ids = tree.nearest(most, points[chosen])
        radius, variance = scatter(k)
    wider, more = scatter(min(most, 2 * k))
    if not wider > radius:
        return variance**0.5
    curved = max(more - variance, 0.0) / ((wider / radius) ** 4 - 1)
    return max(variance - curved, 0.0) ** 0.5


def with_normals(cloud: PointCloud) -> PointCloud:
    """The cloud with its normals, or with those of the planes of as many neighbours as its noise asks for."""
    if cloud.normals is not None:
        return cloud
    return estimate_normals(cloud, neighbors_for_noise(cloud.points))


def smoothed(cloud: PointCloud, width: float, turn: float) -> PointCloud:
    """Points moved to where the planes of those around them meet, weighted by Gaussians of standard deviation `width`
    of their distance and `turn` of the difference of their normals."""
    assert cloud.normals is not None
    low = cloud.points.amin(0)
    order, keys, offsets, _ = sorted_by_cell((cloud.points - low) / width)
    places = ((cloud.points - low) / width)[order]
    moved, turned = ops.plane_meet(places, cloud.normals[order], keys, offsets, _REACH, turn, _PULL)
    points, normals = torch.empty_like(cloud.points), torch.empty_like(cloud.normals)
    points[order], normals[order] = moved * width + low, turned
    return cloud.replace(points=points, normals=normals)
