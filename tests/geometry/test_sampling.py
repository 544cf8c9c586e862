import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from geokit.errors import InvalidInput
from geokit.geometry.neighbors import PointTree
from geokit.geometry.point_cloud import PointCloud
from geokit.geometry.sampling import farthest_points, voxel_downsample
from tests.reference import neighbors as reference
from tests.reference.clouds import KINDS, points_of

# ---------------------------------------------------------------------------------------------------- farthest points


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("kind", KINDS)
def test_farthest_points_are_those_of_the_plain_algorithm(kind, dtype):
    for count in (1, 2, 17, 900):
        points = points_of(kind, count, count, dtype)
        wanted = reference.farthest(points, min(count, 300), count // 2)
        assert farthest_points(points, min(count, 300), count // 2).tolist() == wanted
        assert farthest_points(PointTree(points), min(count, 300), count // 2).tolist() == wanted


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(*[st.integers(-2, 2)] * 3), min_size=1, max_size=120), st.data())
def test_farthest_points_of_ties_and_duplicates(rows, data):
    points = torch.tensor(rows, dtype=torch.float32)
    count = data.draw(st.integers(1, len(rows)))
    start = data.draw(st.integers(0, len(rows) - 1))
    chosen = farthest_points(points, count, start).tolist()
    assert chosen == reference.farthest(points, count, start)
    assert len(set(chosen)) == count


def test_farthest_points_cover_within_the_spacing_of_the_sample():
    points = points_of("uniform", 20_000)
    chosen = points[farthest_points(points, 200)]
    nearest = torch.cdist(points, chosen, compute_mode="donot_use_mm_for_euclid_dist").amin(1).max()
    spacing = (torch.cdist(chosen, chosen) + 10 * torch.eye(200)).min()
    assert nearest <= spacing * (1 + 1e-4)


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda p: farthest_points(p, 0), "count must be between 1 and the number of points, 5, got 0"),
        (lambda p: farthest_points(p, 6), "count must be between 1 and the number of points, 5, got 6"),
        (lambda p: farthest_points(p, 2, 5), "start must be the index of one of 5 points, got 5"),
        (lambda p: farthest_points(p, 2, -1), "start must be the index of one of 5 points, got -1"),
        (lambda p: farthest_points(p[:, :2], 2), r"points must have shape \(N, 3\)"),
        (lambda p: voxel_downsample(PointCloud(p), 0.0), "size must be positive and finite, got 0.0"),
        (lambda p: voxel_downsample(PointCloud(p), float("nan")), "size must be positive and finite, got nan"),
        (lambda p: voxel_downsample(PointCloud(p), 1e-12), "size 1e-12 is too small for points that span .* cells"),
        (lambda p: voxel_downsample(PointCloud(p + 1e9), 1e-9), "size 1e-09 is too small"),
    ],
)
def test_wrong_arguments_are_refused_with_a_sentence(call, sentence):
    with pytest.raises(InvalidInput, match=sentence):
        call(points_of("uniform", 5))


# ------------------------------------------------------------------------------------------------------------- voxels


def full_cloud(count: int, dtype: torch.dtype = torch.float64) -> PointCloud:
    generator = torch.Generator().manual_seed(count)
    points, colors, normals = (torch.rand(count, 3, generator=generator, dtype=dtype) for _ in range(3))
    normals = torch.nn.functional.normalize(normals, dim=1)
    return PointCloud(points * 4 - 2, colors, normals, torch.rand(count, 5, generator=generator, dtype=dtype))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("size", [0.3, 1.0, 100.0])
def test_voxels_hold_the_means_of_their_cells(size, dtype):
    cloud = full_cloud(800, dtype)
    cells = list(reference.voxels(cloud.points, size).values())
    found = voxel_downsample(cloud, size)
    assert len(found) == len(cells)
    for name, values in found.tensors().items():
        assert values.dtype == dtype
        means = torch.stack([cloud.tensors()[name][ids].mean(0) for ids in cells])
        wanted = torch.nn.functional.normalize(means, dim=1) if name == "normals" else means
        torch.testing.assert_close(values, wanted)


def test_two_clouds_share_the_grid():
    points = torch.tensor([[-0.1, 0, 0], [0.1, 0, 0], [0.9, 0, 0], [1.0, 0, 0]])
    assert len(voxel_downsample(PointCloud(points), 1.0)) == 3
    assert voxel_downsample(PointCloud(points[1:]), 1.0).points[:, 0].tolist() == pytest.approx([0.5, 1.0])


def test_normals_that_cancel_become_that_of_the_first_point():
    normals = torch.tensor([[0.0, 0, 1], [0, 0, -1]])
    found = voxel_downsample(PointCloud(torch.full((2, 3), 0.5), normals=normals), 1.0)
    assert found.normals.tolist() == [[0, 0, 1]]


def test_means_keep_their_digits_far_from_the_origin():
    points = torch.full((1000, 3), 500_000.3)
    assert torch.equal(voxel_downsample(PointCloud(points), 1.0).points, points[:1])


def test_huge_extents_with_few_points():
    points = torch.tensor([[0.0, 0, 0], [1e6, 1e6, 1e6], [-1e6, 0, 0]], dtype=torch.float64)
    assert voxel_downsample(PointCloud(points), 1.0).points.tolist() == points[[2, 0, 1]].tolist()


def test_an_empty_cloud_stays_empty():
    assert len(voxel_downsample(PointCloud(torch.zeros(0, 3)), 1.0)) == 0


def test_voxel_gradients():
    cloud = full_cloud(40)

    def thin(points: torch.Tensor, colors: torch.Tensor, normals: torch.Tensor, features: torch.Tensor):
        fewer = voxel_downsample(cloud.replace(points=points, colors=colors, normals=normals, features=features), 1.5)
        return tuple(fewer.tensors().values())

    assert torch.autograd.gradcheck(thin, tuple(t.requires_grad_() for t in cloud.tensors().values()))
