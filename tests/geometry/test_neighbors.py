import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from geokit.errors import InvalidInput
from geokit.geometry.neighbors import PointTree, nearest_neighbors, neighbor_distances, radius_neighbors
from tests.reference import neighbors as reference
from tests.reference.clouds import KINDS, points_of


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("kind", KINDS)
def test_nearest_agree_with_every_distance(kind, dtype):
    queries = points_of("uniform", 200, 9, dtype) * 3 - 1
    for count, ks in ((1, (1,)), (2, (1,)), (16, (1, 15)), (17, (3, 16)), (300, (1, 5, 16, 33)), (1100, (16, 64))):
        points = points_of(kind, count, count, dtype)
        for k in ks:
            if k < count:
                for found, wanted in zip(nearest_neighbors(points, k), reference.nearest(points, k)):
                    assert torch.equal(found, wanted)
            for found, wanted in zip(nearest_neighbors(points, k, queries), reference.nearest(points, k, queries)):
                assert torch.equal(found, wanted)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("kind", KINDS)
def test_within_a_radius_agree_with_every_distance(kind, dtype):
    points, queries = points_of(kind, 400, 1, dtype), points_of("uniform", 200, 9, dtype) * 3 - 1
    for radius in (1e-4, 0.1, 1.0, 1e4):
        for asked in (None, queries):
            found = radius_neighbors(points, radius, asked)
            for ours, wanted in zip(found, reference.within(points, radius, asked)):
                assert torch.equal(ours, wanted)


@pytest.mark.parametrize("kind", KINDS)
def test_many_points_of_any_density_cost_alike(kind):
    points = points_of(kind, 200_000)
    distances, indices = nearest_neighbors(points, 8)
    some = torch.arange(0, 200_000, 20_011)
    for number in some.tolist():
        squares = reference.squared_distances(points, points[number : number + 1])[0]
        squares[number] = torch.inf
        wanted = squares.sort(stable=True)
        assert torch.equal(indices[number], wanted.indices[:8])
        assert torch.equal(distances[number], reference.root(wanted.values[:8]))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("kind", KINDS)
def test_more_neighbours_than_registers_hold(kind, dtype):
    points = points_of(kind, 400, 3, dtype)
    for k in (65, 100):
        for found, wanted in zip(nearest_neighbors(points, k), reference.nearest(points, k)):
            assert torch.equal(found, wanted)


@pytest.mark.parametrize("kind", KINDS)
def test_few_queries_among_many_points_and_many_among_few(kind):
    few, many = points_of("uniform", 70, 1) * 1.5, points_of(kind, 6000)
    for points, queries in ((many, few), (few, many)):
        for found, wanted in zip(nearest_neighbors(points, 20, queries), reference.nearest(points, 20, queries)):
            assert torch.equal(found, wanted)


def test_queries_far_outside_and_many_in_any_order():
    points, queries = points_of("uniform", 500), points_of("uniform", 5000, 1) * 1e5
    for found, wanted in zip(nearest_neighbors(points, 4, queries), reference.nearest(points, 4, queries)):
        assert torch.equal(found, wanted)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(*[st.integers(-3, 3)] * 3), min_size=2, max_size=80),
    st.integers(1, 70),
    st.sampled_from([torch.float32, torch.float64]),
)
def test_ties_are_ordered_by_index(rows, k, dtype):
    points = torch.tensor(rows, dtype=dtype)
    k = min(k, len(points) - 1)
    for found, wanted in zip(nearest_neighbors(points, k), reference.nearest(points, k)):
        assert torch.equal(found, wanted)


def test_gradients():
    points = points_of("uniform", 30, dtype=torch.float64).requires_grad_()
    queries = points_of("uniform", 11, 1, torch.float64).requires_grad_()
    assert torch.autograd.gradcheck(lambda p, q: nearest_neighbors(p, 4, q)[0], (points, queries))
    assert torch.autograd.gradcheck(lambda p: nearest_neighbors(p, 4)[0], (points,))
    assert torch.autograd.gradcheck(lambda p, q: radius_neighbors(p, 0.4, q)[2], (points, queries))
    assert torch.autograd.gradcheck(lambda p: radius_neighbors(p, 0.4)[2], (points,))
    assert torch.autograd.gradgradcheck(lambda p, q: nearest_neighbors(p, 4, q)[0], (points, queries))


def test_gradients_at_distance_zero_are_zero():
    points = torch.zeros(3, 3, requires_grad=True)
    nearest_neighbors(points, 2)[0].sum().backward()
    assert torch.equal(points.grad, torch.zeros(3, 3))


