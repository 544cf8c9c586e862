"""The network: exact where it claims to be, for trained and untrained weights, in every variant; and its promises of
use."""

import math
from types import SimpleNamespace

import pytest
import torch

from geokit.equivariant import position_orientation as po
from geokit.equivariant.graph_measure import graph_equivariance_error
from geokit.errors import InvalidInput

EXACT = [
    *((3, e, "E", k) for e in ("cloud", "node") for k in ("harmonic", "polynomial")),
    (3, "data", "E", "harmonic"),
    *((2, e, g, k) for e in ("cloud", "node") for g in ("E", "SE") for k in ("harmonic", "polynomial")),
    (2, "data", "E", "harmonic"),
]
NAMES = ["-".join(map(str, case)) for case in EXACT]


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def example(dim, dtype=torch.float64, clouds=3, size=7, sparse=False, seed=0):
    g = generator(seed)
    count = clouds * size
    batch = torch.arange(clouds).repeat_interleave(size)
    x = torch.randn(count, dim, generator=g, dtype=torch.float64)
    edges = po.nearest_edges(x, 3, batch) if sparse else po.complete_edges(batch)
    return {
        "positions": x.to(dtype),
        "edges": edges,
        "scalars": torch.randn(count, 2, generator=g, dtype=torch.float64).to(dtype),
        "vectors": torch.randn(count, 1, dim, generator=g, dtype=torch.float64).to(dtype),
        "batch": batch,
    }


def network(dim, equivariance, group="E", kernel="harmonic", seed=0, **options):
    torch.manual_seed(seed)
    arguments = {"in_scalars": 2, "in_vectors": 1, "hidden": 8, "layers": 2, "out_scalars": 2, "out_vectors": 1}
    arguments |= {"equivariance": equivariance, "group": group, "kernel": kernel, "neighbors": 6} | options
    return po.PositionOrientationNet(dim, **arguments)


def train_a_little(net, data):
    target = torch.randn(len(data["positions"]), 2, generator=generator(5)).to(data["positions"])
    optimizer = torch.optim.Adam(net.parameters(), 0.02)
    for _ in range(15):
        optimizer.zero_grad()
        s, v = net(**data)
        ((s - target) ** 2).mean().add((v**2).mean()).backward()
        optimizer.step()


@pytest.mark.parametrize("trained", [False, True])
@pytest.mark.parametrize(("dim", "equivariance", "group", "kernel"), EXACT, ids=NAMES)
def test_exact_in_float64(dim, equivariance, group, kernel, trained):
    net, data = network(dim, equivariance, group, kernel).double(), example(dim)
    if trained:
        train_a_little(net, data)
    error = graph_equivariance_error(net, **data, reflections=group == "E", count=100, generator=generator())
    assert error.worst < 1e-10, error


@pytest.mark.parametrize(("dim", "equivariance", "group", "kernel"), EXACT, ids=NAMES)
def test_exact_in_float32(dim, equivariance, group, kernel):
    net = network(dim, equivariance, group, kernel)
    data = example(dim, torch.float32)
    train_a_little(net, data)
    error = graph_equivariance_error(net, **data, reflections=group == "E", count=100, generator=generator())
    assert error.worst < 1e-4, error


@pytest.mark.parametrize("equivariance", ["cloud", "node", "data"])
def test_exact_on_sparse_graphs_pooled_with_edge_scalars(equivariance):
    data = example(3, sparse=True, size=12)
    data["edge_scalars"] = torch.randn(data["edges"].shape[1], 2, dtype=torch.float64, generator=generator())
    net = network(3, equivariance, edge_scalars=2, pooled=True, cutoff=4.0).double()
    assert net(**data)[0].shape == (3, 2)
    assert graph_equivariance_error(net, **data, count=20, generator=generator()).worst < 1e-10


def test_a_fixed_grid_is_exact_for_its_own_rotations_only():
    net, data = network(3, "fixed").double(), example(3)
    before = net(**data)
    for matrix in po.grid("icosahedral").symmetries[::7]:
        turned = data | {"positions": data["positions"] @ matrix.T, "vectors": data["vectors"] @ matrix.T}
        after = net(**turned)
        torch.testing.assert_close(after[0], before[0], rtol=0, atol=1e-10)
        torch.testing.assert_close(after[1], before[1] @ matrix.T, rtol=0, atol=1e-10)
    assert graph_equivariance_error(net, **data, count=10, generator=generator()).worst > 1e-3


def test_steerable_errors_fall_as_the_grid_grows():
    data = example(3)
    errors = [
        graph_equivariance_error(
            network(3, "steerable", orientations=po.product(d)).double(), **data, count=5, generator=generator()
        )
        for d in (5, 11, 19)
    ]
    assert errors[0].worst > 3 * errors[1].worst > 30 * errors[2].worst


