"""The convolution over orientations on the GPU, against the CPU."""

import pytest
import torch

from geokit.backend.orientation_ops import orientation_convolution
from tests.backend.test_orientation_convolution import arguments
from tests.reference.agreement import assert_agrees

SHAPES = [(0, 4, 16), (1, 1, 1), (7, 5, 3), (131, 12, 16), (70, 20, 33), (3, 9, 128), (530, 2, 16), (9, 37, 8)]


@pytest.mark.parametrize("shape", SHAPES)
def test_values_and_gradients(device, shape):
    assert_agrees(device, orientation_convolution, *arguments(*shape))


def test_second_derivatives(device):
    def pulled(features, kernel):
        out = orientation_convolution(features, kernel)
        return torch.autograd.grad((out**2).sum(), (features, kernel), create_graph=True)

    assert_agrees(device, pulled, *arguments(20, 5, 3))


def test_arrays_that_are_not_contiguous(device):
    def turned(features, kernel):
        return orientation_convolution(features[1::2], kernel.transpose(0, 1))

    assert_agrees(device, turned, *arguments(21, 5, 16))
