"""Depth maps to one surface."""

import pytest
import torch

from geokit.errors import InvalidInput, MissingDependency, NumericalFailure
from geokit.geometry import Cameras, fusion, look_at
from geokit.geometry.fusion import DepthView, fuse_depth, suggested_voxel, without_specks
from geokit.geometry.mesh import Mesh
from geokit.geometry.topology import topology

SIZE, FOCAL = 96, 110.0


@pytest.fixture(scope="module", autouse=True)
def needs_open3d():
    from geokit.backend.optional import open3d

    try:
        open3d("these tests")
    except MissingDependency as error:
        pytest.skip(str(error))


def cameras_around(count=8):
    angles = torch.arange(count, dtype=torch.float64) * 2 * torch.pi / count
    eyes = torch.stack([3 * angles.cos(), 3 * angles.sin(), 1.5 * (-1.0) ** torch.arange(count)], dim=1)
    poses = look_at(eyes, torch.zeros(3), torch.tensor([0.0, 0.0, 1.0]))
    K = torch.tensor([[FOCAL, 0, SIZE / 2], [0, FOCAL, SIZE / 2], [0, 0, 1]], dtype=torch.float64)
    return Cameras(poses, K.repeat(count, 1, 1), ((SIZE, SIZE),) * count)


def view_of_ball(camera):
    """Exact depth of the unit sphere, coloured by position."""
    v, u = torch.meshgrid(torch.arange(SIZE) + 0.5, torch.arange(SIZE) + 0.5, indexing="ij")
    rays = torch.stack([(u - SIZE / 2) / FOCAL, (v - SIZE / 2) / FOCAL, torch.ones_like(u)], dim=-1).double()
    center = camera.world_to_camera[0, :3, 3]
    a, b, c = rays.square().sum(-1), rays @ center, center @ center - 1
    inside = b.square() - a * c
    depth = torch.where(inside > 0, (b - inside.clamp_min(0).sqrt()) / a, 0.0)
    pose = camera.world_to_camera[0]
    places = (rays * depth[..., None] - pose[:3, 3]) @ pose[:3, :3]
    return DepthView(depth.float(), ((places + 1) / 2).float())


def test_a_ball_is_where_it_was_seen_and_looks_outward():
    cameras = cameras_around()
    mesh = fuse_depth(cameras, (view_of_ball(cameras[i]) for i in range(len(cameras))), 0.04)
    mesh = without_specks(mesh)
    radii = mesh.vertices.norm(dim=1)
    assert float((radii - 1).abs().median()) < 0.01  # a quarter of a voxel
    outward = (mesh.face_normals() * mesh.corners.mean(1)).sum(1)
    assert float((outward > 0).double().mean()) > 0.99
    assert float((mesh.colors - (mesh.vertices + 1) / 2).abs().median()) < 0.03


def test_the_voxel_follows_the_pixels():
    cameras = cameras_around(4)
    voxel, furthest = suggested_voxel(cameras, [view_of_ball(cameras[i]).depth for i in range(4)])
    assert voxel == pytest.approx(1.5 * 2.5 / FOCAL, rel=0.2)
    assert 4 < furthest < 8


def test_specks_are_left_out():
    triangles = torch.rand(2, 3, 3, generator=torch.Generator().manual_seed(0))
    triangles[1] *= 0.01
    mesh = Mesh(triangles.reshape(6, 3), torch.arange(6).reshape(2, 3))
    assert len(without_specks(mesh)) == 1
    assert topology(without_specks(mesh, 0)).components == 2


def test_what_cannot_be(monkeypatch):
    cameras = cameras_around(2)
    view = view_of_ball(cameras[0])
    nothing = DepthView(torch.zeros(SIZE, SIZE), torch.zeros(SIZE, SIZE, 3))
    with pytest.raises(InvalidInput, match="voxel must be positive"):
        fuse_depth(cameras, [view, view], 0)
    with pytest.raises(InvalidInput, match="2 cameras need a depth map each, got 1"):
        fuse_depth(cameras, [view], 0.1)
    with pytest.raises(InvalidInput, match="depth 0 must have shape"):
        fuse_depth(cameras, [DepthView(torch.zeros(3, 3), torch.zeros(3, 3, 3))], 0.1)
    with monkeypatch.context() as patch:
        patch.setattr(fusion, "_MOST_BLOCKS", 10)
        with pytest.raises(InvalidInput, match="too many"):
            fuse_depth(cameras, [view, view], 0.02)
    with pytest.raises(NumericalFailure, match="empty"):
        fuse_depth(cameras, [nothing, nothing], 0.1)
