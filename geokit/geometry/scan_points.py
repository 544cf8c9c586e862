"""What registration looks at: points with normals of a mesh or cloud, in float64 on the CPU."""

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from geokit.errors import InvalidInput
from geokit.geometry.mesh import Mesh
from geokit.geometry.neighbors import nearest_neighbors
from geokit.geometry.normals import local_planes
from geokit.geometry.point_cloud import PointCloud
from geokit.geometry.surface_sampling import sample_surface

_SAMPLES = 30_000  # of a mesh
_FEWEST = 10


@dataclass(frozen=True)
class ScanPoints:
    """points (N, 3), normals (N, 3) unit, of either sign; float64."""

    points: Tensor
    normals: Tensor

    def grown(self, factor: float) -> "ScanPoints":
        """The same, `factor` times as large."""
        return self if factor == 1 else ScanPoints(factor * self.points, self.normals)

    @cached_property
    def extent(self) -> float:
        """The diagonal of the bounding box."""
        return float((self.points.amax(0) - self.points.amin(0)).norm())

    @cached_property
    def spacing(self) -> float:
        """The median distance of a point from its nearest other point."""
        return float(nearest_neighbors(self.points, 1)[0].median())

    @cached_property
    def box(self) -> Tensor:
        """(8, 3) the corners of the bounding box."""
        sides = torch.stack([self.points.amin(0), self.points.amax(0)])
        return torch.cartesian_prod(*sides.unbind(1))


def scan_points(shape: PointCloud | Mesh, seed: int = 0) -> ScanPoints:
    """The points of a cloud, with estimated planes where it has no normals; evenly spread points of a mesh.

    Raises `InvalidInput` for another kind of shape, fewer than ten points, or points that are all the same.
    """
    if isinstance(shape, Mesh):
        if not len(shape):
            shape = PointCloud(shape.vertices)
        else:
            shape = sample_surface(shape.to("cpu").to(torch.float64), _SAMPLES, seed, low_discrepancy=True)
    if not isinstance(shape, PointCloud):
        raise InvalidInput(f"registration takes a Mesh or a PointCloud, got {type(shape).__name__}")
    points = shape.points.detach().cpu().double()
    if len(points) < _FEWEST:
        raise InvalidInput(f"registration needs at least {_FEWEST} points, got {len(points)}")
    if shape.normals is None:
        normals = local_planes(points).normals
    else:
        normals = torch.nn.functional.normalize(shape.normals.detach().cpu().double(), dim=1)
    found = ScanPoints(points, normals)
    if not found.extent > 0:
        raise InvalidInput(f"registration needs points of some extent, but all {len(points)} are the same")
    return found


def thinned(scan: ScanPoints, size: float) -> ScanPoints:
    """One point a cell of a grid of `size`: the means, normals brought to one side within each cell first."""
    if size <= 0.5 * scan.spacing:
        return scan
    cells = ((scan.points - scan.points.amin(0)) / size).floor().long()
    keys = torch.cat([cells.new_tensor([1]), (cells.amax(0) + 1)[:2].cumprod(0)])
    _, cell, count = (cells * keys).sum(1).unique(return_inverse=True, return_counts=True)
    points = _mean(scan.points, cell, count)
    first = torch.full((len(count),), len(cell)).scatter_reduce(0, cell, torch.arange(len(cell)), "amin")
    leader = scan.normals[first[cell]]
    sign = torch.where((scan.normals * leader).sum(1, keepdim=True) < 0, -1.0, 1.0)
    normals = torch.nn.functional.normalize(_mean(scan.normals * sign, cell, count), dim=1)
    return ScanPoints(points, normals)


def _mean(values: Tensor, cell: Tensor, count: Tensor) -> Tensor:
    return values.new_zeros(len(count), values.shape[1]).index_add(0, cell, values) / count[:, None]
