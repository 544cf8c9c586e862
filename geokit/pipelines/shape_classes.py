"""Sixteen classes of parametric shapes with random proportions, upright (z up): something to learn without a download.

Each class is a function of a `Draw` that gives the patches (B, M, N, 3) of B shapes; no two shapes are alike, and
neighbouring classes come close to each other (a stubby cone to a cylinder, a table to a chair with a low back).
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from geokit.errors import InvalidInput
from geokit.pipelines.shape_patches import (
    block,
    circle,
    lathe,
    outline,
    polygon,
    shifted,
    slab,
    tube,
    turned,
)

Patches = list[Tensor]


class Draw:
    """Random proportions for `shapes` shapes at once, from a generator."""

    def __init__(self, shapes: int, generator: torch.Generator) -> None:
        self.shapes, self.generator = shapes, generator

    def __call__(self, low: float, high: float) -> Tensor:
        """(B,) uniform numbers."""
        return low + (high - low) * torch.rand(self.shapes, generator=self.generator)

    def whole(self, low: int, high: int) -> Tensor:
        """(B,) uniform whole numbers, both ends among them."""
        return torch.randint(low, high + 1, (self.shapes,), generator=self.generator)

    def sign(self) -> Tensor:
        """(B,) -1 or 1."""
        return self.whole(0, 1) * 2.0 - 1

    def round_or_square(self, x: Tensor, y: Tensor) -> Tensor:
        """(B, N, 2) sections, ellipses or rectangles."""
        square = outline([(x, y), (-x, y), (-x, -y), (x, -y)], self.shapes)
        angles = torch.atan2(square[..., 1] / y[:, None], square[..., 0] / x[:, None])
        ellipse = torch.stack([x[:, None] * angles.cos(), y[:, None] * angles.sin()], 2)
        return torch.where((self.whole(0, 1) == 1)[:, None, None], ellipse, square)


def ellipsoid(draw: Draw) -> Patches:
    """Half axes up to a ratio of 1 to 2.5."""
    angles = torch.linspace(-math.pi / 2, math.pi / 2, 13)
    height = draw(0.45, 1.1)[:, None]
    profile = torch.stack([angles.cos().expand(draw.shapes, -1), height * angles.sin()], 2)
    return [turned(circle(draw.shapes, draw(0.45, 1.1), draw(0.45, 1.1)), profile)]


def box(draw: Draw) -> Patches:
    """Three sides, and a slight taper."""
    x, y, height, taper = draw(0.4, 1), draw(0.4, 1), draw(0.35, 1.1), draw(0.8, 1.1)
    section = outline([(x, y), (-x, y), (-x, -y), (x, -y)], draw.shapes)
    return [lathe(section, [(0, -height), (1, -height), (taper, height), (0, height)])]


def cylinder(draw: Draw) -> Patches:
    """Closed, elliptic, with a slight taper."""
    height, taper = draw(0.4, 1.3), draw(0.85, 1.15)
    section = circle(draw.shapes, draw(0.45, 0.8), draw(0.45, 0.8))
    return [lathe(section, [(0, -height), (1, -height), (taper, height), (0, height)])]


def cone(draw: Draw) -> Patches:
    """Pointed or cut."""
    height, top = draw(0.5, 1.2), draw(0, 0.45)
    section = circle(draw.shapes, draw(0.6, 1), draw(0.6, 1))
    return [lathe(section, [(0, -height), (1, -height), (top, height), (0, height)])]


def capsule(draw: Draw) -> Patches:
    """A cylinder between two half balls, which may be flat."""
    half, cap = draw(0.15, 0.9)[:, None], draw(0.3, 0.6)[:, None]
    angles = torch.linspace(0, math.pi / 2, 8)
    top = torch.stack([angles.cos().expand(draw.shapes, -1), half + cap * angles.sin()], 2)
    profile = torch.cat([(top * torch.tensor([1.0, -1])).flip(1), top], 1)
    return [turned(circle(draw.shapes, draw(0.4, 0.6), draw(0.4, 0.6)), profile)]


def torus(draw: Draw) -> Patches:
    """A ring that lies; its tube is elliptic, the ring too."""
    thick, high = draw(0.15, 0.4)[:, None], draw(0.15, 0.45)[:, None]
    angles = torch.linspace(0, 2 * math.pi, 17)
    profile = torch.stack([1 + thick * angles.cos(), high * angles.sin()], 2)
    return [turned(circle(draw.shapes, draw(0.7, 1), draw(0.7, 1)), profile)]


def pyramid(draw: Draw) -> Patches:
    """Three to five sides, pointed or cut."""
    height, top = draw(0.5, 1.2), draw(0, 0.35)
    section = polygon(draw.whole(3, 5), 5, x=draw(0.7, 1.1), y=draw(0.7, 1.1))
    return [lathe(section, [(0, -height), (1, -height), (top, height), (0, height)])]


def wedge(draw: Draw) -> Patches:
    """A triangular prism on one of its sides."""
    half, left, right, ridge = draw(0.5, 1.1), draw(0.5, 1), draw(0.5, 1), draw(0.6, 1.5)
    section = outline([(-left, -0.4), (right, -0.4), (draw(-0.4, 0.4), ridge - 0.4)], draw.shapes)
    return [slab(section, -half, half)[..., [2, 0, 1]]]


def star(draw: Draw) -> Patches:
    """A flat or tall prism over a star of four to seven points."""
    size, height = draw(0.85, 1.1), draw(0.12, 0.6)
    section = polygon(2 * draw.whole(4, 7), 14, inner=draw(0.35, 0.65), x=size, y=size)
    return [slab(section, -height, height)]


def beam(draw: Draw) -> Patches:
    """An L-shaped bar that stands on one of its legs."""
    thick, wide, tall, half = draw(0.18, 0.35), draw(0.6, 1.3), draw(0.6, 1.5), draw(0.25, 0.9)
    section = outline(
        [(-thick, -thick), (wide, -thick), (wide, thick), (thick, thick), (thick, tall), (-thick, tall)], draw.shapes
    )
    return [slab(section, -half, half)[..., [2, 0, 1]]]


def spring(draw: Draw) -> Patches:
    """A wire wound around the vertical, left- or right-handed."""
    share, hand = torch.linspace(0, 1, 97), draw.sign()[:, None]
    angles = hand * 2 * math.pi * draw(2, 4)[:, None] * share + draw(0, 2 * math.pi)[:, None]
    outward = torch.stack([angles.cos(), angles.sin(), torch.zeros_like(angles)], 2)
    radius = draw(0.4, 0.8)[:, None] * (1 + draw(-0.4, 0.4)[:, None] * (share - 0.5))
    rise = draw(0.8, 1.5)[:, None] * (2 * share - 1)
    path = radius[..., None] * outward + torch.tensor([0.0, 0, 1]) * rise[..., None]
    return [tube(path, outward, draw(0.08, 0.15))]


def shell(draw: Draw) -> Patches:
    """A snail's shell: a tube that winds and widens downwards, left- or right-handed."""
    share, hand = torch.linspace(0, 1, 97), draw.sign()[:, None]
    angles = hand * 2 * math.pi * draw(2.2, 3.2)[:, None] * share + draw(0, 2 * math.pi)[:, None]
    growth = torch.exp(draw(2, 3)[:, None] * (share - 1))
    outward = torch.stack([angles.cos(), angles.sin(), torch.zeros_like(angles)], 2)
    path = 0.7 * growth[..., None] * outward - torch.tensor([0.0, 0, 1]) * (draw(0.6, 1.8)[:, None] * growth)[..., None]
    return [tube(path, outward, draw(0.35, 0.5)[:, None] * growth)]


