"""Sets of group elements for Monte Carlo integrals: x and k of g = exp(x) k, spread evenly.

The complement m gets a normal law, by the inverse of its distribution function; the rotations their Haar measure. Low
discrepancy sets pair both so that they cover m x K together: `count` points on the whole and no product grid.

The integral of f over the group is then the mean of f with the normal law folded in (as in Mironenco and Forre, ICLR
2024), or, with importance weights, the one under Haar measure.
"""

import functools
import math
from dataclasses import dataclass

import torch
from torch import Tensor

from geokit.equivariant.lie.group import LieGroup
from geokit.equivariant.lie.rotation_sets import rotation_set, uniform_points
from geokit.errors import InvalidInput

METHODS = ("low_discrepancy", "random")


@dataclass(frozen=True)
class SampleSet:
    """Elements g = exp(x) k of a group, with their parts; len() of them.

    x, k, elements, inverses: (count, size, size). weights: (count,), mean one. mass: (), such that the integral of f
    under Haar measure is about mass * mean(weights * f); one where the sampling law is the measure. Haar measure is
    dx dk at the identity (see `LieGroup.haar_density`).
    """

    group: LieGroup
    x: Tensor
    k: Tensor
    elements: Tensor
    inverses: Tensor
    weights: Tensor
    mass: Tensor

    def __len__(self) -> int:
        return len(self.elements)

    def __repr__(self) -> str:
        return f"SampleSet({len(self)} elements of {self.group}, {self.elements.dtype}, {self.elements.device})"

    @functools.cached_property
    def stretch(self) -> float:
        """How much the elements lengthen vectors at most: the largest singular value of a linear part. Reads values."""
        return float(torch.linalg.matrix_norm(self.group.linear_part(self.elements.detach()), 2).amax())

    @property
    def coordinates(self) -> Tensor:
        """(count, dim) of x + log(k); angles in (-pi, pi]."""
        return self.group.vee(self.x + self.group.compact_log(self.k))

    @property
    def features(self) -> Tensor:
        """(count, features) continuous coordinates; see `LieGroup.features`."""
        return self.group.features_from(self.x, self.k)

    def to(self, device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> "SampleSet":
        """The same set on a device, in a dtype."""
        tensors = (self.x, self.k, self.elements, self.inverses, self.weights, self.mass)
        return SampleSet(self.group, *(tensor.to(device=device, dtype=dtype) for tensor in tensors))


@torch.no_grad()
def sample_set(
    group: LieGroup,
    count: int,
    *,
    spread: float | Tensor = 0.3,
    method: str = "low_discrepancy",
    haar: bool = False,
    side: str = "left",
    offset: float = 0.0,
    generator: torch.Generator | None = None,
    dtype: torch.dtype = torch.float32,
    device: torch.device | str | None = None,
) -> SampleSet:
    """`count` elements exp(x) k of a group: x normal with mean zero, k by the Haar measure of K.

    spread: the standard deviation of the orthonormal coordinates of x, or one for each (complement_dim,).
    method: "low_discrepancy" (scrambled Sobol points; equidistant angles for n = 2, super-Fibonacci spirals for n = 3)
    or "random" (independent). haar: whether weights turn the law into the Haar measure that is invariant from the
    `side`, "left" or "right"; the weights grow as exp(|v|^2 / (2 spread^2)), so f must fall off faster than the square
    root of that for their mean to settle. offset: radians added to the equidistant angles.

    generator: a CPU generator. Low-discrepancy sets without one are the same in every call; with one they are moved at
    random, which leaves every point by itself distributed as a random one.

    Raises `InvalidInput` for an unknown method or side, a count below one, a spread that is not positive and finite, or
    an offset that is not finite.
    """
    if method not in METHODS:
        raise InvalidInput(f"there is no method {method!r} of sampling; there are {', '.join(METHODS)}")
    if count < 1:
        raise InvalidInput(f"a set of samples needs at least one element, got count = {count}")
    spread = torch.as_tensor(spread, dtype=torch.float64, device="cpu")
    positive = bool(((spread > 0) & spread.isfinite()).all())
    if spread.dim() > 1 or (spread.dim() and len(spread) != group.complement_dim) or not positive:
        raise InvalidInput(
            f"spread must be positive and finite, one number or one for each of the {group.complement_dim} coordinates "
            f"of x in {group}, got {spread.tolist()}"
        )
    if not math.isfinite(offset):
        raise InvalidInput(f"the offset of the angles must be finite, got {offset}")
    if method == "random":
        normal = torch.randn(count, group.complement_dim, generator=generator, dtype=torch.float64, device="cpu")
        k = group.compact_sample(count, generator)
    else:
        normal, k = _even_pairs(group, count, offset, generator)
    x = group.complement_hat(normal * spread)
    raw = torch.ones(count, dtype=torch.float64, device="cpu")
    if haar:
        scale = (2 * math.pi) ** (0.5 * group.complement_dim) * spread.expand(group.complement_dim).prod()
        raw = group.haar_density(x, side) * scale * torch.exp(0.5 * normal.square().sum(-1))
    mass = raw.mean()
    parts = (x, k, group.recompose(x, k), group.inverse_from(x, k), raw / mass, mass)
    return SampleSet(group, *(part.to(device=device, dtype=dtype) for part in parts))


def _even_pairs(group: LieGroup, count: int, offset: float, generator: torch.Generator | None) -> tuple[Tensor, Tensor]:
    """Normal coordinates (count, complement_dim) and k (count, size, size) that fill their product evenly."""
    n, signs = group.n, 0 if _proper(group) else 1
    free = n * (n - 1) if n > 3 else 0
    points = uniform_points(count, group.complement_dim + free + signs, generator)
    normal = torch.special.ndtri(points)
    linear = rotation_set(
        n, count, normal=normal[:, group.complement_dim :][:, :free], offset=offset, generator=generator
    )
    if signs:
        mirror = torch.where(points[:, -1:, None] < 0.5, -1.0, 1.0)
        linear = torch.cat([linear[..., :1] * mirror, linear[..., 1:]], dim=-1)
    k = group.identity(count, device="cpu")
    k[:, :n, :n] = linear
    return normal[:, : group.complement_dim], k


def _proper(group: LieGroup) -> bool:
    """Whether K has no reflections: they would be elements of the group."""
    mirror = group.identity(device="cpu")
    mirror[0, 0] = -1
    return not bool(group.contains(mirror))


def check_samples(group: LieGroup, samples: SampleSet, features: Tensor, parameter: Tensor) -> None:
    """Raise `InvalidInput` unless a layer of this group gets samples of it, in the dtype of features and parameters."""
    if samples.group != group:
        raise InvalidInput(f"this layer is for samples of {group}, got some of {samples.group}")
    if not features.dtype == samples.elements.dtype == parameter.dtype:
        raise InvalidInput(
            f"features, samples and parameters must have one dtype, got {features.dtype}, {samples.elements.dtype} and "
            f"{parameter.dtype}; use .to(dtype)"
        )


def pair_features(outputs: SampleSet, samples: SampleSet) -> Tensor:
    """(S', S, F) continuous coordinates of g^-1 h, with g in `outputs` and h in `samples`."""
    group = samples.group
    with torch.no_grad():
        return group.features(group.compose(outputs.inverses[:, None], samples.elements))


def in_units_of(reach: float, relative: Tensor, group: LieGroup) -> Tensor:
    """Coordinates as `pair_features` gives them, those of the symmetric part divided by `reach`, where kernels end."""
    bounded = group.complement_dim
    return torch.cat([relative[..., :bounded] / reach, relative[..., bounded:]], dim=-1)