def test_random_turns_the_grid_in_training_only():
    net, data = network(3, "random"), example(3, torch.float32)
    assert not torch.equal(net(**data)[1], net(**data)[1])
    net.eval()
    torch.testing.assert_close(net(**data)[1], net(**data)[1], rtol=0, atol=0)


@pytest.mark.parametrize(
    "grid", [po.fibonacci(9), po.grid("octahedral"), po.product(3), po.repulsion(11)], ids=lambda g: g.name
)
def test_a_vector_goes_in_and_comes_out_exactly(grid):
    """With the blocks' additions off and the head the inverse of the lift, the read-out returns the vector that went
    in."""
    net = network(3, "fixed", orientations=grid, in_scalars=0, layer_scale=0.0, layers=1).double()
    data = example(3)
    with torch.no_grad():
        body = net.body
        body.lift.weight.zero_()
        body.lift.weight[0, 0] = 1.0
        body.lift.bias.zero_()
        body.heads[0].weight.zero_()
        body.heads[0].weight[2, 0] = 1.0
        body.heads[0].bias.zero_()
    _, vectors = net(data["positions"], data["edges"], None, data["vectors"])
    torch.testing.assert_close(vectors, data["vectors"], rtol=1e-12, atol=1e-12)


def test_mirror_images_are_told_apart_under_se2_only():
    data = example(2)
    mirror = torch.diag(torch.tensor([-1.0, 1.0], dtype=torch.float64))
    mirrored = data | {"positions": data["positions"] @ mirror, "vectors": data["vectors"] @ mirror}
    for group, told in (("E", False), ("SE", True)):
        net = network(2, "cloud", group).double()
        apart = (net(**mirrored)[0] - net(**data)[0]).abs().max()
        assert (apart > 1e-3) == told


def test_features_keep_their_size_at_construction():
    """No first forward pass that changes weights: a new network gives the same twice, and its features neither die
    nor blow up."""
    torch.manual_seed(0)
    net = po.PositionOrientationNet(in_vectors=1, hidden=64, layers=6, out_scalars=1, neighbors=12)
    x = torch.randn(200, 3, generator=generator()) * 2
    edges = po.nearest_edges(x, 12)
    seen = []
    for block in net.body.blocks:
        block.register_forward_hook(lambda _m, _i, y: seen.append(float(y.detach().std())))
    before = {k: v.clone() for k, v in net.state_dict().items()}
    net(x, edges, None, torch.randn(200, 1, 3, generator=generator()))
    assert all(0.1 < s < 10 for s in seen), seen
    assert all(torch.equal(v, before[k]) for k, v in net.state_dict().items())


