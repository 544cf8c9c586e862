import pytest
import torch

from geokit.backend import neighbors_ops as ops
from tests.reference.comparison import threads

TESTS = ("test_schema", "test_autograd_registration", "test_faketensor", "test_aot_dispatch_dynamic")


def scattered(count: int, seed: int = 0, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    return torch.randn(count, 3, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def test_tree_holds_every_point_once_in_boxes_that_contain_it():
    for count in (1, 16, 17, 300, 5000):
        points = scattered(count, dtype=torch.float32)
        leaf_points, leaf_ids, boxes, first_ids, children = ops.point_tree(points)
        used = leaf_ids < count
        assert leaf_ids[used].sort().values.tolist() == list(range(count))
        assert torch.equal(leaf_points.movedim(1, 2)[used], points[leaf_ids[used].long()])
        assert bool(used.any(1).all())
        below: list[torch.Tensor] = []
        bottom = int((children[:, 0] == 0).nonzero())  # the first node at the bottom has leaf 0
        for node in reversed(range(len(children))):
            lists = []
            for lane, child in enumerate(range(*children[node].tolist())):
                ids = leaf_ids[child][used[child]] if node >= bottom else below[len(children) - 1 - child]
                inside = points[ids.long()]
                assert torch.equal(boxes[node, :3, lane], inside.amin(0))
                assert torch.equal(boxes[node, 3:, lane], inside.amax(0))
                assert first_ids[node, lane] == ids.min()
                lists.append(ids)
            below.append(torch.cat(lists))
        assert len(below[-1]) == count


@pytest.mark.parametrize("exclude_self", [True, False])
def test_operators_are_complete(exclude_self):
    points = scattered(40).requires_grad_()
    queries = points if exclude_self else scattered(20, 1).requires_grad_()
    tree, groups = list(ops.point_tree(points)), list(ops.point_tree(queries)[:2])
    torch.library.opcheck(ops._point_tree, (points.detach(),), test_utils=TESTS[:3])
    torch.library.opcheck(ops._nearest, (points, queries, tree, groups, 3, exclude_self), test_utils=TESTS)
    torch.library.opcheck(ops._voxel_groups, (points.detach(), 0.5), test_utils=TESTS[:3])
    torch.library.opcheck(ops._farthest, (points.detach(), tree, 5, 0), test_utils=TESTS)
    torch.library.opcheck(ops._within, (points, queries, tree, groups, 1.0, exclude_self, 10**6), test_utils=TESTS[:3])


def test_results_do_not_depend_on_the_thread_count():
    points, queries = scattered(40_000, dtype=torch.float32), scattered(5000, 1, torch.float32)

    def run() -> tuple[torch.Tensor, ...]:
        tree, groups = ops.point_tree(points), ops.point_tree(queries)[:2]
        return (
            *ops.nearest(points, points, tree, tree[:2], 8, True),
            *ops.nearest(points, queries, tree, groups, 8, False),
            *ops.within(points, queries, tree, groups, 0.1, False, 10**9),
        )

    with threads(1):
        alone = run()
    with threads(3):
        together = run()
    assert all(torch.equal(a, b) for a, b in zip(alone, together))


def test_wrong_sizes_never_reach_the_kernels():
    points = scattered(50)
    tree = ops.point_tree(points)
    groups = tree[:2]
    with pytest.raises(ValueError, match="k must be at least 1"):
        ops.nearest(points, points, tree, groups, 50, True)
    with pytest.raises(ValueError, match="leaf_points must hold"):
        ops.nearest(points[:10], points, tree, groups, 3, False)
    with pytest.raises(ValueError, match="query_points must hold"):
        ops.nearest(points, points[:10], tree, groups, 3, False)
    with pytest.raises(ValueError, match="as many queries as points"):
        ops.nearest(points, points[:10], tree, ops.point_tree(points[:10])[:2], 3, True)
