"""AffineConvNet: exactly invariant where the grid is, nearly so for all else, and what it refuses."""

import math

import pytest
import torch

from geokit.equivariant.lie import CSO, SE, SL, SO, Affine, AffineConvNet, GLPlus, O, Sim
from geokit.equivariant.lie.network import linear_part_of
from geokit.equivariant.lie.poses import class_scores, learn_prior
from geokit.errors import InvalidInput
from tests.equivariant.lie.pictures import blobs, strokes

GROUPS = [GLPlus(2), SL(2), CSO(2), SO(2)]


def network(group=None, seed=0, **options):
    """With random statistics of normalisation: those at construction would hide it."""
    torch.manual_seed(seed)
    net = AffineConvNet(group or GLPlus(2), widths=(6, 8, 8), classes=4, **options)
    for module in net.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.1, 0.5)
    torch.nn.init.normal_(net.readout.templates, std=0.3)
    return net.eval()


def error(got, wanted):
    return float((got - wanted).abs().amax() / wanted.abs().amax())


@pytest.mark.parametrize(("dtype", "bound"), [(torch.float64, 1e-9), (torch.float32, 1e-4)], ids=["double", "single"])
@pytest.mark.parametrize("group", [*GROUPS, Affine(GLPlus(2)), SE(2), Sim(2)], ids=repr)
@torch.no_grad()
def test_quarter_turns_and_whole_pixels_change_nothing(group, dtype, bound):
    net = network(group).to(dtype)
    images = torch.cat([strokes(seed=seed) for seed in range(3)]).to(dtype)
    scores = net(images)
    assert scores.shape == (3, 4)
    assert float(scores.std(0).min()) > 1e-2
    for quarters in (1, 2, 3):
        assert error(net(torch.rot90(images, quarters, (2, 3))), scores) < bound
    for shift in ((3, 0), (-2, 4)):
        assert error(net(images.roll(shift, (2, 3))), scores) < bound
    assert error(net(images.flip(-1)), scores) > 100 * bound


