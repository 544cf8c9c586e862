"""Networks of convolutions over sampled elements of the affine group: the construction of the paper, made cheaper."""

from collections.abc import Callable, Sequence
from functools import partial
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import gelu
from torch.utils.checkpoint import checkpoint

from geokit.equivariant.lie.convolution import GroupConv2d, LiftingConv2d
from geokit.equivariant.lie.group import LieGroup
from geokit.equivariant.lie.network import linear_part_of
from geokit.equivariant.lie.patches import check_images
from geokit.equivariant.lie.pooling import halved, invariant_maximum, normalised
from geokit.equivariant.lie.sampling import SampleSet, pair_features, sample_set
from geokit.errors import InvalidInput

_TOGETHER = 2  # images


class GroupConvNet(nn.Module):
    """Images (B, in_channels, H, W) to scores (B, classes), by integrals over samples of a group of linear maps.

    Lifting convolution, then residual blocks of two group convolutions each, halving the image after every block, a
    last group convolution, and the maximum over positions and elements (Mironenco and Forre, ICLR 2024, section 5).
    Equivariant up to the error of means over `samples` elements, which falls with their number if they have Haar
    weights, the cut of kernels by their windows, and the pixels. Every forward pass in training draws a new
    low-discrepancy set; evaluation uses one that is fixed, so that its result is reproducible (`resample` for other
    ones). `AffineConvNet` does the same task far better and faster.

    group: as in `AffineConvNet`. widths: channels after lifting and of each block. spread: of the samples, the standard
    deviation of log p; the paper's is that of log p^2, twice as large. mixing: of `GroupConv2d`. haar: weigh samples to
    Haar measure. Raises `InvalidInput` for bad groups and sizes.
    """

    def __init__(
        self,
        group: LieGroup,
        in_channels: int = 1,
        widths: Sequence[int] = (40, 40),
        classes: int = 10,
        *,
        samples: int = 10,
        kernel_size: int = 5,
        mixing: str = "separable",
        spread: float = 0.158,
        haar: bool = False,
        hidden: int = 256,
        dropout: float = 0.3,
        kernel: str = "siren",
        **options: Any,
    ) -> None:
        super().__init__()
        if len(widths) < 1 or min([in_channels, classes, samples, hidden, *widths]) < 1:
            raise InvalidInput(
                f"channels, widths, classes, samples and hidden must be at least 1, got {in_channels}, "
                f"{tuple(widths)}, {classes}, {samples}, {hidden}"
            )
        self.group, self.in_channels = linear_part_of(group), in_channels
        self.samples, self.spread, self.haar = samples, spread, haar
        self.lifting = LiftingConv2d(self.group, in_channels, widths[0], kernel_size, kernel=kernel, **options)
        self.blocks = nn.ModuleList()
        for before, after in pairwise(widths):
            self.blocks.append(_ResidualBlock(self.group, before, after, kernel_size, mixing, kernel, options))
        self.last = GroupConv2d(
            self.group, widths[-1], widths[-1], kernel_size, mixing=mixing, kernel=kernel, **options
        )
        self.head = nn.Sequential(
            nn.Linear(widths[-1], hidden), nn.LayerNorm(hidden), nn.GELU(), nn.Dropout(dropout),
            nn.Linear(hidden, classes),
        )  # fmt: skip
        self.least = 2 * kernel_size * 2 ** len(self.blocks)

    def resample(self, generator: torch.Generator | None = None, *, like: Tensor) -> SampleSet:
        """A set of elements in the dtype and on the device of a tensor: always the same without a generator."""
        return sample_set(
            self.group,
            self.samples,
            spread=self.spread,
            haar=self.haar,
            generator=generator,
            dtype=like.dtype,
            device=like.device,
        )

    def forward(self, images: Tensor, samples: SampleSet | None = None) -> Tensor:
        """(B, classes). samples: which elements to use. Raises `InvalidInput` for another shape or dtype, values that
        are not finite, and images too small for the convolutions."""
        check_images(images, self.in_channels, self.least)
        if samples is None:
            samples = self.resample(_fresh_generator() if self.training else None, like=images)
        pooled = invariant_maximum(self.features(images, samples)) if len(images) else images.new_zeros(0, self.width)
        return self.head(pooled)

    @property
    def width(self) -> int:
        """Channels of `features`."""
        return self.last.shape[0]

    def features(self, images: Tensor, samples: SampleSet) -> Tensor:
        """(B, C, S, H', W') what the last convolution gives, on the elements of the samples."""
        relative = pair_features(samples, samples)  # once for all layers

        def smaller(block: nn.Module, x: Tensor) -> Tensor:
            return halved(block(x, samples, relative))

        x = self._by_parts(lambda some: gelu(normalised(self.lifting(some, samples))), images)
        for block in self.blocks:
            x = self._by_parts(partial(smaller, block), x)
        return self._by_parts(lambda some: gelu(normalised(self.last(some, samples, relative=relative))), x)

    def _by_parts(self, step: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
        """A step of a few images at a time, of which only the beginning and the end are kept for gradients.

        What lies between is far larger. Dense kernels are not: they cost more to make again than the memory is worth.
        """
        if self.last.mixing == "dense":
            return step(x)
        if not torch.is_grad_enabled():
            return torch.cat([step(some) for some in x.split(_TOGETHER)])
        return torch.cat(
            [checkpoint(step, some, use_reentrant=False, preserve_rng_state=False) for some in x.split(_TOGETHER)]
        )


class _ResidualBlock(nn.Module):
    """Two group convolutions, with the input added, by a matrix where the number of channels changes."""

    def __init__(
        self, group: LieGroup, before: int, after: int, size: int, mixing: str, kernel: str, options: dict[str, Any]
    ) -> None:
        super().__init__()
        first, second = (
            GroupConv2d(group, before, width, size, mixing=mixing, padding=size // 2, kernel=kernel, **options)
            for width in (before, after)
        )
        self.first, self.second = first, second
        self.shortcut = nn.Linear(before, after, bias=False) if before != after else None

    def forward(self, features: Tensor, samples: SampleSet, relative: Tensor) -> Tensor:
        x = gelu(normalised(self.first(features, samples, relative=relative)))
        x = gelu(normalised(self.second(x, samples, relative=relative)))
        if self.shortcut is not None:
            features = torch.einsum("dc,bcshw->bdshw", self.shortcut.weight, features)
        return gelu(x + features)


def _fresh_generator() -> torch.Generator:
    """Seeded by torch's global state, so that `torch.manual_seed` fixes a training."""
    return torch.Generator().manual_seed(int(torch.randint(2**31 - 1, ())))
