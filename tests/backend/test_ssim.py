"""The SSIM kernel against a convolution in torch and finite differences."""

import pytest
import torch

from geokit.backend import image_ops as ops
from tests.reference import scenes, similarity
from tests.reference.comparison import assert_close, threads

TOLERANCE = {torch.float64: 1e-10, torch.float32: 1e-4}


def images(seed, height=41, width=37, channels=3, dtype=torch.float64):
    """A smooth image with noise, and a similar one."""
    g = scenes.generator(seed)
    y, x = torch.meshgrid(torch.linspace(0, 6, height), torch.linspace(0, 9, width), indexing="ij")
    smooth = (0.5 + 0.3 * torch.sin(x + 2 * y))[..., None].double()
    pair = [smooth + 0.1 * scenes.normal(g, height, width, channels) for _ in range(2)]
    return [t.clamp(0, 1).to(dtype) for t in pair]


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize(
    ("height", "width", "channels"), [(41, 37, 3), (64, 64, 1), (1, 1, 3), (5, 30, 4), (11, 3, 7), (130, 97, 3)]
)
def test_value_and_gradient_agree_with_the_reference(height, width, channels, dtype):
    image, target = images(height, height, width, channels, dtype)
    leaf = image.clone().requires_grad_()
    exact = image.double().requires_grad_()
    found, expected = ops.ssim(leaf, target), similarity.ssim(exact, target.double())
    assert found.shape == ()
    assert found.dtype == dtype
    assert abs(float(found) - float(expected)) < TOLERANCE[dtype]
    (ours,) = torch.autograd.grad(2.5 * found, leaf)
    (theirs,) = torch.autograd.grad(2.5 * expected, exact)
    assert_close("gradient", ours, theirs, 10 * TOLERANCE[dtype])


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_equal_images_have_similarity_one_and_no_gradient(dtype):
    image = images(1, dtype=dtype)[0].requires_grad_()
    value = ops.ssim(image, image.detach().clone())
    torch.testing.assert_close(value, torch.ones((), dtype=dtype), rtol=0, atol=1e-5)
    (gradient,) = torch.autograd.grad(value, image)
    assert float(gradient.abs().max()) < 1e-4


def test_flat_images():
    """Without any variance only the constants and the luminance are left; float32 must not turn negative."""
    for level in (0.0, 0.5, 1.0):
        image = torch.full((30, 30, 3), level).requires_grad_()
        target = torch.full((30, 30, 3), 0.25)
        expected = similarity.ssim(image.detach().double(), target.double())
        found = ops.ssim(image, target)
        assert abs(float(found) - float(expected)) < 1e-4
        (gradient,) = torch.autograd.grad(found, image)
        assert bool(torch.isfinite(gradient).all())


def test_no_gradient_reaches_the_target():
    image, target = images(2)
    image.requires_grad_()
    target.requires_grad_()
    _, gradient = torch.autograd.grad(ops.ssim(image, target), [image, target], allow_unused=True)
    assert gradient is None or not gradient.any()


def test_layouts_that_are_not_contiguous_give_the_same_value():
    image, target = images(3)
    planes = image.permute(2, 0, 1).contiguous().permute(1, 2, 0)
    assert torch.equal(ops.ssim(planes, target), ops.ssim(image, target))


@pytest.mark.parametrize(("height", "width", "channels"), [(8, 7, 1), (4, 13, 2)])
def test_gradcheck(height, width, channels):
    image, target = images(4, height, width, channels)
    assert torch.autograd.gradcheck(lambda x: ops.ssim(x, target), (image.requires_grad_(),))


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_results_do_not_depend_on_the_thread_count(dtype):
    image, target = images(5, 300, 400, 3, dtype)
    results = []
    for count in (1, 2):
        with threads(count):
            leaf = image.clone().requires_grad_()
            found = ops.ssim(leaf, target)
            results.append([found, *torch.autograd.grad(found, leaf)])
    assert all(torch.equal(a, b) for a, b in zip(*results))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_differences_agree_with_torch(dtype: torch.dtype) -> None:
    generator = torch.Generator().manual_seed(5)
    image = torch.rand(21, 37, 3, generator=generator, dtype=dtype, requires_grad=True)
    target = torch.rand(21, 37, 3, generator=generator, dtype=dtype)
    _, absolute, square = ops.compare(image, target)
    torch.testing.assert_close(absolute, (image - target).abs().mean())
    torch.testing.assert_close(square, (image - target).square().mean())
    for ours, theirs in ((absolute, (image - target).abs().mean()), (square, (image - target).square().mean())):
        found, expected = (torch.autograd.grad(value, image, retain_graph=True)[0] for value in (ours, theirs))
        torch.testing.assert_close(found, expected)


def test_gradcheck_of_all_three() -> None:
    generator = torch.Generator().manual_seed(6)
    image = torch.rand(5, 18, 2, generator=generator, dtype=torch.float64, requires_grad=True)
    target = torch.rand(5, 18, 2, generator=generator, dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda x: torch.stack(ops.compare(x, target)), image)