@pytest.mark.parametrize(
    ("equivariance", "kernel"),
    [
        ("cloud", "harmonic"),
        ("cloud", "polynomial"),
        ("node", "harmonic"),
        ("fixed", "harmonic"),
        ("steerable", "harmonic"),
    ],
)
def test_compiles_whole_and_exports(equivariance, kernel):
    net, data = network(3, equivariance, kernel=kernel, pooled=True).eval(), example(3, torch.float32)
    arguments = (*(data[k] for k in ("positions", "edges", "scalars", "vectors")), None, data["batch"], 3)
    want = net(*arguments)
    compiled = torch.compile(net, fullgraph=True, backend="aot_eager")
    exported = torch.export.export(net, arguments).module()
    for got in (compiled(*arguments), exported(*arguments)):
        torch.testing.assert_close(got[0], want[0], rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(got[1], want[1], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("equivariance", ["fixed", "cloud", "data"])
def test_forces_are_the_gradient_of_the_energy_and_can_be_trained(equivariance):
    net = network(3, equivariance, out_scalars=1, out_vectors=0, hidden=4, layers=1).double()
    data = example(3, clouds=1, size=4)

    def energy(x):
        return net(**(data | {"positions": x}))[0].sum()

    x = data["positions"].clone().requires_grad_()
    assert torch.autograd.gradcheck(energy, x)
    force = torch.autograd.grad(energy(x), x, create_graph=True)[0]
    force.square().sum().backward()
    assert all(p.grad is None or p.grad.isfinite().all() for p in net.parameters())
    assert sum(float(p.grad.norm()) for p in net.parameters() if p.grad is not None) > 0


def test_takes_the_data_of_torch_geometric():
    data = example(3)
    net = network(3, "cloud").double()
    as_data = SimpleNamespace(
        pos=data["positions"], edge_index=data["edges"], x=data["scalars"], vec=data["vectors"], batch=data["batch"]
    )
    for got, want in zip(net(as_data), net(**data)):
        torch.testing.assert_close(got, want)


@pytest.mark.parametrize("equivariance", ["cloud", "data"])
def test_a_graph_prepared_once_gives_the_same_as_its_edges(equivariance):
    data = example(3)
    net = network(3, equivariance).double()
    graph = po.Graph.from_edges(data["edges"], data["batch"])
    for got, want in zip(net(data["positions"], graph, data["scalars"], data["vectors"]), net(**data)):
        torch.testing.assert_close(got, want)


def test_a_graph_that_shares_more_than_the_kernel_is_refused():
    """With scalars of the edges the two directions differ, unless the graph says that they do not."""
    data = example(3)
    net = network(3, "cloud", edge_scalars=1).double()
    scalars = torch.randn(data["edges"].shape[1], 1, dtype=torch.float64, generator=generator())
    arguments = (data["scalars"], data["vectors"], scalars)
    with pytest.raises(InvalidInput, match='share="pairs"'):
        net(data["positions"], po.Graph.from_edges(data["edges"], data["batch"]), *arguments)
    own = po.Graph.from_edges(data["edges"], data["batch"], share="none")
    for got, want in zip(net(data["positions"], own, *arguments), net(**data, edge_scalars=scalars)):
        torch.testing.assert_close(got, want)
    arguments = (*arguments[:2], torch.ones_like(scalars))
    promised = po.Graph.from_edges(data["edges"], data["batch"], share="symmetric")
    for got, want in zip(net(data["positions"], promised, *arguments), net(data["positions"], own, *arguments)):
        torch.testing.assert_close(got, want)


@pytest.mark.parametrize("equivariance", ["cloud", "node", "data", "fixed"])
def test_nothing_is_heard_beyond_the_cutoff(equivariance):
    data = example(3, clouds=1)
    data["positions"][-1] = torch.tensor([60.0, 5.0, 0.0])
    net = network(3, equivariance, cutoff=8.0, layers=3).double()
    changed = data["scalars"].clone()
    changed[-1] += 3
    before, after = net(**data), net(**(data | {"scalars": changed}))
    for a, b in zip(before, after):
        torch.testing.assert_close(a[:-1], b[:-1], rtol=0, atol=1e-12)
        assert (a[-1] - b[-1]).abs().max() > 1e-6


@pytest.mark.parametrize("equivariance", ["cloud", "node", "data", "fixed"])
def test_a_symmetric_molecule_has_finite_forces(equivariance):
    """Methane: three equal spreads, so that axes are arbitrary, but no derivative is infinite."""
    x = torch.tensor([[0.0, 0, 0], [1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]], dtype=torch.float64)
    x.requires_grad_()
    net = network(3, equivariance, in_scalars=0, in_vectors=0).double()
    energy = net(x, po.complete_edges(torch.zeros(5, dtype=torch.int64)))[0].sum()
    assert torch.autograd.grad(energy, x)[0].isfinite().all()


def test_a_lonely_node_still_speaks():
    net = network(3, "data", in_vectors=0).double()
    x, loop = torch.zeros(1, 3, dtype=torch.float64), torch.zeros(2, 1, dtype=torch.int64)
    one, two = (net(x, loop, torch.full((1, 2), s, dtype=torch.float64))[0] for s in (1.0, 5.0))
    assert (one - two).abs().max() > 1e-3


def test_layers_may_move_the_nodes():
    data = example(3)
    net = network(3, "data", moving=True).double()
    train_a_little(net, data)
    assert float(net.body.drift.detach().abs().max()) > 1e-3
    assert graph_equivariance_error(net, **data, count=20, generator=generator()).worst < 1e-10


def test_second_derivatives_are_finite_on_self_loops_in_every_kernel():
    for kernel in ("harmonic", "polynomial"):
        data = example(3, clouds=1, size=4)
        x = data["positions"].requires_grad_()
        energy = network(3, "fixed", kernel=kernel).double()(**data)[0].sum()
        force = torch.autograd.grad(energy, x, create_graph=True)[0]
        assert torch.autograd.grad(force.square().sum(), x)[0].isfinite().all()


def test_a_broken_network_is_not_called_exact():
    data = example(3)

    def broken(positions, *_):
        return positions.new_full((len(positions), 1), float("nan")), positions.new_zeros(len(positions), 1, 3)

    assert graph_equivariance_error(broken, **data, count=2).scalars == math.inf


def test_an_unsorted_batch_is_as_exact():
    data = example(3)
    order = torch.randperm(21, generator=generator())
    place = torch.empty_like(order).index_copy(0, order, torch.arange(21))
    mixed = {k: v[order] for k, v in data.items() if k != "edges"} | {"edges": place[data["edges"]]}
    net = network(3, "cloud", pooled=True).double()
    assert graph_equivariance_error(net, **mixed, count=10, generator=generator()).worst < 1e-10
    for got, want in zip(net(**mixed), net(**data)):
        torch.testing.assert_close(got, want)


@pytest.mark.parametrize("equivariance", ["cloud", "data"])
def test_nothing_jumps_where_nodes_meet(equivariance):
    """Self loops, nodes in the same place and a vector of length zero: finite values and gradients."""
    data = example(3, clouds=1)
    x = data["positions"].clone()
    x[1] = x[0]
    vectors = data["vectors"].clone()
    vectors[0] = 0
    x.requires_grad_()
    net = network(3, equivariance).double()
    s, v = net(**(data | {"positions": x, "vectors": vectors}))
    (s.sum() + v.sum()).backward()
    assert s.isfinite().all()
    assert x.grad.isfinite().all()


def test_an_empty_graph_and_single_nodes():
    net = network(3, "fixed").double()
    s, v = net(
        torch.zeros(0, 3).double(),
        torch.zeros(2, 0, dtype=torch.int64),
        torch.zeros(0, 2).double(),
        torch.zeros(0, 1, 3).double(),
    )
    assert (tuple(s.shape), tuple(v.shape)) == ((0, 2), (0, 1, 3))
    s, _ = net(
        torch.zeros(1, 3).double(),
        torch.zeros(2, 0, dtype=torch.int64),
        torch.ones(1, 2).double(),
        torch.ones(1, 1, 3).double(),
    )
    assert s.isfinite().all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"dim": 4}, "dim must be 2 or 3"),
        ({"equivariance": "exact"}, "equivariance must be one of"),
        ({"group": "SE"}, 'group must be "E"'),
        ({"kernel": "mlp"}, "kernel must be one of"),
        ({"orientations": po.circle(4)}, "orientations must be of R\\^3"),
        ({"orientations": po.fibonacci(12)}, "no mirror symmetry"),
        ({"orientations": po.grid("icosahedral"), "equivariance": "data"}, "come from the data"),
        ({"out_scalars": 0}, "something to give"),
        ({"layers": 0}, "layers must be a whole number of at least 1"),
        ({"in_scalars": -1}, "in_scalars must be a whole number"),
        ({"cutoff": 0.0}, "cutoff must be positive"),
        ({"neighbors": 0}, "neighbors must be positive"),
        ({"orientations": po.fibonacci(2), "equivariance": "fixed"}, "does not span"),
        ({"orientations": po.fibonacci(30), "equivariance": "steerable"}, "cannot project"),
        ({"equivariance": "data", "layer_scale": 0.1}, "moving belongs to"),
        ({"moving": True}, "moving belongs to"),
    ],
)
def test_bad_options_get_a_sentence(options, message):
    with pytest.raises(InvalidInput, match=message):
        po.PositionOrientationNet(**({"out_scalars": 1} | options))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"positions": torch.zeros(21, 2)}, "positions must have shape"),
        ({"scalars": None}, "scalars must be a tensor"),
        ({"vectors": torch.zeros(21, 1, 3)}, "vectors must be float64"),
        ({"edges": None}, "edges are missing"),
        ({"edges": torch.zeros(3, 4, dtype=torch.int64)}, "edges must have shape"),
        ({"edges": torch.full((2, 1), 21)}, "21"),
        ({"batch": torch.zeros(20, dtype=torch.int64)}, "batch must have shape"),
        ({"batch": torch.full((21,), -1)}, "batch must number clouds from 0"),
        ({"positions": torch.zeros(21, 3)}, "positions must be float64"),
        ({"positions": torch.full((21, 3), float("nan"), dtype=torch.float64)}, "positions must be finite"),
        ({"edge_scalars": torch.zeros(147, 1, dtype=torch.float64)}, "made without"),
    ],
)
def test_bad_input_gets_a_sentence(change, message):
    net, data = network(3, "cloud").double(), example(3)
    with pytest.raises(InvalidInput, match=message):
        net(**(data | change))


def test_frames_tell_when_they_are_arbitrary():
    """A regular tetrahedron has three equal spreads: no frame, and the gap says so; a stretched one has."""
    x = torch.tensor([[1.0, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]], dtype=torch.float64)
    graph = po.Graph.from_edges(po.complete_edges(torch.zeros(4, dtype=torch.int64)), torch.zeros(4, dtype=torch.int64))
    net = network(3, "cloud", in_vectors=0)
    none = torch.zeros(4, 0, 3, dtype=torch.float64)
    assert float(net.frames(x, none, graph)[1].max()) < 1e-12
    assert float(net.frames(x * torch.tensor([1.0, 1.3, 1.7]), none, graph)[1].min()) > 0.05
    assert math.isclose(float(torch.linalg.det(net.frames(x, none, graph)[0][0]).abs()), 1, rel_tol=1e-9)