def mug(draw: Draw) -> Patches:
    """A cylinder open above, with a bottom and a handle."""
    radius, height, flare = draw(0.45, 0.75), draw(0.5, 0.9), draw(0.85, 1.2)
    wall = lathe(circle(draw.shapes, radius, radius), [(0, -height), (1, -height), (flare, height)], 8)
    angles = torch.linspace(-math.pi / 2, math.pi / 2, 17)
    outward = torch.stack([angles.cos(), torch.zeros(17), angles.sin()], 1).expand(draw.shapes, -1, -1)
    reach = torch.stack([draw(0.3, 0.55), torch.ones(draw.shapes), draw(0.45, 0.75) * height], 1)
    handle = tube(outward * reach[:, None], outward, draw(0.06, 0.12))
    return [wall, shifted(handle, x=radius * (0.5 + 0.5 * flare))]


def lamp(draw: Draw) -> Patches:
    """A foot, a pole and a shade open at both ends."""
    foot, wide, narrow, tall, pole = draw(0.3, 0.6), draw(0.45, 0.75), draw(0.15, 0.4), draw(0.5, 0.9), draw(0.03, 0.07)
    ring = circle(draw.shapes)
    shade = lathe(ring, [(wide, 1.2 - tall), (narrow, 1.2)])
    return [
        lathe(ring, [(0, -1.2), (foot, -1.2), (foot, -1.1), (0, -1.1)]),
        lathe(ring, [(pole, -1.1), (pole, 1.1)]),
        shade,
    ]


def _legs(draw: Draw, x: Tensor, y: Tensor, low: Tensor | float, high: Tensor | float) -> Patches:
    thick = draw(0.05, 0.1)
    leg = block(draw.shapes, thick, thick, low, high)
    return [shifted(leg, i * (x - thick), j * (y - thick)) for i in (-1, 1) for j in (-1, 1)]


def table(draw: Draw) -> Patches:
    """A round or square top on four legs."""
    x, y, height, thick = draw(0.6, 1.1), draw(0.6, 1.1), draw(0.6, 1.2), draw(0.05, 0.12)
    inset = draw(0.65, 0.95) * 0.9
    return [slab(draw.round_or_square(x, y), -thick, thick), *_legs(draw, x * inset, y * inset, -height, -thick)]


def chair(draw: Draw) -> Patches:
    """A seat on four legs, with a back."""
    x, y, height, back, thick = draw(0.4, 0.65), draw(0.4, 0.65), draw(0.5, 0.9), draw(0.35, 1), draw(0.04, 0.1)
    return [
        slab(draw.round_or_square(x, y), -thick, thick),
        *_legs(draw, 0.85 * x, 0.85 * y, -height, -thick),
        shifted(block(draw.shapes, thick, y * draw(0.6, 1), thick, back), x=-x * 0.9),
    ]


CLASSES: dict[str, Callable[[Draw], Patches]] = {
    make.__name__: make
    for make in (
        ellipsoid, box, cylinder, cone, capsule, torus, pyramid, wedge,
        star, beam, spring, shell, mug, lamp, table, chair,
    )
}  # fmt: skip


def class_patches(name: str, shapes: int, generator: torch.Generator) -> Patches:
    """Patches of `shapes` random shapes of one class. Raises `InvalidInput` for a class that there is not."""
    if name not in CLASSES:
        raise InvalidInput(f"there is no class of shapes {name!r}; choose among {', '.join(CLASSES)}")
    return CLASSES[name](Draw(shapes, generator))
