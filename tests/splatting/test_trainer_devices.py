"""Training where Python runs ahead of the device: nothing is read back in a step, nothing is made on the CPU.

Tensors on the device "meta" have no values: whatever would wait for a value raises, and so does what mixes devices. The
rest is tested with values on the CPU, which the trainer is told to treat as a device that runs ahead.
"""

from contextlib import contextmanager

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from geokit.errors import NumericalFailure
from geokit.io import load_checkpoint, save_checkpoint
from geokit.splatting import densify, list_rooms, optimizer, photographs, trainer, waves
from geokit.splatting.list_rooms import ListRooms
from geokit.splatting.optimizer import SplatOptimizer
from geokit.splatting.primitives import covariance_factor
from geokit.splatting.schedule import TrainConfig
from geokit.splatting.trainer import Trainer
from tests.splatting.test_trainer import CAMERAS, KINDS, PHOTOGRAPHS, assert_same_splats, mean_psnr, perturbed_start
from tests.splatting.test_trainer import trainer as small_run
from tests.splatting.worlds import random_scene

CPU, RUNS_AHEAD = torch.device("cpu"), (trainer, densify, photographs, waves)


class NoCopies(TorchDispatchMode):
    """Raises where a tensor goes to another device, which a GPU waits for unless the memory is pinned."""

    def __torch_dispatch__(self, function, types, arguments=(), options=None):
        options = options or {}
        if function is torch.ops.aten._to_copy.default and options.get("device"):
            assert options["device"].type == arguments[0].device.type, "a tensor is carried to another device"
        if function is torch.ops.aten.copy_.default:
            assert arguments[0].device.type == arguments[1].device.type, "a tensor is copied to another device"
        return function(*arguments, **options)


@pytest.fixture
def on_meta(monkeypatch):
    """A run on the device without values; its random numbers are nobody's."""
    monkeypatch.setattr(trainer, "_generator", lambda device, seed: torch.Generator().manual_seed(seed))

    def run(**choices) -> Trainer:
        config = TrainConfig(**({"steps": 1000, "max_splats": 80, "sh_degree": 2} | choices))
        return Trainer(CAMERAS, PHOTOGRAPHS, perturbed_start(), config, device="meta")

    return run


@pytest.fixture
def ahead(monkeypatch):
    """The CPU is taken for a device that Python runs ahead of."""
    for module in RUNS_AHEAD:
        monkeypatch.setattr(module, "runs_ahead", lambda device: True)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("antialiased", [False, True])
def test_a_step_waits_for_nothing(on_meta, kind, antialiased):
    run = on_meta(**KINDS[kind], antialiased=antialiased)
    with NoCopies():
        for progress in (0.0, 0.05, 0.12, 0.2, 0.22):  # harmonics and waves open
            for _ in range(2):
                step = run.step(progress)
    assert step.measured[0].device.type == "meta"
    assert (run.splats.waves, run.splats.sh_degree) == (2 if "gabor" in kind else 0, 1)
    assert all(t.device.type == "meta" for t in run.optimizer.state().values())
    with pytest.raises(RuntimeError, match="meta"):  # this test would see it
        step.loss  # noqa: B018


@pytest.mark.parametrize("kind", KINDS)
def test_where_a_step_waits(on_meta, kind):
    """At every 25th, to see whether all is finite; steps that add splats look first, too."""
    run = on_meta(**KINDS[kind], steps=10_000)
    with pytest.raises(NotImplementedError, match="meta"):
        steps(run, 100, 0.05)
    assert run.step_number == 25


def steps(run: Trainer, count: int, progress: float | None = None) -> None:
    for _ in range(count):
        run.step(progress)


@pytest.mark.parametrize("kind", ["mcmc", "gabor classic"])
def test_it_learns_as_well_without_waiting(ahead, kind):
    run = small_run(150, **KINDS[kind])
    before = mean_psnr(run.splats)
    losses = [run.step().loss for _ in range(150)]
    assert mean_psnr(run.splats) > before + 4
    assert sum(losses[-20:]) < 0.6 * sum(losses[:20])
    assert len(run.splats) <= 80


def test_values_that_are_not_finite_are_found_late(ahead):
    run = small_run(500)
    run.step()
    run.optimizer.parameters["sh_coeffs"].data[3] = torch.nan
    with pytest.raises(NumericalFailure, match="the loss is not finite at step 25; lower"):
        steps(run, 30)
    with pytest.raises(NumericalFailure, match="is not finite at step 25"):  # no checkpoint is made of them
        run.state()


