"""Radial kernels of a field: their centres, shapes and features, and the points in their supports."""

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from geokit.backend.radial_ops import radial_sum
from geokit.backend.radial_pairs import RadialPairs, radial_pairs
from geokit.errors import InvalidInput

SHAPES = ("isotropic", "diagonal", "full")
KERNELS = {
    "inverse_quadratic": 4.0,
    "inverse_multiquadric": 4.0,
    "gaussian": 4.0,
    "markov": 4.0,
    "wendland2": 3.0,
    "wendland4": 3.5,
    "bump": 3.5,
    "hat": 1.0,
    "gabor": 4.0,
}
"""The kernels by name, phi of s = |A (x - c)|^2, with the radius R (in units of A (x - c)) at which they end:

inverse_quadratic 1 / (1 + s), inverse_multiquadric (1 + s)^(-1/2), gaussian exp(-s / 2), markov exp(-sqrt(s)) with its
tip rounded within 1/8; wendland2 and wendland4 of sqrt(s) / R (Wendland 1995, C2 and C4); bump (1 - s / R^2)^4; hat,
the product of 1 - |A (x - c)|_k, whose gradient jumps and which has no Laplacian; gabor, a gaussian times the cosine of
a wave of its own. The first four never end: they are multiplied by (1 - v)^4 (1 + 4v + 10v^2 + 20v^3), v = s / R^2,
which is three times smooth. It costs breadth: 2 % of the value at R / 3, 7 % at R / 2, half at 0.71 R. All but hat have
continuous values, gradients and Laplacians wherever a point enters or leaves their support.
"""


def profile_of(kernel: str) -> str:
    """The profile that `geokit.backend.radial_ops` knows a kernel by."""
    return "gaussian" if kernel == "gabor" else kernel


