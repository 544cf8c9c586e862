"""Where splats go: formulas of 3DGS-MCMC against their definition, rules of the classic densification."""

import math

import pytest
import torch

from geokit.geometry import Splats
from geokit.splatting import densify, render
from geokit.splatting.densify import DEAD_OPACITY, CloneSplitPrune, Relocation, relocation_split, shifted_weights
from geokit.splatting.losses import psnr
from geokit.splatting.optimizer import SplatOptimizer
from tests.reference import scenes
from tests.splatting.worlds import F64, colorful_splats, front_camera, joined, one_splat, random_scene, ring_cameras

OPACITIES = (0.006, 0.1, 0.5, 0.9, 0.99)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


# ------------------------------------------------------------------------------------------- 3DGS-MCMC


def split_by_definition(opacity: float, copies: int) -> tuple[float, float]:
    """Equation 9 of Kheradmand et al. 2024, its double sum term by term."""
    split = 1 - (1 - opacity) ** (1 / copies)
    total = math.fsum(
        math.comb(i - 1, k) * (-1) ** k * split ** (k + 1) / math.sqrt(k + 1)
        for i in range(1, copies + 1)
        for k in range(i)
    )
    return split, opacity / total


@pytest.mark.parametrize("dtype", [torch.float32, F64])
@pytest.mark.parametrize("copies", [1, 2, 3, 7, 20, 51])
def test_split_agrees_with_the_double_sum(copies, dtype):
    found = relocation_split(torch.tensor(OPACITIES, dtype=dtype), torch.full((5,), copies))
    expected = torch.tensor([split_by_definition(o, copies) for o in OPACITIES], dtype=F64).T
    for ours, theirs in zip(found, expected):
        assert ours.dtype == dtype
        torch.testing.assert_close(ours.double(), theirs, rtol=2e-4, atol=0)


def test_rows_are_split_independently():
    copies = torch.tensor([1, 51, 2, 5, 1])
    together = relocation_split(torch.tensor(OPACITIES, dtype=F64), copies)
    for i, (opacity, count) in enumerate(zip(OPACITIES, copies.tolist())):
        for whole, alone in zip(together, relocation_split(torch.tensor([opacity], dtype=F64), torch.tensor([count]))):
            torch.testing.assert_close(whole[i], alone[0], rtol=1e-5, atol=0)


def test_one_copy_changes_nothing_and_more_than_51_count_as_51():
    opacities = torch.tensor(OPACITIES, dtype=F64)
    split, factor = relocation_split(opacities, torch.ones(5, dtype=torch.int64))
    torch.testing.assert_close(split, opacities)
    torch.testing.assert_close(factor, torch.ones(5, dtype=F64), rtol=1e-6, atol=0)
    many, most = (relocation_split(opacities, torch.full((5,), n)) for n in (1000, 51))
    assert all(torch.equal(a, b) for a, b in zip(many, most))
    assert all(len(t) == 0 for t in relocation_split(opacities[:0], torch.zeros(0, dtype=torch.int64)))


@pytest.mark.parametrize("copies", [2, 5, 30])
def test_the_copies_cover_as_much_as_the_one(copies):
    """Blended at one place: the same opacity at the centre and the same integral of alpha along a line."""
    opacities = torch.tensor(OPACITIES, dtype=F64)
    split, factor = relocation_split(opacities, torch.full((5,), copies))
    x = torch.linspace(-9, 9, 4001, dtype=F64)
    blended = 1 - (1 - split[:, None] * torch.exp(-((x / factor[:, None]) ** 2) / 2)) ** copies
    torch.testing.assert_close(blended[:, 2000], opacities)
    covered = blended.sum(1) * (x[1] - x[0])
    torch.testing.assert_close(covered, opacities * math.sqrt(2 * math.pi), rtol=1e-4, atol=0)


def test_split_splats_render_the_opacity_of_the_one():
    for copies in (2, 6):
        split, _ = relocation_split(torch.tensor([0.7], dtype=F64), torch.tensor([copies]))
        alpha = render(joined(*[one_splat(2.0, 9.0, float(split))] * copies), front_camera()).alpha
        assert float(alpha[12, 16]) == pytest.approx(0.7, rel=1e-4)


