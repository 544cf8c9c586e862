"""Convolutions on an affine group R^2 x| G over sampled group elements: lifting, group correlation, both on grids.

    lifting:  out(x, g) = 1 / |det g|  sum_y  k(g^-1 (y - x)) f(y)
    group:    out(x, g) = mean_h v_h / |det h|  sum_y  k(g^-1 (y - x), g^-1 h) f(y, h)

(Mironenco and Forre, ICLR 2024, section 4), with y over pixels and h over a `SampleSet` with weights v_h; k is a
network on the relative position, in units of its radius, and on continuous coordinates of g^-1 h. It ends at its
radius, and where the coordinates of the symmetric part of g^-1 h reach `reach`: sums are integrals over bounded sets.

If f moves by an element a, the result at (a x, a g) is what it was at (x, g), up to resampling and, for the mean over
h, up to the sampling of the group: with Haar weights the error falls to zero with more samples. Without them, as
published, the law of the samples is part of the result, and for groups that are not compact an error stays.
"""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, linear

from geokit.equivariant.lie.group import LieGroup
from geokit.equivariant.lie.kernels import Localised, make_kernel
from geokit.equivariant.lie.sampling import SampleSet, check_samples, in_units_of, pair_features
from geokit.errors import InvalidInput

MIXINGS = ("separable", "dense")


class LiftingConv2d(nn.Module):
    """Images (B, C_in, H, W) to features (B, C_out, S, H', W') on the S elements of a sample set.

    kernel_size: of the window, odd, in pixels. radius: of the kernel at the identity, in pixels, by default half the
    window; an element that stretches by s reaches s radius, and is cut off by the window. padding: zeros on each side.
    kernel: a name of `make_kernel`, options go there. Raises `InvalidInput` for an even window.
    """

    def __init__(
        self,
        group: LieGroup,
        in_channels: int,
        out_channels: int,
        kernel_size: int = 5,
        *,
        radius: float | None = None,
        padding: int = 0,
        kernel: str = "siren",
        **options: Any,
    ) -> None:
        super().__init__()
        self.group, self.shape, self.padding = group, (out_channels, in_channels), padding
        self.window = _Window(group, kernel_size, radius)
        fan_in = in_channels * self.window.area
        self.kernel = Localised(make_kernel(kernel, 2, out_channels * in_channels, fan_in=fan_in, **options))
        self.bias = nn.Parameter(torch.zeros(out_channels))

    def forward(self, images: Tensor, samples: SampleSet) -> Tensor:
        """(B, C_out, S, H', W'). Raises `InvalidInput` for samples of another group and images of another shape."""
        least = self.window.size - 2 * self.padding
        check_samples(self.group, samples, images, self.bias)
        check_shape("images", images, (self.shape[1],), least)
        # The kernel at identity sums over `area` pixels, at g over |det g| area: the factor keeps the mean.
        scale = samples.group.determinant(samples.elements).abs()[:, None, None]
        values = self.kernel(self.window.places(samples)) / scale
        size = self.window.size
        weight = values.view(len(samples), size, size, *self.shape).permute(3, 0, 4, 1, 2).flatten(0, 1)
        result = conv2d(images, weight, padding=self.padding)
        return result.unflatten(1, (self.shape[0], len(samples))) + self.bias[:, None, None, None]


