"""Group convolution of a moved picture against the moved result, as each layer sums over more elements of the group.

The motion is a map of the pixels' lattice onto itself, a shear, and windows hold every kernel, so that nothing is
resampled: only the mean over elements errs. With Haar weights it converges to an integral that moves as the picture
does: as S^(-1/2) with random elements, nearly as S^(-1) with low discrepancy ones. Without weights, as published, it
converges to something else, whose error stays. The layers are as they come, with kernels that end at `REACH`.
"""

from typing import Any

import torch
from common import print_table
from lie_equivariance_resolution import window_of
from lie_functions import Waves, lattice, slope
from torch import Tensor

from geokit.equivariant.lie import GLPlus, GroupConv2d, LiftingConv2d, SampleSet, sample_set

GROUP = GLPlus(2)
COUNTS = (4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048)
SPREAD, REACH = 0.5, 0.7  # a law as wide as the kernels: where it is narrow, weights grow and spoil the rate
RADIUS = 2.2  # pixels, of both kernels
REPEATS = 6  # sets of samples; more of few elements
CHANNELS, OUTPUTS, PICTURES = 4, 4, 2
SHEAR = torch.tensor([[1.0, 1.0], [0.0, 1.0]], dtype=torch.float64)
METHODS = {
    "random": ("random", True),
    "low discrepancy": ("low_discrepancy", True),
    "no weights": ("low_discrepancy", False),
}


def elements(x: Tensor) -> SampleSet:
    """A sample set of given elements, each counted once."""
    log, k = GROUP.decompose(x)
    return SampleSet(GROUP, log, k, x, GROUP.inverse(x), torch.ones(len(x)).double(), torch.ones(()).double())


def outputs() -> tuple[SampleSet, SampleSet]:
    """Elements g, and a g: half of the way before and behind the identity, so that both lie where samples do."""
    half = GROUP.complement_exp(-0.5 * GROUP.decompose(SHEAR)[0])
    g = half @ GROUP.sample(OUTPUTS, spread=0.1, generator=torch.Generator().manual_seed(1))
    return elements(g), elements(SHEAR @ g)


def features(samples: SampleSet, seed: int) -> tuple[Tensor, Tensor]:
    """(PICTURES, CHANNELS, OUTPUTS) each at the middle pixel: of the picture at g, of the moved picture at a g."""
    before, after = outputs()
    torch.manual_seed(seed)
    lift = LiftingConv2d(GROUP, 1, CHANNELS, window_of(RADIUS, samples), radius=RADIUS, omega=3.0).double()
    window = window_of(RADIUS, before, after)
    layer = GroupConv2d(GROUP, CHANNELS, CHANNELS, window, radius=RADIUS, reach=REACH, omega=3.0).double()
    pixels = lattice(lift.window.size + window - 1)
    results = []
    for places, at in ((pixels, before), (pixels @ GROUP.inverse(SHEAR).mT, after)):
        images = torch.stack([Waves(number, highest=0.12)(places) for number in range(PICTURES)])[:, None]
        with torch.no_grad():
            results.append(layer(lift(images, samples), samples, at)[..., 0, 0])
    return results[0], results[1]


def error(count: int, method: str, haar: bool) -> float:
    """The root mean square over sets of samples, layers, pictures, elements and channels, over that of the features."""
    differences, sizes = [], []
    for repeat in range(min(8 * REPEATS, max(REPEATS, 8192 // count))):
        samples = sample_set(
            GROUP, count, spread=SPREAD, method=method, haar=haar,
            generator=torch.Generator().manual_seed(repeat), dtype=torch.float64,
        )  # fmt: skip
        before, after = features(samples, repeat % 3)
        differences.append((after - before).square().mean())
        sizes.append(before.square().mean())
    return float((torch.stack(differences).mean() / torch.stack(sizes).mean()).sqrt())


def section() -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for count in COUNTS:
        errors = {name: error(count, method, haar) for name, (method, haar) in METHODS.items()}
        rows.append({"samples": count, **errors})
    fitted = [row for row in rows if row["samples"] >= 64]
    counts = [float(row["samples"]) for row in fitted]
    slopes = {name: slope(counts, [row[name] for row in fitted]) for name in METHODS}
    print_table(
        "group convolution, GL+(2): relative error of moved features, lifted and convolved",
        [*rows, {"samples": "slope from 64 on", **slopes}],
        "theory: -1/2 for random samples, nearly -1 for low discrepancy, both with Haar weights; 0 in the end without",
    )
    return [*rows, {"samples": "slope", **slopes}]


if __name__ == "__main__":
    section()