def dead_and_alive(dead: int = 6) -> SplatOptimizer:
    """12 splats, the first ones transparent."""
    splats = random_scene(0, count=12, waves=1)[0].to(torch.float32)
    logits = splats.logit_opacities.clone()
    logits[:dead] = -7.0
    return SplatOptimizer(splats.replace(logit_opacities=logits))


def test_dead_splats_move_onto_live_ones():
    optimizer = dead_and_alive()
    before = optimizer.splats.map(lambda t: t.detach().clone())
    Relocation(100, seeded()).relocate(optimizer)
    after = optimizer.splats
    assert len(after) == 12
    assert after.logit_opacities.sigmoid().min() > DEAD_OPACITY
    homes = (after.means[:6, None] == before.means[None, 6:]).all(-1)
    assert bool(homes.any(1).all()), "each dead splat sits where a live one is"
    assert torch.equal(after.means[6:], before.means[6:])
    for row, home in enumerate(homes.float().argmax(1).tolist(), start=0):
        twin = 6 + home
        for name in ("quats", "log_scales", "logit_opacities", "sh_coeffs", "wave_frequencies", "wave_weights"):
            assert torch.equal(after.tensors()[name][row], after.tensors()[name][twin]), name
        assert bool((after.log_scales[twin] <= before.log_scales[twin]).all())
        assert after.logit_opacities[twin] < before.logit_opacities[twin]
    alone = [i for i in range(6) if not bool(homes[:, i].any())]
    for name, tensor in after.tensors().items():
        assert torch.equal(tensor[6:][alone], before.tensors()[name][6:][alone]), "who was not drawn stays as it was"


@pytest.mark.parametrize("dead", [0, 12])
def test_without_dead_or_without_live_splats_nothing_moves(dead):
    optimizer = dead_and_alive(dead)
    before = {k: t.clone() for k, t in optimizer.state().items()}
    Relocation(100, seeded()).relocate(optimizer)
    assert all(torch.equal(t, before[k]) for k, t in optimizer.state().items())


def smooth_scene() -> tuple[Splats, SplatOptimizer]:
    splats = colorful_splats(40)
    splats = splats.replace(logit_opacities=splats.logit_opacities - 2.5, log_scales=splats.log_scales + 0.7)
    return splats, SplatOptimizer(splats)


@pytest.mark.parametrize("wanted", [44, 60])
def test_adding_hardly_changes_the_picture(wanted):
    splats, optimizer = smooth_scene()
    Relocation(1000, seeded()).add(optimizer, wanted)
    assert len(optimizer) == wanted
    # what the formula is for: copies that keep opacity and size are seen
    source = (splats.means == optimizer.splats.means[40:, None]).all(-1).float().argmax(1)
    naive = joined(splats, splats[source])
    for camera in ring_cameras(3):
        before, after, worse = (render(s, camera).image for s in (splats, optimizer.splats, naive))
        assert before.std() > 0.1
        assert psnr(after, before) > 35
        assert psnr(after, before) > psnr(worse, before) + 6


def test_adding_no_more_than_wanted_and_none_when_there_are_enough():
    _, optimizer = smooth_scene()
    for wanted in (40, 10, 0, -3):
        Relocation(1000, seeded()).add(optimizer, wanted)
        assert len(optimizer) == 40


@pytest.mark.parametrize(("count", "cap"), [(10, 1000), (500, 520), (1000, 1000), (2000, 1000), (1, 7)])
def test_growth_reaches_the_cap_at_half_of_the_refinement_and_never_passes_it(count, cap):
    strategy, stop = Relocation(cap, seeded(), every=50), 4000
    for step in range(50, stop + 1, 50):
        wanted = strategy.growth(count, step, stop)
        assert wanted <= cap
        count = max(count, wanted)
        if step >= stop // 2:
            assert count >= cap


def test_a_whole_run_of_refinements_respects_the_cap_and_its_dates():
    _, optimizer = smooth_scene()
    strategy = Relocation(70, seeded(), every=10)
    for step in range(1, 201):
        before = len(optimizer)
        strategy.after_step(optimizer, step, 200, 1e-6, None)
        assert len(optimizer) <= 70
        assert len(optimizer) == before or step % 10 == 0
    assert len(optimizer) == 70


def test_more_splats_than_the_cap_are_kept_but_do_not_grow():
    _, optimizer = smooth_scene()
    strategy = Relocation(20, seeded(), every=10)
    for step in range(1, 101):
        strategy.after_step(optimizer, step, 100, 0.0, None)
    assert len(optimizer) == 40