class GroupConv2d(nn.Module):
    """Features (B, C_in, S, H, W) on the elements of a sample set to (B, C_out, S', H', W') on those of another.

    mixing: "dense", a kernel for every pair of channels, as in the paper; or "separable": a kernel k(g^-1 (y - x)) of
    each channel, one k(g^-1 h) of each channel, and a matrix that mixes channels, which costs a small part of it.
    reach: how far, in the coordinates of log p, g and h may be apart. Otherwise as `LiftingConv2d`. Raises
    `InvalidInput` for an unknown mixing, an even window and a reach that is not positive.
    """

    def __init__(
        self,
        group: LieGroup,
        in_channels: int,
        out_channels: int,
        kernel_size: int = 5,
        *,
        mixing: str = "separable",
        radius: float | None = None,
        padding: int = 0,
        reach: float = 1.0,
        kernel: str = "siren",
        **options: Any,
    ) -> None:
        super().__init__()
        if not 0 < reach < math.inf:
            raise InvalidInput(f"reach must be positive and finite, got {reach}")
        if mixing not in MIXINGS:
            raise InvalidInput(f"mixing must be {' or '.join(MIXINGS)}, got {mixing!r}")
        self.group, self.shape, self.mixing, self.padding = group, (out_channels, in_channels), mixing, padding
        self.reach = reach
        self.window = _Window(group, kernel_size, radius)
        numbers, bounded, area = len(group.features(group.identity())), group.complement_dim, self.window.area
        if mixing == "dense":
            values = out_channels * in_channels
            joint = make_kernel(kernel, 2 + numbers, values, fan_in=in_channels * area, **options)
            self.kernel = Localised(joint, spatial=(2, bounded) if bounded else 2)
        else:
            self.spatial_kernel = Localised(make_kernel(kernel, 2, in_channels, fan_in=area, **options))
            turn = make_kernel(kernel, numbers, in_channels, **options)
            self.group_kernel = Localised(turn, spatial=bounded) if bounded else turn
            self.channels = nn.Linear(in_channels, out_channels, bias=False)
        self.bias = nn.Parameter(torch.zeros(out_channels))

    def forward(
        self, features: Tensor, samples: SampleSet, outputs: SampleSet | None = None, relative: Tensor | None = None
    ) -> Tensor:
        """(B, C_out, S', H', W') of features (B, C_in, S, H, W) on `samples`, at `outputs` (by default the same).

        relative: `pair_features` of outputs and samples, where they have been computed for another layer. Raises
        `InvalidInput` for samples of another group and features of another shape.
        """
        outputs, least = samples if outputs is None else outputs, self.window.size - 2 * self.padding
        check_samples(self.group, samples, features, self.bias)
        check_samples(self.group, outputs, features, self.bias)
        check_shape("features", features, (self.shape[1], len(samples)), least)
        if relative is None:
            relative = pair_features(outputs, samples)
        if relative.shape[:2] != (len(outputs), len(samples)):
            raise InvalidInput(
                f"relative coordinates must be ({len(outputs)}, {len(samples)}, F), got {tuple(relative.shape)}; see "
                "`pair_features`"
            )
        relative = in_units_of(self.reach, relative, self.group)
        determinants = samples.group.determinant(samples.elements).abs()
        weights = samples.weights * samples.mass / determinants / len(samples)
        apply: Callable[..., Tensor] = self._dense if self.mixing == "dense" else self._separable
        return apply(features, outputs, relative, weights) + self.bias[:, None, None, None]

    def _dense(self, features: Tensor, outputs: SampleSet, relative: Tensor, weights: Tensor) -> Tensor:
        places = self.window.places(outputs)
        s_out, s_in, size = len(outputs), relative.shape[1], self.window.size
        pairs = torch.cat(
            [
                places[:, None].expand(-1, s_in, -1, -1),
                relative[:, :, None].expand(-1, -1, size * size, -1),
            ],
            dim=-1,
        )
        values = self.kernel(pairs) * weights[:, None, None]
        values = values.view(s_out, s_in, size, size, *self.shape)
        weight = values.permute(4, 0, 5, 1, 2, 3).flatten(2, 3).flatten(0, 1)
        result = conv2d(features.flatten(1, 2), weight, padding=self.padding)
        return result.unflatten(1, (self.shape[0], s_out))

    def _separable(self, features: Tensor, outputs: SampleSet, relative: Tensor, weights: Tensor) -> Tensor:
        group = (self.group_kernel(relative) * weights[:, None]).permute(2, 0, 1)
        spatial = self.spatial_kernel(self.window.places(outputs))
        spatial = spatial.transpose(1, 2).reshape(-1, 1, self.window.size, self.window.size)
        return _separated(features, group, spatial, self.channels.weight, self.padding)


def _separated(features: Tensor, group: Tensor, spatial: Tensor, channels: Tensor, padding: int) -> Tensor:
    """(B, C', S', H', W') by group (C, S', S), then spatial (S' C, 1, k, k), then channels (C', C).

    Pixel by pixel, channels innermost, from the second factor on: convolutions of single channels are several times
    faster so.
    """
    mixed = (group @ features.flatten(3)).unflatten(3, features.shape[3:])
    pixels = mixed.permute(0, 3, 4, 2, 1).flatten(3).contiguous()
    moved = conv2d(pixels.permute(0, 3, 1, 2), spatial, padding=padding, groups=len(spatial)).permute(0, 2, 3, 1)
    return linear(moved.unflatten(3, mixed.shape[2:0:-1]), channels).permute(0, 4, 3, 1, 2)


class _Window:
    """The pixels of a kernel's window, as group elements see them."""

    def __init__(self, group: LieGroup, size: int, radius: float | None) -> None:
        if group.n != 2 or group.size != 2:
            raise InvalidInput(f"convolutions of images need a linear group of the plane, got {group}")
        if size < 1 or size % 2 == 0:
            raise InvalidInput(f"the window of a kernel must be an odd number of pixels, got {size}")
        self.size, self.radius = size, 0.5 * size if radius is None else radius
        if not self.radius > 0:
            raise InvalidInput(f"the radius of a kernel must be positive, got {radius}")
        line = torch.arange(size, dtype=torch.float64) - size // 2
        self.offsets = torch.stack(torch.broadcast_tensors(line, line[:, None]), dim=-1).flatten(0, 1) / self.radius

    @property
    def area(self) -> float:
        """Pixels in the square about the kernel at the identity: what a kernel's mean square is taken over."""
        return (2 * self.radius) ** 2

    def places(self, samples: SampleSet) -> Tensor:
        """(S, size^2, 2) positions g^-1 y over the radius."""
        return self.offsets.to(samples.inverses) @ samples.inverses.mT


def check_shape(name: str, features: Tensor, middle: tuple[int, ...], least: int) -> None:
    """Raise `InvalidInput` unless features are (B, *middle, H, W) with sides of at least `least`."""
    shape = tuple(features.shape)
    if len(shape) != len(middle) + 3 or shape[1:-2] != middle or min(shape[-2:]) < least:
        wanted = ", ".join(str(size) for size in middle)
        raise InvalidInput(
            f"{name} must be (B, {wanted}, H, W) for this layer and these samples, with sides of at least {least} "
            f"pixels, got {shape}"
        )
