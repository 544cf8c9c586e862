"""The encoding alone: 2^18 points, 16 levels of 2 features, tables of at most 2^15 rows, float32, one thread."""

from collections.abc import Callable
from typing import Any

import torch
from common import in_own_process, measure, print_table
from plain_torch_grid import PlainHashGrid
from torch import Tensor

from geokit.backend.grid_layout import GridLayout
from geokit.backend.grid_ops import grid_encode
from geokit.fields import grid_cells

POINTS, LEVELS, FEATURES, ROWS = 1 << 18, 16, 2, 1 << 15


def backwards(encode: Callable[[Tensor], Tensor], x: Tensor, table: Tensor, bar: Tensor, by_points: bool) -> object:
    """Forwards, and back to the table, or to the table and the points."""
    x = x.requires_grad_(by_points)
    wanted = [table, x] if by_points else [table]
    return torch.autograd.grad(encode(x), wanted, bar)


def row(dimension: int, basis: str, way: str) -> dict[str, Any]:
    torch.manual_seed(0)
    bounds = torch.tensor([[0.0] * dimension, [1.0] * dimension])
    layout = GridLayout.of(grid_cells(bounds, LEVELS, 16, 512), ROWS, basis)
    x, bar = torch.rand(POINTS, dimension), torch.randn(LEVELS * FEATURES, POINTS)
    plain = PlainHashGrid(dimension, [c[0] for c in layout.cells], list(layout.rows), FEATURES)
    table = plain.table
    if way == "plain torch":
        # The same function, or the comparison is none.
        torch.testing.assert_close(plain(x[:999]), grid_encode(x[:999], table, layout), rtol=1e-3, atol=2e-7)
        encode, bar = plain, bar.T.contiguous()
    else:
        encode, bar = (lambda points: grid_encode(points, table, layout)), bar.T
    repeats = 3 if way == "plain torch" else 7
    with torch.no_grad():
        forward = measure(lambda: encode(x), repeats).cpu
    trained = measure(lambda: backwards(encode, x, table, bar, False), repeats).cpu
    both = measure(lambda: backwards(encode, x, table, bar, True), repeats).cpu
    return {
        "d": dimension,
        "basis": basis,
        "way": way,
        "forward ms": 1e3 * forward,
        "with backward to tables ms": 1e3 * trained,
        "and to points ms": 1e3 * both,
    }


def section() -> list[dict[str, Any]]:
    cases = [(d, "linear", way) for d in (2, 3) for way in ("geokit", "plain torch")]
    cases += [(d, basis, "geokit") for d in (2, 3) for basis in ("smoothstep", "spline")]
    rows = [in_own_process(row, *case) for case in cases]
    print_table("Hash grids, 2^18 points, 16 levels x 2, tables of 2^15 rows, float32, CPU milliseconds", rows)
    for d in (2, 3):
        ours, theirs = (
            {k: r[k] for k in r if k.endswith("ms")} for r in rows if r["d"] == d and r["basis"] == "linear"
        )
        print(
            f"  d = {d}: plain torch takes " + ", ".join(f"{theirs[k] / ours[k]:.1f}" for k in ours) + " times as long"
        )
    return rows
