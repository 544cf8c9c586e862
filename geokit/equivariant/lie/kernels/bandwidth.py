"""Layers of Gabor functions and the frequencies that they can hold."""

import math

import torch
from torch import Tensor, nn

TAIL = 3.0  # standard deviations of a Gaussian's spectrum that count: exp(-4.5) = 1.1 % of its height lies beyond


class AnisotropicGabor(nn.Module):
    """`hidden` functions g(x) = exp(-|s (x - mu)|^2 / 2) sin(w . x + b), whose inverse widths s differ along each axis.

    Frequencies w start normal with a standard deviation of `omega` (radians a unit), centres mu uniform in [-1, 1]^d,
    inverse widths by a gamma law of mean 1.5 (FlexConv, appendix, there of mean 6 and less in later layers).
    """

    def __init__(self, coordinates: int, hidden: int, omega: float) -> None:
        super().__init__()
        self.frequency = nn.Parameter(torch.randn(hidden, coordinates) * omega)
        self.phase = nn.Parameter(torch.empty(hidden).uniform_(-math.pi, math.pi))
        self.center = nn.Parameter(torch.empty(hidden, coordinates).uniform_(-1, 1))
        widths = torch.distributions.Gamma(3.0, 2.0, validate_args=False).sample((hidden, coordinates))
        self.inverse_width = nn.Parameter(widths)

    def forward(self, x: Tensor) -> Tensor:
        """(..., hidden) of x (..., d)."""
        s = self.inverse_width
        # |s (x - mu)|^2 by its three terms: products of matrices where the difference would be (..., hidden, d).
        squared = (x**2) @ (s**2).T - 2 * (x @ (s**2 * self.center).T) + (s * self.center).square().sum(-1)
        return torch.exp(-0.5 * squared) * torch.sin(x @ self.frequency.T + self.phase)

    def frequencies(self) -> Tensor:
        """(hidden, d) the highest of each function along each axis, in cycles a unit.

        The spectrum along an axis is a Gaussian of standard deviation |s| / (2 pi) about +-w / (2 pi).
        """
        return (self.frequency.abs() + TAIL * self.inverse_width.abs()) / (2 * math.pi)

    def highest_frequency(self) -> Tensor:
        """(d,) the highest of all functions."""
        return self.frequencies().amax(0)


def excess(frequencies: Tensor, share: float) -> Tensor:
    """The sum of squares of what exceeds `share`."""
    return torch.relu(frequencies - share).square().sum()