def shape_size(kind: str, d: int) -> int:
    """How many numbers the shape of one kernel is stored in."""
    return {"isotropic": 1, "diagonal": d, "full": d * (d + 1) // 2}[kind]


def kernel_size(kind: str, d: int, features: int, kernel: str = "inverse_quadratic") -> int:
    """How many numbers one kernel is stored in: centre, shape, features and, of a gabor, wave and phase."""
    return d + shape_size(kind, d) + features + (d + 1 if kernel == "gabor" else 0)


def factors_of(parameters: Tensor, kind: str, d: int) -> Tensor:
    """The lower triangles A (M, d (d + 1) / 2), by rows, of any shape parameters (M, P): always positive definite.

    The first numbers are the logarithms of A's diagonal, one for all of an isotropic kernel; of a full one follow the
    entries below it by rows, each divided by the diagonal entry of its column, so that no number has a unit.
    """
    diagonal = parameters[:, : 1 if kind == "isotropic" else d].exp().expand(-1, d)
    entries, place = [], d
    for row in range(d):
        for column in range(row + 1):
            if row == column:
                entries.append(diagonal[:, row])
            elif kind == "full":
                entries.append(parameters[:, place] * diagonal[:, column])
                place += 1
            else:
                entries.append(torch.zeros_like(diagonal[:, 0]))
    return torch.stack(entries, 1)


def parameters_of(factors: Tensor, kind: str, d: int) -> Tensor:
    """Shape parameters whose `factors_of` are factors (M, d (d + 1) / 2), or the nearest of that kind: equal volume."""
    diagonal = factors[:, [k * (k + 3) // 2 for k in range(d)]]
    if kind == "isotropic":
        return diagonal.log().mean(1, keepdim=True)
    if kind == "diagonal":
        return diagonal.log()
    below = [factors[:, row * (row + 1) // 2 + k] / diagonal[:, k] for row in range(d) for k in range(row)]
    return torch.cat([diagonal.log(), *(t[:, None] for t in below)], 1)


def octaves(count: int, low: float, high: float) -> Tensor:
    """`count` frequencies from low to high at equal ratios, float32: NeuRBF has 2^-3 to 2^12 for images.

    Raises `InvalidInput` unless 0 < low <= high and there is one.
    """
    if count < 1 or not 0 < low <= high < math.inf:
        raise InvalidInput(f"frequencies must be at least one, from low > 0 to high, got {count}, {low}, {high}")
    return torch.logspace(math.log2(low), math.log2(high), count, base=2.0)


@dataclass(frozen=True)
class HeldPairs:
    """Pairs found for points and kernels as they were then, with some room: see `stay_valid`."""

    pairs: RadialPairs
    x: Tensor
    centres: Tensor
    factors: Tensor
    skin: float


def stay_valid(held: HeldPairs, centres: Tensor, factors: Tensor, support: float) -> bool:
    """Whether no pair of the moved kernels is missing from those found for supports `skin` wider.

    Of a kernel moved from (c, A) to (c', A'), a point inside, |A' (x - c')| < R, has
    |A (x - c)| <= |A A'^-1| R + |A (c' - c)|. Where that is at most R + skin for every kernel, all are held.
    """
    if held.skin == 0:
        return torch.equal(centres, held.centres) and torch.equal(factors, held.factors)
    d = centres.shape[1]
    old, new = _matrices(held.factors, d), _matrices(factors, d)
    change = torch.linalg.solve_triangular(new, old - new, upper=False, left=False)
    moved = (old @ (centres - held.centres)[:, :, None]).flatten(1).norm(dim=1)
    reach = support * (1 + change.flatten(1).norm(dim=1)) + moved
    return bool((reach <= support + held.skin).all())


def _matrices(factors: Tensor, d: int) -> Tensor:
    rows, columns = torch.tril_indices(d, d)
    matrices = factors.new_zeros(len(factors), d, d)
    matrices[:, rows, columns] = factors
    return matrices


class RadialKernels(nn.Module):
    """M trainable kernels in d dimensions with F features each, and sums over them.

    centres (M, d); factors (M, d (d + 1) / 2), lower triangles of A by rows, stored as `shape` says (isotropic,
    diagonal or full); features (M, F); of a gabor alone waves (M, d), cycles per unit of length, and phases (M,),
    radians.
    `support` is the radius at which a kernel ends, in units of A (x - c); without one that of `KERNELS`. `frequencies`
    (F,) turns channel f into sums of sin(f phi), NeuRBF's composition (Chen et al. 2023, section 4.3).
    `skin` widens the supports for which pairs are held, in the same units, so that they are kept while kernels move a
    little; with 0 they are searched for whenever anything has changed.
    Raises `InvalidInput` for names, shapes and values that do not fit.
    """

    def __init__(
        self,
        centres: Tensor,
        factors: Tensor,
        features: Tensor,
        kernel: str = "inverse_quadratic",
        shape: str = "full",
        support: float | None = None,
        frequencies: Tensor | None = None,
        waves: Tensor | None = None,
        phases: Tensor | None = None,
        skin: float = 0.0,
    ) -> None:
        super().__init__()
        if kernel not in KERNELS:
            raise InvalidInput(f"kernel must be one of {', '.join(KERNELS)}, got {kernel!r}")
        if shape not in SHAPES:
            raise InvalidInput(f"shape must be one of {', '.join(SHAPES)}, got {shape!r}")
        if (kernel == "gabor") != (waves is not None and phases is not None):
            raise InvalidInput("waves and phases must be given for the gabor kernel, and for it alone")
        support = KERNELS[kernel] if support is None else float(support)
        if kernel == "hat" and support != 1.0:
            raise InvalidInput(f"the hat ends at 1 by its definition, got support {support:g}: scale its factors")
        if not 0 <= skin < math.inf:
            raise InvalidInput(f"skin must be at least 0 and finite, got {skin}")
        radial_pairs(centres[:0], centres, factors, support)  # checks them all
        self.kernel, self.shape, self.support, self.skin = kernel, shape, support, float(skin)
        self.dimension = centres.shape[1]
        self.centres = nn.Parameter(centres.detach().clone())
        self.shape_parameters = nn.Parameter(parameters_of(factors.detach(), shape, self.dimension))
        self.features = nn.Parameter(features.detach().clone())
        self.waves = None if waves is None else nn.Parameter(waves.detach().clone())
        self.phases = None if phases is None else nn.Parameter(phases.detach().clone())
        self.frequencies: Tensor | None
        self.register_buffer("frequencies", None if frequencies is None else frequencies.detach().clone())
        self._held: dict[tuple[Any, ...], HeldPairs] = {}
        self.sums(centres[:0].detach())  # checks features, frequencies and waves

    def __len__(self) -> int:
        return len(self.centres)

    def factors(self) -> Tensor:
        """A of every kernel: lower triangles (M, d (d + 1) / 2) by rows."""
        return factors_of(self.shape_parameters, self.shape, self.dimension)

    def rows(self) -> Tensor:
        """The kernels as the operators take them, (M, S): centres, factors, waves and phases."""
        own = [] if self.waves is None or self.phases is None else [self.waves, self.phases[:, None]]
        return torch.cat([self.centres, self.factors(), *own], 1)

    def pairs(self, x: Tensor) -> RadialPairs:
        """The kernels of every point x (N, d), held for as long as the points are the same and the kernels near enough.

        Pairs of up to 16 sets of points are held, for batches that come again.
        """
        centres, factors = self.centres.detach(), self.factors().detach()
        x = x.detach()
        key = (x.device, len(x), *(x[[0, -1]].flatten().tolist() if len(x) else ()))
        held = self._held.get(key)
        if held is not None and torch.equal(held.x, x) and stay_valid(held, centres, factors, self._reach()):
            return held.pairs
        hat = self.kernel == "hat"
        if hat:  # the box of half width 1 + skin, as that of 1 of smaller factors
            found = radial_pairs(x, centres, factors / (1 + self.skin), 1.0, True)
        else:
            found = radial_pairs(x, centres, factors, self.support + self.skin)
        self._held.pop(key, None)
        if len(self._held) >= 16:
            self._held.pop(next(iter(self._held)))
        self._held[key] = HeldPairs(found, x.clone(), centres.clone(), factors.clone(), self.skin)
        return found

    def forget(self) -> None:
        """Lets go of all held pairs."""
        self._held.clear()

    def _reach(self) -> float:
        """The radius of a ball around the support in units of A (x - c)."""
        return math.sqrt(self.dimension) if self.kernel == "hat" else self.support

    def sums(self, x: Tensor, order: int = 0, features: Tensor | None = None) -> Tensor:
        """Sums at x (N, d): (N, 1, F), and with order 1 slopes (N, 1 + d, F), with 2 Laplacians (N, 2 + d, F)."""
        features = self.features if features is None else features
        sines = self.frequencies if features.shape[1] == self.features.shape[1] else None
        return radial_sum(
            x,
            self.rows(),
            features,
            self.pairs(x),
            profile_of(self.kernel),
            self.support,
            order,
            sines,
            self.waves is not None,
        )