def test_noise_moves_faint_splats_only_and_within_their_own_plane():
    g = scenes.generator(0)
    splats = colorful_splats(200)
    flat = splats.log_scales.clone()
    flat[:, 2] = -12.0
    logits = torch.where(torch.arange(200) < 100, -8.0, 2.0)
    splats = splats.replace(log_scales=flat, logit_opacities=logits, quats=scenes.normal(g, 200, 4).float())
    optimizer = SplatOptimizer(splats)
    Relocation(200, seeded()).explore(optimizer, 1e-6)
    moved = optimizer.splats.means.detach() - splats.means
    assert not moved[100:].any()
    assert bool((moved[:100].norm(dim=1) > 0).all())
    w, x, y, z = torch.nn.functional.normalize(splats.quats, dim=1).unbind(1)
    normal = torch.stack([2 * (x * z + w * y), 2 * (y * z - w * x), 1 - 2 * (x * x + y * y)], 1)
    across = (moved * normal).sum(1).abs()[:100]
    assert float((across / moved[:100].norm(dim=1)).median()) < 1e-4


def test_noise_is_shaped_by_the_covariance():
    """Along an axis of standard deviation s it is in proportion to s squared (3DGS-MCMC, eq. 8)."""
    splats = one_splat(0.0, 1.0, 0.001, dtype=torch.float32)[torch.zeros(4000, dtype=torch.int64)]
    scales = torch.tensor([1.0, 0.5, 0.1])
    optimizer = SplatOptimizer(splats.replace(log_scales=scales.log().repeat(4000, 1)))
    Relocation(4000, seeded(), noise=1.0).explore(optimizer, 0.1)
    gate = 0.1 / (1 + math.exp(100 * (0.001 - DEAD_OPACITY)))
    torch.testing.assert_close(optimizer.splats.means.detach().std(0), gate * scales**2, rtol=0.05, atol=0)


def test_noise_grows_with_the_rate():
    means = []
    for rate in (1e-6, 2e-6):
        splats = colorful_splats(50)
        optimizer = SplatOptimizer(splats.replace(logit_opacities=torch.full((50,), -8.0)))
        Relocation(50, seeded()).explore(optimizer, rate)
        means.append(optimizer.splats.means.detach() - splats.means)
    torch.testing.assert_close(means[1], 2 * means[0], rtol=1e-3, atol=1e-6)


def after_refinement(seed: int) -> dict[str, torch.Tensor]:
    optimizer = dead_and_alive()
    strategy = Relocation(30, seeded(seed), every=1)
    for step in range(1, 5):
        strategy.after_step(optimizer, step, 100, 1e-5, None)
    return optimizer.state()


def test_the_generator_decides_everything():
    torch.manual_seed(1)
    first = after_refinement(0)
    torch.manual_seed(2)
    second, other = after_refinement(0), after_refinement(1)
    assert all(torch.equal(first[k], second[k]) for k in first)
    assert not torch.equal(first["means"], other["means"])


# ------------------------------------------------------------------------------------------- waves that move


def waves_at(splats: Splats, points: torch.Tensor) -> torch.Tensor:
    """(N, P[, 3]) sum of the waves of every splat at world points."""
    offset = points[None] - splats.means[:, None]
    phase = 2 * math.pi * torch.einsum("nkd,npd->nkp", splats.wave_frequencies, offset)
    waves = zip(splats.wave_weights.unbind(2), (phase.cos(), phase.sin()))
    return sum(torch.einsum("nk...,nkp->np...", weight, wave) for weight, wave in waves)


@pytest.mark.parametrize("channels", [0, 3])
def test_shifted_weights_are_the_same_wave_in_the_world(channels):
    g = scenes.generator(0)
    splats, _ = random_scene(1, count=5, waves=3, channels=channels)
    offset, points = scenes.normal(g, 5, 3), scenes.normal(g, 7, 3)
    weights = shifted_weights(splats.wave_frequencies, splats.wave_weights, offset)
    moved = splats.replace(means=splats.means + offset, wave_weights=weights)
    torch.testing.assert_close(waves_at(moved, points), waves_at(splats, points))
    unshifted = waves_at(splats.replace(means=splats.means + offset), points)
    assert (unshifted - waves_at(splats, points)).abs().max() > 0.1
    torch.testing.assert_close(weights.square().sum(2), splats.wave_weights.square().sum(2))


