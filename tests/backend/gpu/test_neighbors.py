"""Trees, neighbours, far points and voxels on the GPU: the CPU's, bit for bit."""

from types import SimpleNamespace

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.fx.experimental.symbolic_shapes import ShapeEnv

from geokit.backend import neighbors_ops as ops
from geokit.errors import InvalidInput
from geokit.geometry.neighbors import PointTree, nearest_neighbors, radius_neighbors
from geokit.geometry.point_cloud import PointCloud
from geokit.geometry.sampling import farthest_points, voxel_downsample
from tests.reference.agreement import assert_agrees
from tests.reference.clouds import KINDS, points_of

FLOATS = (torch.float32, torch.float64)


def assert_equal(device, function, *arguments) -> None:
    for found, wanted in zip(device(function, *arguments), function(*arguments), strict=True):
        assert torch.equal(found, wanted)


def scales(count: int, dtype: torch.dtype) -> torch.Tensor:
    """Clusters within clusters, of sizes from 1 to 1e-12, and both signs: no grid of cells tells their points apart."""
    points = points_of("uniform", count, 3, dtype) - 0.5
    return points * 10.0 ** -torch.arange(count).remainder(13)[:, None]


def clouds(count: int, dtype: torch.dtype) -> dict[str, torch.Tensor]:
    return {kind: points_of(kind, count, count, dtype) for kind in KINDS} | {"scales": scales(count, dtype)}


# ------------------------------------------------------------------------------------------------------------ the tree


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("count", [1, 32, 33, 1025, 33_000])
def test_the_tree_holds_every_point_once_in_boxes_that_contain_it(device, count, dtype):
    points = points_of("uniform", count, dtype=dtype) - 0.3
    leaf_points, leaf_ids, boxes, first_ids, children = device(ops.point_tree, points)
    used = leaf_ids < count
    assert leaf_ids[used].sort().values.tolist() == list(range(count))
    assert torch.equal(leaf_points.movedim(1, 2)[used], points[leaf_ids[used].long()])
    sizes = children.diff(dim=1).flatten().tolist()
    bottom = [begin for begin, _ in children.tolist()].index(0)
    assert (sum(sizes[:bottom]), sum(sizes[bottom:])) == (len(children) - 1, len(leaf_ids))
    below = torch.where(used, leaf_ids, count)[:, None]
    low, high = leaf_points.amin(2), torch.where(used[:, None], leaf_points, -torch.inf).amax(2)
    for node in reversed(range(len(children))):
        if node == bottom - 1:  # the children are nodes from here on
            low, high = boxes[:, :3].amin(2), torch.where(first_ids[:, None] < count, boxes[:, 3:], -torch.inf).amax(2)
            below = first_ids[:, None]
        begin, end = children[node].tolist()
        assert torch.equal(boxes[node, :3, : end - begin].T, low[begin:end])
        assert torch.equal(boxes[node, 3:, : end - begin].T, high[begin:end])
        assert torch.equal(first_ids[node, : end - begin], below[begin:end].flatten(1).amin(1))
        assert (first_ids[node, end - begin :] == ops.MOST_POINTS).all()


def test_leaves_are_small_whatever_the_scales(device):
    points = scales(13 * 64, torch.float64)
    _, leaf_ids, *_ = device(ops.point_tree, points)
    inside = points[leaf_ids.long()]
    extents = (inside.amax(1) - inside.amin(1)).amax(1)
    assert extents.median() < 1e-3  # a thirteenth of the points lie outside of 0.05


# ------------------------------------------------------------------------------------------------------------- nearest


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("kind", [*KINDS, "scales"])
def test_nearest(device, kind, dtype):
    queries = points_of("uniform", 10, 9, dtype) * 3 - 1
    for count, ks in ((1, (1,)), (2, (1,)), (33, (1, 32)), (60, (5, 33)), (1100, (16, 100))):
        points = clouds(count, dtype)[kind]
        for k in ks:
            if k < count < 1000:
                assert_equal(device, nearest_neighbors, points, k)
            assert_equal(device, nearest_neighbors, points, k, torch.cat((queries, points[:5])))


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("kind", ["uniform", "half duplicated"])
def test_more_neighbours_than_shared_memory_holds(device, kind, dtype):
    points = points_of(kind, 400, 3, dtype)
    for k in (256, 257, 400):
        assert_equal(device, nearest_neighbors, points, k, points[:3])


def test_a_tree_of_several_levels(device):
    def search(points: torch.Tensor) -> tuple[torch.Tensor, ...]:
        tree, queries = PointTree(points), points[:9] * 0.999
        return tree.nearest(4, queries) + tree.within(0.03, queries)

    for kind in ("uniform", "one place"):
        assert_equal(device, search, points_of(kind, 33_000))


