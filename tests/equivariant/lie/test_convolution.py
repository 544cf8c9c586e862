"""Convolutions over group elements on grids: beside loops, exact where the grid allows it, gradients, refusals."""

import pytest
import torch

from geokit.equivariant.lie import CSO, SL, SO, Affine, GLPlus, GroupConv2d, LiftingConv2d, O, sample_set
from geokit.equivariant.lie.sampling import pair_features
from geokit.errors import InvalidInput
from tests.equivariant.lie.sets_of_elements import closed_set, moved_set, set_of, turned
from tests.reference import lie_convolution as reference

GROUPS = [GLPlus(2), SL(2), CSO(2), SO(2)]
MIXINGS = ["separable", "dense"]
# Integral maps of determinant one carry the pixels onto the pixels: shears as well as turns.
LATTICE_MAPS = [[[1, 1], [0, 1]], [[1, 0], [-2, 1]], [[0, -1], [1, 0]], [[2, 1], [1, 1]], [[-1, 1], [0, -1]]]


def layer_of(kind, group, size=3, radius=None, **options):
    torch.manual_seed(0)
    if kind == "lifting":
        return LiftingConv2d(group, 2, 3, size, radius=radius, hidden=8, omega=3.0, **options).double()
    return GroupConv2d(group, 2, 3, size, mixing=kind, radius=radius, hidden=8, omega=3.0, **options).double()


def noise(*shape, seed=0, dtype=torch.float64):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def error(got, wanted):
    return float((got - wanted).abs().amax() / wanted.abs().amax())


@pytest.mark.parametrize("group", GROUPS, ids=repr)
def test_lifting_is_what_loops_give(group):
    layer = layer_of("lifting", group, radius=1.3)
    torch.nn.init.normal_(layer.bias)
    samples = sample_set(group, 3, dtype=torch.float64, haar=True)
    images = noise(2, 2, 4, 5)
    with torch.no_grad():
        wanted = reference.lifting(layer, images, samples, radius=1.3, size=3)
        got = layer(images, samples)
    assert got.shape == (2, 3, 3, 2, 3)
    assert error(got, wanted) < 1e-12


@pytest.mark.parametrize("mixing", MIXINGS)
@pytest.mark.parametrize("group", GROUPS, ids=repr)
def test_group_convolution_is_what_loops_give(group, mixing):
    layer = layer_of(mixing, group)
    torch.nn.init.normal_(layer.bias)
    samples, outputs = sample_set(group, 4, dtype=torch.float64, haar=True), closed_set(group, 1, seed=2)
    features = noise(2, 2, 4, 4, 5)
    with torch.no_grad():
        wanted = reference.group_convolution(layer, features, samples, outputs, radius=1.5, size=3)
        got = layer(features, samples, outputs)
        given = layer(features, samples, outputs, pair_features(outputs, samples))
        here = layer(features, samples)
        same = reference.group_convolution(layer, features, samples, samples, radius=1.5, size=3)
    assert got.shape == (2, 3, 4, 2, 3)
    assert error(got, wanted) < 1e-12
    assert torch.equal(got, given)
    assert error(here, same) < 1e-12


@pytest.mark.parametrize("padding", [0, 2])
@pytest.mark.parametrize(("dtype", "bound"), [(torch.float64, 1e-10), (torch.float32, 1e-5)], ids=["double", "single"])
@pytest.mark.parametrize("group", GROUPS, ids=repr)
def test_lifting_of_turned_images_is_turned_and_permuted(group, dtype, bound, padding):
    layer = layer_of("lifting", group, size=5, padding=padding).to(dtype)
    samples = closed_set(group, 3, seed=0).to(dtype=dtype)
    images = noise(2, 2, 9, 7, dtype=dtype)
    with torch.no_grad():
        before, after = layer(images, samples), layer(turned(images), samples)
    assert error(after, turned(before).roll(3, 2)) < bound
    assert error(after, turned(before)) > 0.1


def test_equidistant_rotations_are_closed_under_quarter_turns():
    layer, samples = layer_of("lifting", SO(2), size=5), sample_set(SO(2), 8, dtype=torch.float64)
    images = noise(1, 2, 8, 8)
    with torch.no_grad():
        assert error(layer(turned(images), samples), turned(layer(images, samples)).roll(2, 2)) < 1e-12


