"""Gaunt products beside e3nn's tensor products, their routes beside the cost model, and brackets and self-products.

CPU milliseconds of one thread in float32, medians, forward and backward to all arguments, 64 channels x batch 128. Ours
and the peer's calls alternate in one process, so that what else the machine does meets both. The peer is e3nn's
`TensorProduct`, uuu, of the same paths, with a weight for each path and channel. "ours" has no weights, "module" one
for each degree and channel of the factors and of the result. Memory is what a step of the full batch, with its
arguments, adds to the largest resident size after one of a batch of two, in a process of its own.
"""

import statistics
import time
from collections.abc import Callable
from typing import Any

import torch
from common import in_own_process, peak_memory, print_table
from torch import Tensor

BATCH, CHANNELS = 128, 64
DEGREES = (2, 4, 6, 8)
Step = Callable[[], object]


def backward_step(function: Callable[..., Tensor], sizes: list[int], batch: int) -> Step:
    """A forward and a backward of a function of tensors (batch, channels, size), or (batch, channels size) for e3nn."""
    flat = isinstance(function, torch.nn.Module) and "e3nn" in type(function).__module__
    shapes = [(batch, CHANNELS * size) if flat else (batch, CHANNELS, size) for size in sizes]
    arguments = [torch.randn(shape, requires_grad=True) for shape in shapes]
    with torch.no_grad():
        bar = torch.randn_like(function(*arguments))

    def step() -> None:
        for argument in arguments:
            argument.grad = None
        function(*arguments).backward(bar)

    return step


def our_product(degree: int, result: int, batch: int = BATCH, form: str = "ours", route: str = "fastest") -> Step:
    from geokit.equivariant.irreps import GauntProduct, bracket_product, gaunt_product

    functions: dict[str, Callable[..., Tensor]] = {
        "ours": lambda first, second: gaunt_product(first, second, result, route),
        "bracket": lambda first, second: bracket_product(first, second, result),
    }
    function = GauntProduct(CHANNELS, degree, degree, result) if form == "module" else functions[form]
    return backward_step(function, [(degree + 1) ** 2] * 2, batch)


def e3nn_product(degree: int, result: int, batch: int = BATCH, odd: bool = False) -> Step:
    """All paths with l1 + l2 + l even, or all with an odd sum."""
    from e3nn import o3

    from geokit.equivariant.irreps import e3nn_irreps

    paths = [
        (a, b, c, "uuu", True)
        for a in range(degree + 1)
        for b in range(degree + 1)
        for c in range(abs(a - b), min(a + b, result) + 1)
        if (a + b + c) % 2 == odd
    ]
    irreps: Any = e3nn_irreps(CHANNELS, degree)
    product = o3.TensorProduct(irreps, irreps, e3nn_irreps(CHANNELS, result, pseudo=odd), paths)
    return backward_step(product, [(degree + 1) ** 2] * 2, batch)


def alternating(steps: dict[str, Step], rounds: int) -> dict[str, float]:
    """Median CPU milliseconds of each, called in turn; the first two rounds do not count."""
    spent: dict[str, list[float]] = {name: [] for name in steps}
    for number in range(rounds + 2):
        for name, step in steps.items():
            start = time.process_time()
            step()
            if number > 1:
                spent[name].append(1e3 * (time.process_time() - start))
    return {name: statistics.median(values) for name, values in spent.items()}


def added_memory(make: Callable[..., Step], degree: int, result: int) -> float:
    """MB that a step of the full batch, its arguments included, adds to what a batch of two needed."""
    small = make(degree, result, 2)
    for _ in range(3):
        small()
    before = peak_memory()
    make(degree, result)()
    return peak_memory() - before


def product_row(degree: int, result: int) -> dict[str, Any]:
    steps = {
        "e3nn": e3nn_product(degree, result),
        "ours": our_product(degree, result),
        "module": our_product(degree, result, form="module"),
    }
    found = alternating(steps, rounds=15 if degree < 6 else 9)
    return {
        "L": degree,
        "to": result,
        "e3nn, ms": found["e3nn"],
        "ours, ms": found["ours"],
        "ratio": found["e3nn"] / found["ours"],
        "module, ms": found["module"],
        "ratio ": found["e3nn"] / found["module"],
    }


def route_row(degree: int, result: int) -> dict[str, Any]:
    """All routes of ours, and in brackets what the cost model makes of them."""
    from geokit.equivariant.irreps import route_costs

    expected = route_costs("gaunt", (degree, degree, result))
    found = alternating({route: our_product(degree, result, route=route) for route in expected}, rounds=5)
    row: dict[str, Any] = {"L": degree, "to": result}
    for route, cost in expected.items():
        row[f"{route}, ms"] = f"{found[route]:.3g} ({cost * BATCH * CHANNELS / 1e6:.3g})"
    chosen = min(expected, key=expected.__getitem__)
    return row | {"chosen": chosen, "over the best": found[chosen] / min(found.values())}


def other_row(degree: int) -> dict[str, Any]:
    """The bracket beside e3nn's paths of odd sum; the sum of powers 1 to 3, weighted."""
    from geokit.equivariant.irreps import SelfProduct

    steps = {
        "e3nn": e3nn_product(degree, degree, odd=True),
        "bracket": our_product(degree, degree, form="bracket"),
        "powers": backward_step(SelfProduct(CHANNELS, degree, degree, 3), [(degree + 1) ** 2], BATCH),
    }
    found = alternating(steps, rounds=7)
    return {
        "L": degree,
        "e3nn, odd paths, ms": found["e3nn"],
        "bracket, ms": found["bracket"],
        "ratio": found["e3nn"] / found["bracket"],
        "self-product of order 3, ms": found["powers"],
    }


def section() -> dict[str, list[dict[str, Any]]]:
    """The rows of all tables, each table printed as soon as it is whole."""
    cases = [(degree, result) for degree in DEGREES for result in (degree, 2 * degree)]
    products = []
    for case in cases:
        row = in_own_process(product_row, *case)
        row["ours, MB"] = in_own_process(added_memory, our_product, *case)
        row["e3nn, MB"] = in_own_process(added_memory, e3nn_product, *case)
        products.append(row)
    print_table("Gaunt products (CPU ms)", products)
    routes = [in_own_process(route_row, *case) for case in [*cases, (12, 12), (12, 24), (16, 16), (16, 32), (20, 20)]]
    print_table("By each route, and by the cost model (CPU ms)", routes)
    others = [in_own_process(other_row, degree) for degree in DEGREES]
    print_table("Brackets and self-products, to <= L (CPU ms)", others)
    return {"products": products, "routes": routes, "others": others}


if __name__ == "__main__":
    section()
