import pytest
import torch

from geokit.errors import InvalidInput
from geokit.geometry.consensus import hypotheses
from geokit.geometry.descriptors import fpfh
from geokit.geometry.mesh import Mesh
from geokit.geometry.point_cloud import PointCloud
from geokit.geometry.registration import register
from geokit.geometry.rotations import random_rotations
from geokit.geometry.scan_points import ScanPoints, scan_points, thinned
from geokit.geometry.transforms import transform
from geokit.io.meshes import load_mesh
from geokit.io.point_clouds import load_points
from tests.geometry.test_icp import bumpy, error
from tests.reference import scenes


def anywhere(seed: int, scale: float = 1.0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    matrix = torch.eye(4, dtype=torch.float64)
    matrix[:3, :3] = scale * random_rotations((), generator=generator)
    matrix[:3, 3] = torch.randn(3, generator=generator, dtype=torch.float64)
    return matrix


@pytest.mark.parametrize("seed", range(2))
def test_partial_scans_from_any_pose(seed):
    source, target = bumpy(6000, 2 * seed + 1, 0.004), bumpy(6000, 2 * seed + 2, 0.004)
    source, target = source[source.points[:, 0] > -0.3], target[target.points[:, 0] < 0.4]
    moved_by = anywhere(seed)
    found = register(transform(source, moved_by), target)
    degrees, shift = error(found.matrix @ moved_by, torch.eye(4, dtype=torch.float64))
    assert degrees < 1
    assert shift < 0.02


def test_the_range_scans_of_the_bunny(data_folder):
    first, second = (load_points(data_folder / "meshes" / f"scan_bun{n}.ply")[::3] for n in ("000", "045"))
    found = register(transform(second, anywhere(7)), first).matrix @ anywhere(7)
    # The turntable's pose, as the makers of the scans give it.
    turn = torch.rad2deg(torch.acos((found[:3, :3].trace() - 1) / 2))
    assert abs(float(turn) - 34.3) < 1
    again = register(transform(second, anywhere(7)), first)
    assert torch.equal(found, again.matrix @ anywhere(7))
    assert again.fitness > 0.8


def test_a_mesh_of_another_size(data_folder):
    mesh = load_mesh(data_folder / "meshes" / "spot.obj")
    plain = Mesh(mesh.vertices.double(), mesh.faces)
    truth = anywhere(3, 2.5)
    found = register(plain, transform(plain, truth), scale=True, voxel=0.2)
    torch.testing.assert_close(found.matrix, truth, rtol=0, atol=0.02)
    assert abs(found.scale - 2.5) < 0.01
    assert found.fitness > 0.95


def test_descriptors_know_neither_the_pose_nor_the_sign_of_normals():
    scan = thinned(scan_points(bumpy(4000, 1)), 0.08)
    plain = fpfh(scan, 0.4)
    matrix = anywhere(1)
    signs = torch.where(torch.rand(len(scan.points), 1, generator=torch.Generator().manual_seed(0)) < 0.5, -1.0, 1.0)
    moved = ScanPoints(scan.points @ matrix[:3, :3].T + matrix[:3, 3], signs * scan.normals @ matrix[:3, :3].T)
    # A few pairs lie on the border of two bins.
    assert float((fpfh(moved, 0.4) - plain).abs().amax(1).median()) < 1e-6
    assert float((fpfh(moved, 0.4) - plain).abs().max()) < 0.1
    torch.testing.assert_close(plain.unflatten(1, (3, 11)).sum(-1), torch.ones(len(plain), 3).double())


def test_consensus_finds_the_motion_that_one_pair_in_ten_knows():
    count, right = 1000, 100
    source, truth = scenes.normal(scenes.generator(0), count, 3), anywhere(2)
    target = scenes.normal(scenes.generator(1), count, 3)
    target[:right] = source[:right]
    target = target @ truth[:3, :3].T + truth[:3, 3]
    normals = torch.nn.functional.normalize(scenes.normal(scenes.generator(2), count, 3), dim=1)
    found = hypotheses(source, target, normals, -normals @ truth[:3, :3].T, 0.05)
    torch.testing.assert_close(found[0], truth, rtol=0, atol=1e-3)


def test_thinned_points_are_the_means_of_cells_whatever_the_signs_of_normals():
    points = torch.tensor([[0.1, 0, 0], [0.3, 0, 0], [5.0, 0, 0], [5.08, 0.2, 0], [9, 9, 9]], dtype=torch.float64)
    normals = torch.tensor([[0, 0, 1.0], [0, 0, -1], [0, 1, 0], [0, 1, 0], [1, 0, 0]], dtype=torch.float64)
    found = thinned(ScanPoints(points, normals), 1.0)
    expected = torch.tensor([[0.2, 0, 0], [5.04, 0.1, 0], [9, 9, 9]], dtype=torch.float64)
    torch.testing.assert_close(found.points, expected)
    torch.testing.assert_close(found.normals, normals[[0, 2, 4]])


def test_wrong_arguments():
    cloud = bumpy(100, 0)
    with pytest.raises(InvalidInput, match="voxel must be positive"):
        register(cloud, cloud, voxel=-1.0)
    with pytest.raises(InvalidInput, match="at least 10 points"):
        register(PointCloud(torch.zeros(0, 3)), cloud)
