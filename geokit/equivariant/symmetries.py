"""Groups of linear maps by their generators: what a solver of equivariance constraints has to know."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from geokit.backend.checks import check_tensor
from geokit.equivariant.lie.orthogonal import SO
from geokit.errors import InvalidInput

_FAR = 2 * torch.pi  # standard deviation of random algebra elements: a compact group is covered evenly enough


@dataclass(frozen=True, eq=False)
class Symmetry:
    """A group of linear maps of R^n: algebra (A, n, n) float64 spans its Lie algebra, discrete (D, n, n) float64 are
    elements that reach its other components.

    Raises InvalidInput for other shapes and dtypes.
    """

    name: str
    algebra: Tensor
    discrete: Tensor = field(default_factory=lambda: torch.zeros(0, 1, 1))

    def __post_init__(self) -> None:
        check_tensor("algebra", self.algebra, ("A", self.n, self.n), torch.float64, finite=True)
        if not len(self.discrete):
            object.__setattr__(self, "discrete", self.algebra.new_zeros(0, self.n, self.n))
        check_tensor("discrete", self.discrete, ("D", self.n, self.n), torch.float64, finite=True)

    @property
    def n(self) -> int:
        """The dimension of the space."""
        return self.algebra.shape[-1]

    @property
    def key(self) -> tuple[int, bytes, bytes]:
        """Equal for groups with the same generators."""
        return self.n, self.algebra.numpy().tobytes(), self.discrete.numpy().tobytes()

    def sample(self, count: int, *, generator: torch.Generator | None = None) -> Tensor:
        """(count, n, n) float64 random elements: exponentials of normal algebra elements, times each discrete one or
        not. All of the group can be reached, but not evenly; meant for compact groups."""
        coefficients = _FAR * torch.randn(count, len(self.algebra), generator=generator, dtype=torch.float64)
        elements = torch.linalg.matrix_exp((coefficients @ self.algebra.flatten(1)).view(count, self.n, self.n))
        for element in self.discrete:
            taken = torch.rand(count, 1, 1, generator=generator) < 0.5
            elements = torch.where(taken, elements @ element, elements)
        return elements

    def act(self, g: Tensor, points: Tensor) -> Tensor:
        """Points (..., n) moved by an element (n, n)."""
        return points @ g.mT

    def __repr__(self) -> str:
        return f"Symmetry({self.name}: {len(self.algebra)} generators and {len(self.discrete)} discrete on R^{self.n})"


def rotations(n: int = 3) -> Symmetry:
    """SO(n)."""
    return Symmetry(f"SO({n})", SO(n).basis)


def orthogonal_maps(n: int = 3) -> Symmetry:
    """O(n): rotations and mirror images."""
    mirror = torch.eye(n, dtype=torch.float64)
    mirror[0, 0] = -1
    return Symmetry(f"O({n})", rotations(n).algebra, mirror[None])


def rotations_about(axis: Sequence[float], mirrors: bool = False) -> Symmetry:
    """Rotations of space about an axis (3 numbers, not all 0); `mirrors`: and mirror images that keep it."""
    direction = torch.as_tensor(axis, dtype=torch.float64)
    check_tensor("axis", direction, (3,), torch.float64, finite=True)
    if not direction.any():
        raise InvalidInput("an axis of rotation must not be the zero vector: give a direction such as (0, 0, 1)")
    direction = direction / direction.norm()
    x, y, z = direction.tolist()
    turn = torch.tensor([[0, -z, y], [z, 0, -x], [-y, x, 0]], dtype=torch.float64)
    name = "axis " + ", ".join(f"{v:g}" for v in direction.tolist())
    if not mirrors:
        return Symmetry(f"rotations about {name}", turn[None])
    across = torch.linalg.svd(direction[None]).Vh[1]
    mirror = torch.eye(3, dtype=torch.float64) - 2 * across[:, None] * across
    return Symmetry(f"rotations and mirrors about {name}", turn[None], mirror[None])
