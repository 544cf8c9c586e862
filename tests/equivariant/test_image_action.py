"""Images moved by affine maps: pixels permuted exactly where they can be, and smooth pictures where they cannot."""

import math

import pytest
import torch

from geokit.equivariant.image_action import image_action
from geokit.errors import InvalidInput


def rotation(angle, dtype=torch.float64):
    c, s = math.cos(angle), math.sin(angle)
    return torch.tensor([[c, -s], [s, c]], dtype=dtype)


def image(height, width, dtype=torch.float64, seed=0):
    return torch.randn(2, 3, height, width, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)).to(
        dtype
    )


def bump(element, size=41, unit=1.0):
    """A smooth picture off the centre, (1, 1, H, W), moved by a 2 x 2 or 3 x 3 element by its formula."""
    if element.shape[-1] == 2:
        element = torch.block_diag(element, torch.ones(1, 1, dtype=torch.float64))
    places = torch.arange(size).double() - (size - 1) / 2
    y, x = torch.meshgrid(places, places, indexing="ij")
    moved = element.clone()
    moved[:2, 2] *= unit
    back = torch.linalg.inv(moved) @ torch.stack([x, y, torch.ones_like(x)]).flatten(1)
    x, y = back[0].view(size, size), back[1].view(size, size)
    return torch.exp(-((x - 4) ** 2 / 30 + (y + 2) ** 2 / 50))[None, None]


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("size", [7, 8, 40])
def test_quarter_turns_mirrors_and_whole_shifts_permute_pixels_exactly(size, dtype, interpolation):
    f = image(size, size, dtype)
    for quarters in range(-3, 5):
        got = image_action(rotation(quarters * math.pi / 2, dtype), f, interpolation=interpolation)
        assert torch.equal(got, torch.rot90(f, -quarters, (-2, -1)))  # clockwise on the screen
    assert torch.equal(image_action(torch.diag(torch.tensor([-1.0, 1])), f, interpolation=interpolation), f.flip(-1))
    shift = torch.tensor([[1.0, 0, 2], [0, 1, -1], [0, 0, 1]], dtype=dtype)
    want = torch.zeros_like(f)
    want[..., :-1, 2:] = f[..., 1:, :-2]
    assert torch.equal(image_action(shift, f, interpolation=interpolation), want)


def test_images_that_are_not_square_turn_about_their_centre():
    f = image(5, 9)
    assert torch.equal(image_action(rotation(math.pi), f), f.flip(-1, -2))
    turned = image_action(rotation(math.pi / 2), f)
    assert torch.equal(turned[..., :, 2:7], torch.rot90(f[..., :, 2:7], -1, (-2, -1)))
    assert not turned[..., :2].any()


@pytest.mark.parametrize(("interpolation", "bar"), [("bilinear", 0.02), ("bicubic", 0.002)])
def test_a_smooth_picture_is_moved_as_its_formula_says(interpolation, bar):
    still = bump(torch.eye(3).double())
    for angle, shift, unit in ((0.4, (1.5, -2.0), 1.0), (2.2, (0.2, 0.3), 10.0)):
        element = torch.eye(3).double()
        element[:2, :2] = rotation(angle) @ torch.tensor([[1.2, 0.3], [0.0, 0.9]]).double()
        element[:2, 2] = torch.tensor(shift)
        got = image_action(element, still, interpolation=interpolation, unit=unit)
        assert (got - bump(element, unit=unit)).abs().max() < bar


def test_actions_compose():
    f = bump(torch.eye(3).double())
    g, h = rotation(0.3), torch.tensor([[1.1, 0.2], [-0.1, 0.9]]).double()
    twice = image_action(g, image_action(h, f, interpolation="bicubic"), interpolation="bicubic")
    assert (twice - image_action(g @ h, f, interpolation="bicubic")).abs().max() < 2e-3


def test_one_element_for_each_image():
    f = image(8, 8)
    both = torch.stack([rotation(0.3), rotation(-1.2)])
    want = torch.cat([image_action(both[i], f[i : i + 1]) for i in range(2)])
    torch.testing.assert_close(image_action(both, f), want, rtol=0, atol=0)


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
def test_gradients_agree_with_differences(interpolation):
    f = image(5, 6)[:1].requires_grad_()
    element = torch.tensor([[0.9, 0.2, 0.31], [-0.3, 1.1, 0.17], [0, 0, 1]]).double().requires_grad_()
    assert torch.autograd.gradcheck(lambda e, i: image_action(e, i, interpolation=interpolation), (element, f))


def test_gradients_pass_where_coordinates_were_whole():
    f, element = bump(torch.eye(3).double()), torch.eye(2).double().requires_grad_()
    gradient = torch.autograd.grad((image_action(element, f, interpolation="bicubic") ** 3).sum(), element)[0]
    assert gradient.isfinite().all()
    assert gradient.abs().max() > 0.1


def test_wrong_arguments_are_named():
    f = image(5, 5)
    with pytest.raises(InvalidInput, match="images must have shape"):
        image_action(torch.eye(2), f[0])
    with pytest.raises(InvalidInput, match="must be \\(2, 2\\)"):
        image_action(torch.eye(4), f)
    with pytest.raises(InvalidInput, match="must be \\(2, 2\\)"):
        image_action(torch.eye(2).expand(5, 2, 2), f)
    with pytest.raises(InvalidInput, match="interpolation must be"):
        image_action(torch.eye(2), f, interpolation="nearest")
