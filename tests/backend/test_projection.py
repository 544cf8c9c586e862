"""The projection kernel against the float64 reference, gsplat, integration along the ray and finite differences."""

import functools
import math
from dataclasses import replace

import pytest
import torch
from gsplat.cuda import _torch_impl as gsplat
from hypothesis import given, settings
from hypothesis import strategies as st

from geokit.backend import splatting_ops as ops
from tests.reference import compositor, gabor, projection, scenes
from tests.reference.comparison import assert_close, assert_rows_close, threads

TOLERANCE = {torch.float64: 1e-10, torch.float32: 1e-4}
GRADIENT_TOLERANCE = {torch.float64: 1e-9, torch.float32: 2e-3}


def assert_projections_close(found, expected, tolerance):
    means2d, depths, conics, compensation, waves2d = found
    assert_rows_close("means2d", means2d, expected.means2d, tolerance, floor=1.0)
    assert_rows_close("depths", depths, expected.depths, tolerance)
    assert_rows_close("conics", conics, expected.conics, tolerance)
    assert_rows_close("compensation", compensation, expected.compensation, tolerance)
    assert_rows_close("waves2d frequency", waves2d[..., :2], expected.waves2d[..., :2], tolerance, floor=1e-2)
    assert_rows_close("waves2d attenuation", waves2d[..., 2], expected.waves2d[..., 2], tolerance, floor=1.0)


def reference(world, visible, **options):
    return projection.project(*scenes.arguments(scenes.cast(world, torch.float64)), visible=visible, **options)


def brute_force_peak(world):
    """(N,) largest amplitude exp(-power) over the pixel centres, 0 behind the near plane."""
    world = scenes.cast(world, torch.float64)
    everything = torch.ones(len(world.means), dtype=torch.bool)
    whole = projection.project(*scenes.arguments(world), visible=everything)
    offsets = compositor.pixel_centers(world.width, world.height, world.means) - whole.means2d[:, None, None]
    dx, dy = offsets.unbind(-1)
    a, b, c = (v[:, None, None] for v in whole.conics.unbind(-1))
    peak = world.amplitudes * torch.exp(-(a * dx * dx + 2 * b * dx * dy + c * dy * dy) / 2).amax((1, 2))
    in_front = projection.camera_points(world.means, world.world_to_camera)[:, 2] >= 0.01
    return torch.where(in_front, peak, 0.0)


@pytest.mark.parametrize("waves", [0, 1, 2, 4])
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_projection_agrees_with_the_reference(seed, waves, dtype):
    aspect = 10.0 if dtype == torch.float64 else 4.0  # rounding grows with the square of the aspect ratio
    world = scenes.cast(scenes.random_world(seed, waves=waves, aspect=aspect), dtype)
    found = ops.project(*scenes.arguments(world))
    visible = found[1] > 0
    assert 0.2 < visible.double().mean() < 0.95
    assert all(t.dtype == dtype for t in found)
    assert_projections_close(found, reference(world, visible), TOLERANCE[dtype])


@pytest.mark.parametrize("dilation", [0.05, 1.0])
def test_dilation_and_near_plane_are_obeyed(dilation):
    world = scenes.random_world(7, waves=1)
    found = ops.project(*scenes.arguments(world), dilation=dilation, near=2.0)
    visible = found[1] > 0
    assert bool((found[1][visible] >= 2.0).all())
    assert visible.any()
    assert_projections_close(found, reference(world, visible, dilation=dilation, near=2.0), 1e-10)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("seed", range(4))
