"""Polar patches: turns are shifts, sizes leave the same blur, gradients, and what is an image."""

import math

import pytest
import torch

from geokit.equivariant.lie import SO, GLPlus
from geokit.equivariant.lie.canonical import Frames
from geokit.equivariant.lie.patches import check_images, clamp_eigenvalues, image_frames, polar_patches
from geokit.equivariant.lie.symmetric import symmetric_log
from geokit.errors import InvalidInput
from tests.equivariant.lie.pictures import blobs, grid, strokes


def frame(mean, matrix):
    return Frames(mean[None], symmetric_log(matrix[None].double()))


def patches_of(images, group=None, **options):
    shown, found = image_frames(images, group or GLPlus(2))
    return polar_patches(shown, found, **options)


@pytest.mark.parametrize("quarters", [1, 2, 3])
@pytest.mark.parametrize("blur", [0.0, 0.2, 0.3])
@pytest.mark.parametrize("group", [GLPlus(2), SO(2)], ids=repr)
def test_quarter_turns_shift_the_patch_exactly(group, blur, quarters):
    for seed in range(3):
        images = strokes(seed=seed)
        before = patches_of(images, group, blur=blur)
        after = patches_of(torch.rot90(images, -quarters, (2, 3)), group, blur=blur)
        assert before.shape == (1, 1, 64, 16)
        assert float((after - before.roll(16 * quarters, 2)).abs().max()) < 1e-10
        assert float((after - before).abs().max()) > 0.1


