"""The Fourier transform of simplices on the GPU, against the CPU."""

import pytest
import torch

from geokit.backend.simplex_ops import simplex_fourier
from tests.backend.test_simplex_ops import GRID, LIST
from tests.reference.agreement import assert_agrees

MODES = {"grid": GRID, "list": LIST}


def simplices(corners, count, channels, size=1.0):
    """Some without content, some whose phases coincide."""
    g = torch.Generator().manual_seed(corners)
    places = size * torch.rand(count, corners, 3, generator=g, dtype=torch.float64)
    places[1:2, :] = places[1:2, :1]
    places[2:3, :, 1] = places[2:3, :1, 1]
    return places.requires_grad_(), torch.randn(count, channels, generator=g, dtype=torch.float64).requires_grad_()


def transform_at(sizes):
    """A function of places, weights and frequencies."""
    return lambda places, weights, modes: simplex_fourier(places, weights, modes.double(), sizes)


@pytest.mark.parametrize("corners", [1, 2, 3, 4])
@pytest.mark.parametrize("modes", MODES)
def test_values_and_gradients(device, corners, modes):
    frequencies, sizes = MODES[modes]
    assert_agrees(device, transform_at(sizes), *simplices(corners, 5, 2), frequencies)


@pytest.mark.parametrize("size", [0.01, 60.0])
def test_simplices_that_are_small_or_large_for_the_waves(device, size):
    frequencies, sizes = GRID
    assert_agrees(device, transform_at(sizes), *simplices(3, 9, 1, size), frequencies)


@pytest.mark.parametrize("channels", [4, 6])
@pytest.mark.parametrize("by_places", [True, False])
def test_channels_in_parts_of_four(device, channels, by_places):
    places, weights = simplices(2, 3, channels)
    assert_agrees(device, transform_at(LIST[1]), places.requires_grad_(by_places), weights, LIST[0])


def test_simplices_in_parts(device):
    assert_agrees(device, transform_at([2, 3, 5]), *simplices(1, 200, 1), GRID[0])


def test_rows_of_several_tiles(device):
    assert_agrees(device, transform_at([3, 17, 45]), *simplices(1, 2, 1), GRID[0])


def test_arrays_that_are_not_contiguous(device):
    places, weights = simplices(3, 8, 4)

    def transform(places, weights, modes):
        some = places.flip(0).transpose(1, 2)[::2, :, :2].transpose(1, 2)
        return simplex_fourier(some, weights[::2, ::2], modes.double(), LIST[1])

    assert_agrees(device, transform, places, weights, LIST[0])
