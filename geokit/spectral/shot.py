"""SHOT: histograms of the normals around a point, in a frame that the points choose.

Tombari, Salti and Di Stefano, "Unique Signatures of Histograms for Local Surface Description", ECCV 2010.
"""

import math

import torch
from torch import Tensor

from geokit.backend.checks import FLOATS, check_tensor
from geokit.errors import InvalidInput
from geokit.geometry.mesh import Mesh
from geokit.geometry.neighbors import PointTree
from geokit.spectral.curvature import mixed_areas
from geokit.spectral.shape import SpectralShape

AZIMUTHS, ELEVATIONS, SHELLS, COSINES = 8, 2, 2, 11
BINS = AZIMUTHS * ELEVATIONS * SHELLS * COSINES
FEWEST = 5  # neighbours that can choose a frame
_AT_ONCE = 2**15  # neighbours worked on together: they stay in the cache


def shot(shape: Mesh | SpectralShape, radius: float | None = None) -> Tensor:
    """(N, 352) SHOT descriptors of the vertices of a surface, float64, each of norm one.

    radius: of the ball that is described, in the shape's unit of length (0.08 times the root of the area if not
    given). Neighbours count by the area that belongs to them, so that uneven sampling matters little. The same for a
    moved copy; a mirror image has other descriptors. Zero at vertices with fewer than five neighbours.
    Raises `InvalidInput` for a radius that is not positive.
    """
    mesh = (shape.mesh if isinstance(shape, SpectralShape) else shape).to(torch.float64)
    reach = 0.08 * math.sqrt(mesh.area()) if radius is None else radius
    return shot_of_points(mesh.vertices, mesh.vertex_normals(), reach, mixed_areas(mesh))


def shot_of_points(points: Tensor, normals: Tensor, radius: float, weights: Tensor | None = None) -> Tensor:
    """(N, 352) SHOT descriptors of points (N, 3) with unit normals (N, 3), same dtype, norm one.

    Around each point the ball is cut into 8 azimuths, 2 elevations and 2 shells, each with 11 bins of the cosine
    between the point's normal at its axis z and the neighbours' normals; every neighbour is shared linearly among the
    two nearest bins of all four. Bins run fastest over cosines, then shells, elevations, azimuths.
    weights: (N,) of the neighbours, one each if not given. Raises `InvalidInput` for other shapes.
    """
    check_tensor("points", points, ("N", 3), FLOATS, finite=True)
    check_tensor("normals", normals, (len(points), 3), points.dtype, finite=True)
    if not 0 < radius < math.inf:
        raise InvalidInput(f"radius of SHOT must be positive and finite, got {radius}")
    weights = points.new_ones(len(points)) if weights is None else weights
    check_tensor("weights", weights, (len(points),), points.dtype, finite=True)
    offsets, indices, distances = PointTree(points).within(radius)
    histograms = points.new_zeros(len(points), BINS)
    start = 0
    while start < len(points):
        # As many points as have _AT_ONCE neighbours together, at least one.
        stop = int(torch.searchsorted(offsets, offsets[start] + _AT_ONCE, right=True)) - 1
        stop = min(max(stop, start + 1), len(points))
        part = slice(int(offsets[start]), int(offsets[stop]))
        owners = torch.repeat_interleave(offsets[start : stop + 1].diff())
        near, apart = indices[part], distances[part]
        steps = points[near] - points[start:stop][owners]
        axes = _local_frames(steps, apart, owners, weights[near], radius, stop - start)
        places = (steps[:, None, :] @ axes[owners].mT)[:, 0]  # x, y, z in the frame
        cosines = (normals[near] * axes[owners, 2]).sum(1)
        histograms[start:stop] = _histograms(places, apart / radius, cosines, weights[near], owners, stop - start)
        start = stop
    return torch.nn.functional.normalize(histograms, dim=1) * (offsets.diff() >= FEWEST)[:, None]


def local_frames(points: Tensor, radius: float, weights: Tensor | None = None) -> Tensor:
    """(N, 3, 3) right-handed frames of points (N, 3), axes in rows: x along the most spread, z across the surface.

    Eigenvectors of the covariance about the point, neighbours weighted by radius minus distance; x and z point to the
    side where the neighbours weigh more, or, where both sides weigh the same, to where they reach farther.
    """
    weights = points.new_ones(len(points)) if weights is None else weights
    offsets, indices, distances = PointTree(points).within(radius)
    owners = torch.repeat_interleave(offsets.diff())
    steps = points[indices] - points[owners]
    return _local_frames(steps, distances, owners, weights[indices], radius, len(points))


def _local_frames(steps: Tensor, apart: Tensor, owners: Tensor, weights: Tensor, radius: float, count: int) -> Tensor:
    nearness = (weights * (radius - apart))[:, None]
    products = (nearness * steps)[:, :, None] * steps[:, None, :]
    covariance = steps.new_zeros(count, 9).index_add(0, owners, products.flatten(1)).reshape(count, 3, 3)
    vectors = torch.linalg.eigh(covariance)[1]
    ends = torch.stack((vectors[:, :, 2], vectors[:, :, 0]), dim=1)  # x and z, their signs still open
    along = (ends[owners] @ steps[:, :, None])[:, :, 0]
    votes = torch.cat((weights[:, None] * along.sign(), nearness * along), dim=1)
    sides, reaches = steps.new_zeros(count, 4).index_add(0, owners, votes).split(2, dim=1)
    total = steps.new_zeros(count).index_add(0, owners, weights)[:, None]
    side = torch.where(sides.abs() > 1e-9 * total, sides, reaches)
    x, z = (ends * torch.where(side < 0, -1.0, 1.0)[:, :, None].to(ends)).unbind(1)
    return torch.stack((x, torch.linalg.cross(z, x), z), dim=1)


def _histograms(
    places: Tensor, distances: Tensor, cosines: Tensor, weights: Tensor, owners: Tensor, count: int
) -> Tensor:
    """(count, BINS) sums of weights; distances in units of the radius."""
    azimuth = (torch.atan2(places[:, 1], places[:, 0]) / (2 * math.pi) * AZIMUTHS) % AZIMUTHS
    flat = places[:, :2].norm(dim=1)
    elevation = (torch.atan2(places[:, 2], flat) / math.pi + 0.5) * ELEVATIONS
    terms = [
        _two_bins(azimuth, AZIMUTHS, cyclic=True),
        _two_bins(elevation, ELEVATIONS),
        _two_bins(distances * SHELLS, SHELLS),
        _two_bins((cosines.clamp(-1, 1) + 1) / 2 * COSINES, COSINES),
    ]
    slots, shares = owners, weights
    for (bins, parts), size in zip(terms, (AZIMUTHS, ELEVATIONS, SHELLS, COSINES)):
        slots = (slots.unsqueeze(-2) * size + bins).flatten(0, -2)
        shares = (shares.unsqueeze(-2) * parts).flatten(0, -2)
    sums = places.new_zeros(count * BINS).index_add(0, slots.reshape(-1), shares.reshape(-1))
    return sums.reshape(count, BINS)


def _two_bins(values: Tensor, size: int, cyclic: bool = False) -> tuple[Tensor, Tensor]:
    """The two bins (2, E) whose centres are nearest to values in [0, size], and their shares (2, E), of sum one.

    Beyond the first and the last centre all falls into that bin, unless the bins form a ring.
    """
    low = torch.floor(values - 0.5)
    high = values - 0.5 - low
    bins = torch.stack((low, low + 1)).long()
    bins = bins % size if cyclic else bins.clamp(0, size - 1)
    return bins, torch.stack((1 - high, high))
