"""The renderer against the float64 compositor, and against what light does."""

import math
from itertools import pairwise

import pytest
import torch

from geokit.errors import InvalidInput
from geokit.splatting import render
from tests.reference import compositor, projection, scenes, spherical_harmonics
from tests.reference.comparison import assert_close
from tests.splatting.worlds import F64, colorful_splats, front_camera, joined, one_splat, random_scene, ring_cameras

BACKGROUND = torch.tensor([0.2, 0.5, 0.8], dtype=F64)


def reference(splats, camera, background, degree=3, antialiased=False, features=None, dilation=0.3):
    """The whole chain in slow formulas: projection, harmonics, blending."""
    (width, height), pose, K = camera.sizes[0], camera.world_to_camera[0], camera.K[0]
    opacities = splats.logit_opacities.sigmoid()
    bound = opacities * (1 + splats.wave_weights.norm(dim=2).sum(1))
    intrinsics = torch.stack([K[0, 0], K[1, 1], K[0, 2], K[1, 2]])
    projected = projection.project(
        splats.means, splats.quats, splats.log_scales.exp(), splats.wave_frequencies, bound, pose, intrinsics,
        width, height, dilation,
    )  # fmt: skip
    if antialiased:
        opacities = opacities * projected.compensation
    if features is None:
        directions = splats.means - camera.centers[0]
        colors = spherical_harmonics.spherical_harmonics(min(degree, splats.sh_degree), directions, splats.sh_coeffs)
        features = (colors + 0.5).clamp_min(0)
    waves = torch.cat([projected.waves2d[..., :2], projected.waves2d[..., 2:] * splats.wave_weights], -1)
    found = compositor.rasterize(
        projected.means2d, projected.conics, projected.depths, opacities, features, waves, background, width, height
    )
    depths = torch.cat([projected.depths[:, None]], 1)
    weighted = compositor.rasterize(
        projected.means2d, projected.conics, projected.depths, opacities, depths, waves, background[:1] * 0,
        width, height,
    )  # fmt: skip
    alpha = 1 - found.transmittance
    depth = weighted.image[..., 0] / alpha.clamp_min(1e-6)
    median = torch.where(found.median_ids >= 0, projected.depths[found.median_ids.long()], 0.0)
    return found.image, alpha, depth, median, found.margin > 1e-9


@pytest.mark.parametrize("antialiased", [False, True])
@pytest.mark.parametrize(("seed", "waves", "degree"), [(0, 0, 3), (1, 2, 2), (2, 1, 0)])
def test_the_whole_chain_agrees_with_the_reference(seed, waves, degree, antialiased):
    splats, camera = random_scene(seed, waves=waves, degree=degree)
    found = render(splats, camera, background=BACKGROUND, antialiased=antialiased, depth=True)
    image, alpha, depth, median, sure = reference(splats, camera, BACKGROUND, antialiased=antialiased)
    assert sure.double().mean() > 0.99
    assert image.std() > 0.05
    assert 0.2 < alpha.mean() < 1
    for name, ours, theirs in (
        ("image", found.image, image),
        ("alpha", found.alpha, alpha),
        ("depth", found.depth, depth),
        ("median", found.median_depth, median),
    ):
        assert_close(name, ours[sure], theirs[sure], 1e-9)


def test_float32_is_close_to_float64():
    splats, camera = random_scene(5)
    image = render(splats.to(torch.float32), camera, background=BACKGROUND.float()).image
    assert image.dtype == torch.float32
    expected, _, _, _, sure = reference(splats, camera, BACKGROUND)
    wrong = (image - expected).abs().amax(-1)[sure] > 1e-4
    assert wrong.double().mean() < 0.01, "only a skip or a clamp that rounding flips may differ"


@pytest.mark.parametrize(("channels", "antialiased"), [(0, False), (0, True), (3, False)])
def test_gradients_of_every_field_of_the_pose_and_of_the_background(channels, antialiased):
    splats, camera = random_scene(3, count=3, waves=2, channels=channels, size=(7, 6), degree=1)
    names = list(splats.tensors())
    pose = camera.world_to_camera[0].clone()
    leaves = [t.clone().requires_grad_() for t in (*splats.tensors().values(), pose, BACKGROUND)]

    def outputs(*values):
        changed = splats.replace(**dict(zip(names, values[:-2])))
        return_ = render(
            changed, camera, world_to_camera=values[-2], background=values[-1], antialiased=antialiased, depth=True
        )
        return return_.image, return_.alpha, return_.depth

    image, *_ = outputs(*leaves)
    gradients = torch.autograd.grad(image.square().sum(), leaves)
    for name, gradient in zip((*names, "pose", "background"), gradients):
        assert gradient.abs().max() > 1e-6, f"{name} has no influence: the scene tests nothing"
    assert torch.autograd.gradcheck(outputs, leaves, atol=1e-6, rtol=1e-4)


