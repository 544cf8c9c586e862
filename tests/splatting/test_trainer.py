"""Training: it learns, it repeats itself to the byte, it goes on where it was stopped."""

import json
from pathlib import Path

import pytest
import torch

from geokit.errors import InvalidInput, NumericalFailure
from geokit.geometry import PointCloud, Splats
from geokit.io import load_checkpoint, save_checkpoint
from geokit.splatting import render
from geokit.splatting.losses import psnr
from geokit.splatting.primitives import splats_from_points
from geokit.splatting.schedule import TrainConfig
from geokit.splatting.trainer import Trainer
from tests.reference.comparison import threads
from tests.splatting.worlds import colorful_splats, photographs, ring_cameras

CAMERAS = ring_cameras(8)
TRUTH = colorful_splats(40)
PHOTOGRAPHS = photographs(TRUTH, CAMERAS)
KINDS = {
    "mcmc": {},
    "classic": {"strategy": "classic"},
    "gabor": {"primitive": "gabor"},
    "gabor classic": {"primitive": "gabor", "strategy": "classic"},
}


def perturbed_start(noise: float = 0.05) -> Splats:
    """The true centres, displaced, without their colours."""
    g = torch.Generator().manual_seed(5)
    points = TRUTH.means + noise * torch.randn(TRUTH.means.shape, generator=g)
    return splats_from_points(PointCloud(points), opacity=0.3, scale=0.7)


def trainer(steps: int, **choices) -> Trainer:
    """Rates that suit a run of a hundred steps."""
    rates = {"means_rate": 1e-3, "sh_rate": 0.03, "scales_rate": 0.02, "opacities_rate": 0.2}
    config = TrainConfig(**({"steps": steps, "max_splats": 80, "sh_degree": 1} | rates | choices))
    return Trainer(CAMERAS, PHOTOGRAPHS, perturbed_start(), config)


def mean_psnr(splats: Splats) -> float:
    values = [psnr(render(splats, CAMERAS[i]).image, PHOTOGRAPHS[i] / 255) for i in range(len(CAMERAS))]
    return sum(values) / len(values)


def assert_same_splats(found: Splats, expected: Splats) -> None:
    for name, tensor in expected.tensors().items():
        assert torch.equal(found.tensors()[name], tensor), name


@pytest.mark.parametrize("kind", KINDS)
def test_training_learns(kind):
    run = trainer(150, **KINDS[kind])
    before, steps = mean_psnr(run.splats), [run.step() for _ in range(150)]
    after = mean_psnr(run.splats)
    assert after > before + 5, f"{before:.1f} to {after:.1f} dB"
    assert sum(s.loss for s in steps[-20:]) < 0.6 * sum(s.loss for s in steps[:20])
    assert [s.number for s in steps] == list(range(1, 151))
    assert steps[-1].splats == len(run.splats)
    assert max(s.splats for s in steps) <= 80
    assert run.splats.waves == (2 if "gabor" in kind else 0)
    assert run.splats.sh_degree == 1
    if "gabor" in kind:
        assert float(run.splats.wave_weights.norm(dim=2).max()) > 0.05, "some waves opened"
    if "classic" not in kind:
        assert len(run.splats) == 80


def test_what_a_step_reports():
    run = trainer(10)
    views = []
    for _ in range(8):
        splats = run.splats
        step = run.step()
        assert step.psnr == pytest.approx(psnr_of_the_last_view(run, splats, views), abs=1e-3)
    assert sorted(views) == list(range(8)), "every view once before any of them again"


def psnr_of_the_last_view(run: Trainer, splats: Splats, views: list[int]) -> float:
    (view,) = set(range(8)) - set(run.queue) - set(views)
    views.append(view)
    difference = render(splats, CAMERAS[view]).image - PHOTOGRAPHS[view] / 255
    return float(-10 * torch.log10(difference.square().mean()))


def trained(kind: str, steps: int, count: int, seed: int = 0) -> Trainer:
    run = trainer(steps, seed=seed, **KINDS[kind])
    for _ in range(count):
        run.step()
    return run


@pytest.mark.parametrize("kind", KINDS)
def test_the_seed_decides_everything(kind):
    torch.manual_seed(1)
    first = trained(kind, 60, 60)
    torch.manual_seed(2)
    assert_same_splats(trained(kind, 60, 60).splats, first.splats)
    other = trained(kind, 60, 60, seed=1).splats
    assert len(other) != len(first.splats) or not torch.equal(other.means, first.splats.means)


