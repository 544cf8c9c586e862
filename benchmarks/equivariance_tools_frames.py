"""A network without symmetry behind frames: its error under random motions, and its jump where spreads are equal."""

import itertools
from collections.abc import Callable
from typing import Any

import torch
from common import measure, print_table
from torch import Tensor, nn

from geokit.equivariant.frame_averaging import FrameAverage
from geokit.equivariant.invariant_coordinates import InvariantInput
from geokit.equivariant.lie import SE
from geokit.equivariant.measure import equivariance_error

POINTS = 14
WRAPPINGS: dict[str, Callable[[nn.Module], nn.Module]] = {
    "none": lambda net: net,
    "frames, principal": lambda net: FrameAverage(net, group="SE", frames="principal"),
    "frames, robust": lambda net: FrameAverage(net, group="SE"),
    "coordinates, signs by rule": lambda net: InvariantInput(net, group="SE"),
    "coordinates, signs blended": lambda net: InvariantInput(net, group="SE", signs="blend"),
}


class Flat(nn.Module):
    """All coordinates of a cloud, in the order of its points, to four numbers."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.net = nn.Sequential(nn.Linear(3 * POINTS, 64), nn.Tanh(), nn.Linear(64, 64), nn.Tanh(), nn.Linear(64, 4))
        self.double()

    def forward(self, points: Tensor) -> Tensor:
        return self.net(points.flatten(1))


def symmetric() -> Tensor:
    """(14, 3): the corners of an octahedron and of a cube."""
    cube = torch.tensor(list(itertools.product((-0.7, 0.7), repeat=3))).double()
    return torch.cat([torch.eye(3).double(), -torch.eye(3).double(), cube])


@torch.no_grad()
def row(name: str) -> dict[str, Any]:
    """Errors relative to the spread of the outputs over random clouds."""
    net = WRAPPINGS[name](Flat())
    clouds = torch.randn(200, POINTS, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    spread = float((net(clouds) - net(clouds).mean(0)).norm(dim=1).square().mean().sqrt())
    shape = symmetric()[None]

    def error_at(x: Tensor) -> float:
        elements = SE(3).sample(100, generator=torch.Generator().manual_seed(1))
        return max(float((net(SE(3).act(g, x)) - net(x)).norm(dim=1).max()) / spread for g in elements)

    def largest_step(steps: int) -> float:
        """Between neighbours on a path of clouds from long to flat, with equal spreads half way."""
        t = torch.linspace(-0.3, 0.3, steps, dtype=torch.float64)
        stretch = torch.stack([t.exp(), torch.ones_like(t), (-t).exp()], 1)
        return float(net(shape * stretch[:, None]).diff(dim=0).norm(dim=1).max()) / spread

    near = shape + 1e-6 * clouds[:1]
    return {
        "wrapping": name,
        "random clouds": equivariance_error(net, SE(3), clouds, generator=torch.Generator().manual_seed(1)).worst,
        "octahedron + cube": error_at(shape),
        "nearly that": error_at(near),
        "step 1/500": largest_step(500),
        "step 1/5000": largest_step(5000),
        "ms 200 clouds": 1e3 * measure(lambda: net(clouds), 5).cpu,
    }


def section() -> list[dict[str, Any]]:
    rows = [row(name) for name in WRAPPINGS]
    print_table(
        "A network of flattened clouds: worst relative errors under 100 random motions; largest change in one step",
        rows,
        "steps: of a path through equal spreads; what falls with the step is continuous, what stays is the jump",
    )
    return rows
