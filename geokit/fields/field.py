"""What every field is: a differentiable function on a box of space, with its derivatives, and nothing hidden."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Self

import torch
from torch import Tensor, nn

from geokit.backend.checks import FLOATS
from geokit.errors import InvalidInput


class Field(nn.Module):
    """A function from points x (N, d) to values (N, c), c = `channels`, fitted inside the box `bounds` (2, d).

    Points are in the unit of the signal: pixels with centres at +0.5 for images, in the order (x, y); the mesh's own
    unit for shapes. A field may be called outside of its box, where nothing has been fitted.

    A subclass defines `values(x)`, which may trust x, and `config()`, and may have better ways for the derivatives:
    those here are autograd's, of whatever `values` is made of.
    """

    bounds: Tensor

    def __init__(self, bounds: Tensor, channels: int) -> None:
        super().__init__()
        if bounds.ndim != 2 or len(bounds) != 2 or not bounds.is_floating_point():
            raise InvalidInput(f"bounds must be floats (2, d), lower and upper corner, got {tuple(bounds.shape)}")
        if not (bounds.isfinite().all() and (bounds[1] > bounds[0]).all()):
            raise InvalidInput(f"bounds must be finite and have an extent along every axis, got {bounds.tolist()}")
        if channels < 1:
            raise InvalidInput(f"a field needs at least one channel, got {channels}")
        self.register_buffer("bounds", bounds.detach().clone())
        self.channels = channels

    @property
    def dimension(self) -> int:
        """d, of the points."""
        return self.bounds.shape[1]

    @property
    def parameter_count(self) -> int:
        """How many numbers the field is stored in, other than its bounds: what a budget of parameters counts."""
        return sum(p.numel() for p in self.parameters())

    def config(self) -> dict[str, Any]:
        """Arguments that, after the bounds, make an untrained field of the same structure; JSON can hold them."""
        raise NotImplementedError

    def stored(self) -> dict[str, Tensor]:
        """The tensors that, with `config`, a file of the field holds."""
        return dict(self.state_dict())

    def quantised(self, bits: int) -> Self | None:
        """A field whose numbers have so few bits, which `stored` codes itself; None where a file does it by tensors."""
        return None

    @classmethod
    def restored(cls, config: dict[str, Any], tensors: dict[str, Tensor]) -> Self:
        """The field of `config` and `stored`. Raises `InvalidInput` or `RuntimeError` where they do not fit."""
        field = cls(tensors["bounds"], **config)
        field.load_state_dict(tensors)
        return field

    def values(self, x: Tensor) -> Tensor:
        """The field at x (N, d): (N, c). x has been checked."""
        raise NotImplementedError

    def forward(self, x: Tensor) -> Tensor:
        """The field at x (..., d): (..., c). Raises `InvalidInput` for another last axis or dtype than the field's."""
        self.check(x)
        return self.values(x.reshape(-1, self.dimension)).reshape(*x.shape[:-1], self.channels)

    def gradient(self, x: Tensor) -> Tensor:
        """The first derivatives at x (..., d): (..., c, d). Raises as a call does."""
        self.check(x)
        slopes = self.slopes(x.reshape(-1, self.dimension))
        return slopes.reshape(*x.shape[:-1], self.channels, self.dimension)

    def laplacian(self, x: Tensor) -> Tensor:
        """The sum of the second derivatives along the axes at x (..., d): (..., c). Raises as a call does."""
        self.check(x)
        return self.curvatures(x.reshape(-1, self.dimension)).reshape(*x.shape[:-1], self.channels)

    def slopes(self, x: Tensor) -> Tensor:
        """The gradient at x (N, d), which has been checked: (N, c, d), differentiable where gradients are on."""
        with _derivatives(x) as (x, again):
            values = self.values(x)
            rows = [_slope(values[:, c], x, again) for c in range(self.channels)]
            return torch.stack(rows, 1)

    def curvatures(self, x: Tensor) -> Tensor:
        """The Laplacian at x (N, d), which has been checked: (N, c), differentiable where gradients are on."""
        with _derivatives(x) as (x, again):
            slopes = self.slopes(x)
            columns = [
                torch.stack([_slope(slopes[:, c, k], x, again)[:, k] for k in range(self.dimension)]).sum(0)
                for c in range(self.channels)
            ]
            return torch.stack(columns, 1)

    def raster(self, height: int | None = None, width: int | None = None, rows: slice = slice(None)) -> Tensor:
        """The field of a plane on height x width pixels over its box: (height, width, c), differentiable.

        None: as many as the box is long. rows: only these of the pixels, for images that are better made a band at a
        time. Raises `InvalidInput` for a field of another dimension, sizes below 1, and no rows.
        """
        y, x = self.pixels(height, width, rows)
        low = self.bounds[0].double()
        points = torch.stack([x.expand(len(y), len(x)), y[:, None].expand(len(y), len(x))], -1) + low
        return self.forward(points.to(self.bounds))

    def pixels(self, height: int | None, width: int | None, rows: slice) -> tuple[Tensor, Tensor]:
        """The middles of rows and columns of `raster`, from the corner of the box, float64. Raises as `raster` does."""
        if self.dimension != 2:
            raise InvalidInput(f"only a field of a plane has pixels, got one of {self.dimension} dimensions")
        sides = (self.bounds[1] - self.bounds[0]).double().flip(0)
        sizes = [max(round(float(side)), 1) if n is None else n for n, side in zip((height, width), sides)]
        if min(sizes) < 1:
            raise InvalidInput(f"a raster needs at least one pixel along each axis, got {sizes[0]} x {sizes[1]}")
        y, x = (
            (torch.arange(n, dtype=torch.float64, device=side.device) + 0.5) * (side / n)
            for n, side in zip(sizes, sides)
        )
        if not len(y[rows]):
            raise InvalidInput(f"there is none of the rows {rows} in a raster of {sizes[0]} rows")
        return y[rows], x

    def check(self, x: Tensor) -> None:
        """Raises `InvalidInput` unless x is (..., d) of the field's dtype, on its device."""
        if x.ndim == 0 or x.shape[-1] != self.dimension:
            raise InvalidInput(f"points must have {self.dimension} coordinates in the last axis, got {tuple(x.shape)}")
        if x.dtype not in FLOATS or x.dtype != self.bounds.dtype:
            raise InvalidInput(f"points must be {self.bounds.dtype} as the field is, got {x.dtype}")
        if x.device != self.bounds.device:
            raise InvalidInput(f"points must be on {self.bounds.device} as the field is, got {x.device}")


@contextmanager
def _derivatives(x: Tensor) -> Iterator[tuple[Tensor, bool]]:
    """x as part of a graph, and whether the derivatives are to be differentiated again."""
    again = torch.is_grad_enabled()
    with torch.enable_grad():
        yield (x if x.requires_grad else x.detach().requires_grad_()), again


def _slope(values: Tensor, x: Tensor, again: bool) -> Tensor:
    if not values.requires_grad:  # constant in x
        return torch.zeros_like(x)
    slope = torch.autograd.grad(values.sum(), x, create_graph=again, retain_graph=True, allow_unused=True)[0]
    return torch.zeros_like(x) if slope is None else slope
