"""Fourier transforms of points, edges, triangles and tetrahedra in closed form, and of the solids they enclose.

The transform of a uniform density on a simplex with j + 1 corners is j! times its content times the divided difference
of exp(-i s) at the phases s of its corners (Jiang et al., "Convolutional Neural Networks on Non-uniform Geometrical
Signals Using Euclidean Spectral Transformation", ICLR 2019, main theorem). Written as the integral of Hermite and
Genocchi, the divided difference has a value where phases coincide, and gives the content at k = 0.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from geokit.backend.checks import FLOATS, check_tensor
from geokit.backend.simplex_ops import simplex_fourier as transform
from geokit.errors import InvalidInput
from geokit.fields.simplex_solids import closed_boundary, solid_content
from geokit.fields.spectrum import Sizes, centred_modes, period_of, sizes_of, to_fft_order

SMALL_SOLID = 0.1  # of the longest wave
MOST_TURNS = 2.0**40  # of a phase; float64 leaves four digits of the last turn


def simplex_fourier(
    vertices: Tensor,
    simplices: Tensor,
    densities: Tensor | None = None,
    modes: int | Sequence[int] = 64,
    period: float | Sequence[float] = 1.0,
    solid: bool = False,
) -> Tensor:
    """The coefficients F(k) = integral of density exp(-i k.x) over the simplices, for all modes of a grid.

    vertices (n, d) float32 or float64, d = 2 or 3, in any unit. simplices (m, j + 1) int64, j = 0 to d: points, edges,
    triangles, tetrahedra; their order and orientation do not matter. densities (m,) or (m, c): mass per content (per
    point for j = 0), ones if None. `modes`: the sizes (N1 .. Nd) of the grid, or one size for all axes. `period`: the
    box that repeats, in the unit of the vertices, one number or one an axis; shapes that leave it wrap around.

    Returns complex (N1, .., Nd // 2 + 1), or (c, N1, .., Nd // 2 + 1) for densities (m, c), laid out as
    `torch.fft.rfftn`: axes in the order of the coordinates, k = 2 pi m / period with m = 0, 1, .., -1 along all axes
    but the last, which holds m = 0 .. Nd // 2. F(0) is the mass. Unlike the result of an FFT these are integrals, not
    sums over samples: `spectrum_raster` has the factor.

    `solid`: the simplices are the closed oriented boundary of a solid of density 1, edges (j = 1) with the inside on
    their left for d = 2, triangles (j = 2) counter-clockwise from outside for d = 3; F(0) is its area or volume,
    negative for the reverse orientation. By the divergence theorem F = i k . (transform of the normals) / |k|^2.

    Differentiable once by vertices and densities. Where phases coincide, and for simplices without content, values stay
    exact. In float32 phases and sums are kept in float64; errors are around 1e-7 of the mass, for one simplex
    as large as the period up to 2e-6; a solid below a tenth of the longest wave is computed in float64, since its
    facets cancel. The result does not depend on the number of threads. Raises `InvalidInput` for other shapes, dtypes
    or devices, values that are not finite or more than 2^40 waves away, indices out of range, no simplices, sizes or
    periods that are not positive, and for a boundary that is not closed.
    """
    check_simplices(vertices, simplices)
    d = vertices.shape[1]
    sizes = sizes_of(modes, d)
    periods = period_of(period, d)
    _check_reach(vertices, max(max(n, 2) / 2 / p for n, p in zip(sizes, periods)))
    first, step, shape, order = centred_modes(sizes, periods)
    vectors = None
    if solid:
        axes = [first[a] + step[a] * torch.arange(shape[a]) for a in range(3)]
        vectors = torch.stack(torch.meshgrid(*axes, indexing="ij"), dim=-1).to(vertices.device)
    found = _transform(
        vertices, simplices, densities, torch.stack((first, step)).to(vertices.device), shape, order, vectors
    )
    return to_fft_order(found, d)


def simplex_fourier_at(
    vertices: Tensor,
    simplices: Tensor,
    frequencies: Tensor,
    densities: Tensor | None = None,
    solid: bool = False,
) -> Tensor:
    """F(k) as `simplex_fourier` has it, at frequencies k (K, d) in radians per unit of length: complex (K,) or (c, K).

    frequencies has the dtype of the vertices or float64 and gets no gradient. Raises as `simplex_fourier` does.
    """
    check_simplices(vertices, simplices)
    d = vertices.shape[1]
    check_tensor("frequencies", frequencies, ("K", d), (vertices.dtype, torch.float64), finite=True)
    if frequencies.device != vertices.device:
        raise InvalidInput(f"frequencies must be on {vertices.device} as the vertices are, got {frequencies.device}")
    if not len(frequencies):
        raise InvalidInput("frequencies must hold at least one, got none")
    order = list(range(3))
    _check_reach(vertices, float(frequencies.abs().max()) / (2 * torch.pi))
    turns = _three(frequencies.detach().double() / (2 * torch.pi), order)
    return _transform(vertices, simplices, densities, turns, [len(turns)], order, turns if solid else None)


def simplex_contents(vertices: Tensor, simplices: Tensor) -> Tensor:
    """(m,) lengths, areas or volumes of simplices (m, j + 1) of vertices (n, d), d = 2 or 3; ones for points.

    Differentiable, with a gradient of zero where there is no content. Raises `InvalidInput` as `simplex_fourier` does.
    """
    check_simplices(vertices, simplices)
    return _contents(vertices[simplices])


def check_simplices(vertices: Tensor, simplices: Tensor) -> None:
    """Raises `InvalidInput` unless there are simplices (m, j + 1) of finite vertices (n, d), d = 2 or 3, j = 0 .. d."""
    check_tensor("vertices", vertices, ("n", "d"), FLOATS, finite=True)
    d = vertices.shape[1]
    if d not in (2, 3):
        raise InvalidInput(f"vertices must have 2 or 3 coordinates, got {tuple(vertices.shape)}")
    check_tensor("simplices", simplices, ("m", "j + 1"), torch.int64)
    if simplices.device != vertices.device:
        raise InvalidInput(f"simplices must be on {vertices.device} as the vertices are, got {simplices.device}")
    if not 1 <= simplices.shape[1] <= d + 1:
        raise InvalidInput(f"simplices of points in {d}D must have 1 to {d + 1} corners, got {tuple(simplices.shape)}")
    if not len(simplices):
        raise InvalidInput("simplices must hold at least one simplex, got none")
    low, high = (int(value) for value in simplices.aminmax())
    if low < 0 or high >= len(vertices):
        raise InvalidInput(
            f"simplices name the vertices {low} to {high}, but there are {len(vertices)}, numbered from 0; "
            "correct the indices"
        )


def _check_reach(vertices: Tensor, highest: float) -> None:
    turns = float(vertices.detach().abs().max()) * highest
    if not turns <= MOST_TURNS:
        raise InvalidInput(
            f"vertices are up to {turns:.3g} of the shortest waves away from the origin, where phases have no digits "
            f"left; move them to within {MOST_TURNS:.3g}, or lengthen the period"
        )


def _transform(
    vertices: Tensor,
    simplices: Tensor,
    densities: Tensor | None,
    modes: Tensor,
    sizes: Sizes,
    order: Sequence[int],
    vectors: Tensor | None,
) -> Tensor:
    """Complex ([c,] *sizes). `order`: the axes of the kernel; `vectors` (*sizes, 3): the frequencies, for a solid."""
    corners = vertices[simplices]
    if vectors is not None:
        return _solid(corners, simplices, densities, modes, sizes, order, vectors)
    weights = _contents(corners) * _factorial(simplices.shape[1] - 1)
    if densities is not None:
        if densities.ndim not in (1, 2) or len(densities) != len(simplices) or 0 in densities.shape:
            raise InvalidInput(f"densities must be ({len(simplices)},) or (.., c), got {tuple(densities.shape)}")
        check_tensor("densities", densities, densities.shape, vertices.dtype, finite=True)
        if densities.device != vertices.device:
            raise InvalidInput(f"densities must be on {vertices.device} as the vertices are, got {densities.device}")
        weights = weights[:, None] * densities.reshape(len(simplices), -1)
    out = torch.view_as_complex(transform(_three(corners, order), weights.reshape(len(simplices), -1), modes, sizes))
    return out if densities is not None and densities.ndim == 2 else out[0]


def _solid(
    corners: Tensor,
    simplices: Tensor,
    densities: Tensor | None,
    modes: Tensor,
    sizes: Sizes,
    order: Sequence[int],
    vectors: Tensor,
) -> Tensor:
    d = corners.shape[2]
    if densities is not None:
        raise InvalidInput("a solid has the density 1: leave out densities, and multiply the result")
    closed_boundary(simplices, d)
    dtype = corners.dtype
    squares = vectors.square().sum(-1)
    constant = squares == 0
    # Facets cancel where a wave is much longer than the solid: float64 bears it.
    extent = float((corners.detach().amax((0, 1)) - corners.detach().amin((0, 1))).norm())
    waves = squares[~constant]
    if len(waves) and extent * float(waves.min().sqrt()) < SMALL_SOLID:
        corners = corners.double()
    content, normals = solid_content(corners.double())
    normals = normals.to(corners.dtype)
    values = transform(_three(corners, order), _three(normals, order), modes, sizes)
    spectrum = torch.view_as_complex(values.movedim(0, -2).contiguous())  # (*sizes, 3)
    found = 1j * (vectors * spectrum).sum(-1) / (2 * torch.pi * torch.where(constant, 1.0, squares))
    found = torch.where(constant, content.to(found.dtype), found)
    return found.to(torch.complex64) if dtype == torch.float32 else found


def _contents(corners: Tensor) -> Tensor:
    """Of corners (m, j + 1, d), in float64 before rounding."""
    corners, dtype = corners.double(), corners.dtype
    edges = corners[:, 1:] - corners[:, :1]
    j, d = edges.shape[1:]
    if j == 0:
        content = edges.new_ones(len(edges))
    elif j == d:
        content = _determinant(edges).abs() / _factorial(j)
    elif j == 1:
        content = torch.linalg.vector_norm(edges[:, 0], dim=1)
    else:
        content = torch.linalg.vector_norm(torch.linalg.cross(edges[:, 0], edges[:, 1]), dim=1) / 2
    return content.to(dtype)


def _determinant(rows: Tensor) -> Tensor:
    """By products, whose gradient is finite where it vanishes."""
    if rows.shape[1] == 2:
        return rows[:, 0, 0] * rows[:, 1, 1] - rows[:, 0, 1] * rows[:, 1, 0]
    return (rows[:, 0] * torch.linalg.cross(rows[:, 1], rows[:, 2])).sum(1)


def _factorial(j: int) -> int:
    return (1, 1, 2, 6)[j]


def _three(values: Tensor, order: Sequence[int]) -> Tensor:
    """Last axis of two or three coordinates as the kernel takes them: three, in its order of axes."""
    if values.shape[-1] == 2:
        values = torch.nn.functional.pad(values, (1, 0))
    return values[..., list(order)]
