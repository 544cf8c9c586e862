"""Polar decompositions and exponentials of very many small matrices, beside plain ones by torch.linalg.

    OMP_NUM_THREADS=1 python benchmarks/lie_groups.py              about two minutes

Plain: log(p) from the eigendecomposition of g g', and k = p^-1 g; exp of a symmetric matrix from its
eigendecomposition; exp of any matrix by torch.linalg.matrix_exp. The gradient of an eigendecomposition is infinite at
equal eigenvalues, and g g' has the square of the condition number: the second table has the worst errors in float32
at the condition number 1e3, and tells whether the gradients at the identity are finite.
"""

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from common import machine, measure, print_table, save
from torch import Tensor

from geokit.equivariant.lie import GLPlus

Function = Callable[[Tensor], tuple[Tensor, ...]]


def plain_decompose(g: Tensor) -> tuple[Tensor, ...]:
    values, vectors = torch.linalg.eigh(g @ g.mT)
    x = (vectors * (0.5 * values.log())[..., None, :]) @ vectors.mT
    return x, (vectors * values.rsqrt()[..., None, :]) @ vectors.mT @ g


def plain_symmetric_exp(x: Tensor) -> tuple[Tensor, ...]:
    values, vectors = torch.linalg.eigh(x)
    return ((vectors * values.exp()[..., None, :]) @ vectors.mT,)


def plain_exp(x: Tensor) -> tuple[Tensor, ...]:
    return (torch.linalg.matrix_exp(x),)


def tasks(n: int) -> list[tuple[str, Function, Function, Callable[..., Tensor]]]:
    """Name, ours, the peer's, and the arguments: `count` of them, at the identity where `condition` is None."""
    group = GLPlus(n)

    def elements(count: int, condition: float | None) -> Tensor:
        return group.identity(count) if condition is None else group.sample(count, condition=condition)

    def symmetric(count: int, condition: float | None) -> Tensor:
        return group.decompose(elements(count, condition))[0]

    def algebra(count: int, condition: float | None) -> Tensor:
        return group.hat((0.0 if condition is None else 0.5) * torch.randn(count, group.dim, dtype=torch.float64))

    rows: list[tuple[str, Function, Function, Callable[..., Tensor]]] = [
        ("decompose", group.decompose, plain_decompose, elements),
        ("exp on m", lambda x: (group.complement_exp(x),), plain_symmetric_exp, symmetric),
    ]
    return [*rows, ("exp", lambda x: (group.exp(x),), plain_exp, algebra)] if n == 2 else rows


def backward(function: Function, argument: Tensor) -> Tensor:
    argument = argument.detach().requires_grad_()
    total = sum((result.square().sum() for result in function(argument)), torch.zeros(()))
    return torch.autograd.grad(total, argument)[0]


def worst_error(function: Function, exact: Function, argument: Tensor) -> float:
    pairs = zip(function(argument.float()), exact(argument))
    return max(float((got.double() - want).abs().amax() / want.abs().amax()) for got, want in pairs)


def timed(function: Function, argument: Tensor, repeats: int) -> tuple[float, float]:
    """Nanoseconds of CPU for one element: forward alone, and with the gradient."""
    with torch.no_grad():
        forward = measure(lambda: function(argument), repeats).cpu
    both = measure(lambda: backward(function, argument), repeats).cpu
    return 1e9 * forward / len(argument), 1e9 * both / len(argument)


def section(counts: dict[int, int], repeats: int) -> dict[str, list[dict[str, Any]]]:
    """Both tables."""
    torch.manual_seed(0)
    speed: list[dict[str, Any]] = []
    accuracy: list[dict[str, Any]] = []
    for n, count in counts.items():
        for name, ours, plain, arguments in tasks(n):
            x = arguments(count, 10.0).float()
            pairs = zip(("forward", "with gradient"), timed(ours, x, repeats), timed(plain, x, repeats))
            for what, mine, theirs in pairs:
                row = {"map": name, "n": n, "count": count, "pass": what}
                speed.append({**row, "ours (ns)": mine, "plain (ns)": theirs, "ratio": theirs / mine})
            hard, still = arguments(1000, 1e3), arguments(1, None).float()
            accuracy.append(
                {
                    "map": name,
                    "n": n,
                    "our error": worst_error(ours, ours, hard),
                    "plain error": worst_error(plain, ours, hard),
                    "our gradient finite": bool(backward(ours, still).isfinite().all()),
                    "plain gradient finite": bool(backward(plain, still).isfinite().all()),
                }
            )
    return {"speed": speed, "accuracy": accuracy}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count2", type=int, default=1_000_000, help="2x2 matrices")
    parser.add_argument("--count3", type=int, default=100_000, help="3x3 matrices")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--output", type=Path, help="a JSON file in place of benchmarks/results/lie_groups.json")
    options = parser.parse_args()
    start = time.perf_counter()
    tables = section({2: options.count2, 3: options.count3}, options.repeats)
    print_table("maps of GL+(n), float32: CPU time of one element", tables["speed"])
    print_table(
        "worst relative error in float32 at the condition number 1e3, and gradients at the identity",
        tables["accuracy"],
        "the error is against our float64 results, which the tests compare with scipy",
    )
    if options.output:
        options.output.write_text(json.dumps({"machine": machine(), "results": tables}, indent=1) + "\n")
        path = options.output
    else:
        path = save("lie_groups", "maps", tables)
    print(f"  {time.perf_counter() - start:.0f} s -> {path}")


if __name__ == "__main__":
    main()
