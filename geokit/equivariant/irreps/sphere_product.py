"""Products of functions on the sphere as one operator: synthesis, a pointwise product, analysis, a few rows at a time.

The product is a trilinear form of the two functions and of what the result is tested with, so that its gradients are
products of the same kind, and theirs again. Nothing but the arguments is saved for them: the values on the grid,
several times as many, are computed again, a few rows at a time, and stay in the cache.
"""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from geokit.backend.checks import FLOATS
from geokit.backend.native import custom_op
from geokit.equivariant.irreps.layout import degree_of_size
from geokit.equivariant.irreps.product_plan import ROUTES, Plan, product_plan
from geokit.errors import InvalidInput

VALUES_AT_ONCE = {"cpu": 2**16}  # of one function on the grid: three of them fit the second-level cache
VALUES_ON_OTHERS = 2**26


def _forward(first: Tensor, second: Tensor, degree: int, kind: str, route: str) -> Tensor:
    out = first.new_empty(len(first), (degree + 1) ** 2)
    a, b, c = _plan(first, second, out, kind, route)
    for rows in _few_rows(first, a.points):
        c.adjoint(_pointwise(a.values(first[rows]), b.values(second[rows])), out[rows])
    return out


def _backward(first: Tensor, second: Tensor, out_bar: Tensor, kind: str, route: str) -> tuple[Tensor, Tensor]:
    first_bar, second_bar = torch.empty_like(first), torch.empty_like(second)
    a, b, c = _plan(first, second, out_bar, kind, route)
    for rows in _few_rows(first, a.points):
        tested = c.values(out_bar[rows])
        a.adjoint(_pointwise(tested, b.values(second[rows])), first_bar[rows])
        b.adjoint(_pointwise(tested, a.values(first[rows])), second_bar[rows])
    return first_bar, second_bar


_product = custom_op("geokit::sphere_product", cuda=True)(_forward)
_product_backward = custom_op("geokit::sphere_product_backward", cuda=True)(_backward)


@_product.register_fake
def _(first: Tensor, second: Tensor, degree: int, kind: str, route: str) -> Tensor:
    return first.new_empty(first.shape[0], (degree + 1) ** 2)


@_product_backward.register_fake
def _(first: Tensor, second: Tensor, out_bar: Tensor, kind: str, route: str) -> tuple[Tensor, Tensor]:
    return torch.empty_like(first), torch.empty_like(second)


def _product_setup(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    first, second, ctx.degree, ctx.kind, ctx.route = inputs
    ctx.save_for_backward(first, second)


def _product_vjp(ctx: Any, out_bar: Tensor) -> tuple[Any, ...]:
    return *_product_backward(*ctx.saved_tensors, out_bar.contiguous(), ctx.kind, ctx.route), None, None, None


def _backward_setup(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor]) -> None:
    first, second, out_bar, ctx.kind, ctx.route = inputs
    ctx.save_for_backward(first, second, out_bar)


def _backward_vjp(ctx: Any, u: Tensor, v: Tensor) -> tuple[Any, ...]:
    """Of <u, first_bar> + <v, second_bar> = T(u, second, out_bar) + T(first, v, out_bar), T the trilinear form."""
    first, second, out_bar = ctx.saved_tensors
    u, v, chosen = u.contiguous(), v.contiguous(), (ctx.kind, ctx.route)
    degree = round(out_bar.shape[1] ** 0.5) - 1
    first_bar, _ = _product_backward(first, v, out_bar, *chosen)
    _, second_bar = _product_backward(u, second, out_bar, *chosen)
    out_bar_bar = _product(u, second, degree, *chosen) + _product(first, v, degree, *chosen)
    return first_bar, second_bar, out_bar_bar, None, None


_product.register_autograd(_product_vjp, setup_context=_product_setup)
_product_backward.register_autograd(_backward_vjp, setup_context=_backward_setup)


def sphere_product(first: Tensor, second: Tensor, degree: int, kind: str, route: str = "fastest") -> Tensor:
    """(..., (degree + 1)^2) of coefficients (..., (L1 + 1)^2) and (..., (L2 + 1)^2), whose other dimensions broadcast.

    Kinds and routes: see `product_plan`. Raises `InvalidInput` for other numbers of coefficients, dtypes that are not
    one and the same of float32 and float64, a negative degree and unknown routes.
    """
    degree_of_size("first", first)
    degree_of_size("second", second)
    if first.dtype not in FLOATS or second.dtype != first.dtype:
        raise InvalidInput(f"both factors must be float32, or both float64, got {first.dtype} and {second.dtype}")
    if degree < 0:
        raise InvalidInput(f"degree must be 0 or more, got {degree}")
    if route not in ROUTES[kind]:
        raise InvalidInput(f"route must be one of {', '.join(ROUTES[kind])}, got {route}")
    if first.shape[:-1] != second.shape[:-1]:
        leading = torch.broadcast_shapes(first.shape[:-1], second.shape[:-1])
        first, second = (t.expand(*leading, t.shape[-1]) for t in (first, second))
    one, two = (t.reshape(-1, t.shape[-1]).contiguous() for t in (first, second))
    return _product(one, two, degree, kind, route).view(*first.shape[:-1], (degree + 1) ** 2)


def _plan(first: Tensor, second: Tensor, out: Tensor, kind: str, route: str) -> Plan:
    one, two, three = (round(t.shape[1] ** 0.5) - 1 for t in (first, second, out))
    return product_plan(kind, route, (one, two, three), first.dtype, first.device)


def _few_rows(coefficients: Tensor, points: int) -> Iterator[slice]:
    at_once = max(16, VALUES_AT_ONCE.get(coefficients.device.type, VALUES_ON_OTHERS) // points)
    for start in range(0, len(coefficients), at_once):
        yield slice(start, start + at_once)


def _pointwise(first: list[Tensor], second: list[Tensor]) -> list[Tensor]:
    """The product of functions in one class, or in an even and an odd class; `second` may be overwritten."""
    if len(first) == 1:
        return [second[0].mul_(first[0])]
    (even, odd), (even2, odd2) = first, second
    return [(even * even2).addcmul_(odd, odd2), (even * odd2).addcmul_(odd, even2)]