@pytest.mark.parametrize("kind", ["mcmc", "classic", "gabor"])
def test_bytes_do_not_depend_on_the_thread_count(kind):
    """Large enough that torch would share its loops out: more than 32,768 values a picture and a field."""
    cameras = ring_cameras(3, 128, 88, 150.0)
    truth = colorful_splats(60)
    pictures = photographs(truth, cameras)
    start = colorful_splats(11_000, seed=1)
    start = start.replace(log_scales=start.log_scales - 2, logit_opacities=start.logit_opacities - 4)
    assert min(start.means.numel(), pictures[0].numel()) > 32_768
    results = []
    for count in (1, 2):
        with threads(count):
            choices = {"steps": 30, "max_splats": 11_100, "progressive": False, "open_waves_at": 0.1}
            run = Trainer(cameras, pictures, start, TrainConfig(**(choices | KINDS[kind])))
            run.densification.every = 4  # a refinement within few steps
            steps = [run.step() for _ in range(5)]
            results.append((run.splats, steps))
    (one, one_steps), (two, two_steps) = results
    assert one.waves == (2 if kind == "gabor" else 0)
    assert len(one) != len(start), "the run covers a refinement"
    assert_same_splats(two, one)
    assert [s.splats for s in two_steps] == [s.splats for s in one_steps]
    for field in ("loss", "psnr"):  # sums over the picture, for reading only
        assert [getattr(s, field) for s in two_steps] == pytest.approx([getattr(s, field) for s in one_steps], rel=1e-5)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("stop", [1, 30, 47])
def test_a_resumed_run_ends_in_the_same_bytes(kind, stop, tmp_path: Path):
    """Through a file; at 30 of 60 steps between a refinement and the opening of waves."""
    whole = trained(kind, 60, stop)
    save_checkpoint(tmp_path / "checkpoint.safetensors", *whole.state())
    for _ in range(60 - stop):
        whole.step()

    resumed = trainer(60, **KINDS[kind])
    resumed.resume(*load_checkpoint(tmp_path / "checkpoint.safetensors"))
    assert resumed.step_number == stop
    for _ in range(60 - stop):
        resumed.step()
    assert_same_splats(resumed.splats, whole.splats)
    (found, described), (expected, wanted) = resumed.state(), whole.state()
    assert json.loads(json.dumps(described)) == json.loads(json.dumps(wanted))
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[name], expected[name]) for name in expected)


@pytest.mark.parametrize("kind", ["mcmc", "classic"])
@pytest.mark.parametrize("cap", [40, 45, 61])
def test_the_cap_is_never_exceeded(kind, cap):
    run = trainer(110, max_splats=cap, **KINDS[kind])
    assert max(run.step().splats for _ in range(110)) <= cap


def test_progress_drives_the_schedules():
    run = trainer(100, sh_degree=3, strategy="mcmc")
    run.step(progress=0.0)
    assert run.splats.sh_degree == 0
    run.step(progress=1.0)
    assert run.splats.sh_degree == 3
    assert run.step_number == 2


def test_progressive_pictures_are_averages_at_matching_cameras():
    cameras = ring_cameras(2, 260, 258, 260.0)
    pictures = photographs(colorful_splats(10), cameras)
    run = Trainer(cameras, pictures, perturbed_start(), TrainConfig(steps=100))
    assert [level[0].sizes[0] for level in run.levels] == [(260, 258), (130, 129), (65, 64)]
    for halving, (smaller, reduced) in enumerate(run.levels):
        width, height = smaller.sizes[0]
        assert reduced[0].shape == (height, width, 3)
        assert reduced[0].dtype == torch.uint8
        scale = torch.tensor([width / 260, height / 258, 1.0], dtype=torch.float64)
        torch.testing.assert_close(smaller.K[0], cameras.K[0] * scale[:, None])
        assert float(reduced[0].float().mean()) == pytest.approx(float(pictures[0].float().mean()), rel=0.02)
        direct = photographs(colorful_splats(10), smaller)[0]
        assert psnr(reduced[0] / 255, direct / 255) > (35 if halving else 100)
    blocks = pictures[0].float().reshape(129, 2, 130, 2, 3).mean((1, 3))
    assert float((run.levels[1][1][0] - blocks).abs().max()) <= 0.5


def test_the_background_is_behind_everything():
    """Where nothing is, the picture is the background: another one does not agree."""
    backed = [(render(TRUTH, camera, background=torch.ones(3)).image * 255).round().byte() for camera in CAMERAS]
    losses = {}
    for background in ((1.0, 1.0, 1.0), (0.0, 0.0, 0.0)):
        config = TrainConfig(steps=1, background=background, max_splats=80)
        losses[background] = Trainer(CAMERAS, backed, TRUTH, config).step().loss
    assert 10 * losses[1.0, 1.0, 1.0] < losses[0.0, 0.0, 0.0]