def test_projection_agrees_with_gsplat(seed, dtype):
    world = scenes.random_world(20 + seed, waves=0, aspect=4.0)
    world = scenes.cast(replace(world, amplitudes=world.amplitudes.clamp(max=1.0)), dtype)
    means2d, depths, conics, compensation, _ = ops.project(*scenes.arguments(world))
    exact = scenes.cast(world, torch.float64)
    fx, fy, cx, cy = exact.intrinsics
    K = torch.tensor([[fx, 0, cx], [0, fy, cy], [0, 0, 1]], dtype=torch.float64)
    covariances, _ = gsplat._quat_scale_to_covar_preci(exact.quats, exact.scales, compute_preci=False)
    radii, *theirs = (
        t[0]
        for t in gsplat._fully_fused_projection(
            exact.means,
            covariances,
            exact.world_to_camera[None],
            K[None],
            world.width,
            world.height,
            calc_compensations=True,
        )
    )
    visible = depths > 0
    assert visible.sum() > 50
    assert bool((radii[visible] > 0).all()), "gsplat culls nothing that we keep"
    x, _, z = projection.camera_points(exact.means, exact.world_to_camera).unbind(-1)
    clamped = (x / z > (1.15 * world.width - cx) / fx) | (x / z < -(0.15 * world.width + cx) / fx)
    assert bool((clamped & visible).any()), "splats beyond the enlarged frustum are compared too"
    assert_rows_close("means2d", means2d[visible], theirs[0][visible], 1e-4, floor=1.0)
    assert_rows_close("depths", depths[visible], theirs[1][visible], 1e-4)
    assert_rows_close("conics", conics[visible], theirs[2][visible], 1e-4)
    assert_rows_close("compensation", compensation[visible], theirs[3][visible], 1e-4)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(seed=st.integers(0, 10**6), aspect=st.sampled_from([1.0, 10.0, 100.0]), single=st.booleans())
def test_culled_splats_have_no_visible_pixel(seed, aspect, single):
    dtype = torch.float32 if single else torch.float64
    world = scenes.random_world(seed, count=60, waves=0, width=40, height=30, spread=2.5, aspect=aspect)
    world = scenes.cast(world, dtype)
    means2d, depths, conics, compensation, _ = ops.project(*scenes.arguments(world))
    culled = depths == 0
    assert bool((depths >= 0).all())
    for value in (means2d, conics, compensation):
        assert not value[culled].any(), "a culled splat is zero everywhere"
    peak = brute_force_peak(world)
    assert bool((peak[culled] < (1 + 1e-3) / 255).all())


def test_culling_keeps_hardly_anything_invisible():
    """What is kept but unseen passes a corner with its bounding box, or the border short of the first pixel centres."""
    world = scenes.random_world(31, count=1000, waves=0, spread=2.5)
    kept = ops.project(*scenes.arguments(world))[1] > 0
    seen = brute_force_peak(world) >= 1 / 255
    assert bool(kept[seen].all())
    assert int(kept.sum()) <= 1.1 * int(seen.sum())


def test_amplitude_at_the_threshold_culls():
    world = scenes.random_world(3, count=4, waves=0, spread=0.3, behind=0.0)
    world = replace(world, amplitudes=torch.tensor([0.0, 1 / 255, 0.0039, 0.5], dtype=torch.float64))
    assert (ops.project(*scenes.arguments(world))[1] > 0).tolist() == [False, False, False, True]


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_splats_at_and_near_the_camera_centre_stay_finite(dtype):
    world = scenes.cast(scenes.random_world(5, count=6, waves=1), dtype)
    centre = -world.world_to_camera[:3, :3].T @ world.world_to_camera[:3, 3]
    steps = torch.tensor([0.0, 1e-12, -1e-12, 1e-5, 0.02, 1e4], dtype=dtype)[:, None]
    world = replace(world, means=centre + steps * world.world_to_camera[2, :3])
    world = scenes.with_gradients(replace(world, amplitudes=torch.ones(6, dtype=dtype)))
    found = ops.project(*scenes.arguments(world))
    assert (found[1] > 0).tolist()[:4] == [False] * 4
    gradients = scenes.gradients(world, sum(t.sum() for t in found))
    assert all(bool(torch.isfinite(t).all()) for t in (*found, *gradients.values()))
    for name in ("means", "quats", "scales", "frequencies"):
        assert not gradients[name][:4].any(), f"a culled splat has no gradient to its {name}"