# ------------------------------------------------------------------------------------------- the classic rule

EXTENT = 4.0  # small is up to 0.04, huge is beyond 2


def classic_optimizer(waves: int = 2) -> SplatOptimizer:
    """Rows: 0, 1 small, 2, 3 large, 4 transparent, 5 huge."""
    splats = random_scene(2, count=6, waves=waves)[0].to(torch.float32)
    sizes = torch.tensor([0.02, 0.03, 0.5, 0.7, 0.3, 3.0])
    opacities = torch.tensor([0.5, 0.5, 0.5, 0.5, 0.001, 0.5])
    optimizer = SplatOptimizer(
        splats.replace(log_scales=sizes.log()[:, None].repeat(1, 3), logit_opacities=opacities.logit())
    )
    if waves:
        units = 1 / sizes[:, None, None]
        optimizer.set_waves(0.5 * splats.wave_frequencies / units, splats.wave_weights, units)
    return optimizer


def probed(optimizer: SplatOptimizer, rows: list[int], cap: int = 100, seed: int = 0) -> CloneSplitPrune:
    """One refinement in which only `rows` have a large gradient."""
    strategy = CloneSplitPrune(cap, seeded(seed), EXTENT, every=10)
    probe = torch.full((len(optimizer), 2), 1e-5)
    probe[rows] = torch.tensor([3e-3, 4e-3]) * (1 + torch.arange(len(rows), dtype=torch.float32)[:, None])
    strategy.after_step(optimizer, 20, 1000, 1e-4, probe)
    return strategy


def test_small_splats_with_a_large_gradient_are_cloned():
    optimizer = classic_optimizer()
    before = optimizer.splats.map(lambda t: t.detach().clone())
    probed(optimizer, [1])
    after = optimizer.splats
    expected = before[torch.tensor([0, 1, 2, 3, 1])]  # the transparent and the huge one are gone
    for name, tensor in expected.tensors().items():
        torch.testing.assert_close(after.tensors()[name], tensor)


def test_large_splats_with_a_large_gradient_are_split():
    optimizer = classic_optimizer()
    before = optimizer.splats.map(lambda t: t.detach().clone())
    probed(optimizer, [2, 3])
    after = optimizer.splats.map(torch.Tensor.detach)
    assert len(after) == 6
    assert torch.equal(after.means[:2], before.means[:2])
    parents, children = torch.tensor([2, 3, 2, 3]), after[2:]
    torch.testing.assert_close(children.log_scales, before.log_scales[parents] - math.log(1.6))
    for name in ("quats", "logit_opacities", "sh_coeffs", "wave_frequencies"):
        torch.testing.assert_close(children.tensors()[name], before.tensors()[name][parents])
    offset = (children.means - before.means[parents]).norm(dim=1) / before.log_scales[parents, 0].exp()
    assert bool((offset > 0).all())
    assert float(offset.max()) < 5, "drawn from the parent's own density"
    points = scenes.normal(scenes.generator(3), 6, 3).float()
    torch.testing.assert_close(waves_at(children, points), waves_at(before, points)[parents], rtol=1e-3, atol=1e-3)


def test_offsets_of_split_splats_have_the_covariance_of_the_parent():
    splats = one_splat(0.0, 1.0, 0.5, dtype=torch.float32)[torch.zeros(4000, dtype=torch.int64)]
    scales = torch.tensor([1.9, 0.7, 0.2])
    optimizer = SplatOptimizer(splats.replace(log_scales=scales.log().repeat(4000, 1)))
    probed(optimizer, list(range(4000)), cap=10_000)
    assert len(optimizer) == 8000
    torch.testing.assert_close(optimizer.splats.means.detach().std(0), scales, rtol=0.05, atol=0)


def test_what_is_transparent_or_huge_goes_even_when_nothing_grows():
    optimizer = classic_optimizer()
    before = optimizer.splats.means.detach().clone()
    probed(optimizer, [])
    assert torch.equal(optimizer.splats.means, before[:4])


