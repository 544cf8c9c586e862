"""Pictures and volumes from transforms: mass, known values, smoothing, gradients, bad input."""

import pytest
import torch

from geokit.errors import InvalidInput
from geokit.fields.simplex_raster import simplex_raster
from geokit.fields.spectrum import spectrum_raster
from tests.reference.comparison import assert_close

SQUARE = torch.tensor([[0.25, 0.125], [0.75, 0.125], [0.75, 0.625], [0.25, 0.625]], dtype=torch.float64)
HALVES = torch.tensor([[0, 1, 2], [0, 2, 3]])


@pytest.mark.parametrize("sizes", [[15, 17], [16, 18], 12])
def test_a_wave_comes_back_at_the_centres_of_cells(sizes):
    n, m = (sizes, sizes) if isinstance(sizes, int) else sizes
    spectrum = torch.zeros(n, m // 2 + 1, dtype=torch.complex128)
    spectrum[-2, 3] = 1 - 2j  # and its conjugate at (2, -3), which is not held
    x, y = ((torch.arange(k, dtype=torch.float64) + 0.5) / k for k in (n, m))
    phase = 2 * torch.pi * (-2 * x[:, None] + 3 * y)
    expected = 2 * (phase.cos() + 2 * phase.sin()) / 6.0
    assert_close("wave", spectrum_raster(spectrum, sizes, [2.0, 3.0]), expected, 1e-12)


@pytest.mark.parametrize("solid", [False, True])
def test_a_square_is_one_inside_and_zero_outside(solid):
    simplices = torch.tensor([[0, 1], [1, 2], [2, 3], [3, 0]]) if solid else HALVES
    raster = simplex_raster(SQUARE, simplices, None, [64, 48], smoothing=0.02, solid=solid)
    assert abs(raster.mean() - 0.25) < 1e-12  # the mass
    x, y = ((torch.arange(k, dtype=torch.float64) + 0.5) / k for k in (64, 48))
    off = torch.maximum((x[:, None] - 0.5).abs() - 0.25, (y - 0.375).abs() - 0.25)  # of the edge
    assert bool((raster[off < -0.08] - 1).abs().max() < 1e-3)
    assert bool(raster[off > 0.08].abs().max() < 1e-3)


def test_a_volume_of_a_tetrahedron_and_channels():
    corners = torch.tensor([[0.2, 0.2, 0.2], [0.8, 0.2, 0.2], [0.2, 0.8, 0.2], [0.2, 0.2, 0.8]])
    volume = simplex_raster(corners, torch.arange(4)[None], torch.tensor([[1.0, -2.0]]), [16, 12, 14], smoothing=0.06)
    assert volume.shape == (2, 16, 12, 14)
    assert volume.dtype == torch.float32
    assert abs(float(volume[0].mean()) - 0.6**3 / 6) < 1e-6
    assert_close("linear", volume[1], -2 * volume[0], 1e-6)


def test_gradients():
    square = SQUARE.clone().requires_grad_()
    densities = torch.tensor([1.0, 2.0], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(
        lambda v, w: simplex_raster(v, HALVES, w, [6, 5], smoothing=0.1), (square, densities)
    )


def test_invalid_input():
    spectrum = torch.zeros(8, 5, dtype=torch.complex64)
    for message, call in {
        "must be complex": lambda: spectrum_raster(spectrum.real, 8),
        "[8, 4]": lambda: spectrum_raster(spectrum, [8, 7]),
        "2 or 3 axes": lambda: spectrum_raster(spectrum[0], 8),
        "smoothing": lambda: spectrum_raster(spectrum, 8, smoothing=-1.0),
        "period": lambda: spectrum_raster(spectrum, 8, period=float("nan")),
        "positive size": lambda: spectrum_raster(spectrum, [8, 8, 0]),
        "2 or 3 coordinates": lambda: simplex_raster(torch.zeros(3, 4), HALVES),
    }.items():
        with pytest.raises(InvalidInput) as caught:
            call()
        assert message in str(caught.value), str(caught.value)
