"""Differential equations on a box, with the data on its faces; some with known solutions, to measure by."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from geokit.errors import InvalidInput

Interior = Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]
Face = Callable[[Tensor, Tensor, Tensor], Tensor]
Function = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Condition:
    """What has to vanish on the face of the box at the low (side 0) or high end (side 1) of an axis.

    residual(x, u, gradient) -> (N,) from points x (N, d) on the face, u (N,) and gradient (N, d); a point's residual
    depends on that point alone. weight: against one for the equation, all being scaled alike first.
    """

    axis: int
    side: int
    residual: Face
    weight: float = 3.0


@dataclass(frozen=True)
class Problem:
    """An equation inside the box `bounds` ((lowest corner), (highest corner)), d = 1, 2 or 3 with time as any axis.

    residual(x, u, gradient, hessian) -> (N,) vanishes for the solution, from x (N, d), u (N,), gradient (N, d) and
    hessian (N, d, d), float64, by operations of torch; a point's residual depends on that point alone. exact: the
    solution (N,) at x (N, d), where it is known. Raises `InvalidInput` for bounds and faces that cannot be.
    """

    name: str
    bounds: Sequence[Sequence[float]]
    residual: Interior
    conditions: Sequence[Condition]
    exact: Function | None = None

    def __post_init__(self) -> None:
        d = self.box().shape[1]
        for condition in self.conditions:
            if condition.axis not in range(d) or condition.side not in (0, 1):
                raise InvalidInput(
                    f"a condition of {self.name} is on side {condition.side} of axis {condition.axis}: "
                    f"axes are 0 to {d - 1} and sides 0 and 1"
                )
            if not 0 < condition.weight < math.inf:
                raise InvalidInput(f"the weight of a condition must be positive, got {condition.weight}")

    def box(self) -> Tensor:
        """The bounds (2, d), float64. Raises `InvalidInput` unless they are those of a box of 1 to 3 dimensions."""
        try:
            box = torch.tensor([[float(value) for value in corner] for corner in self.bounds], dtype=torch.float64)
        except (TypeError, ValueError) as error:
            raise InvalidInput(f"bounds must be two corners of as many numbers, got {self.bounds!r}") from error
        if box.ndim != 2 or len(box) != 2 or box.shape[1] not in (1, 2, 3):
            raise InvalidInput(f"bounds must be two corners of 1, 2 or 3 numbers, got {self.bounds!r}")
        if not bool(box.isfinite().all() and (box[1] > box[0]).all()):
            raise InvalidInput(f"bounds must be finite with an extent along every axis, got {self.bounds!r}")
        return box


def on_faces(d: int, value: Function, axes: Sequence[int] | None = None) -> list[Condition]:
    """Conditions u = value(x) on both faces of the axes, of all by default."""

    def residual(x: Tensor, u: Tensor, gradient: Tensor) -> Tensor:
        return u - value(x)

    return [Condition(axis, side, residual) for axis in (range(d) if axes is None else axes) for side in (0, 1)]


def poisson(source: Function, boundary: Function, exact: Function | None = None, d: int = 2) -> Problem:
    """laplacian u = source in the unit box, u = boundary on its faces."""
    return Problem(
        "Poisson",
        ([0.0] * d, [1.0] * d),
        lambda x, u, gradient, hessian: _trace(hessian) - source(x),
        on_faces(d, boundary),
        exact,
    )


def poisson_peak(width: float = 0.05) -> Problem:
    """A Poisson problem whose solution exp(-|x - (0.3, 0.6)|^2 / 2 width^2) is a peak off the middle."""
    middle = torch.tensor([0.3, 0.6], dtype=torch.float64)

    def exact(x: Tensor) -> Tensor:
        return (-(x - middle).square().sum(1) / (2 * width**2)).exp()

    def source(x: Tensor) -> Tensor:
        return exact(x) * ((x - middle).square().sum(1) / width**4 - 2 / width**2)

    return poisson(source, exact, exact)


def helmholtz(a: tuple[float, float] = (1.0, 4.0), k: float = 1.0) -> Problem:
    """laplacian u + k^2 u = q on [-1, 1]^2, zero on its sides, of which sin(a_1 pi x) sin(a_2 pi y) is the solution.

    The problem of the comparisons of physics-informed networks (Wang, Teng, Perdikaris 2021; PIG, Kang et al. 2025).
    """

    def exact(x: Tensor) -> Tensor:
        return (a[0] * math.pi * x[:, 0]).sin() * (a[1] * math.pi * x[:, 1]).sin()

    scale = k**2 - (a[0] ** 2 + a[1] ** 2) * math.pi**2
    return Problem(
        "Helmholtz",
        ([-1.0, -1.0], [1.0, 1.0]),
        lambda x, u, gradient, hessian: _trace(hessian) + k**2 * u - scale * exact(x),
        on_faces(2, exact),
        exact,
    )


def klein_gordon() -> Problem:
    """u_tt - u_xx + u^3 = f on [0, 1]^2, points (x, t), whose solution is x cos(5 pi t) + (x t)^3 (Wang et al. 2021).

    Given are u at both ends of x, and u and u_t at t = 0.
    """
    w = 5 * math.pi

    def exact(x: Tensor) -> Tensor:
        return x[:, 0] * (w * x[:, 1]).cos() + (x[:, 0] * x[:, 1]) ** 3

    def source(x: Tensor) -> Tensor:
        place, time = x.T
        curved = -(w**2) * place * (w * time).cos() + 6 * place**3 * time - 6 * place * time**3
        return curved + exact(x) ** 3

    return Problem(
        "Klein-Gordon",
        ([0.0, 0.0], [1.0, 1.0]),
        lambda x, u, gradient, hessian: hessian[:, 1, 1] - hessian[:, 0, 0] + u**3 - source(x),
        [
            *on_faces(2, exact, [0]),
            Condition(1, 0, lambda x, u, gradient: u - exact(x)),
            Condition(1, 0, lambda x, u, gradient: gradient[:, 1]),
        ],
        exact,
    )


def burgers(viscosity: float = 0.01 / math.pi) -> Problem:
    """u_t + u u_x = viscosity u_xx on [-1, 1] x [0, 1], points (x, t), from -sin(pi x), zero at both ends of x.

    A shock as wide as the viscosity stands at x = 0 from t = 1 / pi on. The exact solution is the transform of Cole and
    Hopf, by quadrature after Hermite (Basdevant et al. 1986).
    """
    nodes, masses = (torch.from_numpy(part) for part in np.polynomial.hermite.hermgauss(200))

    def exact(x: Tensor) -> Tensor:
        eta = (4 * viscosity * x[:, 1:].clamp(min=0)).sqrt() * nodes
        moved = math.pi * (x[:, :1] - eta)
        exponent = -moved.cos() / (2 * math.pi * viscosity)
        weights = masses * (exponent - exponent.max(1, keepdim=True).values).exp()
        return -(weights * moved.sin()).sum(1) / weights.sum(1)

    return Problem(
        "Burgers",
        ([-1.0, 0.0], [1.0, 1.0]),
        lambda x, u, gradient, hessian: gradient[:, 1] + u * gradient[:, 0] - viscosity * hessian[:, 0, 0],
        [
            *on_faces(2, lambda x: torch.zeros_like(x[:, 0]), [0]),
            Condition(1, 0, lambda x, u, gradient: u + (math.pi * x[:, 0]).sin()),
        ],
        exact,
    )


def _trace(hessian: Tensor) -> Tensor:
    return hessian.diagonal(dim1=1, dim2=2).sum(1)