@pytest.mark.parametrize("cap", [3, 6, 7, 8, 9])
def test_the_cap_holds_and_the_largest_gradients_go_first(cap):
    optimizer = classic_optimizer(waves=0)
    optimizer.parameters["logit_opacities"].data[4] = 0.0  # alive and of a normal size: only the huge one goes
    rows = [0, 1, 2, 3]  # gradients grow with the position
    means = optimizer.splats.means.detach().clone()
    probed(optimizer, rows, cap)
    room = max(cap - 6, 0)
    assert len(optimizer) == 5 + min(room, 4)
    untouched = [i for i in rows if bool((optimizer.splats.means == means[i]).all(1).sum() == 1)]
    assert untouched == rows[: max(4 - room, 0)] or room == 4


def test_gradients_are_averaged_over_the_views_that_saw_the_splat():
    """Seen in one view of ten with a gradient above the threshold: grows. Seen in all, on average below: does not."""
    optimizer = classic_optimizer(waves=0)
    strategy = CloneSplitPrune(100, seeded(), EXTENT, every=10, threshold=1.0)
    for step in range(11, 21):
        probe = torch.zeros(6, 2)
        probe[0, 0] = 1.5 if step == 15 else 0.0
        probe[1, 1] = 1.5 if step % 2 else 0.3
        strategy.after_step(optimizer, step, 1000, 1e-4, probe)
    assert len(optimizer) == 6 - 2 + 1
    assert torch.equal(optimizer.splats.means[4], optimizer.splats.means[0])


def test_refinement_starts_over_with_no_gradients_and_stops_at_half():
    optimizer = classic_optimizer()
    strategy = probed(optimizer, [0])
    assert len(strategy.gradient) == len(strategy.seen) == len(optimizer) == 5
    assert not strategy.gradient.any()
    for step in (500, 510, 990):
        strategy.after_step(optimizer, step, 1000, 1e-4, torch.ones(5, 2))
    strategy.after_step(optimizer, 30, 1000, 1e-4, None)
    assert len(optimizer) == 5


def test_opacities_are_reset_now_and_then():
    optimizer = classic_optimizer()
    strategy = CloneSplitPrune(100, seeded(), EXTENT, every=10)
    optimizer.second_moments["logit_opacities"].fill_(1.0)
    strategy.after_step(optimizer, 99, 1000, 1e-4, torch.zeros(6, 2))
    assert float(optimizer.splats.logit_opacities.detach().max()) == 0.0
    strategy.after_step(optimizer, 100, 1000, 1e-4, torch.zeros(6, 2))
    torch.testing.assert_close(optimizer.splats.logit_opacities.sigmoid().detach(), torch.full((4,), 0.02))
    assert not optimizer.second_moments["logit_opacities"].any()


def test_splits_depend_on_the_generator_alone():
    results = []
    for seed, elsewhere in ((0, 1), (0, 2), (1, 1)):
        torch.manual_seed(elsewhere)
        optimizer = classic_optimizer()
        probed(optimizer, [2, 3], seed=seed)
        results.append(optimizer.state())
    assert all(torch.equal(results[0][k], results[1][k]) for k in results[0])
    assert not torch.equal(results[0]["means"], results[2]["means"])


def test_state_and_back():
    optimizer = classic_optimizer()
    strategy = CloneSplitPrune(100, seeded(), EXTENT, every=10)
    strategy.after_step(optimizer, 11, 1000, 1e-4, torch.rand(6, 2))
    other = CloneSplitPrune(100, seeded(), EXTENT, every=10)
    other.load(strategy.state())
    for name, tensor in strategy.state().items():
        assert torch.equal(other.state()[name], tensor)
        assert tensor.any()
    strategy.gradient += 1
    assert not torch.equal(other.gradient, strategy.gradient), "memory of its own"


@pytest.mark.parametrize(("ahead", "scale"), [(False, 1.0), (True, 1.0), (True, 1e-30), (True, 1e30)])
def test_draws_among_more_than_torch_tells_apart(monkeypatch, ahead, scale):
    """As often as the weights say; what weighs nothing is never drawn."""
    if ahead:
        monkeypatch.setattr(densify, "runs_ahead", lambda device: True)
    monkeypatch.setattr(densify, "_MULTINOMIAL", 3)
    weights = scale * torch.tensor([0.0, 1.0, 0.0, 3.0, 4.0, 0.0])
    counts = densify.drawn(weights, 20_000, torch.Generator().manual_seed(0)).bincount(minlength=6)
    torch.testing.assert_close(counts / 20_000, weights / weights.sum(), atol=0.02, rtol=0)
    assert counts[[0, 2, 5]].sum() == 0
