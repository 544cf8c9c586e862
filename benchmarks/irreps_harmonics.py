"""Spherical harmonics of 10,000 directions beside e3nn's generated code, which ends at degree 11, and scipy's.

CPU milliseconds of one thread, medians; ours and e3nn's in float32, scipy's complex ones in float64. The error is the
largest against float64, in units of sqrt(2 l + 1), a tenth of the directions near a pole.
"""

from collections.abc import Callable
from typing import Any

import torch
from common import in_own_process, measure, print_table
from torch import Tensor

DEGREES = (2, 4, 8, 11, 20, 30, 40)


def timed(function: Callable[[Tensor], Tensor], vectors: Tensor) -> tuple[float, float]:
    """Milliseconds forward, and forward and backward."""
    with torch.no_grad():
        bar = torch.randn_like(function(vectors))
        forward = measure(lambda: function(vectors)).cpu

    def step() -> None:
        vectors.grad = None
        function(vectors).backward(bar)

    return 1e3 * forward, 1e3 * measure(step).cpu


def row(degree: int) -> dict[str, Any]:
    import numpy as np
    from scipy.special import sph_harm_y_all

    from geokit.equivariant.irreps import degrees_of, spherical_harmonics

    vectors = torch.randn(10_000, 3)
    vectors[:1000] *= torch.tensor([0.03, 1, 0.03])
    x, y, z = vectors.double().numpy().T
    polar, azimuth = np.arctan2(np.hypot(x, z), y), np.arctan2(x, z)
    gap = (spherical_harmonics(degree, vectors) - spherical_harmonics(degree, vectors.double())).abs()
    error = float((gap / (2 * degrees_of(degree) + 1).sqrt()).max())
    vectors.requires_grad_()
    ours, ours_both = timed(lambda v: spherical_harmonics(degree, v), vectors)
    theirs = theirs_both = None
    if degree <= 11:
        from e3nn import o3

        theirs, theirs_both = timed(
            lambda v: o3.spherical_harmonics(list(range(degree + 1)), v, True, "component"), vectors
        )
    return {
        "L": degree,
        "ours": ours,
        "e3nn": theirs,
        "scipy": 1e3 * measure(lambda: sph_harm_y_all(degree, degree, polar, azimuth), 3).cpu,
        "ours, with backward": ours_both,
        "e3nn, with backward": theirs_both,
        "float32 error": f"{error:.1e}",
    }


def section() -> list[dict[str, Any]]:
    rows = [in_own_process(row, degree) for degree in DEGREES]
    print_table("Harmonics up to degree L of 10,000 directions (CPU ms)", rows)
    return rows


if __name__ == "__main__":
    section()
