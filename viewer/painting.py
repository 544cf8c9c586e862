"""A mesh painted with its values: colours, legend, lines of equal value, arrows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from numpy.typing import NDArray

from geokit.geometry import Mesh
from geokit.geometry.level_lines import level_lines
from geokit.pipelines.colormap import COLORMAPS

from .colors import legend_of, numbers_to_colors, usual_limits
from .drawables import Segments
from .layers.layer import Legend
from .values import MeshValues, Other, Values
from .vectors import MeshVectors

RANGES = ("automatic", "around zero", "by hand")
INK = (0.22, 0.22, 0.25)
_LIFT = 1e-3  # of the extent: how far lines lie above the surface, so that it does not hide them


@dataclass(frozen=True)
class Look:
    """How values are shown. colormap, limits: None for what suits them. limits: by hand. around_zero: 0 in the middle.

    lines: of equal value, how many. arrows: one of `geokit.viewer.vectors.FIELDS`; length: of the extent of the mesh.
    """

    colormap: str | None = None
    limits: tuple[float, float] | None = None
    around_zero: bool | None = None
    lines: int = 0
    arrows: str = "none"
    arrow_count: int = 400
    arrow_length: float = 0.04


@dataclass(frozen=True)
class Painting:
    """What a mesh is painted with: colors (V, 3) and their legend, if any, and lines by name, where the mesh is."""

    values: Values | None = None
    colors: NDArray[np.float64] | None = None
    legend: Legend | None = None
    lines: dict[str, Segments] = field(default_factory=dict)
    look: Look = field(default_factory=Look)


@dataclass(frozen=True)
class Wish:
    """What is to be computed: the arguments of `MeshValues.compute`. name: None for no values."""

    name: str | None = None
    number: int | None = None
    sources: tuple[int, ...] = ()
    other: Other | None = None


def paint(values: MeshValues, vectors: MeshVectors, wish: Wish, look: Look) -> Painting:
    """Compute what is wished for and how it looks. Raises as `MeshValues.compute` and `MeshVectors.field` do."""
    mesh, lines = values.mesh, {}
    numbers = colors = legend = found = None
    if wish.name is not None:
        found = values.compute(wish.name, wish.number, wish.sources, wish.other)
        numbers = found.numbers
        around_zero = found.signed if look.around_zero is None else look.around_zero
        limits = look.limits or usual_limits(numbers, symmetric=around_zero)
        colormap = look.colormap or ("blue-red" if found.signed else "viridis")
        legend = legend_of(found.title, numbers, COLORMAPS[colormap], limits)
        colors = numbers_to_colors(numbers, legend)
        look = replace(look, colormap=colormap, around_zero=around_zero)
        if look.lines:
            lines["isolines"] = isolines(mesh, numbers, levels_between(*limits, look.lines))
    if look.arrows != "none":
        length, lift = look.arrow_length * mesh.extent, _LIFT * mesh.extent
        ends = vectors.arrows(look.arrows, numbers, look.arrow_count, length, lift)
        lines["arrows"] = Segments(ends, np.tile(INK, (len(ends), 1)), 1.8)
    return Painting(found, colors, legend, lines, look)


def levels_between(low: float, high: float, count: int) -> NDArray[np.float64]:
    """(count,) levels that cut a range into equal parts; none of a range of nothing."""
    return np.linspace(low, high, count + 2)[1:-1] if high > low else np.zeros(0)


def isolines(mesh: Mesh, numbers: NDArray[np.float64], levels: Sequence[float] | NDArray[np.float64]) -> Segments:
    """The lines along which `numbers` (V,) equal each of `levels`, a little above the surface."""
    found = level_lines(mesh, torch.from_numpy(numbers), torch.as_tensor(np.asarray(levels, np.float64)))
    above = found.ends + _LIFT * mesh.extent * mesh.face_normals()[found.face_ids][:, None]
    return Segments(above.numpy(), np.tile(INK, (len(above), 1)), 1.3)
