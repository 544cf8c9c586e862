"""Two tasks in the plane: digits by three continuous convolutions at equal CPU seconds, and filters whose true size is
known, which a learnt size must find."""

import math
from typing import Any

import torch
from common import in_own_process, print_table
from continuous_kernels_sequences import accuracy, digits, masks, trained
from torch import Tensor, nn
from torch.nn import functional as F

from geokit.equivariant.continuous_conv import ContinuousConv2d, fourier_convolution
from geokit.equivariant.lie.kernels import KERNELS, FlexibleKernel

SECONDS = 20.0
OPTIONS: dict[str, dict[str, Any]] = {"gabor": {"omega": 10.0, "spread": 5.0}, "flexconv": {"width": 0.3}}


class ImageNet(nn.Module):
    """Three separable convolutions of 13 x 13, two poolings and the mean over the image."""

    def __init__(self, kernel: str, channels: int = 16, size: int = 13) -> None:
        super().__init__()
        self.embed = nn.Conv2d(1, channels, 1)
        self.convs = nn.ModuleList(
            ContinuousConv2d(channels, channels, size, kernel=kernel, depthwise=True, **OPTIONS.get(kernel, {}))
            for _ in range(3)
        )
        self.norms = nn.ModuleList(nn.BatchNorm2d(channels) for _ in range(3))
        self.mixes = nn.ModuleList(nn.Conv2d(channels, channels, 1) for _ in range(3))
        self.head = nn.Linear(channels, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = self.embed(F.avg_pool2d(x, 2))
        for number, (conv, norm, mix) in enumerate(zip(self.convs, self.norms, self.mixes)):
            x = x + F.gelu(mix(norm(conv(x))))
            if number == 1:
                x = F.avg_pool2d(x, 2)
        return self.head(x.mean((2, 3)))

    def aliasing(self) -> Tensor:
        """The penalty of kernels that know their bandwidth, on the grid that they are sampled on."""
        kernels = [conv.kernel for conv in self.convs if isinstance(conv.kernel, FlexibleKernel)]
        return 1e-2 * torch.stack([k.aliasing_penalty(2 / 12) for k in kernels]).sum()


def digit_row(kernel: str, penalty: bool, seconds: float) -> dict[str, Any]:
    (x, labels), (test, test_labels) = digits("train"), digits("test")
    torch.manual_seed(0)
    net = ImageNet(kernel)
    before = masks(net)
    used, steps = trained(net, x, labels, seconds, net.aliasing if penalty else None)
    flexible = [conv.kernel for conv in net.convs if isinstance(conv.kernel, FlexibleKernel)]
    return {
        "kernel": kernel + (" + penalty" if penalty else ""),
        "parameters": sum(p.numel() for p in net.parameters()),
        "accuracy %": accuracy(net, test, test_labels),
        "steps": steps,
        "CPU s": used,
        "mask before": before,
        "mask after": masks(net),
        "bandwidth / Nyquist": max((k.bandwidth().max().item() / 3 for k in flexible), default=None),
    }


def size_row(true: float, start: float, steps: int = 400) -> dict[str, Any]:
    """A wave under a Gaussian window of `true` half sizes is to be found by its responses to noise."""
    torch.manual_seed(0)
    axis = torch.linspace(-1, 1, 29)
    x, y = torch.meshgrid(axis, axis, indexing="ij")
    target = torch.cos(2 * math.pi * 1.5 * (x + 0.5 * y)) * torch.exp(-(x**2 + y**2) / (2 * true**2))
    target = target / target.norm()
    conv = ContinuousConv2d(1, 1, 29, kernel="flexconv", width=start, hidden=16, bias=False)
    optimizer = torch.optim.Adam(conv.parameters(), 1e-2)
    error = math.nan
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = 1e-2 * 0.5 * (1 + math.cos(math.pi * step / steps))
        noise = torch.randn(4, 1, 48, 48)
        wanted = fourier_convolution(noise, target[None, None], [14, 14])
        loss = (conv(noise) - wanted).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        error = loss.sqrt().item()
    assert isinstance(conv.kernel, FlexibleKernel)
    width = conv.kernel.width.detach()
    with torch.no_grad():
        values = conv.sampled_kernel(1.0, torch.zeros(1, 1, 48, 48))[0, 0].square()
    radius = ((values * (x**2 + y**2)).sum() / values.sum()).sqrt().item()
    wanted_radius = ((target**2 * (x**2 + y**2)).sum() / (target**2).sum()).sqrt().item()
    return {
        "true width": true,
        "mask before": start,
        "mask after": width.mean().item(),
        "radius of the kernel": radius,
        "true radius": wanted_radius,
        "relative error": error,
    }


def section() -> dict[str, Any]:
    cases = [(kernel, False) for kernel in KERNELS] + [("flexconv", True)]
    rows = [in_own_process(digit_row, kernel, penalty, SECONDS) for kernel, penalty in cases]
    print_table(f"MNIST at 14 x 14, three convolutions of 13 x 13, {SECONDS:.0f} CPU s each, one seed", rows)
    sizes = [in_own_process(size_row, true, start) for true in (0.1, 0.2, 0.4) for start in (0.1, 0.3)]
    print_table("A flexible kernel of 29 x 29 finds a filter by its responses: sizes in half kernels", sizes)
    return {"digits": rows, "sizes": sizes}