@pytest.mark.parametrize("padding", [0, 2])
@pytest.mark.parametrize("mixing", MIXINGS)
@pytest.mark.parametrize(("dtype", "bound"), [(torch.float64, 1e-10), (torch.float32, 1e-5)], ids=["double", "single"])
@pytest.mark.parametrize("group", GROUPS, ids=repr)
def test_group_convolution_of_turned_features_is_turned_and_permuted(group, mixing, dtype, bound, padding):
    layer = layer_of(mixing, group, size=5, padding=padding).to(dtype)
    samples, outputs = (closed_set(group, count, seed=count).to(dtype=dtype) for count in (2, 3))
    features = noise(2, 2, 8, 9, 7, dtype=dtype)
    with torch.no_grad():
        before = layer(features, samples, outputs)
        after = layer(turned(features).roll(2, 2), samples, outputs)
    assert error(after, turned(before).roll(3, 2)) < bound
    assert error(after, turned(before)) > 0.05


def carried(images, a, shift=(0, 0)):
    """Images (..., N, N), zero far from their middle, under a map of the pixels' lattice about the middle one."""
    n = images.shape[-1]
    moved = torch.zeros_like(images)
    for row in range(n):
        for column in range(n):
            if bool(images[..., row, column].any()):
                right, down = column - n // 2, row - n // 2
                to = [a[i][0] * right + a[i][1] * down + shift[i] + n // 2 for i in range(2)]
                assert min(to) >= 0
                assert max(to) < n
                moved[..., to[1], to[0]] = images[..., row, column]
    return moved


def spot(*shape, size=27, seed=0):
    images = torch.zeros(*shape, size, size, dtype=torch.float64)
    images[..., size // 2 - 1 : size // 2 + 2, size // 2 - 1 : size // 2 + 2] = noise(*shape, 3, 3, seed=seed)
    return images


@pytest.mark.parametrize("a", LATTICE_MAPS, ids=str)
@pytest.mark.parametrize("kind", ["lifting", *MIXINGS])
def test_shears_and_turns_of_the_lattice_move_the_result_exactly(kind, a):
    """With the elements moved along, and windows that hold every kernel, nothing is resampled."""
    group, matrix, shift = SL(2), torch.tensor(a, dtype=torch.float64), (2, -1)
    layer = layer_of(kind, group, size=13, radius=1.6, padding=6)
    samples = set_of(group, group.sample(3, spread=0.15, generator=torch.Generator().manual_seed(1)))
    outputs = set_of(group, group.sample(2, spread=0.15, generator=torch.Generator().manual_seed(2)))
    with torch.no_grad():
        if kind == "lifting":
            images = spot(1, 2)
            before = layer(images, samples)
            after = layer(carried(images, a, shift), moved_set(samples, matrix))
        else:
            features = spot(1, 2, 3)
            before = layer(features, samples, outputs)
            after = layer(carried(features, a, shift), moved_set(samples, matrix), moved_set(outputs, matrix))
        # Zero outside of the reach of the kernels, to be carried.
        before = before - layer.bias.view(1, -1, 1, 1, 1)
    assert error(after, carried(before, a, shift)) < 1e-10


@pytest.mark.parametrize("kind", ["lifting", *MIXINGS])
def test_parameters_and_inputs_have_their_gradients(kind):
    group = GLPlus(2)
    layer, samples = layer_of(kind, group), sample_set(group, 2, dtype=torch.float64, haar=True)
    inputs = noise(1, 2, 3, 4) if kind == "lifting" else noise(1, 2, 2, 3, 4)
    names = [name for name, _ in layer.named_parameters()]

    def function(values, *parameters):
        return torch.func.functional_call(layer, dict(zip(names, parameters)), (values, samples))

    leaves = [value.detach().clone().requires_grad_() for value in (inputs, *layer.parameters())]
    assert torch.autograd.gradcheck(function, leaves)


def test_haar_weights_count():
    group = GLPlus(2)
    layer, features = layer_of("separable", group), noise(1, 2, 6, 5, 5)
    plain, haar = (sample_set(group, 6, haar=haar, dtype=torch.float64) for haar in (False, True))
    assert torch.equal(plain.elements, haar.elements)
    with torch.no_grad():
        assert error(layer(features, haar), layer(features, plain)) > 0.05
        # Weights are linear: those of one element alone leave that one.
        single = set_of(group, plain.elements, torch.eye(6)[2])
        alone = set_of(group, plain.elements[2:3], torch.ones(1))
        one = layer(features[:, :, 2:3], alone, plain) / 6
        assert error(layer(features, single, plain), one) < 1e-12


@pytest.mark.parametrize("mixing", MIXINGS)
@pytest.mark.parametrize("haar", [False, True])
def test_more_samples_lead_to_a_limit(mixing, haar):
    """The mean over the group is an estimate of an integral: more samples change it less, and its size stays."""
    group = GLPlus(2)
    torch.manual_seed(0)
    layer = GroupConv2d(group, 4, 4, 3, mixing=mixing, omega=3.0).double()
    outputs, pictures = sample_set(group, 3, spread=0.1, dtype=torch.float64), noise(1, 4, 1, 3, 3)
    results = []
    for count in (16, 128, 4096):
        samples = sample_set(group, count, spread=0.3, haar=haar, dtype=torch.float64)
        waves = torch.cos(samples.features.sum(-1))[:, None, None]
        with torch.no_grad():
            results.append(layer(pictures * waves, samples, outputs))
    few, some, many = results
    assert error(some, many) < 0.5 * error(few, many)
    assert error(some, many) < 0.2


def test_moved_features_differ_less_with_more_haar_samples():
    """On GL+(2), whose samples no element maps onto themselves: out'(a x, a g) tends to out(x, g)."""
    group, shear = GLPlus(2), torch.tensor([[1.0, 0.5], [0.0, 1.0]], dtype=torch.float64)
    torch.manual_seed(0)
    layer = GroupConv2d(group, 4, 4, 1, reach=0.7, omega=2.0).double()
    at = sample_set(group, 4, spread=0.1, dtype=torch.float64)
    moved = set_of(group, shear @ at.elements, torch.ones(4))
    pictures = noise(1, 4, 1, 1, 1)

    def features(elements):
        """A function of the group that falls off."""
        return pictures * torch.exp(-(elements - torch.eye(2)).square().sum((-2, -1)))[:, None, None]

    errors = {}
    for haar, count in ((True, 64), (True, 4096), (False, 4096)):
        samples = sample_set(group, count, spread=0.35, haar=haar, dtype=torch.float64)
        with torch.no_grad():
            before = layer(features(samples.elements), samples, at)
            after = layer(features(torch.linalg.solve(shear, samples.elements)), samples, moved)
            # The factor 1 / |det h| is the same on both sides: a shear keeps areas.
            errors[haar, count] = error(after, before)
    assert errors[True, 4096] < 0.05
    assert errors[True, 4096] < 0.3 * errors[True, 64]
    assert errors[False, 4096] > 0.1


def test_refusals():
    for make in (LiftingConv2d, GroupConv2d):
        with pytest.raises(InvalidInput, match=r"need a linear group of the plane, got SO\(3\)"):
            make(SO(3), 1, 1)
        with pytest.raises(InvalidInput, match="need a linear group of the plane, got Affine"):
            make(Affine(GLPlus(2)), 1, 1)
        with pytest.raises(InvalidInput, match="an odd number of pixels, got 4"):
            make(SO(2), 1, 1, 4)
        with pytest.raises(InvalidInput, match="radius of a kernel must be positive, got 0"):
            make(SO(2), 1, 1, radius=0.0)
        with pytest.raises(InvalidInput, match="kernel must be one of"):
            make(SO(2), 1, 1, kernel="none")
    with pytest.raises(InvalidInput, match="mixing must be separable or dense, got 'half'"):
        GroupConv2d(SO(2), 1, 1, mixing="half")
    with pytest.raises(InvalidInput, match=r"for samples of SL\(2\), got some of SO\(2\)"):
        layer_of("lifting", SL(2))(noise(1, 2, 5, 5), sample_set(SO(2), 3, dtype=torch.float64))
    turns, shears = sample_set(SO(2), 3, dtype=torch.float64), sample_set(SL(2), 3, dtype=torch.float64)
    for samples, outputs in ((turns, turns), (shears, turns), (turns, shears)):
        with pytest.raises(InvalidInput, match=r"for samples of SL\(2\), got some of SO\(2\)"):
            layer_of("separable", SL(2))(noise(1, 2, 3, 5, 5), samples, outputs)
    for shape, sentence in (
        ((1, 2, 4, 5, 5), r"features must be \(B, 2, 3, H, W\) .* got \(1, 2, 4, 5, 5\)"),
        ((1, 3, 3, 5, 5), r"features must be \(B, 2, 3, H, W\)"),
        ((1, 2, 3, 5, 2), "at least 3 pixels"),
    ):
        with pytest.raises(InvalidInput, match=sentence):
            layer_of("separable", SL(2))(noise(*shape), shears)
    for shape in ((1, 3, 5, 5), (2, 5, 5), (1, 2, 2, 5)):
        with pytest.raises(InvalidInput, match=r"images must be \(B, 2, H, W\) for .* sides of at least 3 pixels"):
            layer_of("lifting", SL(2))(noise(*shape), shears)


def test_reflections_are_elements_like_others():
    group = O(2)
    layer, samples = layer_of("lifting", group, size=5), sample_set(group, 6, dtype=torch.float64)
    mirror = torch.diag(torch.tensor([-1.0, 1.0], dtype=torch.float64))
    images = noise(1, 2, 8, 8)
    with torch.no_grad():
        after = layer(images.flip(-1), moved_set(samples, mirror))
        assert error(after, layer(images, samples).flip(-1)) < 1e-12
