import math

import pytest
import torch

from geokit.errors import InvalidInput
from geokit.splatting.losses import photometric_loss, psnr
from tests.reference import scenes, similarity

IMAGE = scenes.uniform(scenes.generator(0), 20, 17, 3)
OTHER = scenes.uniform(scenes.generator(1), 20, 17, 3)


@pytest.mark.parametrize("error", [0.5, 0.1, 1e-3])
def test_psnr_of_a_constant_error(error):
    target = torch.full((6, 5, 3), 0.4, dtype=torch.float64)
    assert psnr(target + error, target) == pytest.approx(-20 * math.log10(error))


def test_psnr_in_closed_form():
    expected = -10 * math.log10(float(((IMAGE - OTHER) ** 2).mean()))
    assert psnr(IMAGE, OTHER) == pytest.approx(expected)
    assert psnr(IMAGE.float(), OTHER.float()) == pytest.approx(expected, abs=1e-4)
    assert psnr(OTHER, IMAGE) == pytest.approx(expected)


def test_psnr_clamps_the_image_and_is_finite_for_equal_ones():
    target = torch.zeros(4, 4, 3)
    assert psnr(target - 7, target) == psnr(target, target) == pytest.approx(120)
    assert psnr(target + 7, target) == pytest.approx(0)
    assert psnr((target + 0.1).requires_grad_(), target) == pytest.approx(20)


@pytest.mark.parametrize("weight", [0.0, 0.2, 1.0])
def test_equal_pictures_have_no_loss(weight):
    assert float(photometric_loss(IMAGE, IMAGE, weight)[0]) == pytest.approx(0, abs=1e-12)
    assert float(photometric_loss(IMAGE, OTHER, weight)[0]) > 0.1


def test_the_loss_is_the_weighted_sum_of_both_terms():
    absolute, structure = (IMAGE - OTHER).abs().mean(), 1 - similarity.ssim(IMAGE, OTHER)
    torch.testing.assert_close(photometric_loss(IMAGE, OTHER, 0.0)[0], absolute)
    torch.testing.assert_close(photometric_loss(IMAGE, OTHER, 1.0)[0], structure)
    torch.testing.assert_close(photometric_loss(IMAGE, OTHER, 0.3)[0], 0.7 * absolute + 0.3 * structure)
    torch.testing.assert_close(photometric_loss(IMAGE, OTHER)[0], 0.8 * absolute + 0.2 * structure)


def test_gradient_of_the_loss():
    image = IMAGE[:5, :4].clone().requires_grad_()
    assert torch.autograd.gradcheck(lambda x: photometric_loss(x, OTHER[:5, :4], 0.3)[0], image)


def test_pictures_of_other_shapes_are_refused():
    with pytest.raises(InvalidInput, match=r"target must have shape \(20, 17, 3\), got \(1, 17, 3\)"):
        photometric_loss(IMAGE, OTHER[:1])
