"""Coefficients of periodic functions on a grid of modes: their layout, and the function at the centres of cells."""

from collections.abc import Sequence
from math import isfinite, prod

import torch
from torch import Tensor

from geokit.errors import InvalidInput

Sizes = list[int]
MOST_MODES = 1 << 31


def spectrum_raster(
    spectrum: Tensor, sizes: int | Sequence[int], period: float | Sequence[float] = 1.0, smoothing: float = 0.0
) -> Tensor:
    """The band-limited density, at the centres of a grid's cells, of given coefficients.

    These are F(k) = integral of density exp(-i k.x). spectrum: complex (.., N1, .., Nd // 2 + 1) as
    `geokit.fields.simplex_fourier` lays it out, d = 2 or 3 sizes, which tell an even Nd from an odd one; one size for
    all axes if no axes stand before them. Returns real (.., N1, .., Nd), axes in the order of the coordinates; cell g
    has its centre at (g + 1/2) period / N. The mean of the values times the period's content is F(0). Modes at half
    the sampling rate, which a real signal cannot tell from their negatives, are left out. `smoothing`: the standard
    deviation of a Gaussian that the density is convolved with, in the unit of the period; it damps the ringing at
    sharp edges.

    Differentiable. Raises `InvalidInput` for another shape or dtype, sizes or periods that are not positive and
    negative smoothing.
    """
    d = spectrum.ndim if isinstance(sizes, int) else len(sizes)
    if isinstance(sizes, int) and d not in (2, 3):
        raise InvalidInput(f"one size for all axes needs a spectrum of 2 or 3 axes, got {tuple(spectrum.shape)}")
    sizes, periods = sizes_of(sizes, d), period_of(period, d)
    if not spectrum.is_complex() or tuple(spectrum.shape[-d:]) != (*sizes[:-1], sizes[-1] // 2 + 1):
        raise InvalidInput(
            f"a spectrum of sizes {sizes} must be complex with the last axes {[*sizes[:-1], sizes[-1] // 2 + 1]}, "
            f"got {str(spectrum.dtype).removeprefix('torch.')} {tuple(spectrum.shape)}"
        )
    if not (isfinite(smoothing) and smoothing >= 0):
        raise InvalidInput(f"smoothing must be a length of at least 0, got {smoothing}")
    for axis, (size, length) in enumerate(zip(sizes, periods)):
        half = axis == d - 1
        modes = (torch.fft.rfftfreq if half else torch.fft.fftfreq)(size, 1 / size, dtype=torch.float64)
        # Cells' centres are half a cell after the samples of an inverse FFT.
        factor = torch.exp(1j * torch.pi / size * modes - 2 * (torch.pi * smoothing / length * modes) ** 2)
        factor = torch.where(2 * modes.abs() == size, 0, factor)
        factor = factor.to(spectrum.dtype).to(spectrum.device)
        spectrum = spectrum * factor.reshape(-1, *[1] * (d - 1 - axis))
    return torch.fft.irfftn(spectrum, s=sizes, dim=tuple(range(-d, 0))) * (prod(sizes) / prod(periods))


def sizes_of(sizes: int | Sequence[int], d: int) -> Sizes:
    """d sizes of a grid. Raises `InvalidInput` unless they are positive and fit in memory."""
    found = [sizes] * d if isinstance(sizes, int) else list(sizes)
    if len(found) != d or d not in (2, 3) or not all(isinstance(n, int) and n > 0 for n in found):
        raise InvalidInput(f"a grid of modes needs one positive size or as many as coordinates, 2 or 3, got {sizes}")
    if prod(found) > MOST_MODES:
        raise InvalidInput(f"a grid of modes must have at most {MOST_MODES} of them, got {found}")
    return found


def period_of(period: float | Sequence[float], d: int) -> list[float]:
    """d periods. Raises `InvalidInput` unless they are finite and positive."""
    found = [float(period)] * d if isinstance(period, (int, float)) else [float(p) for p in period]
    if len(found) != d or not all(isfinite(p) and p > 0 for p in found):
        raise InvalidInput(f"period must be one positive length or {d} of them, got {period}")
    return found


def centred_modes(sizes: Sizes, periods: Sequence[float]) -> tuple[Tensor, Tensor, Sizes, Sizes]:
    """The grid as `geokit.backend.simplex_ops` takes it: first frequencies, steps and sizes, of axes in `order`.

    Every axis but the half one begins at its most negative mode. Rows run along a whole axis, which fills vectors
    better than the half axis with its one mode too many; two dimensions get an axis of one mode in front.
    """
    d = len(sizes)
    first = [0.0 if a == d - 1 else -(n // 2) / p for a, (n, p) in enumerate(zip(sizes, periods))]
    step = [1 / p for p in periods]
    shape = [*sizes[:-1], sizes[-1] // 2 + 1]
    order = [2, 0, 1] if d == 3 else [0, 2, 1]
    if d == 2:
        first, step, shape = [0.0, *first], [1.0, *step], [1, *shape]
    as_tensor = [torch.tensor([values[a] for a in order], dtype=torch.float64) for values in (first, step)]
    return as_tensor[0], as_tensor[1], [shape[a] for a in order], order


def to_fft_order(values: Tensor, d: int) -> Tensor:
    """Values on the grid of `centred_modes`, (.., *sizes), in the layout of `torch.fft.rfftn`."""
    if d == 3:
        return torch.fft.ifftshift(values.movedim(-3, -1), dim=(-3, -2))
    return torch.fft.ifftshift(values.squeeze(-3).transpose(-1, -2), dim=-2)