@torch.no_grad()
def test_a_quarter_turn_is_a_shift_of_the_poses():
    net = network().double()
    images = strokes(seed=1)
    canonical = net.canonical_images(images)
    before = net.pose_scores(canonical)
    after = net.pose_scores(net.canonical_images(torch.rot90(images, -1, (2, 3))))
    assert error(after, before.roll(net.poses // 4, 2)) < 1e-9
    assert error(after, before) > 0.1
    # Each pose is angles / poses steps of the polar grid.
    turned = net.pose_scores(canonical.roll(3 * (net.angles // net.poses), 2))
    assert error(turned, before.roll(3, 2)) < 1e-9


@torch.no_grad()
def test_images_need_not_be_square():
    """A frame is one of what is shown: what lies around it does not matter."""
    net = network().double()
    square = strokes(40)
    wide = torch.nn.functional.pad(square, (0, 14, 3, 5))
    assert error(net(wide), net(square)) < 1e-9
    assert error(net(wide.mT.flip(-1)), net(square)) < 1e-9


@pytest.mark.parametrize("group", GROUPS, ids=repr)
@torch.no_grad()
def test_random_maps_change_little_and_less_at_higher_resolution(group):
    generator = torch.Generator().manual_seed(3)
    maps = group.sample(4, spread=0.25, generator=generator)
    shift = torch.tensor([0.07, -0.05], dtype=torch.float64)
    errors = {}
    for side in (20, 80):
        net = network(group, unit=0.1 * side).double()
        # Sizes of the circle's harmonics: they do not depend on the rotation.
        wanted = torch.fft.rfft(net.canonical_images(blobs(side)), dim=2).abs()
        moved = [torch.fft.rfft(net.canonical_images(blobs(side, a, shift)), dim=2).abs() for a in maps]
        errors[side] = max(float((one - wanted).norm() / wanted.norm()) for one in moved)
    assert errors[80] < 0.006
    assert errors[20] > 1.5 * errors[80]
    if group != GLPlus(2):  # outside of the group the picture does change
        outside = torch.diag(torch.tensor([1.6, 0.7], dtype=torch.float64))
        got = torch.fft.rfft(net.canonical_images(blobs(80, outside)), dim=2).abs()
        assert float((got - wanted).norm() / wanted.norm()) > 0.05


@torch.no_grad()
def test_scores_of_moved_pictures_are_near_those_of_their_own_and_far_from_others():
    net = network(poses=64, angles=64).double()
    maps = GLPlus(2).sample(5, spread=0.25, generator=torch.Generator().manual_seed(0))
    own = torch.stack([net(blobs(80, seed=seed))[0] for seed in range(6)])
    moved = torch.stack([torch.cat([net(blobs(80, a, seed=seed)) for a in maps]) for seed in range(6)])
    apart = torch.cdist(own, own).fill_diagonal_(math.inf).min()
    assert float((moved - own[:, None]).norm(dim=-1).max()) < 0.2 * float(apart)


@torch.no_grad()
def test_every_image_is_seen_by_itself():
    net = network()
    images = torch.cat([strokes(seed=seed) for seed in range(3)]).float()
    assert error(net(images[1:2]), net(images)[1:2]) < 1e-5
    assert net(images[:0]).shape == (0, 4)
    assert net.canonical_images(images[:0]).shape == (0, 1, 64, 16)
    blank = net(torch.zeros(2, 1, 40, 40))
    assert bool(blank.isfinite().all())
    assert torch.allclose(blank[0], blank[1])
    two = network(in_channels=2)
    assert error(two(images.repeat(1, 2, 1, 1)), two(images.mT.flip(-1).repeat(1, 2, 1, 1))) < 1e-4


@torch.no_grad()
def test_frames_are_those_of_the_group():
    images = strokes()
    logs = {repr(group): network(group).frames(images).log[0] for group in GROUPS}
    identity = torch.eye(2, dtype=torch.float64)
    assert torch.allclose(logs["SO(2)"], math.log(4) * identity)
    assert torch.allclose(logs["SL(2)"].trace(), torch.tensor(2 * math.log(4)).double())
    off = logs["CSO(2)"] - 0.5 * logs["CSO(2)"].trace() * identity
    assert float(off.abs().max()) < 1e-12
    assert torch.allclose(logs["CSO(2)"].trace(), logs["GLPlus(2)"].trace())
    assert torch.allclose(logs["SL(2)"] - math.log(4) * identity, logs["GLPlus(2)"] - logs["CSO(2)"])


def test_training_steps_reach_every_parameter():
    net = network().train()
    canonical = net.canonical_images(torch.cat([strokes(seed=seed) for seed in range(4)]).float())
    phased = net.random_phase(canonical)
    shifts = [step for step in range(-32, 32) if torch.equal(canonical.roll(step, 2), phased)]
    assert len(shifts) == 1
    assert -2 <= shifts[0] < 2
    torch.nn.functional.cross_entropy(class_scores(net.pose_scores(phased)), torch.arange(4)).backward()
    for name, parameter in net.named_parameters():
        assert float(parameter.grad.abs().max()) > 0, name


@torch.no_grad()
def test_priors_of_rotations():
    net = network()
    images = torch.cat([strokes(seed=seed) for seed in range(8)]).float()
    canonical = net.canonical_images(images)
    plain, scores = net(images), net.pose_scores(canonical)
    assert torch.allclose(plain, scores.logsumexp(-1) - math.log(16), atol=1e-5)
    prior = net.learn_rotation_prior(images)
    assert torch.allclose(prior, learn_prior(scores), atol=1e-5)
    assert torch.allclose(net(images), (scores + prior.log()).logsumexp(-1), atol=1e-4)
    assert error(net(images), plain) > 1e-3
    twin = network(seed=5)
    assert error(twin(images), net(images)) > 1e-3
    twin.load_state_dict(net.state_dict())
    assert torch.equal(twin(images), net(images))
    net.train()
    net.learn_rotation_prior(images)
    assert net.training
    assert torch.allclose(net.set_rotation_prior(), torch.full((16,), 1 / 16))
    assert torch.allclose(net.eval()(images), plain, atol=1e-5)
    assert torch.allclose(net.set_rotation_prior(torch.arange(1.0, 17)), torch.arange(1.0, 17) / 136)
    for wrong in (torch.ones(15), torch.zeros(16), torch.full((16,), torch.nan), -torch.ones(16)):
        with pytest.raises(InvalidInput, match="a prior of poses must be 16 positive numbers"):
            net.set_rotation_prior(wrong)
    with pytest.raises(InvalidInput, match="learned from many images, got 1"):
        net.learn_rotation_prior(images[:1])


@pytest.mark.parametrize(
    ("images", "sentence"),
    [
        (torch.zeros(2, 2, 40, 40), r"must be \(B, 1, H, W\) .* got \(2, 2, 40, 40\)"),
        (torch.zeros(2, 40, 40), r"must be \(B, 1, H, W\)"),
        (torch.zeros(2, 1, 40, 7), "at least 8 pixels"),
        (torch.zeros(2, 1, 40, 40, dtype=torch.uint8), "float32 or float64, got torch.uint8; convert bytes with / 255"),
        (torch.zeros(2, 1, 40, 40).index_fill(0, torch.tensor(1), torch.nan), "image 1 of 2 holds values that are NaN"),
        (torch.full((2, 1, 40, 40), torch.inf), "image 0 of 2 holds values that are NaN or infinite"),
    ],
)
def test_images_that_cannot_be(images, sentence):
    with pytest.raises(InvalidInput, match=sentence):
        network()(images)


def test_groups_and_sizes_that_cannot_be():
    for group in (GLPlus(3), SE(3)):
        with pytest.raises(InvalidInput, match="a group that acts on the plane"):
            AffineConvNet(group)
    for group in (O(2), Affine(O(2))):
        with pytest.raises(InvalidInput, match="holds mirror images"):
            AffineConvNet(group)
    with pytest.raises(InvalidInput, match="a group that acts on the plane"):
        linear_part_of("SO(2)")
    for options in (
        {"classes": 0},
        {"in_channels": 0},
        {"widths": ()},
        {"widths": (8, 0)},
        {"radii": 0},
        {"poses": 24},
        {"poses": 128},
        {"poses": 0},
        {"poses": 1, "angles": 1},
        {"poses": 1},
    ):
        with pytest.raises(InvalidInput, match="angles poses times a power of two"):
            AffineConvNet(GLPlus(2), **options)
    with pytest.raises(InvalidInput, match="1 convolutions cannot lead from 64 angles to 16 poses"):
        AffineConvNet(GLPlus(2), widths=(8,))
    for options, sentence in (
        ({"reach": 0.0}, "reach of canonical images must be positive and finite, got 0.0"),
        ({"blur": -5.0}, "blur of canonical images must be positive"),
        ({"unit": math.inf}, "unit of canonical images must be positive"),
        ({"dropout": 2.0}, "dropout must be at least 0 and below 1, got 2.0"),
    ):
        with pytest.raises(InvalidInput, match=sentence):
            AffineConvNet(GLPlus(2), **options)


@pytest.mark.parametrize("group", [GLPlus(2), SL(2), CSO(2), SO(2)], ids=str)
def test_gradients_of_images_are_finite(group):
    """Of strokes, a dot, a square, whose spread is the same in all directions, and of nothing."""
    dot, square = torch.zeros(2, 1, 1, 40, 40, dtype=torch.float64)
    dot[..., 20, 20] = 1
    square[..., 15:25, 15:25] = 1
    images = torch.cat([strokes(seed=3), dot, square, torch.zeros_like(dot)]).float().requires_grad_()
    network(group)(images).square().sum().backward()
    assert bool(images.grad.isfinite().all())
    assert float(images.grad[0].abs().max()) > 0


def test_the_whole_network_compiles():
    net, images = network(), torch.cat([strokes(seed=seed) for seed in range(2)]).float()
    compiled = torch.compile(net, fullgraph=True, backend="aot_eager")
    with torch.no_grad():
        assert torch.allclose(compiled(images), net(images), atol=1e-5)
