"""From a cloud of points to a surface field and its mesh, with the settings that the points themselves ask for."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from geokit.backend import spline_ops as ops
from geokit.errors import InvalidInput
from geokit.fields.surface import SurfaceField
from geokit.fields.surface_points import Sampling, sampling_of, smoothed, with_normals, without_outliers
from geokit.fields.surface_solve import Weights, fit_levels
from geokit.geometry.mesh import Mesh
from geokit.geometry.neighbors import PointTree
from geokit.geometry.point_cloud import PointCloud

_CELL = 1.5  # spacings of the points: the side of the finest cells
_CELL_OF_NOISE = 0.7  # standard deviations of the noise: the side of the finest cells is at least that
_NOISY = 0.3  # spacings: noise from which the points are smoothed
_TURN = 0.45  # of normals, see `smoothed`
_CLEAN_WEIGHTS, _NOISY_WEIGHTS = Weights(10.0, 0.01), Weights(1.0, 0.1)
_FEWEST = 10
_COARSEST = 8.0  # cells along the longest side
_HOLES = 3.0  # radii of 16 neighbours: how far from points the surface is followed
_MOST = 1 << 17  # finest cells along the diagonal, within the range of keys


@dataclass(frozen=True)
class _Unit:
    """Points whose box has a diagonal of 1, from what they were made, and how they lie."""

    cloud: PointCloud
    low: Tensor
    scale: float
    sampling: Sampling


def fit_points(cloud: PointCloud, cell: float | None = None) -> SurfaceField:
    """A field that is negative inside, and at the points zero with their normals as gradients.

    Quadratic B-splines on lattices of cells near the points, each lattice of half the spacing of the one before, are
    fitted one after the other: values at the points, gradients there, and second differences of coefficients against
    bending (the data terms of Huang et al., "Neural Kernel Surface Reconstruction", 2023, without its learning), by
    conjugate gradients. Normals are the cloud's, or estimated and oriented. Noise and spacing are measured; points with
    noise are first moved to where the planes around them meet. Time and memory grow linearly with the points.

    cloud: N points in any unit; the field has its dtype and device, and is computed in float32 on the CPU. cell: side
    of the finest cells, in that unit; None takes 1.5 spacings of the points, or 0.7 standard deviations of their noise.

    Raises `InvalidInput` for fewer than 10 points, points on one line or in one place, normals of length zero and a
    cell that is not positive or below 1/131072 of their extent.
    """
    unit = _prepared(cloud, cell)
    points, normals, sampling = unit.cloud.points, unit.cloud.normals, unit.sampling
    assert normals is not None
    noisy = sampling.noise > _NOISY * sampling.spacing
    longest = float((points.amax(0) - points.amin(0)).max())
    finest = cell / unit.scale if cell else max(_CELL * sampling.spacing, _CELL_OF_NOISE * sampling.noise)
    finest = max(finest, longest / _MOST)
    count = max(0, math.ceil(math.log2(longest / _COARSEST / finest)))
    spacings = [finest * 2 ** (count - level) for level in range(count + 1)]
    seen, tree = _HOLES * sampling.reach, PointTree(points)

    def near(places: Tensor) -> Tensor:
        distances, ids = tree.nearest(1, places)
        return distances[:, 0] <= seen[ids[:, 0]]

    levels = fit_levels(points, normals, spacings, _NOISY_WEIGHTS if noisy else _CLEAN_WEIGHTS, near)
    places = ops.cells_of(levels[0].keys)  # a whole box, whose outermost cells lack neighbours
    box = torch.stack([places.amin(0) + 1.001, places.amax(0) - 0.001]).double() * (spacings[0] * unit.scale)
    dtype, device, scale = cloud.points.dtype, cloud.points.device, unit.scale
    return SurfaceField(
        (box + unit.low).to(dtype),
        spacings[0] * scale,
        [level.keys for level in levels],
        [(level.coefficients.double() * scale).to(dtype) for level in levels],
        origin=unit.low.to(dtype),
        points=(points.double() * scale + unit.low).to(dtype),
        reach=(sampling.reach.square() + (3 * sampling.noise) ** 2).sqrt().to(dtype) * scale,
    ).to(device)


def surface_from_points(cloud: PointCloud, cell: float | None = None) -> Mesh:
    """The mesh of `fit_points`; raises as it does, and `NumericalFailure` where there is no surface."""
    return fit_points(cloud, cell).mesh()


def _prepared(cloud: PointCloud, cell: float | None) -> _Unit:
    """The points in float32 and a unit box, without outliers, with normals, and smoothed where they are noisy."""
    if len(cloud) < _FEWEST:
        raise InvalidInput(f"a surface needs at least {_FEWEST} points, got {len(cloud)}")
    if cell is not None and not (math.isfinite(cell) and cell > 0):
        raise InvalidInput(f"cell must be a positive length, got {cell}")
    points = cloud.points.detach().cpu().double()
    low, scale = points.amin(0), cloud.extent
    if not 0 < scale < math.inf:
        raise InvalidInput("a surface needs points that are not all in one place")
    unit = ((points - low) / scale).float()
    if not float(torch.linalg.svdvals(torch.cov(unit.double().T))[1]) > 1e-10:
        raise InvalidInput("a surface needs points that are not all on one line")
    normals = cloud.normals
    if normals is not None:
        normals = normals.detach().cpu().float()
        lengths = normals.norm(dim=1, keepdim=True)
        if not bool((lengths > 0).all()):
            raise InvalidInput(
                f"normals must not be zero, but {int((lengths == 0).sum())} of {len(normals)} are; leave them out "
                "to have them estimated"
            )
        normals = normals / lengths
    given = PointCloud(unit, normals=normals)
    if cell is not None and cell < scale / _MOST:
        raise InvalidInput(f"cell must be at least 1/{_MOST} of the diagonal of the points, {scale:g}, got {cell:g}")
    keep, reach = without_outliers(given.points)
    if not float(reach.median()) > 0:  # most points many times over
        first = _first_of_each(given.points)
        given = given[first]
        if len(given) < _FEWEST:
            raise InvalidInput(f"a surface needs at least {_FEWEST} different points, got {len(given)}")
        keep, reach = without_outliers(given.points)
    given = with_normals(given[keep])
    sampling = sampling_of(given.points, reach)
    if sampling.noise > _NOISY * sampling.spacing:
        given = smoothed(given, max(sampling.noise, sampling.spacing), _TURN)
    return _Unit(given, low, scale, sampling)


def _first_of_each(points: Tensor) -> Tensor:
    """The indices of the first of every group of equal points, ascending."""
    groups, member = torch.unique(points, dim=0, return_inverse=True)
    first = torch.full((len(groups),), len(points)).scatter_reduce(0, member, torch.arange(len(points)), "amin")
    return first.sort().values