@pytest.mark.parametrize("waves", [0, 2])
@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_gradients_agree_with_the_reference(seed, waves, dtype):
    world = scenes.random_world(40 + seed, waves=waves, aspect=10.0 if dtype == torch.float64 else 3.0)
    world = scenes.with_gradients(scenes.cast(world, dtype))
    found = ops.project(*scenes.arguments(world))
    visible = found[1] > 0
    g = scenes.generator(seed)
    weights = [scenes.normal(g, *t.shape) for t in found]
    ours = scenes.gradients(world, sum((t * w.to(dtype)).sum() for t, w in zip(found, weights)))
    exact = scenes.with_gradients(scenes.cast(world, torch.float64))
    expected = projection.project(*scenes.arguments(exact), visible=visible)
    theirs = scenes.gradients(exact, sum((t * w).sum() for t, w in zip(expected, weights)))
    for name in scenes.World.differentiable:
        # over the camera's numbers the splats add up; elsewhere a row is a splat of its own
        if name in ("world_to_camera", "intrinsics"):
            assert_close(name, ours[name], theirs[name], GRADIENT_TOLERANCE[dtype])
        else:
            floor = float(theirs[name].abs().median()) if theirs[name].numel() else 0.0
            assert_rows_close(name, ours[name], theirs[name], GRADIENT_TOLERANCE[dtype], floor)
    assert not ours["means"][~visible].any()


def clamped_world():
    """Large splats whose centres lie beyond the enlarged frustum on each of the four sides, still in sight."""
    world = scenes.random_world(2, count=4, waves=1, width=24, height=20, spread=0.5, behind=0.0, aspect=2.0)
    fx, fy, cx, cy = world.intrinsics
    pixels = torch.tensor([[-8.0, 9.0], [33.0, 12.0], [11.0, -7.0], [14.0, 28.0]], dtype=torch.float64)
    z = torch.full((4,), 2.0, dtype=torch.float64)
    camera = torch.stack([(pixels[:, 0] - cx) / fx * z, (pixels[:, 1] - cy) / fy * z, z], -1)
    means = (camera - world.world_to_camera[:3, 3]) @ world.world_to_camera[:3, :3]
    size = torch.tensor([0.6, 0.7, 0.8], dtype=torch.float64)
    ones = torch.ones(4, dtype=torch.float64)
    return replace(world, means=means, scales=size * ones[:, None], amplitudes=ones, frequencies=world.frequencies / 4)


def plain_world():
    """Five splats of a few pixels well inside the frustum and one behind the camera."""
    world = scenes.random_world(9, count=6, waves=2, width=24, height=20, spread=0.7, behind=0.0, aspect=3.0)
    behind = world.means.clone()
    behind[5] -= 20 * world.world_to_camera[2, :3]
    return replace(world, means=behind, amplitudes=torch.ones(6, dtype=torch.float64))


