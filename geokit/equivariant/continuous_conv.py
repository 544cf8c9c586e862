"""Convolutions on grids whose kernel is a continuous function: long, of any resolution, by the Fourier transform."""

import math
from typing import Any

import torch
from scipy.fft import next_fast_len
from torch import Tensor, nn
from torch.nn import functional as F

from geokit.equivariant.lie.kernels import KernelNetwork, make_kernel
from geokit.errors import InvalidInput

# Taps from which the Fourier transform is faster than the plain sum on one thread, in one and two dimensions.
LONG, LONG_DEPTHWISE = {1: 24, 2: 100}, {1: 16, 2: 16}


class ContinuousConv(nn.Module):
    """y[t] = bias + step^n sum_s k(s) x[t - s]: a convolution whose kernel is a function of the lag s.

    The common part of `ContinuousConv1d` and `ContinuousConv2d`, where the arguments are explained.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        size: tuple[int, ...],
        *,
        kernel: str | KernelNetwork,
        causal: bool,
        depthwise: bool,
        bias: bool,
        options: dict[str, Any],
    ) -> None:
        super().__init__()
        for name, value in (("in_channels", in_channels), ("out_channels", out_channels)):
            if value != int(value) or value < 1:
                raise InvalidInput(f"{name} must be a whole number of at least 1, got {value}")
        if depthwise and in_channels != out_channels:
            raise InvalidInput(f"a depthwise convolution keeps its channels, got {in_channels} and {out_channels}")
        if any(s != int(s) or s < 1 or (s % 2 == 0 and not causal) for s in size):
            wanted = "at least 1" if causal else "odd, so that it has a centre"
            raise InvalidInput(f"the size of a kernel must be {wanted}, got {size if len(size) > 1 else size[0]}")
        self.in_channels, self.out_channels, self.size = in_channels, out_channels, tuple(size)
        self.causal, self.depthwise = causal, depthwise
        values = out_channels * (1 if depthwise else in_channels)
        if isinstance(kernel, str):
            if kernel == "points":
                options.setdefault("groups", out_channels)
            if kernel == "flexconv" and causal:
                options.setdefault("center", -1.0)
            fan_in = math.prod(size) * (1 if depthwise else in_channels)
            kernel = make_kernel(kernel, len(size), values, fan_in=fan_in, **options)
        elif options or (kernel.coordinates, kernel.values) != (len(size), values):
            raise InvalidInput(
                f"a kernel network given as such must map {len(size)} coordinates to {values} values and takes no "
                f"options, got {kernel.coordinates} to {kernel.values} and {sorted(options)}"
            )
        self.kernel = kernel
        self.bias = nn.Parameter(torch.zeros(out_channels)) if bias else None

    def forward(self, x: Tensor, step: float = 1.0) -> Tensor:
        """(B, C_out, *grid) of x (B, C_in, *grid). Raises InvalidInput for other shapes and a step not positive."""
        if x.ndim != len(self.size) + 2 or x.shape[1] != self.in_channels or 0 in x.shape[2:]:
            grid = ", ".join("LHW"[-len(self.size) :] if len(self.size) > 1 else "L")
            raise InvalidInput(f"x must be (B, {self.in_channels}, {grid}), got {tuple(x.shape)}")
        weight = self.sampled_kernel(step, x)
        before = [0 if self.causal else n // 2 for n in weight.shape[2:]]
        long = (LONG_DEPTHWISE if self.depthwise else LONG)[len(self.size)]
        convolve = fourier_convolution if math.prod(weight.shape[2:]) >= long else plain_convolution
        y = convolve(x, weight, before)
        return y if self.bias is None else y + self.bias.view(-1, *[1] * len(self.size))

    def sampled_kernel(self, step: float, like: Tensor) -> Tensor:
        """(C_out, C_in or 1, *taps): the kernel times step^n at the lags that the grid of `like` (B, C, *grid) has."""
        if not 0 < step < math.inf:
            raise InvalidInput(f"step must be positive and finite, got {step}")
        axes = [self._axis(n, length, step, like) for n, length in zip(self.size, like.shape[2:])]
        coordinates = torch.stack(torch.meshgrid(*axes, indexing="ij"), -1)
        values = self.kernel(coordinates) * step ** len(self.size)
        return values.movedim(-1, 0).unflatten(0, (self.out_channels, -1))

    def _axis(self, size: int, length: int, step: float, like: Tensor) -> Tensor:
        """Coordinates in [-1, 1] of the lags along one axis; lags that no pair of samples has are left out."""
        reach = (size - 1) if self.causal else (size - 1) / 2
        # The small number keeps the last tap where (size - 1) / step is whole but for rounding.
        last = min(int(reach / step + 1e-6), length - 1)
        lags = torch.arange(0 if self.causal else -last, last + 1, dtype=like.dtype, device=like.device) * step
        scaled = lags / max(reach, 1)
        return 2 * scaled - 1 if self.causal else scaled

    def extra_repr(self) -> str:
        """Sizes, for the one line that torch prints."""
        kind = ", depthwise" if self.depthwise else ""
        return f"{self.in_channels}, {self.out_channels}, size={self.size}, causal={self.causal}{kind}"


class ContinuousConv1d(ContinuousConv):
    """A convolution over sequences with a kernel as long as they are: (B, C_in, L) to (B, C_out, L).

    length: how many samples the kernel reaches over. kernel: a name as in `make_kernel`, with its options, or a
    `KernelNetwork` from 1 coordinate to C_out * C_in values (C if depthwise). causal: y[t] depends on x[..t] alone; lag
    0 has the coordinate -1 and the longest one 1 (a "flexconv" mask then starts at lag 0). Otherwise lags lie on both
    sides of 0 and length must be odd. Outside of the sequence x is 0. depthwise: each channel has a kernel of its own
    and channels do not mix.
    `forward(x, step)`: the spacing of the samples of x, where 1 is the one that `length` counts. With half of it the
    kernel is sampled twice as densely and the sum scaled by 1/2: the same weights give the same function of time, up
    to what a sum differs from an integral (Romero et al., "CKConv", 2022, section 4.1).
    Raises InvalidInput for sizes that are not whole and positive, an even length that is not causal, a depthwise
    convolution between different numbers of channels, and as `make_kernel`.

    >>> ContinuousConv1d(1, 8, 100)(torch.zeros(2, 1, 100)).shape
    torch.Size([2, 8, 100])
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        length: int,
        *,
        kernel: str | KernelNetwork = "siren",
        causal: bool = True,
        depthwise: bool = False,
        bias: bool = True,
        **options: Any,
    ) -> None:
        super().__init__(
            in_channels,
            out_channels,
            (length,),
            kernel=kernel,
            causal=causal,
            depthwise=depthwise,
            bias=bias,
            options=options,
        )


