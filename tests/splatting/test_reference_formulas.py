"""The references are held against each other, against gsplat's own torch reference and against plain facts."""

import math

import numpy as np
import pytest
import torch
from gsplat.cuda import _torch_impl as gsplat

from tests.reference import compositor, gabor, projection, scenes, similarity, spherical_harmonics


@pytest.mark.parametrize("seed", range(4))
def test_projection_agrees_with_gsplat(seed):
    world = scenes.random_world(seed, waves=0)
    everything = torch.ones(len(world.means), dtype=torch.bool)
    ours = projection.project(*scenes.arguments(world), visible=everything)
    covariances, _ = gsplat._quat_scale_to_covar_preci(world.quats, world.scales, compute_preci=False)
    torch.testing.assert_close(projection.covariances(world.quats, world.scales), covariances, rtol=1e-12, atol=1e-15)
    fx, fy, cx, cy = world.intrinsics
    K = torch.tensor([[fx, 0, cx], [0, fy, cy], [0, 0, 1]], dtype=torch.float64)
    _, means2d, depths, conics, compensation = (
        t[0]
        for t in gsplat._fully_fused_projection(
            world.means,
            covariances,
            world.world_to_camera[None],
            K[None],
            world.width,
            world.height,
            calc_compensations=True,
        )
    )
    front = depths > 0.01
    for a, b in zip(ours[:4], (means2d, depths, conics, compensation)):
        torch.testing.assert_close(a[front], b[front], rtol=1e-9, atol=1e-9)
    x, _, z = projection.camera_points(world.means, world.world_to_camera).unbind(-1)
    outside = (x / z > (world.width * 1.15 - cx) / fx) & front
    assert outside.any()  # the comparison covers splats beyond the enlarged frustum


def test_culled_splats_have_no_visible_pixel():
    world = scenes.random_world(11, count=400)
    culled = projection.project(*scenes.arguments(world))
    everything = torch.ones(len(world.means), dtype=torch.bool)
    whole = projection.project(*scenes.arguments(world), visible=everything)
    offsets = compositor.pixel_centers(world.width, world.height, world.means) - whole.means2d[:, None, None]
    dx, dy = offsets.unbind(-1)
    a, b, c = (v[:, None, None] for v in whole.conics.unbind(-1))
    alpha = world.amplitudes[:, None, None] * torch.exp(-(a * dx * dx + 2 * b * dx * dy + c * dy * dy) / 2)
    front = projection.camera_points(world.means, world.world_to_camera)[:, 2] >= 0.01
    seen = front & (alpha.amax((1, 2)) >= 1 / 255)
    assert bool((culled.depths[seen] > 0).all())
    assert int((culled.depths > 0).sum()) <= 1.05 * int(seen.sum())


@pytest.mark.parametrize("dilation", [0.0, 0.3])
def test_closed_form_of_the_wave_agrees_with_integration_along_the_ray(dilation):
    world = scenes.random_world(5, count=25, waves=1, spread=0.9, behind=0.0)
    everything = torch.ones(len(world.means), dtype=torch.bool)
    out = projection.project(*scenes.arguments(world), dilation=dilation, visible=everything)
    points = projection.camera_points(world.means, world.world_to_camera)
    affine = projection.affine_maps(points, world.world_to_camera, world.intrinsics, world.width, world.height)
    covariance = projection.covariances(world.quats, world.scales)
    g = scenes.generator(0)
    for i in range(len(world.means)):
        a, b, c = out.conics[i]
        root = torch.linalg.cholesky(torch.linalg.inv(torch.stack([a, b, b, c]).reshape(2, 2)))
        offsets = scenes.normal(g, 4, 2) @ root.T
        dx, dy = offsets.unbind(-1)
        envelope = torch.exp(-(a * dx * dx + 2 * b * dx * dy + c * dy * dy) / 2)
        wave = out.waves2d[i, 0, 2] * torch.exp(2j * math.pi * (offsets @ out.waves2d[i, 0, :2]))
        expected = gabor.filtered_integrals(covariance[i], world.frequencies[i, 0], affine[i], offsets, dilation)
        torch.testing.assert_close(out.compensation[i] * envelope * wave, expected, rtol=0, atol=1e-8)


def test_spherical_harmonics_agree_with_gsplat():
    g = scenes.generator(3)
    directions, coeffs = scenes.normal(g, 100, 3), scenes.normal(g, 100, 16, 3)
    for degree in range(4):
        expected = gsplat._spherical_harmonics(degree, directions, coeffs)
        found = spherical_harmonics.spherical_harmonics(degree, directions, coeffs)
        torch.testing.assert_close(found, expected, rtol=1e-7, atol=1e-7)


def test_spherical_harmonics_are_orthonormal():
    z, weights = np.polynomial.legendre.leggauss(8)
    angles = torch.arange(16, dtype=torch.float64) * (2 * math.pi / 16)
    z, weights = torch.from_numpy(z), torch.from_numpy(weights) * (2 * math.pi / 16)
    ring = torch.stack([angles.cos(), angles.sin()], -1)
    nodes = torch.cat([(1 - z**2).sqrt()[:, None, None] * ring, z[:, None, None].expand(-1, 16, 1)], -1)
    values = spherical_harmonics.basis(3, nodes.reshape(-1, 3))
    gram = torch.einsum("n,ni,nj->ij", weights.repeat_interleave(16), values, values)
    torch.testing.assert_close(gram, torch.eye(16, dtype=torch.float64))


def test_compositor_by_hand():
    """Two splats that are flat over one pixel: alpha 0.5 of red in front of alpha 0.6 of green over a blue ground."""
    f64 = {"dtype": torch.float64}
    out = compositor.rasterize(
        torch.full((2, 2), 0.5, **f64),
        torch.tensor([[1.0, 0.0, 1.0]], **f64).repeat(2, 1),
        torch.tensor([2.0, 1.0], **f64),
        torch.tensor([0.6, 0.25], **f64),
        torch.tensor([[0.0, 1.0, 0.0], [1.0, 0.0, 0.0]], **f64),
        torch.tensor([[[0.0, 0.0, 0.0, 9.0]], [[0.1, 0.2, 1.0, 7.0]]], **f64),
        torch.tensor([0.0, 0.0, 1.0], **f64),
        1,
        1,
    )
    torch.testing.assert_close(out.image[0, 0], torch.tensor([0.5, 0.3, 0.2], **f64))
    torch.testing.assert_close(out.transmittance[0, 0], torch.tensor(0.2, **f64))
    assert int(out.median_ids[0, 0]) == 0  # after the first, T = 0.5 is not below 0.5


def test_the_absolute_gradient_bounds_the_gradient():
    screen = scenes.with_gradients(scenes.random_screen(2, count=12, width=20, height=18))
    target = scenes.normal(scenes.generator(1), 18, 20, 3)

    def loss(means2d):
        rest = scenes.arguments(screen)[1:]
        return ((compositor.rasterize(means2d, *rest).image - target) ** 2).sum()

    (signed,) = torch.autograd.grad(loss(screen.means2d), screen.means2d)
    absolute = compositor.absolute_gradient(loss, screen.means2d, 20, 18)
    assert bool((absolute >= signed.abs() - 1e-9).all())
    assert bool((absolute > 1.01 * signed.abs()).any())


def test_similarity_of_equal_and_of_opposite_images():
    g = scenes.generator(4)
    image = scenes.uniform(g, 20, 17, 3)
    torch.testing.assert_close(similarity.ssim(image, image), torch.tensor(1.0, dtype=torch.float64))
    assert similarity.ssim(image, 1 - image) < -0.1
