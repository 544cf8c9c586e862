"""Surfaces where a scalar field has one value."""

import math
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from geokit.backend.checks import FLOATS, check_tensor
from geokit.backend.optional import optional
from geokit.errors import InvalidInput
from geokit.geometry.mesh import Mesh

Field = Callable[[Tensor], Tensor]
_BLOCK = 16  # samples along the side of what is evaluated or left out as a whole
_CHUNK = 1 << 18  # places given to a field at once
_MOST = 2**31  # samples of a grid


def marching_cubes(
    values: Tensor | Field,
    bounds: Sequence[Sequence[float]] | None = None,
    resolution: int | Sequence[int] | None = None,
    level: float = 0.0,
    lipschitz: float | None = None,
) -> Mesh:
    """The mesh where a field equals `level`, looking to where the field is larger: outward for a signed distance.

    values: (X, Y, Z) samples on a regular grid, whose first and last lie on the faces of the box `bounds`, ((x, y, z)
    lowest, (x, y, z) highest); without it, voxels of side 1 from the origin. Or a function from places (N, 3) float32
    to values (N,), with bounds and `resolution`: samples along the longest side, or (X, Y, Z) of them.
    lipschitz: how much the field changes at most per unit of length (1 for a signed distance). Blocks of 16^3 samples
    that this shows to hold no surface are then not evaluated, which leaves those near the surface.

    Marching cubes with its ambiguities resolved (Lewiner et al. 2003, scikit-image): no holes. It is not closed where
    the surface leaves the box. Marching tetrahedra are not offered: no well-kept package for the CPU has them, and
    their meshes have twice as many, worse shaped faces.

    Raises `InvalidInput` for options that cannot be, values that are not finite, and fields that never cross the level.
    """
    if isinstance(values, Tensor):
        if resolution is not None or lipschitz is not None:
            raise InvalidInput("resolution and lipschitz are for fields given as a function; leave them out for values")
        check_tensor("values", values, ("X", "Y", "Z"), FLOATS, finite=True)
        shape = list(values.shape)
        low, high = _box(bounds) if bounds is not None else ([0.0] * 3, [float(n - 1) for n in shape])
        grid = values.detach().cpu().numpy()
    else:
        if bounds is None or resolution is None:
            raise InvalidInput("a field given as a function needs bounds and resolution")
        low, high = _box(bounds)
        shape = _shape(low, high, resolution)
        grid = _sampled(values, low, high, shape, level, lipschitz)
    if min(shape) < 2:
        raise InvalidInput(f"a grid needs at least 2 samples a side, got {' x '.join(map(str, shape))}")
    least, most = float(grid.min()), float(grid.max())
    if not least < level < most:
        raise InvalidInput(f"the field is {least:g} to {most:g} in the box and never crosses the level {level:g}")
    spacing = tuple((b - a) / (n - 1) for a, b, n in zip(low, high, shape))
    measure = optional("skimage.measure", "marching cubes", "surfaces")
    vertices, faces, _, _ = measure.marching_cubes(
        grid, level, spacing=spacing, gradient_direction="descent", allow_degenerate=False
    )
    dtype = values.dtype if isinstance(values, Tensor) else torch.float32
    placed = torch.from_numpy(vertices.astype(np.float64)) + torch.tensor(low, dtype=torch.float64)
    mesh = Mesh(placed.to(dtype), torch.from_numpy(faces.astype(np.int64)))
    return mesh.to(values.device) if isinstance(values, Tensor) else mesh


def _box(bounds: Sequence[Sequence[float]]) -> tuple[list[float], list[float]]:
    low, high = ([float(value) for value in corner] for corner in bounds)
    if len(low) != 3 or len(high) != 3 or not all(a < b < math.inf and a > -math.inf for a, b in zip(low, high)):
        raise InvalidInput(f"bounds must be the lowest and the highest corner of a box, got {low} and {high}")
    return low, high


def _shape(low: list[float], high: list[float], resolution: int | Sequence[int]) -> list[int]:
    sides = [b - a for a, b in zip(low, high)]
    if isinstance(resolution, int):
        cell = max(sides) / max(resolution - 1, 1)
        shape = [max(2, round(side / cell) + 1) for side in sides] if resolution > 1 else [resolution] * 3
    else:
        shape = [int(count) for count in resolution]
    if len(shape) != 3 or min(shape) < 2 or math.prod(shape) > _MOST:
        raise InvalidInput(f"resolution must be 2 or more samples a side and below 2^31 in all, got {resolution}")
    return shape


def _sampled(
    field: Field, low: list[float], high: list[float], shape: list[int], level: float, lipschitz: float | None
) -> np.ndarray:
    """(X, Y, Z) float32 values; blocks without a surface hold the value at their centre."""
    if lipschitz is not None and not 0 < lipschitz < math.inf:
        raise InvalidInput(f"lipschitz must be positive, got {lipschitz}")
    axes = [torch.linspace(a, b, n, dtype=torch.float64) for a, b, n in zip(low, high, shape)]
    grid = torch.empty(shape)
    blocks = torch.cartesian_prod(*(torch.arange(0, n, _BLOCK) for n in shape))
    ends = torch.minimum(blocks + _BLOCK, torch.tensor(shape)) - 1
    if lipschitz is not None:
        first = torch.stack([axes[d][blocks[:, d]] for d in range(3)], dim=1)
        last = torch.stack([axes[d][ends[:, d]] for d in range(3)], dim=1)
        cell = torch.tensor([float(axis[1] - axis[0]) for axis in axes], dtype=torch.float64)
        # As far as the samples around the block: no edge that ends in it may cross the level.
        reach = ((last - first) / 2 + cell).norm(dim=1)
        middle = _evaluate(field, ((first + last) / 2).float())
        busy = (middle - level).abs().double() <= lipschitz * reach * (1 + 1e-5) + 1e-6 * reach
        for block, end, value in zip(blocks[~busy].tolist(), ends[~busy].tolist(), middle[~busy].tolist()):
            grid[tuple(slice(a, b + 1) for a, b in zip(block, end))] = value
        blocks, ends = blocks[busy], ends[busy]
    together = max(1, _CHUNK // _BLOCK**3)
    for some in range(0, len(blocks), together):
        parts = [
            tuple(slice(a, b + 1) for a, b in zip(block, end))
            for block, end in zip(blocks[some : some + together].tolist(), ends[some : some + together].tolist())
        ]
        places = [torch.cartesian_prod(*(axis[piece] for axis, piece in zip(axes, part))) for part in parts]
        found = _evaluate(field, torch.cat(places).float()).split([len(place) for place in places])
        for part, value in zip(parts, found):
            grid[part] = value.reshape(grid[part].shape)
    return grid.numpy()


def _evaluate(field: Field, places: Tensor) -> Tensor:
    values = []
    for some in places.split(_CHUNK):
        with torch.no_grad():
            found = field(some)
        check_tensor("the field's values", found, (len(some),), finite=True)
        values.append(found.detach().cpu().float())
    return torch.cat(values)