def test_weights_a_channel_are_three_scalar_pictures():
    splats, camera = random_scene(6, channels=3)
    found = render(splats, camera, background=BACKGROUND)
    for c in range(3):
        alone = splats.replace(wave_weights=splats.wave_weights[..., c].contiguous())
        scalar = render(alone, camera, background=BACKGROUND)
        torch.testing.assert_close(found.image[..., c], scalar.image[..., c])
    mean = render(splats.replace(wave_weights=splats.wave_weights.mean(-1)), camera)
    torch.testing.assert_close(found.alpha, mean.alpha)
    others = render(splats.replace(wave_weights=splats.wave_weights.roll(1, -1)), camera, background=BACKGROUND)
    assert (others.image - found.image).abs().max() > 1e-2


def test_a_faint_splat_is_seen_where_its_strongest_channel_lifts_it():
    """Opacity 0.003 is skipped (below 1/255); a wave of weight 2 in the green channel makes it 0.009 there."""
    weights = torch.zeros(1, 1, 2, 3, dtype=F64)
    weights[0, 0, 0, 1] = 2
    frequencies = torch.zeros(1, 1, 3, dtype=F64)
    splats = one_splat(2.0, 0.5, opacity=0.003, color=(1.0, 1.0, 1.0))
    found = render(splats.replace(wave_frequencies=frequencies, wave_weights=weights), front_camera(64, 48)).image
    torch.testing.assert_close(found[24, 32], torch.tensor([0.0, 0.009, 0.0], dtype=F64), rtol=0.02, atol=0)


@pytest.mark.parametrize("depth", [False, True])
def test_equal_weights_in_all_channels_are_the_scalar_case(depth):
    splats, camera = random_scene(7)
    scalar = render(splats, camera, background=BACKGROUND, depth=depth)
    repeated = splats.replace(wave_weights=splats.wave_weights[..., None].repeat(1, 1, 1, 3))
    found = render(repeated, camera, background=BACKGROUND, depth=depth)
    torch.testing.assert_close(found.image, scalar.image)
    torch.testing.assert_close(found.alpha, scalar.alpha)
    if depth:
        torch.testing.assert_close(found.depth, scalar.depth)
        torch.testing.assert_close(found.median_depth, scalar.median_depth)


def test_weights_a_channel_need_three_channels():
    splats, camera = random_scene(7, channels=3)
    for channels in (1, 5):
        features = torch.zeros(len(splats), channels, dtype=F64)
        with pytest.raises(InvalidInput, match=f"a weight a channel need features of 3 channels, got {channels}"):
            render(splats, camera, features=features)


def test_waves_of_weight_zero_render_the_same_bytes_as_none():
    splats, camera = random_scene(8, waves=3)
    splats = splats.to(torch.float32)
    waveless = splats.replace(wave_frequencies=splats.wave_frequencies[:, :0], wave_weights=splats.wave_weights[:, :0])
    silent = splats.replace(wave_weights=torch.zeros_like(splats.wave_weights))
    expected, found = (render(s, camera, depth=True) for s in (waveless, silent))
    for name in ("image", "alpha", "depth", "median_depth"):
        assert torch.equal(getattr(found, name), getattr(expected, name)), name
    assert not torch.equal(render(splats, camera).image, expected.image)


def test_a_wave_shows_its_frequency_and_phase():
    """One image-filling splat of depth 2 with a wave along x: the picture is the envelope times the cosine."""
    camera = front_camera(32, 24, 40.0)
    frequency, a, b = 3.0, 0.4, 0.3  # cycles a unit; 40 / 2 pixels a unit
    splats = one_splat(2.0, 0.5, opacity=0.5, color=(1.0, 1.0, 1.0)).replace(
        wave_frequencies=torch.tensor([[[frequency, 0.0, 0.0]]], dtype=F64),
        wave_weights=torch.tensor([[[a, b]]], dtype=F64),
    )
    envelope = render(splats.replace(wave_weights=0 * splats.wave_weights), camera, dilation=0.0).image[..., 0]
    bracket = render(splats, camera, dilation=0.0).image[..., 0] / envelope
    x = (torch.arange(32, dtype=F64) + 0.5 - 16) / 20
    phase = 2 * math.pi * frequency * x
    expected = 1 + a * phase.cos() + b * phase.sin()
    torch.testing.assert_close(bracket, expected.expand(24, 32), rtol=1e-9, atol=1e-9)


