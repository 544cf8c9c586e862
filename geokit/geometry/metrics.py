"""How far two surfaces or clouds are from each other, in the usual numbers, each defined here once.

Traps of the literature: "chamfer" is the mean of the two directions' means here, but their sum elsewhere (twice as
much), or a mean of squared distances (`chamfer_squared`); some authors sum over points; thresholds of F-scores are
absolute (0.01 in a unit cube, 1 cm) or relative; "normal consistency" is the mean cosine with or without its sign,
and papers that print an angle mean something else. Distances between two samples of the same surface are not zero,
which sets a floor under sample-to-sample figures: meshes are measured here against the exact surface, so that equal
meshes are 0 apart.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from geokit.backend.checks import check_tensor
from geokit.errors import InvalidInput
from geokit.geometry.distance import Bvh, closest_points
from geokit.geometry.mesh import Mesh
from geokit.geometry.neighbors import nearest_neighbors
from geokit.geometry.point_cloud import PointCloud
from geokit.geometry.surface_sampling import sample_surface

RELATIVE_THRESHOLD = 0.005  # of the reference's diagonal
Shape = Mesh | PointCloud


@dataclass(frozen=True)
class DirectedDistances:
    """Distances from places on one shape to the other, in the shapes' unit of length.

    `mean`, root of the mean square `rms`, `median`, 95th percentile and `maximum` (one-sided Hausdorff); `within`: the
    share of the places closer than the threshold. `cosine` and `absolute_cosine`: means over the places of the cosine
    between the normal there and that of the nearest place, with its sign and without; None where normals are missing.
    """

    mean: float
    rms: float
    median: float
    percentile_95: float
    maximum: float
    within: float
    cosine: float | None
    absolute_cosine: float | None


@dataclass(frozen=True)
class SurfaceComparison:
    """A shape against its reference. Lengths are in the shapes' unit.

    accuracy: from the shape to the reference; completeness: from the reference to the shape; threshold: a length.
    """

    accuracy: DirectedDistances
    completeness: DirectedDistances
    threshold: float

    @property
    def chamfer(self) -> float:
        """Mean of the two directions' mean distances (not their sum, not squared)."""
        return (self.accuracy.mean + self.completeness.mean) / 2

    @property
    def chamfer_squared(self) -> float:
        """Mean of the two directions' mean squared distances, in squared units of length."""
        return (self.accuracy.rms**2 + self.completeness.rms**2) / 2

    @property
    def precision(self) -> float:
        """The share of the shape within the threshold of the reference."""
        return self.accuracy.within

    @property
    def recall(self) -> float:
        """The share of the reference within the threshold of the shape."""
        return self.completeness.within

    @property
    def f_score(self) -> float:
        """The harmonic mean of precision and recall, 0 if both are."""
        total = self.precision + self.recall
        return 2 * self.precision * self.recall / total if total else 0.0

    @property
    def hausdorff(self) -> float:
        """The larger of the two one-sided Hausdorff distances; between meshes a lower bound, taken at samples and
        vertices."""
        return max(self.accuracy.maximum, self.completeness.maximum)

    @property
    def percentile_95(self) -> float:
        """The larger of the two directions' 95th percentiles: a Hausdorff distance that single outliers do not
        rule."""
        return max(self.accuracy.percentile_95, self.completeness.percentile_95)

    @property
    def normal_consistency(self) -> float | None:
        """Mean of the two directions' mean absolute cosines between normals: 1 is best; blind to flipped faces."""
        return _mean_of(self.accuracy.absolute_cosine, self.completeness.absolute_cosine)

    @property
    def signed_normal_consistency(self) -> float | None:
        """The same with the cosines' sign: -1 where all faces look the other way."""
        return _mean_of(self.accuracy.cosine, self.completeness.cosine)


