"""Densities on simplices and solids as pictures and volumes without aliasing."""

from collections.abc import Sequence

from torch import Tensor

from geokit.fields.simplex_fourier import simplex_fourier
from geokit.fields.spectrum import spectrum_raster


def simplex_raster(
    vertices: Tensor,
    simplices: Tensor,
    densities: Tensor | None = None,
    sizes: int | Sequence[int] = 64,
    period: float | Sequence[float] = 1.0,
    smoothing: float = 0.0,
    solid: bool = False,
) -> Tensor:
    """The density of simplices at the centres of the cells of a grid, limited to the waves that the grid can hold.

    Arguments as of `geokit.fields.simplex_fourier`, with the sizes (N1 .. Nd) of the grid for modes; `smoothing` as of
    `geokit.fields.spectrum_raster`: about one cell's width leaves no ringing that can be seen.
    Returns real (N1, .., Nd), or (c, N1, .., Nd) for densities (m, c), in mass per unit of content: the values times
    the content of a cell add up to the mass. Differentiable as the transform is; raises as both do.
    """
    spectrum = simplex_fourier(vertices, simplices, densities, sizes, period, solid)
    wanted = [sizes] * vertices.shape[1] if isinstance(sizes, int) else sizes
    return spectrum_raster(spectrum, wanted, period, smoothing)
