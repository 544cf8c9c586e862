"""Kernels by points that move: SMPConv."""

import math

import torch
from torch import Tensor, nn

from geokit.equivariant.lie.kernels.base import KernelNetwork, check_positive, check_sizes
from geokit.errors import InvalidInput


class PointKernel(KernelNetwork):
    """k(x) = sum_i w_i relu(1 - |x - p_i|_1 / r_i), divided by the number of points whose support covers x.

    No network: `points` positions p_i, radii r_i and weights w_i are the parameters, and a value costs as many
    products as points (Kim & Park, "SMPConv: Self-moving Point Representations for Continuous Convolution", CVPR 2023,
    eqs. 3-5). `groups` says how many sets of positions and radii there are: values [v * V / groups, ...) share set v.
    For C_out * C_in values groups = C_out is the paper's choice. Positions stay within [-1, 1]^d and radii between
    `least_radius` and `largest_radius` through a tanh and a sigmoid: at a bound, unlike behind a clamp, there is still
    a gradient. Positions start uniform, radii at `radius`, by default such that two points cover a
    place on average.
    Where the number of covering points changes the kernel jumps, as the paper's does.
    Raises InvalidInput as `KernelNetwork`, for groups that do not divide values, and for a radius out of its bounds.
    """

    def __init__(
        self,
        coordinates: int,
        values: int,
        *,
        points: int = 36,
        groups: int = 1,
        radius: float | None = None,
        least_radius: float = 1e-4,
        largest_radius: float = 1.0,
        fan_in: float = 1.0,
        gain: float = 1.0,
    ) -> None:
        super().__init__(coordinates, values, fan_in=fan_in, gain=gain)
        check_sizes(points=points, groups=groups)
        check_positive(least_radius=least_radius, largest_radius=largest_radius)
        if values % groups:
            raise InvalidInput(f"groups of a point kernel must divide its values, got {groups} and {values}")
        self.bounds = (least_radius, largest_radius)
        if radius is None:
            # A ball of |x|_1 < r has the volume (2 r)^d / d!, the domain 2^d.
            covering = (2 * math.factorial(coordinates) / points) ** (1 / coordinates)
            radius = min(max(covering, 1.1 * least_radius), 0.9 * largest_radius)
        if not least_radius < radius < largest_radius:
            raise InvalidInput(f"radius must lie between {least_radius:g} and {largest_radius:g}, got {radius}")
        start = torch.empty(groups, points, coordinates)
        nn.init.uniform_(start, -0.95, 0.95)
        self.raw_positions = nn.Parameter(torch.atanh(start))
        share = math.log(radius / least_radius) / math.log(largest_radius / least_radius)
        self.raw_radii = nn.Parameter(torch.full((groups, points), math.log(share / (1 - share))))
        self.weights = nn.Parameter(torch.randn(groups, points, values // groups))
        self.calibrate()

    @property
    def positions(self) -> Tensor:
        """(groups, points, d) in [-1, 1]."""
        return torch.tanh(self.raw_positions)

    @property
    def radii(self) -> Tensor:
        """(groups, points) between the bounds."""
        least, largest = self.bounds
        return least * (largest / least) ** torch.sigmoid(self.raw_radii)

    def evaluate(self, coordinates: Tensor) -> Tensor:
        """(..., V) values at coordinates (..., d)."""
        x = coordinates.reshape(-1, 1, 1, self.coordinates)
        hats = torch.relu(1 - (x - self.positions).abs().sum(-1) / self.radii)  # (X, groups, points)
        covering = (hats > 0).sum(-1, keepdim=True).clamp(min=1)
        values = torch.einsum("xgp,gpv->xgv", hats / covering, self.weights)
        return values.reshape(*coordinates.shape[:-1], self.values)

    @torch.no_grad()
    def rescale(self, factor: Tensor) -> None:
        """Multiplies every value by a number."""
        self.weights.mul_(factor)
