"""Networks and layers on another device than the CPU: nothing they make is on the CPU by accident, and the results are
the same."""

import pytest
import torch

from geokit.backend.mixing_ops import channel_mixing
from geokit.backend.simplex_ops import simplex_fourier
from geokit.equivariant import irreps, lie
from geokit.equivariant import position_orientation as po
from geokit.equivariant.continuous_conv import ContinuousConv1d, ContinuousConv2d
from geokit.equivariant.frame_averaging import FrameAverage
from geokit.equivariant.graph_measure import graph_equivariance_error
from geokit.equivariant.image_action import image_action
from geokit.equivariant.invariant_coordinates import InvariantInput, invariant_coordinates
from geokit.equivariant.measure import equivariance_error
from geokit.equivariant.position_orientation.classifier import PointClassifier
from geokit.equivariant.soft_equivariance import SoftEquivariance
from geokit.equivariant.soft_projectors import TensorSum
from geokit.equivariant.symmetries import orthogonal_maps, rotations_about
from geokit.equivariant.tensor_network import TensorMLP
from geokit.fields import simplex_fourier as spectrum
from tests.equivariant.position_orientation import test_network as networks
from tests.reference.devices import assert_serves_both, emulated_gpu, on_the_gpu
from tests.reference.pretend_gpu import GPU


def normal(*shape):
    return torch.randn(shape, generator=torch.Generator().manual_seed(len(shape)), dtype=torch.float64)


def check(function, *arguments):
    """`function`, a module or not, gives on the GPU what it gives on the CPU; so do its gradients by all arguments."""
    given = (a.clone().requires_grad_(a.is_floating_point()) for a in arguments)
    assert_serves_both(function, *given, tolerance=1e-9)


@pytest.mark.parametrize("sparse", [False, True])
@pytest.mark.parametrize(("dim", "equivariance", "group", "kernel"), networks.EXACT, ids=networks.NAMES)
def test_position_orientation_networks(dim, equivariance, group, kernel, sparse):
    data = networks.example(dim, sparse=sparse)
    check(
        networks.network(dim, equivariance, group, kernel).double(),
        *(data[k] for k in ("positions", "edges", "scalars", "vectors")),
    )


@pytest.mark.parametrize("options", [{"equivariance": "steerable"}, {"equivariance": "fixed", "pooled": True}])
def test_more_position_orientation_networks(options):
    data = networks.example(3)
    net = networks.network(3, **options).double()
    check(
        lambda *t: net_on(t[0], net)(*t[:4], None, t[4]),
        *(data[k] for k in ("positions", "edges", "scalars", "vectors", "batch")),
    )


def net_on(like, net):
    return on_the_gpu(net) if like.device == GPU else net


def test_networks_that_move_or_average_or_turn_at_random():
    check(po.NBodyNet(8, 2).double(), normal(2, 5, 3), normal(2, 5, 3), normal(2, 5))
    data = networks.example(3)
    with emulated_gpu():
        net = on_the_gpu(networks.network(3, "random").double().train())
        assert net(**on_the_gpu(data))[0].device == GPU


def test_edges_and_invariants():
    positions, batch = normal(12, 3), torch.arange(12) // 6
    check(lambda x, b: po.nearest_edges(x, 3, b), positions, batch)
    check(lambda x, b: po.radius_edges(x, 1.0, b), positions, batch)
    check(po.complete_edges, batch)
    check(po.separable_invariants, normal(12, 3), normal(12, 3))


def test_the_classifier_of_points():
    check(PointClassifier(4, points=20, neighbors=5, hidden=16, width=8).double().eval(), normal(2, 20, 3))


def test_measures_of_equivariance():
    data = networks.example(3)
    net = networks.network(3, "cloud").double()
    with emulated_gpu():
        assert graph_equivariance_error(on_the_gpu(net), **on_the_gpu(data), count=3).worst < 1e-10
    rep = TensorSum((1, 2))
    with emulated_gpu():
        mlp = on_the_gpu(TensorMLP(rep, TensorSum((4, 3)), rep, 1, orthogonal_maps(3)).double())
        error = equivariance_error(
            mlp, orthogonal_maps(3), on_the_gpu(normal(5, rep.size)), action_in=rep.act, action_out=rep.act, count=5
        )
        assert error.worst < 1e-10


LAYERS = {
    "continuous 1d": lambda: (ContinuousConv1d(2, 3, 9), normal(2, 2, 30)),
    "continuous 2d": lambda: (ContinuousConv2d(2, 3, 5), normal(2, 2, 9, 9)),
    "tensors": lambda: (
        TensorMLP(TensorSum((1, 2)), TensorSum((4, 3)), TensorSum((1, 1)), 1, orthogonal_maps(3)),
        normal(5, 7),
    ),
    "location": lambda: (irreps.LocationEncoder(4, 3), normal(6, 2)),
    "Gaunt product": lambda: (irreps.GauntProduct(2, 2, 1, 2), normal(3, 2, 9), normal(3, 2, 4)),
    "Gaunt product, antisymmetric": lambda: (irreps.GauntProduct(2, 2, 1, 2, True), normal(3, 2, 9), normal(3, 2, 4)),
    "self product": lambda: (irreps.SelfProduct(2, 2, 1, 3), normal(3, 2, 9)),
    "concentric": lambda: (irreps.ConcentricNetwork(1, 2, 3, (4, 5)), normal(2, 10, 3)),
    "averaged": lambda: (FrameAverage(torch.nn.Linear(3, 2)), normal(2, 6, 3)),
    "averaged, smooth, of rotations": lambda: (
        FrameAverage(torch.nn.Linear(3, 3), 3, "SO", "vectors"),
        normal(2, 6, 3),
    ),
    "invariant input": lambda: (InvariantInput(torch.nn.Linear(3, 2)), normal(2, 6, 3)),
    "affine": lambda: (lie.AffineConvNet(lie.GLPlus(2), widths=(4, 4), classes=3).eval(), normal(2, 1, 20, 20).abs()),
    "rotations of images": lambda: (
        lie.AffineConvNet(lie.SO(2), widths=(4, 4), classes=3).eval(),
        normal(2, 1, 20, 20).abs(),
    ),
    "group": lambda: (
        lie.GroupConvNet(lie.SL(2), widths=(4, 6), classes=3, samples=4, hidden=8).eval(),
        normal(2, 1, 24, 22),
    ),
}


