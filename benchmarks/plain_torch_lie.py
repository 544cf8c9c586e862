"""The network of Lie group decompositions in plain torch, as published: a peer of benchmarks/lie_speed.py.

The network of Mironenco & Forre (ICLR 2024) for GL+(2) written down directly: at every forward pass new elements are
drawn and decomposed by eigenvalues; a sine network gives the kernel of every pair of elements, pixel and pair of
channels, and one dense convolution applies it.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, gelu, layer_norm, max_pool2d

VARIANCE = 0.1  # of log p^2


class PlainLieNet(nn.Module):
    """Images (B, 1, H, W) to scores (B, classes)."""

    def __init__(self, channels: int = 40, samples: int = 10, kernel_size: int = 5, classes: int = 10) -> None:
        super().__init__()
        self.samples = samples
        self.lifting = PlainLifting(channels, kernel_size)
        self.first, self.second, self.last = (
            PlainGroupConv(channels, kernel_size, padding) for padding in (kernel_size // 2, kernel_size // 2, 0)
        )
        self.head = nn.Sequential(
            nn.Linear(channels, 256), nn.LayerNorm(256), nn.GELU(), nn.Dropout(0.3), nn.Linear(256, classes)
        )

    def forward(self, images: Tensor) -> Tensor:
        g, inverse = drawn(self.samples)
        x = gelu(normalised(self.lifting(images, inverse)))
        y = gelu(normalised(self.first(x, g, inverse)))
        y = gelu(normalised(self.second(y, g, inverse)))
        x = normalised(gelu(x + y))
        x = gelu(max_pool2d(x.flatten(1, 2), 2).unflatten(1, x.shape[1:3]))
        return self.head(gelu(normalised(self.last(x, g, inverse))).amax((2, 3, 4)))


class PlainLifting(nn.Module):
    """|det g|^-1 times the correlation with a kernel k(g^-1 y)."""

    def __init__(self, channels: int, size: int) -> None:
        super().__init__()
        self.kernel = sine_network(2, channels, size * size)
        self.size = size

    def forward(self, images: Tensor, inverse: Tensor) -> Tensor:
        places = pixel_grid(self.size) @ inverse.mT  # (G, k k, 2)
        values = self.kernel(places) * (mask(places) * torch.linalg.det(inverse)[:, None])[..., None]
        weight = values.unflatten(1, (self.size, self.size)).permute(3, 0, 1, 2).flatten(0, 1)[:, None]
        return conv2d(images, weight).unflatten(1, (-1, len(inverse)))


class PlainGroupConv(nn.Module):
    """The correlation with a kernel of (g^-1 y, g^-1 h), for all pairs of elements and of channels."""

    def __init__(self, channels: int, size: int, padding: int) -> None:
        super().__init__()
        self.kernel = sine_network(6, channels * channels, channels * size * size)
        self.channels, self.size, self.padding = channels, size, padding

    def forward(self, x: Tensor, g: Tensor, inverse: Tensor) -> Tensor:
        samples, c, k = len(g), self.channels, self.size
        places = pixel_grid(k) @ inverse.mT
        between = coordinates(inverse[:, None] @ g)  # (G, G, 4)
        pairs = torch.cat(
            [
                places[:, None].expand(-1, samples, -1, -1),
                between[:, :, None].expand(-1, -1, k * k, -1),
            ],
            dim=-1,
        )
        values = self.kernel(pairs) * (mask(pairs) / torch.linalg.det(g)[:, None])[..., None] / samples
        weight = values.view(samples, samples, k, k, c, c).permute(4, 0, 5, 1, 2, 3).reshape(c * samples, -1, k, k)
        return conv2d(x.flatten(1, 2), weight, padding=self.padding).unflatten(1, (c, samples))


class Sine(nn.Module):
    """sin(omega (W x + b))."""

    def __init__(self, inputs: int, outputs: int, omega: float = 10.0, first: bool = False) -> None:
        super().__init__()
        self.omega, self.linear = omega, nn.Linear(inputs, outputs)
        bound = 1 / inputs if first else math.sqrt(6 / inputs) / omega
        nn.init.uniform_(self.linear.weight, -bound, bound)

    def forward(self, x: Tensor) -> Tensor:
        return torch.sin(self.omega * self.linear(x))


def sine_network(inputs: int, outputs: int, fan_in: int, hidden: int = 60) -> nn.Sequential:
    out = nn.Linear(hidden, outputs)
    nn.init.uniform_(out.weight, -math.sqrt(6 / hidden / fan_in), math.sqrt(6 / hidden / fan_in))
    return nn.Sequential(Sine(inputs, hidden, first=True), Sine(hidden, hidden), Sine(hidden, hidden), out)


@torch.no_grad()
def drawn(count: int) -> tuple[Tensor, Tensor]:
    """(G, 2, 2) elements p k and their inverses: log p^2 normal, angles equidistant, both ends of the circle."""
    v = VARIANCE**0.5 * torch.randn(count, 3)
    log = torch.stack([v[:, 0], v[:, 1] / 2**0.5, v[:, 1] / 2**0.5, v[:, 2]], dim=-1).unflatten(-1, (2, 2))
    values, vectors = torch.linalg.eigh(log)
    p, inverse = ((vectors * torch.exp(s * values)[:, None]) @ vectors.mT for s in (0.5, -0.5))
    angle = torch.linspace(-math.pi, math.pi, count)
    k = torch.stack([angle.cos(), -angle.sin(), angle.sin(), angle.cos()], dim=-1).unflatten(-1, (2, 2))
    return p @ k, k.mT @ inverse


@torch.no_grad()
def coordinates(g: Tensor) -> Tensor:
    """(..., 4) of log p and the angle of k in [0, 2 pi)."""
    values, vectors = torch.linalg.eigh(g @ g.mT)
    log = (vectors * (0.5 * values.log())[..., None, :]) @ vectors.mT
    k = (vectors * values.rsqrt()[..., None, :]) @ vectors.mT @ g
    angle = torch.remainder(torch.atan2(k[..., 1, 0], k[..., 0, 0]), 2 * math.pi)
    root = 2**0.5
    return torch.stack([log[..., 0, 0], root * log[..., 0, 1], log[..., 1, 1], root * angle], dim=-1)


def mask(coordinates: Tensor) -> Tensor:
    """(...) that of GL+: a logistic function of the distance from the origin in all coordinates."""
    return torch.sigmoid(2 * (1 - coordinates.norm(dim=-1)))


def pixel_grid(size: int) -> Tensor:
    """(k k, 2) in [-1, 1]^2."""
    line = torch.linspace(-1, 1, size)
    return torch.stack(torch.broadcast_tensors(line, line[:, None]), dim=-1).flatten(0, 1)


def normalised(x: Tensor) -> Tensor:
    """Over channels, elements and pixels."""
    return layer_norm(x, x.shape[1:])
