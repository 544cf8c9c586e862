"""Fields that are sums of radial kernels, and their features as an encoding of points."""

from typing import Any

import torch
from torch import Tensor, nn

from geokit.errors import InvalidInput
from geokit.fields.field import Field
from geokit.fields.kernels import RadialKernels

TINY = 1e-3  # added to the sum of kernels that a normalised field is divided by


class RadialField(Field):
    """f(x) = bias + sum of features w_i phi(|A_i (x - c_i)|^2), all trainable (NeuRBF, Chen et al. 2023, no network).

    With `normalised` the sum is divided by sum of phi + 1/1000, so that where kernels are dense constants are kept, and
    where they end the field passes smoothly into its bias. Gradients and Laplacians are the native operator's own, in
    closed form, and differentiable again by features, centres and shapes. `kernels` has as many features as the field
    has channels; see `RadialKernels` for kinds of kernels, shapes, frequencies and waves.
    Raises `InvalidInput` for another dimension than that of bounds, and for frequencies in a normalised field.
    """

    bias: nn.Parameter

    def __init__(self, bounds: Tensor, kernels: RadialKernels, normalised: bool = False) -> None:
        super().__init__(bounds, kernels.features.shape[1])
        if kernels.dimension != self.dimension or kernels.centres.dtype != bounds.dtype:
            raise InvalidInput(
                f"kernels must be {self.dimension}-dimensional and {bounds.dtype} as the bounds are, "
                f"got {kernels.dimension} dimensions and {kernels.centres.dtype}"
            )
        if normalised and (kernels.frequencies is not None or kernels.waves is not None):
            raise InvalidInput("a normalised field has neither frequencies nor waves: sums of those have zeros")
        self.kernels, self.normalised = kernels, normalised
        self.bias = nn.Parameter(bounds.new_zeros(self.channels))

    def __repr__(self) -> str:
        k = self.kernels
        return f"RadialField({len(k):,} {k.shape} {k.kernel} kernels, {self.dimension}-d, {self.channels} channels)"

    def config(self) -> dict[str, Any]:
        """What `empty` makes an untrained field of the same structure from."""
        k = self.kernels
        return {
            "kernels": len(k),
            "dimension": self.dimension,
            "channels": self.channels,
            "kernel": k.kernel,
            "shape": k.shape,
            "support": k.support,
            "normalised": self.normalised,
            "frequencies": k.frequencies is not None,
            "skin": k.skin,
        }

    @classmethod
    def restored(cls, config: dict[str, Any], tensors: dict[str, Tensor]) -> "RadialField":
        """The field that was stored."""
        field = cls.empty(tensors["bounds"], config)
        field.load_state_dict(tensors)
        return field

    @classmethod
    def empty(cls, bounds: Tensor, config: dict[str, Any]) -> "RadialField":
        """An untrained field of the structure that `config` tells, for `load_state_dict`."""
        m, d, c = config["kernels"], config["dimension"], config["channels"]
        gabor = config["kernel"] == "gabor"
        eye = bounds.new_tensor([float(row == column) for row in range(d) for column in range(row + 1)])
        kernels = RadialKernels(
            bounds.new_zeros(m, d),
            eye.expand(m, -1).contiguous(),
            bounds.new_zeros(m, c),
            config["kernel"],
            config["shape"],
            config["support"],
            bounds.new_ones(c) if config["frequencies"] else None,
            bounds.new_zeros(m, d) if gabor else None,
            bounds.new_zeros(m) if gabor else None,
            config["skin"],
        )
        return cls(bounds, kernels, config["normalised"])

    def jet(self, x: Tensor, order: int, features: Tensor | None = None) -> Tensor:
        """The field without its bias and its derivatives at x (N, d): (N, 1, c), (N, 1 + d, c) or (N, 2 + d, c)."""
        features = self.kernels.features if features is None else features
        if not self.normalised:
            return self.kernels.sums(x, order, features)
        ones = features.new_ones(len(features), 1)
        both = self.kernels.sums(x, order, torch.cat([features, ones], 1))
        return quotient(both[:, :, :-1], both[:, :, -1:], self.dimension)

    def values(self, x: Tensor) -> Tensor:
        """The field at x (N, d), which has been checked: (N, c)."""
        return self.jet(x, 0)[:, 0] + self.bias

    def slopes(self, x: Tensor) -> Tensor:
        """The gradient at x (N, d), which has been checked: (N, c, d)."""
        return self.jet(x, 1)[:, 1:].transpose(1, 2)

    def curvatures(self, x: Tensor) -> Tensor:
        """The Laplacian at x (N, d), which has been checked: (N, c). Raises `InvalidInput` for the hat: it has none."""
        return self.jet(x, 2)[:, -1]


def quotient(sums: Tensor, weights: Tensor, d: int) -> Tensor:
    """Values, slopes and Laplacians (N, J, c) of sums divided by weights (N, J, 1) + `TINY`."""
    below = 1 / (weights[:, :1] + TINY)
    value = sums[:, :1] * below
    parts = [value]
    if sums.shape[1] > 1:
        slope = (sums[:, 1 : 1 + d] - value * weights[:, 1 : 1 + d]) * below
        parts.append(slope)
    if sums.shape[1] > 1 + d:
        cross = (slope * weights[:, 1 : 1 + d]).sum(1, keepdim=True)
        parts.append((sums[:, -1:] - 2 * cross - value * weights[:, -1:]) * below)
    return torch.cat(parts, 1)


class RadialEncoding(nn.Module):
    """Sums of kernel features as what a network sees of a point; beside a grid's, the hybrid of NeuRBF."""

    def __init__(self, kernels: RadialKernels, normalised: bool = False) -> None:
        super().__init__()
        if normalised and kernels.frequencies is not None:
            raise InvalidInput("a normalised encoding has no frequencies: sums of sines have zeros")
        self.kernels, self.normalised = kernels, normalised

    @property
    def width(self) -> int:
        """F, the number of features."""
        return self.kernels.features.shape[1]

    def features(self, x: Tensor) -> Tensor:
        """The features (N, F) at x (N, d), twice differentiable by x."""
        if not self.normalised:
            return self.kernels.sums(x)[:, 0]
        own = self.kernels.features
        both = self.kernels.sums(x, 0, torch.cat([own, own.new_ones(len(own), 1)], 1))
        return quotient(both[:, :, :-1], both[:, :, -1:], self.kernels.dimension)[:, 0]