@pytest.mark.parametrize("name", scenes.World.differentiable)
@pytest.mark.parametrize("make", [plain_world, clamped_world])
def test_gradcheck(make, name):
    world = make()
    assert int((ops.project(*scenes.arguments(world))[1] > 0).sum()) >= 4

    def outputs(value):
        return tuple(ops.project(*scenes.arguments(replace(world, **{name: value}))))

    start = getattr(world, name).detach().clone().requires_grad_()
    assert torch.autograd.gradcheck(outputs, (start,), eps=1e-6, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_results_do_not_depend_on_the_thread_count(dtype):
    world = scenes.cast(scenes.random_world(1, count=20_000, waves=1), dtype)
    results = []
    for count in (1, 2):
        with threads(count):
            leaves = scenes.with_gradients(world)
            found = ops.project(*scenes.arguments(leaves))
            weights = [torch.sin(torch.arange(t.numel(), dtype=dtype)).reshape(t.shape) for t in found]
            gradients = scenes.gradients(leaves, sum((t * w).sum() for t, w in zip(found, weights)))
            results.append([*found, *gradients.values()])
    assert all(torch.equal(a, b) for a, b in zip(*results))


def test_no_splats_at_all():
    world = scenes.random_world(0, count=1, waves=2)
    names = ("means", "quats", "scales", "frequencies", "amplitudes")
    world = scenes.with_gradients(replace(world, **{k: getattr(world, k)[:0] for k in names}))
    found = ops.project(*scenes.arguments(world))
    assert [tuple(t.shape) for t in found] == [(0, 2), (0,), (0, 3), (0,), (0, 2, 3)]
    gradients = scenes.gradients(world, sum(t.sum() for t in found))
    assert not gradients["world_to_camera"].any()


# The wave, against numerical integration along the ray


def wave_world():
    world = scenes.random_world(17, count=24, waves=1, spread=0.9, behind=0.0, aspect=6.0)
    return replace(world, amplitudes=torch.ones_like(world.amplitudes))


@functools.cache
def pixels_and_integrals(dilation):
    """Pixel displacements (N, 4, 2) within the picture of each splat, and the picture there (N, 4), complex."""
    world = wave_world()
    everything = torch.ones(len(world.means), dtype=torch.bool)
    conics = reference(world, everything, dilation=dilation).conics
    points = projection.camera_points(world.means, world.world_to_camera)
    affine = projection.affine_maps(points, world.world_to_camera, world.intrinsics, world.width, world.height)
    covariance = projection.covariances(world.quats, world.scales)
    precision = conics[:, [0, 1, 1, 2]].reshape(-1, 2, 2)
    offsets = scenes.normal(scenes.generator(0), len(conics), 4, 2) @ torch.linalg.cholesky(precision.inverse()).mT
    pictures = [
        gabor.filtered_integrals(covariance[i], world.frequencies[i, 0], affine[i], offsets[i], dilation)
        for i in range(len(conics))
    ]
    return offsets, torch.stack(pictures), affine


def picture(offsets, conics, scale, frequency, attenuation):
    """(N, M) complex picture of waves with the given 2D frequency (N, 2) and attenuation (N,)."""
    a, b, c = (v[:, None] for v in conics.unbind(-1))
    dx, dy = offsets.unbind(-1)
    envelope = scale[:, None] * torch.exp(-(a * dx * dx + 2 * b * dx * dy + c * dy * dy) / 2)
    phase = 2 * math.pi * (offsets * frequency[:, None]).sum(-1)
    return envelope * attenuation[:, None] * torch.exp(1j * phase)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("dilation", [0.0, 0.3])
def test_wave_agrees_with_integration_along_the_ray_and_naive_projections_do_not(dilation, dtype):
    world = wave_world()
    offsets, integrals, affine = pixels_and_integrals(dilation)
    found = ops.project(*scenes.arguments(scenes.cast(world, dtype)), dilation=dilation)
    _, depths, conics, compensation, waves2d = (t.double() for t in found)
    visible = depths > 0
    assert visible.sum() >= 20

    def error(frequency, attenuation):
        drawn = picture(offsets, conics, compensation, frequency, attenuation)
        return (drawn - integrals).abs().amax(1)[visible]

    assert float(error(waves2d[:, 0, :2], waves2d[:, 0, 2]).max()) < (1e-3 if dtype == torch.float32 else 1e-8)
    full = torch.ones(len(world.means), dtype=torch.float64)
    frequencies = world.frequencies[:, 0]
    covector = [gabor.naive_covector(f, p, world.world_to_camera) for f, p in zip(frequencies, affine)]
    vector = [gabor.naive_vector(f, p) for f, p in zip(frequencies, affine)]
    for naive in (covector, vector):
        assert float((error(torch.stack(naive), full) > 1e-2).double().mean()) > 0.8


def test_waves_along_the_view_fade_and_face_on_surfels_keep_theirs():
    """Consequence (b) of the closed form: s2 is what the pixel leaves unknown of the phase."""
    f64 = {"dtype": torch.float64}
    means = torch.tensor([[0.0, 0.0, 4.0]], **f64).repeat(2, 1)
    quats = torch.tensor([[1.0, 0.0, 0.0, 0.0]], **f64).repeat(2, 1)
    scales = torch.tensor([[0.2, 0.2, 0.2], [0.2, 0.2, 1e-9]], **f64)
    frequencies = torch.tensor([[[0.0, 0.0, 4.0]], [[3.0, 0.0, 5.0]]], **f64)
    intrinsics = torch.tensor([100.0, 100.0, 20.0, 15.0], **f64)
    amplitudes, pose = torch.ones(2, **f64), torch.eye(4, **f64)
    waves2d = ops.project(
        means, quats, scales, frequencies, amplitudes, pose, intrinsics, 40, 30, dilation=0.0
    )[4]  # fmt: skip
    fade = math.exp(-2 * math.pi**2 * (4.0 * 0.2) ** 2)
    torch.testing.assert_close(waves2d[0, 0], torch.tensor([0.0, 0.0, fade], **f64), rtol=1e-6, atol=1e-12)
    torch.testing.assert_close(waves2d[1, 0], torch.tensor([3.0 * 4.0 / 100.0, 0.0, 1.0], **f64), rtol=1e-6, atol=1e-9)
