"""Each kernel alone on a task: a known kernel to be fitted, a known size to be found."""

import math

import pytest
import torch

from geokit.equivariant.continuous_conv import ContinuousConv1d
from geokit.equivariant.lie.kernels import make_kernel

OPTIONS = {
    "siren": {"omega": 20.0},
    "ckconv": {"omega": 20.0},
    "gabor": {"omega": 10.0},
    "flexconv": {"omega": 30.0, "width": 1.0},
    "points": {"points": 64},
}


def left_after_fitting(name: str, x: torch.Tensor, y: torch.Tensor, steps: int, rate: float, **options: float) -> float:
    torch.manual_seed(0)
    kernel = make_kernel(name, x.shape[1], 1, **options)
    optimizer = torch.optim.Adam(kernel.parameters(), rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for _ in range(steps):
        optimizer.zero_grad()
        (kernel(x) - y).square().mean().backward()
        optimizer.step()
        schedule.step()
    return ((kernel(x) - y).square().mean() / y.square().mean()).sqrt().item()


def chirp() -> tuple[torch.Tensor, torch.Tensor]:
    t = torch.linspace(-1, 1, 200)
    return t[:, None], torch.sin(2 * math.pi * (4 * t + 1.5 * t**2))[:, None]


@pytest.mark.parametrize("name", list(OPTIONS))
def test_fits_a_chirp_that_a_smooth_network_does_not(name):
    x, y = chirp()
    rate = 3e-2 if name in ("flexconv", "points") else 1e-2
    options = {"points": 64, "radius": 0.1} if name == "points" else OPTIONS[name]
    assert left_after_fitting(name, x, y, 200, rate, **options) < 0.2
    if name == "siren":
        assert left_after_fitting("mlp", x, y, 200, rate) > 0.5


@pytest.mark.parametrize("name", list(OPTIONS))
def test_fits_an_oriented_wave_in_the_plane(name):
    x = torch.cartesian_prod(torch.linspace(-1, 1, 17), torch.linspace(-1, 1, 17))
    along = x @ torch.tensor([math.cos(0.5), math.sin(0.5)])
    y = (torch.cos(2 * math.pi * 1.5 * along) * torch.exp(-(x**2).sum(1) / 0.3))[:, None]
    rate = 3e-2 if name in ("flexconv", "points") else 1e-2
    options = OPTIONS[name] if name in ("gabor", "points") else {**OPTIONS[name], "omega": 10.0}
    assert left_after_fitting(name, x, y, 200, rate, **options) < (0.45 if name == "points" else 0.3)


@pytest.mark.parametrize(("true", "grows"), [(0.1, False), (0.45, True)])
def test_a_flexible_kernel_finds_the_size_of_a_filter_by_its_responses(true, grows):
    torch.manual_seed(0)
    t, start = torch.linspace(-1, 1, 41), 0.2
    target = torch.exp(-0.5 * (t / true) ** 2) * torch.cos(2 * math.pi * 1.5 * t)
    conv = ContinuousConv1d(1, 1, 41, kernel="flexconv", causal=False, bias=False, width=start, hidden=8)
    optimizer = torch.optim.Adam(conv.parameters(), 2e-2)
    weight = (target / target.norm())[None, None]
    for _ in range(200):
        optimizer.zero_grad()
        (conv.sampled_kernel(1.0, torch.zeros(1, 1, 41)) - weight).square().sum().backward()
        optimizer.step()
    width = conv.kernel.width.item()
    assert width > 1.2 * start if grows else width < 0.8 * start
    kernel = conv.sampled_kernel(1.0, torch.zeros(1, 1, 41)).detach()[0, 0]
    radius = ((kernel * t).square().sum() / kernel.square().sum()).sqrt().item()
    wanted = ((target * t).square().sum() / target.square().sum()).sqrt().item()
    assert radius == pytest.approx(wanted, rel=0.1)
