"""Where the kernels of a field begin: dense where the signal is busy, shaped as what they stand for."""

import math

import torch
from torch import Tensor

from geokit.backend.checks import FLOATS, check_tensor
from geokit.errors import InvalidInput
from geokit.fields.kernels import KERNELS, RadialKernels, kernel_size
from geokit.geometry.neighbors import nearest_neighbors

WAVE = 0.05  # turns in a unit of A (x - c), of a gabor's first wave


def kernels_for_budget(
    parameters: int, d: int, features: int, shape: str = "full", kernel: str = "inverse_quadratic", bias: int = 0
) -> int:
    """How many kernels fit into a budget of parameters, after `bias` numbers for other things: never more than fit.

    Raises `InvalidInput` where not one fits.
    """
    each = kernel_size(shape, d, features, kernel)
    count = (parameters - bias) // each
    if count < 1:
        raise InvalidInput(
            f"a budget of {parameters} parameters is too small: one kernel takes {each}, and {bias} go elsewhere"
        )
    return count


def image_weights(image: Tensor) -> Tensor:
    """How busy each pixel (H, W) of an image (H, W, C) is: the length of its gradient over all channels (NeuRBF)."""
    check_tensor("image", image, ("H", "W", "C"), FLOATS, finite=True)
    square = image.new_zeros(image.shape[:2])
    for axis in (0, 1):
        if image.shape[axis] > 1:
            square = square + torch.gradient(image, dim=axis)[0].square().sum(2)
    return square.sqrt()


def distance_weights(distances: Tensor) -> Tensor:
    """How near each point is to a surface, from signed distances (N,): 1 / (|distance| + 1e-9) (NeuRBF)."""
    return 1 / (distances.abs() + 1e-9)


def weighted_clusters(
    points: Tensor, weights: Tensor, count: int, iterations: int = 10, seed: int = 0
) -> tuple[Tensor, Tensor]:
    """Centres (count, d) of weighted k-means (Lloyd 1982) among points (N, d), and each point's cluster (N,).

    weights (N,) are at least 0; where all are 0 they count as equal. Seeds are drawn without repetition, more likely
    where weights are large; an empty cluster keeps its centre. The same seed gives the same clusters.
    Raises `InvalidInput` for weights that are negative or not finite, and for more clusters than points.
    """
    check_tensor("points", points, ("N", "d"), FLOATS, finite=True)
    check_tensor("weights", weights, (len(points),), points.dtype, finite=True)
    if points.shape[1] not in (1, 2, 3):
        raise InvalidInput(f"points must have 1, 2 or 3 coordinates, got {points.shape[1]}")
    if not 1 <= count <= len(points):
        raise InvalidInput(
            f"the number of clusters must be between 1 and that of points, {len(points):,}, got {count:,}"
        )
    if bool((weights < 0).any()):
        raise InvalidInput("weights must be at least 0")
    weights = weights if bool((weights > 0).any()) else torch.ones_like(weights)
    centres = points[_draw(weights, count, seed)].clone()
    space = torch.nn.functional.pad(points, (0, 3 - points.shape[1]))
    owner = weights.new_zeros(len(points), dtype=torch.int64)
    for step in range(iterations + 1):
        around = torch.nn.functional.pad(centres, (0, 3 - points.shape[1]))
        owner = nearest_neighbors(around, 1, space)[1][:, 0]
        if step < iterations:
            mass = weights.new_zeros(count).index_add_(0, owner, weights)
            means = torch.zeros_like(centres).index_add_(0, owner, points * weights[:, None])
            centres = torch.where(mass[:, None] > 0, means / mass.clamp(min=1e-30)[:, None], centres)
    return centres, owner


def _draw(weights: Tensor, count: int, seed: int) -> Tensor:
    """`count` different indices, the more likely the larger their weight; those of weight 0 last (Efraimidis 2006)."""
    chance = torch.rand(len(weights), generator=torch.Generator().manual_seed(seed), dtype=torch.float64).clamp(
        min=1e-300
    )
    keys = chance.log() / weights.double().cpu().clamp(min=1e-300)
    return keys.topk(count).indices.sort().values.to(weights.device)


