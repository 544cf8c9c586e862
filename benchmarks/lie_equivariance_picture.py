"""The picture of benchmarks/lie_equivariance.py: errors of equivariance against pixels and against samples."""

from collections.abc import Sequence
from typing import Any

from log_plot import BLUE, GREEN, RED, Curve, Panel, draw_panels
from PIL import Image

Rows = Sequence[dict[str, Any]]


def draw(resolution: Rows, samples: Rows) -> Image.Image:
    """Both panels; the last row of each table holds the slopes that were found."""
    first = Panel(
        "lifting: pixels become smaller",
        "pixels a side",
        "relative error of the features of a moved picture",
        (16, 32, 64, 128),
        [
            _curve(resolution, "hard disc", "hard edge", RED, -1.5, (0.6, "above"), "order"),
            _curve(resolution, "on pixels", "smooth window,\non pixels", GREEN, -2.0, (0.67, "above"), "order"),
            _curve(resolution, "exact motions", "smooth window,\nexact motions", BLUE, -3.5, (0.5, "below"), "order"),
        ],
        4,
    )
    second = Panel(
        "group convolution: more samples a layer",
        "samples of GL+(2)",
        "relative error of the features of a moved picture",
        (4, 16, 64, 256, 1024),
        [
            _curve(samples, "random", "random", RED, -0.5, (0.22, "above"), "slope"),
            _curve(samples, "no weights", "without Haar weights", GREEN, None, (0.44, "below"), "slope"),
            _curve(samples, "low discrepancy", "low discrepancy", BLUE, -1.0, (0.65, "below"), "slope"),
        ],
        6,
    )
    return draw_panels([first, second])


def _curve(
    rows: Rows,
    column: str,
    name: str,
    color: tuple[int, int, int],
    exponent: float | None,
    label: tuple[float, str],
    found: str,
) -> Curve:
    key = next(iter(rows[0]))
    body, last = rows[:-1], rows[-1]
    assert last[key] == found
    words = f"{name}: {found} {last[column]:.2f}" if exponent is not None else name
    return Curve(words, color, [row[key] for row in body], [row[column] for row in body], exponent, label)
