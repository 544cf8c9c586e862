"""Lifted features of a moved picture against the moved features of the picture, as pixels become smaller.

Exact motions: picture and features are taken at exact places, so that only the sum over pixels errs. A kernel whose
window has a jump in its m-th derivative across a circle has a Fourier transform that falls as |w|^-(m + 3/2), and by
Poisson's formula the sum errs by its values on the reciprocal lattice: order m + 3/2 in the size of a pixel. The C1
window of the layer has m = 2, a hard disc m = 0. On pixels: the picture is moved by bilinear interpolation, and so are
the features: order 2, by the interpolation.
"""

import math
from typing import Any

import torch
from common import print_table
from lie_functions import Waves, lattice, slope
from torch import Tensor
from torch.nn.functional import conv2d, grid_sample

from geokit.equivariant.lie import GLPlus, LiftingConv2d, SampleSet, sample_set
from geokit.equivariant.lie.kernels import disc_mask

GROUP = GLPlus(2)
RADIUS = 0.3  # of the kernel at the identity, where the picture is 2 wide
SIDES = (16, 24, 32, 48, 64, 96, 128)
LAYERS, MOTIONS, ELEMENTS, PLACES, CHANNELS = 3, 4, 6, 8, 4
OMEGA = 6.0  # of the kernels: up to about one period a radius


def moved(samples: SampleSet, a: Tensor) -> SampleSet:
    """The elements a^-1 g."""
    elements = GROUP.inverse(a) @ samples.elements
    x, k = GROUP.decompose(elements)
    return SampleSet(GROUP, x, k, elements, GROUP.inverse(elements), samples.weights, samples.mass)


def window_of(radius: float, *sets: SampleSet) -> int:
    """Pixels of a window that holds the kernel of every element."""
    stretch = max(float(torch.linalg.matrix_norm(some.elements, 2).amax()) for some in sets)
    return 2 * math.ceil(radius * stretch) + 1


def make_layer(seed: int, side: int, *sets: SampleSet) -> LiftingConv2d:
    """The same kernels at every resolution."""
    torch.manual_seed(seed)
    radius = RADIUS * side / 2
    layer = LiftingConv2d(GROUP, 1, CHANNELS, window_of(radius, *sets), radius=radius, omega=OMEGA).double()
    return layer.requires_grad_(False)


def hard(layer: LiftingConv2d, patches: Tensor, samples: SampleSet) -> Tensor:
    """(B, CHANNELS, S) of patches as large as the window, by the same kernels cut off by a hard disc."""
    places = layer.window.offsets @ samples.inverses.mT
    scale = disc_mask(places, None) / GROUP.determinant(samples.elements)[:, None]
    values = layer.kernel.kernel(places) * scale[..., None]
    size = layer.window.size
    weight = values.view(len(samples), size, size, CHANNELS).permute(3, 0, 1, 2).flatten(0, 1)[:, None]
    return conv2d(patches, weight).view(len(patches), CHANNELS, len(samples))


def case(number: int) -> tuple[Waves, SampleSet, Tensor, Tensor]:
    """A picture, elements g, a motion and places x."""
    generator = torch.Generator().manual_seed(number)
    samples = sample_set(GROUP, ELEMENTS, spread=0.15, generator=generator, dtype=torch.float64)
    motion = GROUP.sample(1, condition=1.6, spread=0.2, generator=generator)[0]
    places = 0.5 * (torch.rand(PLACES, 2, generator=generator, dtype=torch.float64) - 0.5)
    return Waves(number), samples, motion, places


def exact_errors(side: int, seed: int, number: int) -> tuple[Tensor, Tensor]:
    """(features,) differences by the window and by a hard disc, over the size of the features."""
    picture, samples, a, places = case(number)
    back = moved(samples, a)
    layer = make_layer(seed, side, samples, back)
    offsets = lattice(layer.window.size) * (2 / side)
    after = picture((places[:, None, None] + offsets) @ GROUP.inverse(a).mT)[:, None]
    before = picture((places @ GROUP.inverse(a).mT)[:, None, None] + offsets)[:, None]
    smooth = layer(after, samples).flatten(2), layer(before, back).flatten(2)
    cut = hard(layer, after, samples), hard(layer, before, back)
    return tuple((x - y).flatten() / y.square().mean().sqrt() for x, y in (smooth, cut))  # type: ignore[return-value]


def pixel_errors(side: int, seed: int, number: int) -> Tensor:
    """(features,) the same where picture and features exist on pixels only, over the middle half of the picture."""
    picture, samples, a, _ = case(number)
    back = moved(samples, a)
    layer = make_layer(seed, side, samples, back)
    line = (torch.arange(side, dtype=torch.float64) + 0.5) * 2 / side - 1
    grid = torch.stack(torch.broadcast_tensors(line, line[:, None]), dim=-1)
    pixels = picture(grid)[None, None]
    turned = grid_sample(pixels, (grid @ GROUP.inverse(a).mT)[None], align_corners=False)
    after, before = layer(turned, samples).flatten(1, 2), layer(pixels, back).flatten(1, 2)
    cut = layer.window.size // 2
    inner = grid[cut : side - cut, cut : side - cut]
    near = (inner.abs().amax(-1) < 0.25).nonzero(as_tuple=True)
    half = after.shape[-1] / side
    wanted = grid_sample(before, (inner[near] @ GROUP.inverse(a).mT / half)[None, None], align_corners=False)[0, :, 0]
    return (after[0][:, near[0], near[1]] - wanted).flatten() / wanted.square().mean().sqrt()


def section() -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for side in SIDES:
        found: dict[str, list[Tensor]] = {"exact motions": [], "hard disc": [], "on pixels": []}
        for seed in range(LAYERS):
            for number in range(MOTIONS):
                smooth, cut = exact_errors(side, seed, number)
                found["exact motions"].append(smooth)
                found["hard disc"].append(cut)
                found["on pixels"].append(pixel_errors(side, seed, number))
        errors = {name: float(torch.cat(parts).square().mean().sqrt()) for name, parts in found.items()}
        rows.append({"pixels a side": side, **errors})
    fitted = [row for row in rows if row["pixels a side"] >= 48]
    sides = [float(row["pixels a side"]) for row in fitted]
    orders = {name: -slope(sides, [row[name] for row in fitted]) for name in list(rows[0])[1:]}
    print_table(
        f"lifting, GL+(2): relative error of moved features (kernel radius {RADIUS} of a picture 2 wide)",
        [*rows, {"pixels a side": "order from 48 on", **orders}],
        "theory: 3.5 with the C1 window, 1.5 with a hard disc, 2 with bilinear interpolation",
    )
    return [*rows, {"pixels a side": "order", **orders}]


if __name__ == "__main__":
    section()