def cluster_shapes(
    points: Tensor, weights: Tensor, centres: Tensor, owner: Tensor, smallest: float, largest: float
) -> Tensor:
    """Lower triangles (M, d (d + 1) / 2) of A with |A (x - c)| = 1 at one standard deviation of each cluster.

    The standard deviations along a cluster's axes are clipped to [smallest, largest]: clusters of one point or of a
    line have a shape too.
    """
    d = points.shape[1]
    offset = points - centres[owner]
    moment = points.new_zeros(len(centres), d, d)
    moment.index_add_(0, owner, weights[:, None, None] * offset[:, :, None] * offset[:, None, :])
    mass = weights.new_zeros(len(centres)).index_add_(0, owner, weights)
    moment = moment / mass.clamp(min=1e-30)[:, None, None]
    values, vectors = torch.linalg.eigh(moment.double())
    values = values.clamp(min=smallest**2, max=largest**2)
    root = torch.linalg.cholesky(vectors @ (values[:, :, None] * vectors.mT))
    eye = torch.eye(d, dtype=root.dtype, device=root.device)
    inverse = torch.linalg.solve_triangular(root, eye.expand_as(root), upper=False)
    rows, columns = torch.tril_indices(d, d)
    return inverse[:, rows, columns].to(points.dtype)


def kernels_from_samples(
    points: Tensor,
    weights: Tensor,
    count: int,
    features: int,
    kernel: str = "inverse_quadratic",
    shape: str = "full",
    neighbours: float = 13.0,
    floor: float = 0.1,
    iterations: int = 10,
    seed: int = 0,
    frequencies: Tensor | None = None,
) -> RadialKernels:
    """`count` kernels with features of zero where points (N, d) of large weights (N,) are, shaped as their clusters.

    `floor` times the mean weight is added to every weight, so that quiet places are covered too. The supports are as
    wide as it takes for a point in evenly spread samples to lie in `neighbours` of them. A gabor's waves begin short
    of a turn over its width, in any direction.
    Raises `InvalidInput` as `weighted_clusters` does, and for fewer than one neighbour.
    """
    if not neighbours >= 1 or not floor >= 0:
        raise InvalidInput(f"neighbours must be at least 1 and floor at least 0, got {neighbours} and {floor}")
    check_tensor("weights", weights, (len(points),), points.dtype, finite=True)
    weights = weights / weights.mean().clamp(min=1e-30) + floor
    centres, owner = weighted_clusters(points, weights, count, iterations, seed)
    d = points.shape[1]
    extent = (points.amax(0) - points.amin(0)).double()
    spacing = float((extent.clamp(min=1e-12 + float(extent.max()) * 1e-6).prod() / len(points)) ** (1 / d))
    one = spacing / math.sqrt(12) or 1.0  # the standard deviation of a cube of one point
    clipped = (one, max(float(extent.max()) / 10, one))
    factors = cluster_shapes(points, weights, centres, owner, *clipped)
    # A cube of side h has the standard deviation h / sqrt(12); a ball of radius r holds `neighbours` cubes.
    ball = math.pi ** (d / 2) / math.gamma(d / 2 + 1)
    radius = (neighbours / ball) ** (1 / d)
    reach = math.sqrt(d) / 2 ** (1 / 2) if kernel == "hat" else KERNELS.get(kernel, 1.0)
    factors = factors * (reach / (radius * math.sqrt(12)))
    waves = phases = None
    if kernel == "gabor":  # not zero: there a wave has no gradient
        g = torch.Generator().manual_seed(seed)
        diagonal = factors[:, [k * (k + 3) // 2 for k in range(d)]]
        waves = WAVE * diagonal * torch.randn(count, d, generator=g).to(points)
        phases = math.pi / 2 * (torch.rand(count, generator=g) - 0.5).to(points)
    start = points.new_zeros(count, features)
    return RadialKernels(centres, factors, start, kernel, shape, None, frequencies, waves, phases)
