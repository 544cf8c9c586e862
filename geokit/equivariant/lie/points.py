"""Scattered points as a place to integrate: who is near whom, what volume a point stands for, means over a cloud."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from geokit.backend.checks import FLOATS, check_tensor
from geokit.equivariant.lie.group import LieGroup
from geokit.equivariant.lie.sampling import SampleSet
from geokit.errors import InvalidInput
from geokit.geometry.neighbors import nearest_neighbors, radius_neighbors

WEIGHTS = ("density", "uniform")
OUTLIER = 4.0  # times the median: the ball about a lonely point is mostly empty, and does not belong to it


@dataclass(frozen=True)
class Neighborhood:
    """Clouds of points (N, n) with their edges j -> i and quadrature weights.

    receivers, senders: (E,) int64, each point is a neighbour of itself. displacements: (E, n), (x_j - x_i) / radius.
    weights: (N,), the volume that a point stands for in units of radius^n. batch: (N,) which cloud. clouds: how many.
    stretch: of the elements that the edges were found for: none may lengthen vectors more.
    """

    receivers: Tensor
    senders: Tensor
    displacements: Tensor
    weights: Tensor
    batch: Tensor
    clouds: int
    stretch: float

    def __len__(self) -> int:
        return len(self.weights)

    def __repr__(self) -> str:
        return f"Neighborhood({self.clouds} clouds, {len(self):,} points, {len(self.senders):,} edges)"


def neighborhood(
    points: Tensor,
    samples: SampleSet,
    radius: float,
    batch: Tensor | None = None,
    *,
    weights: str | Tensor = "density",
    neighbors: int = 8,
) -> Neighborhood:
    """Whom each point has to listen to under any of the elements g: all x_j with |x_j - x_i| <= radius * |g|.

    points: (N, n), n = 2 or 3, float32 or float64; displacements carry a gradient to them, weights do not. radius: of a
    kernel at the identity, in the unit of the points. batch: (N,) int64, the cloud of each point, from 0 on; one cloud
    if left out. weights: "density", for each point the volume of the ball of its nearest `neighbors` over their number,
    at most 4 times the cloud's median; "uniform", the mean of that over the cloud; or (N,) volumes of your own in units
    of radius^n.
    Weights turn with the group: a map of determinant d multiplies them by d. Where it may stretch, distances are
    measured after whitening (x -> L^-1 x, with L L^T the cloud's covariance), which no linear map can change.
    Raises InvalidInput for other shapes and dtypes, values that are not finite, a radius not positive, a cloud of fewer
    than neighbors + 1 points, and a flat cloud under a group that stretches.
    """
    n = samples.group.n
    check_tensor("points", points, ("N", n), FLOATS, finite=True)
    if n not in (2, 3):
        raise InvalidInput(f"neighbours are found in 2 or 3 dimensions, got a group that acts on R^{n}")
    if not 0 < radius < math.inf:
        raise InvalidInput(f"radius must be positive and finite, got {radius}")
    if isinstance(weights, str) and weights not in WEIGHTS:
        raise InvalidInput(f"weights must be one of {', '.join(WEIGHTS)}, or a tensor (N,), got {weights!r}")
    if batch is None:
        batch = torch.zeros(len(points), dtype=torch.int64, device=points.device)
    check_tensor("batch", batch, (len(points),), torch.int64)
    if len(batch) and int(batch.min()) < 0:
        raise InvalidInput(f"batch must count clouds from 0 on, got {int(batch.min())}")
    clouds = int(batch.max()) + 1 if len(batch) else 0
    reach = radius * samples.stretch
    members = [(batch == cloud).nonzero()[:, 0] for cloud in range(clouds)]
    fixed = points.detach()
    edges = [_edges(fixed[m], m, reach) for m in members if len(m)]
    empty = batch.new_zeros(0)
    receivers, senders = (torch.cat([e[i] for e in edges] or [empty]) for i in range(2))
    if isinstance(weights, str):
        volumes = torch.zeros_like(fixed[:, 0])
        for cloud, m in enumerate(members):
            if len(m):
                volume = _volumes(fixed[m], neighbors, samples.group.complement_dim > 0, cloud) / radius**n
                volumes[m] = volume if weights == "density" else volume.mean()
    else:
        check_tensor("weights", weights, (len(points),), points.dtype, finite=True)
        volumes = weights
    displacements = (points[senders] - points[receivers]) / radius
    return Neighborhood(receivers, senders, displacements, volumes, batch, clouds, samples.stretch)


def samples_of(group: LieGroup, elements: Tensor) -> SampleSet:
    """The set of these elements (S, size, size) of a group, all of weight one: a finite subgroup, say.

    Raises InvalidInput for none, and as `group.check`.
    """
    if elements.ndim != 3 or not len(elements):
        size = group.size
        raise InvalidInput(f"elements must be (S, {size}, {size}) with S of 1 or more, got {tuple(elements.shape)}")
    group.check(elements, "elements")
    x, k = group.decompose(elements)
    one = torch.ones_like(elements[:, 0, 0])
    return SampleSet(group, x, k, elements, group.inverse_from(x, k), one, one[0])


def invariant_readout(x: Tensor, cloud: Neighborhood, samples: SampleSet, mode: str = "mean") -> Tensor:
    """(B, C) of features (N, S, C) on points and elements: what no element of the group changes.

    mode: "mean", by the volumes of the points and the weights of the elements; "max". The integral over a group does
    not change when the group moves the cloud; a sum over samples keeps that as far as it is that integral, and to
    rounding where the element maps the set of samples onto itself. A cloud without points gives 0.
    Raises InvalidInput for another mode and other shapes.
    """
    if mode not in ("mean", "max"):
        raise InvalidInput(f'mode must be "mean" or "max", got {mode!r}')
    check_tensor("x", x, (len(cloud), len(samples), "C"), FLOATS)
    out = x.new_zeros(cloud.clouds, x.shape[2])
    if mode == "max":
        index = cloud.batch[:, None].expand(-1, x.shape[2])
        return out.scatter_reduce(0, index, x.amax(1), "amax", include_self=False)
    total = torch.zeros_like(out[:, 0]).index_add(0, cloud.batch, cloud.weights)
    share = cloud.weights / total.clamp(min=torch.finfo(x.dtype).tiny)[cloud.batch]
    over_group = torch.einsum("s,nsc->nc", samples.weights / samples.weights.sum(), x)
    return out.index_add(0, cloud.batch, share[:, None] * over_group)


def _edges(points: Tensor, members: Tensor, reach: float) -> tuple[Tensor, Tensor]:
    """Receivers and senders within reach, themselves included."""
    padded = _in_space(points)
    offsets, indices, _ = radius_neighbors(padded, reach, padded)
    receivers = torch.repeat_interleave(torch.arange(len(points), device=points.device), offsets.diff())
    return members[receivers], members[indices]


def _volumes(points: Tensor, neighbors: int, stretched: bool, cloud: int) -> Tensor:
    """(N,) volume of the ball of the nearest points, divided by their number."""
    count, n = points.shape
    if count <= neighbors:
        raise InvalidInput(
            f"cloud {cloud} has {count} points, too few for a density by {neighbors} neighbours; take fewer, or give "
            "weights of your own"
        )
    scale = points.new_ones(())
    if stretched:
        centred = points.double()  # what is flat in float32 is flat to 1e-7
        centred = centred - centred.mean(0)
        factor, failed = torch.linalg.cholesky_ex(centred.T @ centred / count)
        diagonal = factor.diagonal()
        if failed or diagonal.min() <= 1e-6 * diagonal.max():
            raise InvalidInput(f"cloud {cloud} is flat, so that it has no volume under {n} x {n} maps; give weights")
        points = torch.linalg.solve_triangular(factor, centred.T, upper=False).T.to(points)
        scale = diagonal.prod().to(points)
    distance = nearest_neighbors(_in_space(points), neighbors)[0][:, -1]
    ball = math.pi ** (n / 2) / math.gamma(n / 2 + 1)
    volume = scale * ball * distance**n / neighbors
    return volume.clamp(max=OUTLIER * volume.median())


def _in_space(points: Tensor) -> Tensor:
    """(N, 3): the search tree is one of space."""
    return torch.cat([points, points.new_zeros(len(points), 3 - points.shape[1])], 1).contiguous()