@pytest.mark.parametrize(("angles", "radii"), [(16, 5), (12, 8), (64, 16)])
def test_half_turns_and_other_sizes(angles, radii):
    images = strokes(31, height=38)
    before = patches_of(images, angles=angles, radii=radii, reach=2.0)
    after = patches_of(images.flip(-1, -2), angles=angles, radii=radii, reach=2.0)
    assert before.shape == (1, 1, angles, radii)
    assert float((after - before.roll(angles // 2, 2)).abs().max()) < 1e-10


def test_values_are_those_of_the_picture_blurred():
    """A Gaussian stays one under blur: of the covariance of the drawn one plus blur^2, in canonical units."""
    side, matrix = 120, torch.tensor([[9.0, 2], [2, 6]], dtype=torch.float64)
    mean, width = torch.tensor([3.0, -2.0], dtype=torch.float64), 0.5
    canonical = (side / 2 * grid(side) - mean) @ torch.linalg.inv(matrix)
    offset = torch.tensor([0.6, 0.2], dtype=torch.float64)
    images = torch.exp(-0.5 * (canonical - offset).square().sum(-1) / width**2)[None, None]
    for blur in (0.3, 0.5):
        got = polar_patches(images, frame(mean, matrix), angles=64, radii=16, reach=3.0, blur=blur)[0, 0]
        a, r = torch.arange(64).double() * (2 * math.pi / 64), (torch.arange(16).double() + 0.5) * 3 / 16
        places = torch.stack([a.cos()[:, None] * r, a.sin()[:, None] * r], -1)
        # The images' own pixels are points here, so their share of the blur, which is taken off, was not there.
        missing = (blur**2 * torch.eye(2) - torch.linalg.inv(matrix @ matrix) / 12).double()
        total = width**2 * torch.eye(2).double() + missing
        squares = ((places - offset) @ torch.linalg.inv(total) * (places - offset)).sum(-1)
        wanted = width**2 / torch.linalg.det(total).sqrt() * torch.exp(-0.5 * squares)
        assert float((got - wanted).abs().max()) < 0.015 * float(wanted.max())


def pixel_means(side, scale):
    """A picture as a camera with square pixels sees it: means over each pixel, of many points."""
    fine = blobs(8 * side, scale * torch.eye(2).double())
    return torch.nn.functional.avg_pool2d(fine, 8)


def test_two_sizes_of_a_picture_give_the_same_patch():
    """In the frames that belong to them; the error falls with resolution."""
    errors = []
    for side in (16, 32, 64):
        patches = []
        for scale in (0.6, 1.2):
            matrix = 0.12 * side / 2 * scale * torch.eye(2).double()
            patches.append(polar_patches(pixel_means(side, scale), frame(torch.zeros(2).double(), matrix), blur=0.6))
        errors.append(float((patches[0] - patches[1]).abs().max() / patches[1].max()))
    assert errors[0] > 3 * errors[1] > 9 * errors[2]
    assert errors[2] < 6e-3
    # Without that, the smaller one is the smoother patch.
    unequal = [
        polar_patches(pixel_means(32, scale), frame(torch.zeros(2).double(), 1.92 * scale * torch.eye(2)), blur=0.0)
        for scale in (0.6, 1.2)
    ]
    assert float((unequal[0] - unequal[1]).abs().max() / unequal[1].max()) > 5 * errors[1]


def test_shown_images_have_no_background():
    images = 0.3 + strokes()
    shown, found = image_frames(images, GLPlus(2))
    assert torch.allclose(shown, strokes())
    assert torch.allclose(found.log, image_frames(strokes(), GLPlus(2))[1].log)


@pytest.mark.parametrize(("least", "most"), [(0.5, None), (None, 1.0), (0.5, 1.0)])
def test_eigenvalues_are_clamped(least, most):
    generator = torch.Generator().manual_seed(0)
    matrices = torch.randn(20, 2, 2, generator=generator, dtype=torch.float64)
    matrices = torch.cat([matrices + matrices.mT, torch.eye(2).double()[None], torch.zeros(1, 2, 2).double()])
    values, vectors = torch.linalg.eigh(matrices)
    wanted = vectors @ torch.diag_embed(values.clamp(least, most)) @ vectors.mT
    assert torch.allclose(clamp_eigenvalues(matrices, least, most), wanted, atol=1e-12)


def test_dots_and_lines_have_a_frame():
    for shape in ((slice(10, 11), slice(12, 13)), (slice(10, 11), slice(4, 20))):
        images = torch.zeros(1, 1, 24, 24, dtype=torch.float64)
        images[0, 0][shape] = 1.0
        found = image_frames(images, GLPlus(2))[1]
        assert bool((found.matrix.isfinite() & found.inverse.isfinite()).all())
        assert bool(patches_of(images).isfinite().all())


def test_gradients():
    images = (strokes(10) + 0.1 * torch.rand(1, 1, 10, 10, generator=torch.Generator().manual_seed(0))).double()
    images.requires_grad_()
    assert torch.autograd.gradcheck(lambda x: patches_of(x, angles=4, radii=3), (images,), atol=1e-4)


@pytest.mark.parametrize(
    ("shape", "channels", "sentence"),
    [
        ((2, 3, 20, 20), 1, r"must be \(B, 1, H, W\) with H and W of at least 8 pixels, got \(2, 3, 20, 20\)"),
        ((3, 20, 20), 3, r"got \(3, 20, 20\)"),
        ((2, 3, 20, 7), 3, r"got \(2, 3, 20, 7\)"),
    ],
)
def test_shapes_that_are_no_images(shape, channels, sentence):
    with pytest.raises(InvalidInput, match=sentence):
        check_images(torch.zeros(shape), channels)


def test_images():
    check_images(torch.zeros(0, 3, 8, 9), 3)
    check_images(torch.zeros(2, 1, 20, 30, dtype=torch.float64), 1, least=20)
    with pytest.raises(InvalidInput, match="at least 20 pixels"):
        check_images(torch.zeros(2, 1, 19, 30), 1, least=20)
    with pytest.raises(InvalidInput, match=r"got torch\.float16"):
        check_images(torch.zeros(1, 1, 8, 8, dtype=torch.float16), 1)
    with pytest.raises(InvalidInput, match="image 1 of 3 holds values that are NaN or infinite; mend or drop it"):
        check_images(torch.zeros(3, 1, 8, 8).index_fill(0, torch.tensor(1), -torch.inf), 1)
