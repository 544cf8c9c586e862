"""Kernels of learnt size whose bandwidth is known: FlexConv."""

import math

import torch
from torch import Tensor, nn

from geokit.equivariant.lie.kernels.bandwidth import TAIL, AnisotropicGabor, excess
from geokit.equivariant.lie.kernels.base import KernelNetwork, check_positive, check_sizes, scale_linear
from geokit.errors import InvalidInput


class FlexibleKernel(KernelNetwork):
    """A Gaussian mask of learnt centre and width times a multiplicative anisotropic Gabor network (MAGNet).

    h_1 = g_1(x), h_(l+1) = (W_l h_l + b_l) g_(l+1)(x), value = mask(x) (W h_L + b), where each g_l is a layer of
    Gabor functions and mask(x) = exp(-|(x - center) / width|^2 / 2) (Romero et al., "FlexConv: Continuous Kernel
    Convolutions with Differentiable Kernel Sizes", ICLR 2022, sections 3.1-3.3). Products add frequencies, so that the
    highest one is known in closed form: `bandwidth`, and `aliasing_penalty` for the loss.
    width: what the mask starts from, in units of the domain [-1, 1]^d. center: where it starts.
    Raises InvalidInput as `KernelNetwork`, and for hidden, layers, omega or width that are not positive.
    """

    def __init__(
        self,
        coordinates: int,
        values: int,
        *,
        hidden: int = 32,
        layers: int = 3,
        omega: float = 10.0,
        width: float = 0.3,
        center: float = 0.0,
        fan_in: float = 1.0,
        gain: float = 1.0,
    ) -> None:
        super().__init__(coordinates, values, fan_in=fan_in, gain=gain)
        check_sizes(hidden=hidden, layers=layers)
        check_positive(omega=omega, width=width)
        self.filters = nn.ModuleList(AnisotropicGabor(coordinates, hidden, omega / layers) for _ in range(layers))
        self.mixing = nn.ModuleList(nn.Linear(hidden, hidden) for _ in range(layers - 1))
        for layer in self.mixing:
            assert isinstance(layer, nn.Linear)
            # A Gabor function has a mean square of about 1/4 where its envelope is wide.
            nn.init.normal_(layer.weight, std=2 / hidden**0.5)
        self.out = nn.Linear(hidden, values)
        nn.init.zeros_(self.out.bias)
        self.center = nn.Parameter(torch.full((coordinates,), float(center)))
        self.log_width = nn.Parameter(torch.full((coordinates,), math.log(width)))
        self.calibrate()

    @property
    def width(self) -> Tensor:
        """(d,) standard deviations of the mask."""
        return self.log_width.exp()

    def mask(self, coordinates: Tensor) -> Tensor:
        """(...,) in (0, 1] at coordinates (..., d)."""
        return torch.exp(-0.5 * ((coordinates - self.center) / self.width).square().sum(-1))

    def evaluate(self, coordinates: Tensor) -> Tensor:
        """(..., V) values at coordinates (..., d)."""
        first, *others = self.filters
        h = first(coordinates)
        for filters, mixing in zip(others, self.mixing):
            h = mixing(h) * filters(coordinates)
        return self.out(h) * self.mask(coordinates)[..., None]

    def rescale(self, factor: Tensor) -> None:
        """Multiplies every value by a number."""
        scale_linear(self.out, factor)

    def extent(self, threshold: float = 0.1) -> tuple[Tensor, Tensor]:
        """The box (lower (d,), upper (d,)) outside of which the mask is below `threshold`, cut to [-1, 1]^d.

        Its sides are the learnt size of the kernel: the paper convolves with this box only.
        Raises InvalidInput for a threshold outside (0, 1).
        """
        if not 0 < threshold < 1:
            raise InvalidInput(f"threshold must lie between 0 and 1, got {threshold}")
        reach = self.width.detach() * math.sqrt(-2 * math.log(threshold))
        center = self.center.detach()
        return (center - reach).clamp(-1, 1), (center + reach).clamp(-1, 1)

    def bandwidth(self) -> Tensor:
        """(d,) the highest frequency along each axis, in cycles per unit of the coordinate; differentiable.

        The sum over layers of their highest frequency, and that of the mask; each Gaussian is counted to `TAIL`
        standard deviations of its spectrum. A grid of that spacing has no aliasing if it is below 1 / (2 spacing).
        """
        layers = torch.stack([filters.highest_frequency() for filters in self.filters])  # type: ignore[operator]
        return layers.sum(0) + TAIL / (2 * math.pi * self.width)

    def aliasing_penalty(self, spacing: float) -> Tensor:
        """How far each layer and the mask exceed their share of the Nyquist frequency of a grid, squared and summed;
        0 if none does.

        spacing: of the grid, in units of the coordinate. Each of the layers and the mask has an equal share of
        1 / (2 spacing), so that a penalty of 0 means `bandwidth` within it (FlexConv, eqs. 5-7).
        Raises InvalidInput for a spacing that is not positive.
        """
        if not 0 < spacing < math.inf:
            raise InvalidInput(f"spacing of the grid must be positive and finite, got {spacing}")
        share = 0.5 / spacing / (len(self.filters) + 1)
        parts = [excess(filters.frequencies(), share) for filters in self.filters]  # type: ignore[operator]
        return torch.stack([*parts, excess(TAIL / (2 * math.pi * self.width), share)]).sum()