def test_one_splat_in_closed_form():
    camera, opacity, sigma, depth = front_camera(), 0.8, 0.1, 2.0
    found = render(one_splat(depth, sigma, opacity), camera, background=BACKGROUND, depth=True)
    offsets = compositor.pixel_centers(32, 24, BACKGROUND) - torch.tensor([16.0, 12.0], dtype=F64)
    variance = (40 * sigma / depth) ** 2 + 0.3
    alpha = opacity * torch.exp(-offsets.square().sum(-1) / (2 * variance))
    alpha = torch.where(alpha < 1 / 255, 0.0, alpha)
    torch.testing.assert_close(found.alpha, alpha)
    color = torch.tensor([1.0, 0.5, 0.25], dtype=F64)
    torch.testing.assert_close(found.image, alpha[..., None] * color + (1 - alpha[..., None]) * BACKGROUND)
    torch.testing.assert_close(found.depth, torch.where(alpha > 0, depth, 0.0).to(F64))
    torch.testing.assert_close(found.median_depth, torch.where(alpha > 0.5, depth, 0.0).to(F64))
    assert found.alpha[0, 0] == found.depth[0, 0] == 0, "the corner is empty"


@pytest.mark.parametrize(("front", "median"), [(0.7, 2.0), (0.3, 5.0)])
def test_depths_of_two_layers(front, median):
    """At the middle: weights front and (1 - front) back; the median is the layer that takes half of the light."""
    back = 0.8
    splats = joined(one_splat(5.0, 9.0, back), one_splat(2.0, 9.0, front))  # the back one first in the list
    found = render(splats, front_camera(), depth=True)
    weights = front, (1 - front) * back
    middle = found.depth[12, 16], found.alpha[12, 16], found.median_depth[12, 16]
    assert middle[0] == pytest.approx((2 * weights[0] + 5 * weights[1]) / sum(weights), rel=1e-4)
    assert middle[1] == pytest.approx(sum(weights), rel=1e-4)
    assert middle[2] == median


def test_depth_is_only_there_when_asked_for_and_changes_nothing_else():
    splats, camera = random_scene(9)
    plain, deep = (render(splats, camera, background=BACKGROUND, depth=depth) for depth in (False, True))
    assert plain.depth is None
    assert plain.median_depth is None
    assert torch.equal(plain.image, deep.image)
    assert torch.equal(plain.alpha, deep.alpha)


def test_antialiasing_keeps_the_energy_of_a_tiny_splat_that_moves_away():
    """Sum of alpha = 2 pi o (f s / z)^2, the projected area, however wide the pixel filter makes it."""
    camera, sigma, opacity = front_camera(focal=40.0), 0.04, 0.9
    sums = {}
    for antialiased in (True, False):
        for depth in (2.0, 4.0):
            picture = render(one_splat(depth, sigma, opacity), camera, antialiased=antialiased)
            sums[antialiased, depth] = float(picture.alpha.sum()) * depth**2
    law = 2 * math.pi * opacity * (40 * sigma) ** 2
    assert sums[True, 2.0] == pytest.approx(law, rel=0.05)  # what falls below 1/255 is missing
    assert sums[True, 4.0] == pytest.approx(law, rel=0.08)
    assert sums[False, 4.0] > 1.3 * sums[False, 2.0] > 1.5 * law


@pytest.mark.parametrize("channels", [1, 5])
def test_features_replace_the_colours(channels):
    splats, camera = random_scene(10)
    g = scenes.generator(0)
    features, background = scenes.normal(g, len(splats), channels), scenes.normal(g, channels)
    found = render(splats, camera, features=features, background=background, depth=True)
    assert found.image.shape == (30, 40, channels)
    image, alpha, depth, _, sure = reference(splats, camera, background, features=features)
    assert_close("features", found.image[sure], image[sure], 1e-9)
    assert_close("alpha", found.alpha[sure], alpha[sure], 1e-9)
    assert_close("depth", found.depth[sure], depth[sure], 1e-9)
    assert render(splats, camera, features=features).image.shape == (30, 40, channels)