def test_a_loss_that_was_not_finite_is_remembered(ahead):
    run = small_run(500)
    colors = run.optimizer.parameters["sh_coeffs"]
    sound = colors.detach().clone()
    colors.data[:] = torch.inf
    run.step()
    run.optimizer.parameters |= SplatOptimizer(run.splats.replace(sh_coeffs=sound)).parameters
    with pytest.raises(NumericalFailure, match="the loss"):
        steps(run, 30)


def test_the_noise_is_that_of_the_faint_splats(ahead):
    """Gated and shaped as on the CPU: splats that are not faint stay, the others move by R S S R' noise."""
    run = small_run(100)
    optimizer, rule = run.optimizer, run.densification
    with torch.no_grad():
        optimizer.parameters["logit_opacities"][:20] = -5.0
    before, state = optimizer.parameters["means"].detach().clone(), run.draws.get_state()
    rule.explore(optimizer, 1e-3, torch.tensor([True]))
    assert torch.equal(optimizer.parameters["means"], before), "a step that was not taken moves nothing"
    run.draws.set_state(state)
    rule.explore(optimizer, 1e-3)
    run.draws.set_state(state)
    noise = torch.randn(len(optimizer), 3, generator=run.draws)
    gate = torch.sigmoid(-100 * (optimizer.parameters["logit_opacities"].sigmoid() - 0.005)) * 500
    factor = covariance_factor(optimizer.parameters["quats"], optimizer.parameters["log_scales"]).detach()
    wanted = (factor @ factor.mT @ (noise * gate.detach()[:, None])[..., None])[..., 0]
    moved = optimizer.parameters["means"].detach() - before
    torch.testing.assert_close(moved[:20], wanted[:20], rtol=1e-4, atol=1e-6)
    assert float(moved[20:].abs().max()) == 0


def test_waves_are_measured_as_on_the_cpu(monkeypatch):
    splats, _ = random_scene(3, count=50, waves=3)
    wanted = waves.cycles_per_sigma(splats)
    monkeypatch.setattr(waves, "runs_ahead", lambda device: True)
    torch.testing.assert_close(waves.cycles_per_sigma(splats), wanted)


@pytest.mark.parametrize("kind", KINDS)
def test_a_run_goes_on_on_another_device(kind, monkeypatch, tmp_path):
    """From the CPU to one that runs ahead and back, through a file."""
    file, choices = tmp_path / "checkpoint.safetensors", KINDS[kind]
    first = small_run(60, **choices)
    for _ in range(31):
        first.step()
    save_checkpoint(file, *first.state())
    with monkeypatch.context() as patch:
        for module in RUNS_AHEAD:
            patch.setattr(module, "runs_ahead", lambda device: True)
        second = small_run(60, **choices)
        second.resume(*load_checkpoint(file))
        for _ in range(10):
            second.step()
        save_checkpoint(file, *second.state())
        again = small_run(60, **choices)
        again.resume(*load_checkpoint(file))
        for run in (second, again):
            for _ in range(5):
                run.step()
        assert_same_splats(again.splats, second.splats)
    third = small_run(60, **choices)
    third.resume(*load_checkpoint(file))
    assert third.step_number == 41
    assert third.step().number == 42


@pytest.fixture
def listed(monkeypatch):
    """The steps' lists are so long as the test says; gives what each step had room for."""
    lengths, rooms = [], []

    @contextmanager
    def lists_within(room):
        rooms.append(room.capacity)
        room.needed.fill_(lengths.pop(0))
        yield

    monkeypatch.setattr(list_rooms, "lists_within", lists_within)
    return lengths, rooms


def test_room_for_the_lists(listed):
    lengths, rooms = listed
    lengths += [100, 110, 140, 400, 90, 90, 200]
    lists, fits = ListRooms(CPU), []
    for rendered in (1, 1, 1, 1, 1, 1, 2):
        with lists.within(rendered) as room:
            fits.append(None if room is None else not bool(room.overflowed()))
    assert rooms == [None, 151, 151, 211, 601, 601, None]
    assert fits == [None, True, True, False, True, True, None]


def test_room_is_forgotten_with_what_was_rendered(listed):
    """One huge view does not size the lists of all that is rendered later; a reading that comes late is not heard."""
    lengths, rooms = listed
    lengths += [1000, 1000, 100, 100, 100, 0, 0, 50, 50]
    lists = ListRooms(CPU)
    for rendered in (1, 1, 2, 2, 2, 3, 3, 3, 3):
        with lists.within(rendered):
            pass
    assert rooms == [None, 1501, None, 151, 151, None, None, None, 76], "nothing to see: exact until there is"


