"""Pictures compared on the GPU, against the CPU."""

import pytest
import torch

from geokit.backend.image_ops import compare
from tests.reference import scenes
from tests.reference.agreement import assert_agrees


def pictures(*shape):
    g = scenes.generator(shape[0])
    return scenes.uniform(g, *shape).requires_grad_(), scenes.uniform(g, *shape)


@pytest.mark.parametrize(
    "shape", [(37, 29, 3), (1, 1, 3), (70, 45, 1), (5, 140, 4), (34, 33, 2), (13, 9, 5), (12, 40, 9)]
)
def test_means_and_slopes(device, shape):
    assert_agrees(device, compare, *pictures(*shape))


def test_pictures_that_are_not_contiguous(device):
    def turned(image, target):
        return compare(image.permute(1, 2, 0), target.transpose(0, 1))

    image, _ = pictures(3, 20, 50)
    assert_agrees(device, turned, image, pictures(50, 20, 3)[1])


def test_equal_pictures(device):
    image = pictures(40, 40, 3)[0]
    for found in device(lambda x: compare(x, x.detach()), image)[1:]:
        assert not bool(found.any())


@pytest.mark.parametrize("shape", [(0, 5, 3), (4, 0, 3)])
def test_empty_pictures(device, shape):
    """The mean of nothing is no number, on every device."""
    assert all(bool(mean.isnan()) for mean in device(compare, torch.zeros(shape), torch.zeros(shape)))