def test_a_tree_is_reused_and_trains_its_points():
    points = points_of("uniform", 100).requires_grad_()
    tree = PointTree(points)
    assert len(tree) == 100
    assert repr(tree) == "PointTree(100 points, float32)"
    for found, wanted in zip(nearest_neighbors(tree, 3), nearest_neighbors(points, 3)):
        assert torch.equal(found, wanted)
    nearest_neighbors(tree, 3)[0].sum().backward()
    assert points.grad.abs().sum() > 0


def test_surface_scan_agrees_with_scipy(data_folder):
    numpy = pytest.importorskip("numpy")
    spatial = pytest.importorskip("scipy.spatial")
    points = torch.from_numpy(numpy.load(data_folder / "meshes" / "abc_00011084_scanpts.npy")[:, :3].copy()).double()
    distances, _ = nearest_neighbors(points, 16)
    wanted = spatial.cKDTree(points.numpy()).query(points.numpy(), 17)[0][:, 1:]
    torch.testing.assert_close(distances, torch.from_numpy(wanted))


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda p: nearest_neighbors(p, 0), "k must be between 1 and the number of other points, 3, got 0"),
        (lambda p: nearest_neighbors(p, 4), "k must be between 1 and the number of other points, 3, got 4"),
        (lambda p: nearest_neighbors(p, 5, p), "k must be between 1 and the number of points, 4, got 5"),
        (lambda p: nearest_neighbors(p, 1, p.double()), "queries must be float32, got float64"),
        (lambda p: nearest_neighbors(p, 1, p[:, :2]), r"queries must have shape \(Q, 3\)"),
        (lambda p: nearest_neighbors(p * torch.nan, 1), "points must be finite"),
        (lambda p: nearest_neighbors(p * 1e20, 1), "points reach to .*e\\+.*, whose square is outside .* scale them"),
        (lambda p: nearest_neighbors(p * 1e-20, 1), "points reach to .*e-.*, whose square is outside .* scale them"),
        (lambda p: radius_neighbors(p, 0.0), "radius must be positive and finite, got 0.0"),
        (lambda p: radius_neighbors(p, float("nan")), "radius must be positive and finite, got nan"),
        (lambda p: radius_neighbors(p, 10.0, most=11), "radius 10 gives 12 neighbours in all, more than 11"),
    ],
)
def test_wrong_arguments_are_refused_with_a_sentence(call, sentence):
    with pytest.raises(InvalidInput, match=sentence):
        call(points_of("uniform", 4))


def test_empty_queries_have_empty_answers():
    points = points_of("uniform", 4)
    assert nearest_neighbors(points, 2, points[:0])[0].shape == (0, 2)
    assert [len(t) for t in radius_neighbors(points, 1.0, points[:0])] == [1, 0, 0]
    assert [len(t) for t in radius_neighbors(points[:0], 1.0, points)] == [5, 0, 0]


# ------------------------------------------------------------------------------------------------ neighbor_distances


def test_neighbor_distances_of_duplicates_are_zero():
    points = torch.tensor([[0.0, 0, 0], [0.0, 0, 0], [0.0, 0, 0], [3.0, 4.0, 0.0]])
    assert neighbor_distances(points, 3).tolist() == [[0, 0, 5], [0, 0, 5], [0, 0, 5], [5, 5, 5]]


def test_few_points_have_few_neighbor_distances():
    assert neighbor_distances(torch.zeros(0, 3), 3).shape == (0, 0)
    assert neighbor_distances(torch.zeros(1, 3), 3).shape == (1, 0)
    assert neighbor_distances(torch.rand(3, 3), 5).shape == (3, 2)
    assert neighbor_distances(torch.rand(3, 3), 0).shape == (3, 0)


def test_neighbor_distances_need_no_gradient_of_points_that_train():
    assert not neighbor_distances(torch.rand(4, 3, requires_grad=True), 2).requires_grad


@pytest.mark.parametrize(
    ("points", "sentence"),
    [
        (torch.zeros(4, 2), r"points must have shape \(N, 3\), got \(4, 2\)"),
        (torch.zeros(4, 3, dtype=torch.int64), "points must be float32 or float64, got int64"),
        (torch.tensor([[0.0, torch.nan, 0.0]]), "points must be finite"),
    ],
)
def test_neighbor_distances_refuse_wrong_points(points, sentence):
    with pytest.raises(InvalidInput, match=sentence):
        neighbor_distances(points, 1)