class Determined(TorchDispatchMode):
    """Raises where torch would on a GPU that is told to be deterministic."""

    RAISING = ("multinomial", "median", "nanmedian", "kthvalue", "histc", "put_", "cumsum")

    def __torch_dispatch__(self, function, types, arguments=(), options=None):
        name = function.overloadpacket.__name__
        indexed = name not in ("median", "nanmedian") or function._overloadname != "default"
        exact = name == "cumsum" and not arguments[0].is_floating_point()
        assert name not in self.RAISING or exact or not indexed, f"{name} is not deterministic on a GPU"
        return function(*arguments, **(options or {}))


@pytest.mark.parametrize("kind", KINDS)
def test_training_is_deterministic_where_asked(ahead, kind):
    """Every way of growing, the waves too, uses what a GPU computes with the same bits in every run."""
    run = small_run(100, **KINDS[kind])
    with torch.no_grad():
        run.optimizer.parameters["logit_opacities"][:5] = -7.0  # dead: they are moved
    with Determined():
        for _ in range(70):
            run.step()
    assert run.splats.waves == (2 if "gabor" in kind else 0)
    with Determined(), pytest.raises(AssertionError, match="not deterministic"):
        torch.ones(3).cumsum(0)


def test_a_step_whose_lists_did_not_fit_changes_nothing(ahead, listed, monkeypatch):
    skips = []
    monkeypatch.setattr(optimizer, "adam_step", lambda *_, skip=None: skips.append(skip))
    lengths, _ = listed
    lengths += [100, 100, 400, 100]
    run = small_run(100, strategy="classic")
    seen = []
    for _ in range(4):
        run.step()
        seen.append(float(run.densification.seen.sum()))
        skipped = skips[-1]
        skips.clear()
        assert (skipped is None) == (run.step_number == 1)
        assert bool(skipped) == (run.step_number == 3)
    assert seen[0] < seen[1] == seen[2] < seen[3]
    assert run.optimizer.step_count == 4


needs_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")


@needs_cuda
@pytest.mark.parametrize("kind", KINDS)
def test_a_gpu_is_not_waited_for(kind):
    config = TrainConfig(**({"steps": 1000, "max_splats": 80} | KINDS[kind]))
    run = Trainer(CAMERAS, PHOTOGRAPHS, perturbed_start(), config, device="cuda")
    run.step(0.2)  # exact lists, open waves
    torch.cuda.synchronize()
    try:
        torch.cuda.set_sync_debug_mode("error")
        for _ in range(20):
            run.step(0.2)
    finally:
        torch.cuda.set_sync_debug_mode("default")


@needs_cuda
@pytest.mark.parametrize("kind", KINDS)
def test_a_gpu_gives_the_same_bits_where_asked(kind):
    config, found = TrainConfig(**({"steps": 100, "max_splats": 80} | KINDS[kind])), []
    torch.use_deterministic_algorithms(True)
    try:
        for _ in range(2):
            run = Trainer(CAMERAS, PHOTOGRAPHS, perturbed_start(), config, device="cuda")
            steps(run, 70)
            found.append(run.splats.to("cpu"))
    finally:
        torch.use_deterministic_algorithms(False)
    assert_same_splats(*found)


@needs_cuda
@pytest.mark.parametrize("kind", KINDS)
def test_a_gpu_learns_as_the_cpu_does(kind):
    found = {}
    for device in ("cpu", "cuda"):
        config = TrainConfig(**({"steps": 150, "max_splats": 80, "means_rate": 1e-3, "sh_rate": 0.03} | KINDS[kind]))
        run = Trainer(CAMERAS, PHOTOGRAPHS, perturbed_start(), config, device=device)
        for _ in range(150):
            run.step()
        found[device] = mean_psnr(run.splats.to("cpu"))
    assert abs(found["cuda"] - found["cpu"]) < 1.5


def test_memory_that_torch_keeps_for_later_is_free(monkeypatch):
    free = [100]
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: free.append(900))
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (free[-1], 1000))
    assert photographs._free(torch.device("cuda")) == 900


@needs_cuda
def test_photographs_that_do_not_fit_are_brought(monkeypatch):
    """The same steps, up to rounding, wherever the photographs are."""
    losses = {}
    for share in (1.0, 0.0):
        monkeypatch.setattr(photographs, "_MOST", share)
        run = Trainer(CAMERAS, PHOTOGRAPHS, perturbed_start(), TrainConfig(steps=60, max_splats=80), device="cuda")
        assert run.streams_photographs == (share == 0)
        losses[share] = [run.step().loss for _ in range(19)]
    assert losses[0.0] == pytest.approx(losses[1.0], rel=1e-3)
