"""Level sets that move: a field on space and time, its shape at any time, and the two ways there are to follow it."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from geokit.errors import InvalidInput
from geokit.fields.field import Field
from geokit.fields.spline_grid import spline_coefficients, spline_values
from geokit.geometry.level_sets import marching_cubes
from geokit.geometry.mesh import Mesh

Function = Callable[[Tensor], Tensor]
Velocity = Callable[[Tensor, Tensor], Tensor]
_CHUNK = 1 << 15  # points at once


class EvolvedField(Field, ABC):
    """f(x, t) at points (x, t), (N, d + 1), whose zero is the moving shape, from t = 0 to `time`; f < 0 is inside."""

    def __init__(self, bounds: Tensor, time: float) -> None:
        """bounds (2, d): the box in space."""
        span = bounds.new_tensor([[0.0], [time]])
        super().__init__(torch.cat([bounds, span], 1), 1)

    @property
    def time(self) -> float:
        """The last."""
        return float(self.bounds[1, -1])

    def check(self, x: Tensor) -> None:
        """Raises `InvalidInput` as a field does, and for times that are not between 0 and the last."""
        super().check(x)
        times = x.detach()[..., -1]
        if times.numel() and not bool(((times >= 0) & (times <= self.bounds[1, -1])).all()):
            low, high = (float(value) for value in times.aminmax())
            raise InvalidInput(f"the evolution is known from time 0 to {self.time:g}, got times {low:g} to {high:g}")

    def at(self, x: Tensor, time: float) -> Tensor:
        """The values (N,) at x (N, d) and one time. Raises `InvalidInput` as a call does."""
        if not isinstance(x, Tensor) or x.ndim != 2:
            raise InvalidInput(f"points must be (N, {self.dimension - 1})")
        parts = []
        for some in x.split(_CHUNK):
            column = some.new_full((len(some), 1), time)
            parts.append(self(torch.cat([some, column], 1))[:, 0])
        return torch.cat(parts) if parts else x.new_zeros(0)

    def mesh(self, time: float, resolution: int = 128) -> Mesh:
        """The surface at a time, for d = 3, from `resolution` samples along the longest side of the box.

        Raises `InvalidInput` for other dimensions, for times outside of the evolution, and where no surface is left.
        """
        if self.dimension != 4:
            raise InvalidInput(f"a mesh has 3 dimensions, this field {self.dimension - 1}: evaluate it with at()")
        low, high = self.bounds[:, :3].tolist()

        def values(x: Tensor) -> Tensor:
            return self.at(x.to(self.bounds), time)

        return marching_cubes(values, (low, high), resolution)

    @abstractmethod
    def values(self, x: Tensor) -> Tensor:
        """f at (x, t) (N, d + 1): (N, 1)."""


class FlowField(EvolvedField):
    """f_t + V . grad f = 0: f(x, t) = f(X, 0), where X is where the flow of V that is at x at time t was at time 0.

    Every point is traced back by `steps` steps of the classical method of Runge and Kutta, whatever its time: nothing
    is sampled, so that nothing is smoothed or lost.
    """

    def __init__(self, start: Function, velocity: Velocity, bounds: Tensor, time: float, steps: int) -> None:
        super().__init__(bounds, time)
        self.start, self.velocity, self.steps = start, velocity, steps

    def config(self) -> dict[str, Any]:
        """Raises `InvalidInput`: there is no file of it."""
        raise InvalidInput("a field that follows a velocity holds functions, which no file can: store its mesh")

    def traced(self, x: Tensor) -> Tensor:
        """Where the points (x, t) (N, d + 1) were at time 0: (N, d)."""
        place, t = x[:, :-1], x[:, -1:]
        h = t / self.steps
        for step in range(self.steps):
            now = t - step * h
            a = self._velocity(place, now)
            b = self._velocity(place - h / 2 * a, now - h / 2)
            c = self._velocity(place - h / 2 * b, now - h / 2)
            e = self._velocity(place - h * c, now - h)
            place = place - h / 6 * (a + 2 * b + 2 * c + e)
        return place

    def values(self, x: Tensor) -> Tensor:
        """f at (x, t) (N, d + 1): (N, 1), differentiable."""
        return self.start(self.traced(x))[:, None]

    def _velocity(self, x: Tensor, t: Tensor) -> Tensor:
        found = self.velocity(x, t[:, 0])
        if not isinstance(found, Tensor) or found.shape != x.shape:
            shape = tuple(found.shape) if isinstance(found, Tensor) else type(found).__name__
            raise InvalidInput(f"velocity must give a tensor {tuple(x.shape)} at as many points, got {shape}")
        if not bool(found.detach().isfinite().all()):
            raise InvalidInput("velocity must be finite wherever the flow passes, also outside of the bounds")
        return found


class SnapshotField(EvolvedField):
    """Samples on a grid at times that lie closer near the start: cubic B-splines in space, cubics of Hermite in time.

    Twice continuously differentiable in space and once in time. It goes on outside of its box with its nearest values.
    """

    coefficients: Tensor
    corner: Tensor

    def __init__(
        self, bounds: Tensor, time: float, corner: Tensor, cell: float, snapshots: int, counts: list[int]
    ) -> None:
        """corner (d,): of the first sample; cell: between samples; counts: of samples along the axes."""
        super().__init__(bounds, time)
        self.cell, self.snapshots = cell, snapshots
        self.register_buffer("corner", corner.to(bounds))
        self.register_buffer("coefficients", bounds.new_zeros(snapshots + 1, 2, *counts))

    def config(self) -> dict[str, Any]:
        """Raises `InvalidInput`: there is no file of it."""
        raise InvalidInput("a field of snapshots has no file format: store its mesh")

    @staticmethod
    def times(time: float, snapshots: int) -> list[float]:
        """Of the snapshots: squares, since corners of the first shape round off at once."""
        return [time * (k / snapshots) ** 2 for k in range(snapshots + 1)]

    def hold(self, k: int, values: Tensor, rates: Tensor) -> None:
        """Take samples of f and f_t at the k-th time."""
        self.coefficients[k] = torch.stack([spline_coefficients(values), spline_coefficients(rates)])

    def values(self, x: Tensor) -> Tensor:
        """f at (x, t) (N, d + 1): (N, 1), differentiable."""
        places, t = (x[:, :-1] - self.corner) / self.cell, x[:, -1]
        first = (self.snapshots * (t.detach() / self.time).sqrt()).floor().clamp(0, self.snapshots - 1).long()
        times = self.times(self.time, self.snapshots)
        out = torch.zeros_like(t)
        for k in first.unique().tolist():
            rows = (first == k).nonzero()[:, 0]
            length = times[k + 1] - times[k]
            s = (t[rows] - times[k]) / length
            ends = spline_values(self.coefficients[k : k + 2].flatten(0, 1), places[rows])
            value = (1 + 2 * s) * (1 - s) ** 2 * ends[0] + s * (1 - s) ** 2 * length * ends[1]
            value = value + s**2 * (3 - 2 * s) * ends[2] - s**2 * (1 - s) * length * ends[3]
            out = out.index_put((rows,), value)
        return out[:, None]