def test_sh_degree_cuts_the_harmonics():
    splats, camera = random_scene(11, degree=3)
    pictures = [render(splats, camera, sh_degree=degree).image for degree in range(5)]
    for degree in range(4):
        expected = render(splats.truncated_sh(degree), camera).image
        torch.testing.assert_close(pictures[degree], expected, rtol=1e-12, atol=1e-12)
    assert torch.equal(pictures[4], pictures[3]), "a degree beyond what is stored is what is stored"
    assert all((a - b).abs().max() > 1e-2 for a, b in pairwise(pictures[:4]))


@pytest.mark.parametrize("channels", [0, 3])
@pytest.mark.parametrize("count", [0, 3])
def test_where_nothing_is_seen_the_background_is(count, channels):
    splats, camera = random_scene(12, count=3, channels=channels)
    behind = camera.centers[0] - 5 * camera.forwards[0]
    splats = splats.replace(means=behind.repeat(3, 1).requires_grad_())[:count]
    found = render(splats, camera, background=BACKGROUND, depth=True)
    assert torch.equal(found.image, BACKGROUND.expand(30, 40, 3))
    assert not found.alpha.any()
    assert not found.depth.any()
    assert not found.median_depth.any()
    if count:
        (gradient,) = torch.autograd.grad(found.image.sum() + found.depth.sum(), splats.means)
        assert not gradient.any()


def test_near_hides_what_is_too_close():
    splats = one_splat(2.0, 0.1)
    assert render(splats, front_camera(), near=1.9).alpha.max() > 0.5
    assert not render(splats, front_camera(), near=2.1).alpha.any()


def test_moving_camera_and_world_together_changes_nothing():
    """Everything but the harmonics, which are fixed to the world's axes, is equivariant under rigid motion."""
    splats, camera = random_scene(13, degree=0)
    motion, turn = torch.eye(4, dtype=F64), torch.nn.functional.normalize(scenes.normal(scenes.generator(4), 4), dim=0)
    rotation = projection.rotation_matrices(turn[None])[0]
    motion[:3, :3], motion[:3, 3] = rotation, torch.tensor([1.0, -2.0, 0.5])
    (w, v), (a, u) = (turn[0], turn[1:]), (splats.quats[:, :1], splats.quats[:, 1:])
    quats = torch.cat([w * a - u @ v[:, None], w * u + a * v + torch.linalg.cross(v.expand_as(u), u)], 1)
    moved = splats.replace(
        means=splats.means @ rotation.T + motion[:3, 3],
        quats=quats,
        wave_frequencies=splats.wave_frequencies @ rotation.T,
    )
    pose = camera.world_to_camera[0] @ torch.linalg.inv(motion)
    found, expected = render(moved, camera, world_to_camera=pose), render(splats, camera)
    close = (found.image - expected.image).abs().amax(-1) < 1e-9
    assert close.double().mean() > 0.995  # but for pixels on the border of a skip


def test_the_probe_receives_the_absolute_gradient():
    splats, camera = random_scene(14, waves=0)
    probe = torch.zeros(len(splats), 2, dtype=F64, requires_grad=True)
    target = render(splats.replace(means=splats.means + 0.02), camera).image
    plain = render(splats, camera).image
    image = render(splats, camera, screen_probe=probe).image
    assert torch.equal(image, plain)
    (image - target).square().mean().backward()
    assert bool((probe.grad >= 0).all())
    assert probe.grad.max() > 0


def test_takes_one_camera_at_a_time():
    cameras, splats = ring_cameras(2), colorful_splats(3)
    for wrong in (cameras, cameras[:0]):
        with pytest.raises(InvalidInput, match=rf"render takes one camera at a time, got {len(wrong)}; index them"):
            render(splats, wrong)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"background": torch.zeros(4)}, r"background must have shape \(3\), got \(4,\)"),
        ({"features": torch.zeros(2, 3)}, r"features must have shape \(3, C\), got \(2, 3\)"),
        ({"world_to_camera": torch.eye(3)}, r"world_to_camera must have shape \(4, 4\), got \(3, 3\)"),
        ({"screen_probe": torch.zeros(3, 3)}, r"screen_probe must have shape \(3, 2\)"),
        ({"background": torch.zeros(3, dtype=F64)}, "background must be float32, got float64"),
    ],
)
def test_wrong_options(options, sentence):
    with pytest.raises(InvalidInput, match=sentence):
        render(colorful_splats(3), ring_cameras(1), **options)