def test_points_that_are_not_contiguous(device):
    points = points_of("uniform", 100).repeat_interleave(2, 0)[::2]
    assert_equal(device, nearest_neighbors, points.T.contiguous().T, 3)
    assert_equal(device, nearest_neighbors, points, 3, points.flip(0))


# ----------------------------------------------------------------------------------------------------- within a radius


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("kind", [*KINDS, "scales"])
def test_within_a_radius(device, kind, dtype):
    points, queries = clouds(300, dtype)[kind], points_of("uniform", 10, 9, dtype) * 3 - 1
    for radius in (1e-30, 0.3, 1e30):
        assert_equal(device, radius_neighbors, points, radius, torch.cat((queries, points[:10])))
    assert_equal(device, radius_neighbors, points[:100], 0.2)


def test_lists_that_a_whole_block_sorts(device):
    points = points_of("uniform", 4200)
    assert_equal(device, radius_neighbors, points, 10.0, points[:1])
    assert_equal(device, radius_neighbors, points, 0.3, points[:3])


def test_too_many_neighbours_are_refused(device):
    with pytest.raises(InvalidInput, match="radius 10 gives 12 neighbours in all, more than 11"):
        device(radius_neighbors, points_of("uniform", 4), 10.0, most=11)


def test_nothing_asked_and_nothing_there(device):
    points = points_of("uniform", 40)
    assert_equal(device, nearest_neighbors, points, 2, points[:0])
    assert_equal(device, radius_neighbors, points, 1.0, points[:0])
    assert_equal(device, radius_neighbors, points[:0], 1.0, points)
    assert_equal(device, radius_neighbors, points[:0], 1.0)


# ----------------------------------------------------------------------------------------------------------- gradients


def test_gradients(device):
    points = points_of("half duplicated", 150, dtype=torch.float64).requires_grad_()
    queries = points_of("uniform", 40, 1, torch.float64).requires_grad_()
    assert_agrees(device, lambda p: nearest_neighbors(p, 5), points)
    assert_agrees(device, lambda p, q: nearest_neighbors(p, 40, q), points, queries)
    assert_agrees(device, lambda p: radius_neighbors(p, 0.3), points)
    assert_agrees(device, lambda p, q: radius_neighbors(p, 0.3, q), points, queries)


def test_every_tensor_is_on_the_device():
    with FakeTensorMode(shape_env=ShapeEnv()):
        points, queries = (torch.empty(n, 3, device="cuda") for n in (50, 20))
        tree, groups = ops.point_tree(points), ops.point_tree(queries)[:2]
        nearest = ops.nearest(points, queries, tree, groups, 3, False)
        near = ops.within(points, queries, tree, groups, 0.5, False, 1000)
        # Autograd itself wants a GPU for tensors that say that they are on one.
        saved = SimpleNamespace(saved_tensors=(points, queries, *nearest))
        bars = ops._nearest_backward(saved, nearest[0], nearest[1])[:2]
        saved.saved_tensors = (points, queries, *near)
        bars += ops._within_backward(saved, *near)[:2]
        assert [t.shape for t in bars] == [points.shape, queries.shape] * 2
        found = (
            *tree,
            *groups,
            *nearest,
            *near,
            *bars,
            ops.farthest(points, tree, 5, 0),
            *ops.voxel_groups(points, 0.1),
        )
        assert all(t.device.type == "cuda" for t in found)


# ---------------------------------------------------------------------------------------------------------- far points


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("kind", [*KINDS, "scales"])
def test_farthest_points(device, kind, dtype):
    for count, samples in ((1, 1), (2, 2), (40, 40), (1100, 9)):
        points = clouds(count, dtype)[kind]
        assert_equal(device, lambda p, m=samples, s=count // 2: [farthest_points(p, m, s)], points)


def test_farthest_points_by_many_blocks(device):
    for kind in ("uniform", "lattice"):
        assert_equal(device, lambda p: [farthest_points(p, 6, 7)], points_of(kind, 9000))


# -------------------------------------------------------------------------------------------------------------- voxels


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("kind", KINDS)
def test_voxels(device, kind, dtype):
    points = points_of(kind, 300, dtype=dtype) - 0.5
    for size in (1e-3, 0.1, 7.0):
        assert_equal(device, ops.voxel_groups, points, size)
        assert_equal(device, lambda p, size=size: [voxel_downsample(PointCloud(p), size).points], points)


def test_voxels_of_one_point_and_too_small_ones(device):
    points = points_of("uniform", 5)
    assert_equal(device, ops.voxel_groups, points[:1], 0.5)
    with pytest.raises(InvalidInput, match=r"size 1e-12 is too small for points that span .* cells"):
        device(voxel_downsample, PointCloud(points), 1e-12)