class ContinuousConv2d(ContinuousConv):
    """A convolution over images, (B, C_in, H, W) to (B, C_out, H, W): size odd, one number or (height, width).

    The kernel is a function on [-1, 1]^2 of the lag divided by half the size; outside of the image x is 0. Everything
    else is as in `ContinuousConv1d`, with causal False.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        size: int | tuple[int, int],
        *,
        kernel: str | KernelNetwork = "siren",
        depthwise: bool = False,
        bias: bool = True,
        **options: Any,
    ) -> None:
        both = (size, size) if isinstance(size, int) else tuple(size)
        if len(both) != 2:
            raise InvalidInput(f"size must be one number or (height, width), got {size}")
        super().__init__(
            in_channels,
            out_channels,
            both,
            kernel=kernel,
            causal=False,
            depthwise=depthwise,
            bias=bias,
            options=options,
        )


def fourier_convolution(x: Tensor, weight: Tensor, before: list[int]) -> Tensor:
    """sum_s weight[o, c, s] x[b, c, t - s + before], of x (B, C_in, *grid) and weight (C_out, C_in or 1, *taps).

    Through Fourier transforms with as many zeros behind x as keep its ends apart. A weight of one input channel
    convolves each channel by itself.
    """
    axes = tuple(range(2, x.ndim))
    # Real transforms of an odd length cost twice as much.
    padded = [2 * next_fast_len((n + taps) // 2, real=True) for n, taps in zip(x.shape[2:], weight.shape[2:])]
    spectrum, response = torch.fft.rfftn(x, padded, axes), torch.fft.rfftn(weight, padded, axes)
    if _depthwise(x, weight):
        product = spectrum * response[:, 0]
    else:
        # A batch of matrices, one for each frequency.
        mixed = spectrum.flatten(2).permute(2, 0, 1) @ response.flatten(2).permute(2, 1, 0)
        product = mixed.permute(1, 2, 0).unflatten(2, spectrum.shape[2:])
    y = torch.fft.irfftn(product, padded, axes)
    for axis, start, length in zip(axes, before, x.shape[2:]):
        y = y.narrow(axis, start, length)
    return y


def plain_convolution(x: Tensor, weight: Tensor, before: list[int]) -> Tensor:
    """As `fourier_convolution`, by summing."""
    padding = []
    for start, taps in zip(reversed(before), reversed(weight.shape[2:])):
        padding += [taps - 1 - start, start]
    flipped = weight.flip(tuple(range(2, weight.ndim)))
    convolve = F.conv1d if x.ndim == 3 else F.conv2d
    return convolve(F.pad(x, padding), flipped, groups=x.shape[1] if _depthwise(x, weight) else 1)


def _depthwise(x: Tensor, weight: Tensor) -> bool:
    return weight.shape[1] == 1 and weight.shape[0] == x.shape[1]