@torch.no_grad()
def compare_surfaces(
    shape: Shape, reference: Shape, count: int = 100_000, threshold: float | None = None, seed: int = 0
) -> SurfaceComparison:
    """Distances between two meshes or clouds, both ways.

    A mesh is represented by `count` places spread evenly over its surface (and, for the maximum, its vertices), a
    cloud by all of its points; they are measured against the exact surface of a mesh, or against the nearest point
    of a cloud. The threshold of precision and recall is a length, 0.5 % of the reference's diagonal if not given.
    The two must be in the same frame and unit: register them first. They are compared on the shape's device.
    Raises `InvalidInput` for an empty cloud, a mesh without area and a threshold that is not positive.
    """
    dtype = torch.promote_types(_places(shape).dtype, _places(reference).dtype)
    if count < 1:
        raise InvalidInput(f"count must be at least 1, got {count}")
    threshold = RELATIVE_THRESHOLD * reference.extent if threshold is None else float(threshold)
    if not threshold > 0:
        raise InvalidInput(f"threshold must be a positive length, got {threshold}")
    device = _places(shape).device
    first, second = (_Side(side.to(device).to(dtype), count, seed) for side in (shape, reference))
    return SurfaceComparison(first.against(second, threshold), second.against(first, threshold), threshold)


@torch.no_grad()
def errors_at_vertices(shape: Shape, reference: Shape) -> Tensor:
    """(V,) the distance of every vertex of a mesh, or point of a cloud, to the reference, in the shape's dtype."""
    places = _places(shape)
    dtype = torch.promote_types(places.dtype, _places(reference).dtype)
    target = _Side(reference.to(places.device).to(dtype), 0, 0)
    return target.nearest(places.detach().to(dtype))[0].to(places.dtype)


class _Side:
    """One of the two: places that stand for it, and what distances to it are measured against."""

    def __init__(self, shape: Shape, count: int, seed: int) -> None:
        self.tree = Bvh(shape) if isinstance(shape, Mesh) else None
        self.extremes: Tensor | None = None
        if isinstance(shape, Mesh):
            cloud = sample_surface(shape, count, seed, low_discrepancy=True)
            used = torch.zeros(len(shape.vertices), dtype=torch.bool, device=shape.vertices.device)
            used[shape.faces.reshape(-1)] = True
            self.extremes = shape.vertices[used].detach()
            self.normals: Tensor | None = shape.face_normals().detach()
        else:
            cloud = shape
            self.normals = None if cloud.normals is None else cloud.normals.detach()
        self.points = cloud.points.detach()
        self.point_normals = None if cloud.normals is None else cloud.normals.detach()

    def nearest(self, queries: Tensor) -> tuple[Tensor, Tensor]:
        """Distances (Q,) to this side, and which face or point is nearest (Q,)."""
        if self.tree is not None:
            found = closest_points(self.tree, queries)
            return found.distances, found.face_ids
        distances, indices = nearest_neighbors(self.points, 1, queries)
        return distances[:, 0], indices[:, 0]

    def against(self, other: "_Side", threshold: float) -> DirectedDistances:
        """From the places of this side to the other."""
        distances, ids = other.nearest(self.points)
        distances = distances.double()
        farthest = float(distances.max())
        if self.extremes is not None:
            farthest = max(farthest, float(other.nearest(self.extremes)[0].max()))
        cosine = absolute = None
        if self.point_normals is not None and other.normals is not None:
            cosines = (self.point_normals * other.normals[ids]).sum(1).double()
            cosine, absolute = float(cosines.mean()), float(cosines.abs().mean())
        return DirectedDistances(
            mean=float(distances.mean()),
            rms=float(distances.square().mean().sqrt()),
            median=float(distances.median()),
            percentile_95=_percentile(distances, 0.95),
            maximum=farthest,
            within=float((distances < threshold).double().mean()),
            cosine=cosine,
            absolute_cosine=absolute,
        )


def _places(shape: Shape) -> Tensor:
    """Vertices or points, of which there is at least one."""
    if not isinstance(shape, Mesh | PointCloud):
        raise InvalidInput(f"only a Mesh or a PointCloud can be compared, got {type(shape).__name__}")
    places = shape.vertices if isinstance(shape, Mesh) else shape.points
    check_tensor("points", places, ("N", 3))
    if not len(places):
        raise InvalidInput("an empty shape cannot be compared")
    return places


def _percentile(values: Tensor, share: float) -> float:
    """The smallest value that at least this share of all does not exceed; torch.quantile refuses 16 M values."""
    rank = min(max(int(-(-share * len(values) // 1)), 1), len(values))
    return float(values.sort().values[rank - 1])  # torch's kthvalue is not deterministic on a GPU


def _mean_of(a: float | None, b: float | None) -> float | None:
    return None if a is None or b is None else (a + b) / 2