def test_antialiasing_is_used_when_chosen():
    configs = (TrainConfig(steps=1, max_splats=80, antialiased=chosen) for chosen in (False, True))
    plain, filtered = (Trainer(CAMERAS, PHOTOGRAPHS, TRUTH, config).step().loss for config in configs)
    assert plain < filtered


@pytest.mark.parametrize("kind", KINDS)
def test_pictures_without_anything_in_them_do_not_break_a_run(kind):
    black = [torch.zeros_like(picture) for picture in PHOTOGRAPHS]
    config = TrainConfig(**({"steps": 120, "max_splats": 80, "opacities_rate": 0.5} | KINDS[kind]))
    run = Trainer(CAMERAS, black, perturbed_start(), config)
    for _ in range(120):
        run.step()
    assert all(bool(torch.isfinite(t).all()) for t in run.splats.tensors().values())
    assert mean_black(run.splats) < 0.02


def mean_black(splats: Splats) -> float:
    return sum(float(render(splats, camera).image.mean()) for camera in CAMERAS) / len(CAMERAS)


def test_a_view_that_sees_nothing_trains_on():
    behind = TRUTH.replace(means=TRUTH.means + 100)
    run = Trainer(CAMERAS, PHOTOGRAPHS, behind, TrainConfig(steps=20, max_splats=80))
    for _ in range(20):
        assert torch.isfinite(torch.tensor(run.step().loss))


def test_one_camera_is_enough_to_start():
    run = Trainer(CAMERAS[0], PHOTOGRAPHS[:1], perturbed_start(), TrainConfig(steps=30, max_splats=80))
    losses = [run.step().loss for _ in range(30)]
    assert losses[-1] < losses[0]


def test_a_loss_that_is_not_finite_is_a_numerical_failure():
    run = trainer(5)
    run.step()
    run.optimizer.parameters["sh_coeffs"].data[:] = torch.nan
    with pytest.raises(NumericalFailure, match="the loss is not finite at step 2; lower the learning rates or check"):
        run.step()


def test_what_was_handed_out_stays_as_it_was():
    """Splats and state are copies: training on changes neither."""
    for kind in KINDS:
        run = trained(kind, 60, 30)
        splats, (tensors, metadata) = run.splats, run.state()
        before, described = {k: t.clone() for k, t in (splats.tensors() | tensors).items()}, json.dumps(metadata)
        run.step()
        assert not torch.equal(run.splats.means, splats.means)
        assert all(torch.equal(t, before[k]) for k, t in (splats.tensors() | tensors).items())
        assert json.dumps(metadata) == described


@pytest.mark.parametrize(
    ("cameras", "pictures", "sentence"),
    [
        (CAMERAS, PHOTOGRAPHS[:7], "training needs one photograph a camera: got 7 for 8 cameras"),
        (CAMERAS[:0], [], "training needs one photograph a camera: got 0 for 0 cameras"),
        (CAMERAS[0], [PHOTOGRAPHS[0].float()], r"photograph 'camera_0000' must be uint8 of shape \(36, 48, 3\), got"),
        (CAMERAS[0], [PHOTOGRAPHS[0].mT], r"photograph 'camera_0000' must be uint8 of shape \(36, 48, 3\), got"),
        (CAMERAS[0], [PHOTOGRAPHS[0][:, :47]], r"got torch.uint8 \(36, 47, 3\)"),
        (CAMERAS[:2], [PHOTOGRAPHS[0], PHOTOGRAPHS[1][..., :1]], r"photograph 'camera_0001' must .* \(36, 48, 1\)"),
    ],
)
def test_wrong_inputs(cameras, pictures, sentence):
    with pytest.raises(InvalidInput, match=sentence):
        Trainer(cameras, pictures, perturbed_start(), TrainConfig())


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (lambda splats: splats[:0], "training needs at least one splat to begin with"),
        (lambda splats: splats.to(torch.float64), "means must be float32, got float64"),
        (lambda splats: splats.replace(means=splats.means / 0), "means must be finite"),
        (lambda splats: splats.replace(quats=splats.quats * torch.nan), "quats must be finite"),
    ],
)
def test_wrong_splats(spoil, sentence):
    with pytest.raises(InvalidInput, match=sentence):
        Trainer(CAMERAS, PHOTOGRAPHS, spoil(perturbed_start()), TrainConfig())