@pytest.mark.parametrize("name", LAYERS)
def test_layers(name):
    torch.manual_seed(0)
    module, *arguments = LAYERS[name]()
    check(module.double(), *arguments)


@pytest.mark.parametrize("name", ["fixed", "trained"])
def test_group_networks_in_training_draw_samples(name):
    net = lie.GroupConvNet(lie.GLPlus(2), widths=(4,), classes=3, samples=4, hidden=8).double().train(name == "trained")
    check(net, normal(2, 1, 16, 16))


def test_soft_equivariance():
    reps = TensorSum((3, 3)), TensorSum((8, 8, 4)), TensorSum((0, 1))
    torch.manual_seed(0)
    net = TensorMLP(*reps).double()
    with emulated_gpu():
        net.to(GPU)
        maps = {"all": orthogonal_maps(3), "z": rotations_about((0.0, 0.0, 1.0), True)}
        penalty = SoftEquivariance(net, maps, *reps).to(GPU)
        found = penalty()
        assert found.device == GPU
        found.backward()


@pytest.mark.parametrize("group", [lie.SO(2), lie.SL(2), lie.GLPlus(3), lie.SO(3)], ids=repr)
def test_layers_of_points(group):
    points, features = normal(15, group.n), normal(15, 3)
    lift = lie.PointLifting(group, 3, 4, hidden=8).double()
    convolution = lie.PointGroupConvolution(group, 4, 5, hidden=8).double()

    def convolved(points, features):
        samples = lie.sample_set(group, 6, dtype=points.dtype, device=points.device)
        cloud = lie.neighborhood(points, samples, 1.5)
        lifted = net_on(points, lift)(features, cloud, samples)
        return lie.invariant_readout(net_on(points, convolution)(lifted, cloud, samples), cloud, samples)

    check(convolved, points, features)


FUNCTIONS = {
    "coordinates": lambda: (lambda x: invariant_coordinates(x).coordinates, normal(2, 6, 3)),
    "harmonics": lambda: (lambda x: irreps.spherical_harmonics(4, x), normal(6, 3)),
    "canonical points": lambda: (lambda x: lie.canonical_points(x, lie.GLPlus(3)), normal(2, 9, 3)),
    "polar": lambda: (lambda x: lie.polar(x)[0], torch.eye(3, dtype=torch.float64) + 0.1 * normal(4, 3, 3)),
    "signals": lambda: (lambda x: irreps.GridSignals(po.grid("icosahedral")).to_irreps(x), normal(2, 12, 1)),
    "images": lambda: (lambda x, g: image_action(g, x), normal(2, 1, 8, 8), torch.eye(2, dtype=torch.float64)),
    "mixing": lambda: (
        channel_mixing,
        normal(7, 4),
        *(normal(4) for _ in range(3)),
        normal(8, 4),
        normal(8),
        normal(4, 8),
        normal(4),
    ),
    "simplices": lambda: (
        lambda v, w, m: simplex_fourier(v, w, m.detach(), [5]),
        normal(3, 2, 3),
        normal(3, 2),
        normal(5, 3),
    ),
    "spectrum": lambda: (
        lambda v, s: torch.view_as_real(spectrum(v, s, modes=6)),
        normal(6, 3),
        torch.tensor([[0, 1, 2], [3, 4, 5]]),
    ),
    "spectrum of a solid": lambda: (
        lambda v, s: torch.view_as_real(spectrum(v, s, modes=6, solid=True)),
        normal(4, 3),
        torch.tensor([[0, 1, 2], [0, 2, 3], [0, 3, 1], [1, 3, 2]]),
    ),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions(name):
    function, *arguments = FUNCTIONS[name]()
    check(function, *arguments)


ELEMENTS = [
    lie.SO(2),
    lie.SO(3),
    lie.O(2),
    lie.SL(2),
    lie.SL(3),
    lie.GLPlus(2),
    lie.GLPlus(3),
    lie.CSO(2),
    lie.SE(2),
    lie.SE(3),
    lie.Sim(2),
]


@pytest.mark.parametrize("group", [*ELEMENTS, lie.Affine(lie.GLPlus(2)), lie.SPD(3)], ids=repr)
def test_groups(group):
    def there_and_back(coordinates):
        g = group.exp(group.hat(coordinates))
        return g, group.vee(group.log(g))

    check(there_and_back, 0.2 * normal(4, group.dim))
