import sys

import numpy as np
import pytest
import torch

from geokit.errors import InvalidInput, MissingDependency
from geokit.geometry import exchange
from geokit.geometry.mesh import Mesh
from geokit.geometry.point_cloud import PointCloud
from geokit.geometry.seams import split_seams
from tests.geometry.shapes import tetrahedron


def colored() -> Mesh:
    mesh = tetrahedron()
    levels = torch.tensor([0, 51, 102, 255], dtype=torch.float64) / 255  # what a byte can hold
    return mesh.replace(colors=levels[:, None].expand(4, 3).contiguous(), normals=mesh.vertex_normals())


def textured() -> Mesh:
    mesh = tetrahedron()
    texture = torch.randint(0, 256, (4, 6, 3), generator=torch.Generator().manual_seed(0)).double() / 255
    return mesh.replace(uv=mesh.corners[:, :, :2] / 2 + torch.arange(4)[:, None, None] / 8, texture=texture)


def cloud() -> PointCloud:
    g = torch.Generator().manual_seed(0)
    points = torch.rand(6, 3, generator=g).double()
    normals = torch.nn.functional.normalize(torch.randn(6, 3, generator=g).double())
    return PointCloud(points, torch.randint(0, 256, (6, 3), generator=g).double() / 255, normals)


def same(a: Mesh | PointCloud, b: Mesh | PointCloud, leaving_out: tuple[str, ...] = ()) -> None:
    assert type(a) is type(b)
    assert set(a.tensors()) - set(leaving_out) == set(b.tensors()) - set(leaving_out)
    for name, tensor in a.tensors().items():
        if name not in leaving_out:
            torch.testing.assert_close(b.tensors()[name], tensor)


def test_there_and_back_trimesh():
    pytest.importorskip("trimesh")
    mesh = colored()
    same(mesh, exchange.from_trimesh(exchange.to_trimesh(mesh)))
    same(cloud(), exchange.from_trimesh(exchange.to_trimesh(cloud())), ("normals",))
    there = exchange.to_trimesh(textured())
    assert len(there.vertices) > 4  # seams are cut
    back = exchange.from_trimesh(there)
    torch.testing.assert_close(back.corners, textured().corners)
    torch.testing.assert_close(back.uv, textured().uv)
    torch.testing.assert_close(back.texture, textured().texture)


@pytest.mark.parametrize(
    "shape", [colored(), textured(), cloud(), tetrahedron(), PointCloud(torch.rand(2, 3).double())]
)
def test_there_and_back_open3d(shape):
    pytest.importorskip("libusb_package")
    there = exchange.to_open3d(shape)
    same(shape, exchange.from_open3d(there))
    if not isinstance(shape, Mesh) or shape.uv is None:
        o3d = sys.modules["open3d"]
        kind = o3d.t.geometry.TriangleMesh if isinstance(shape, Mesh) else o3d.t.geometry.PointCloud
        same(shape, exchange.from_open3d(kind.from_legacy(there)), ())


@pytest.mark.parametrize("shape", [colored().replace(uv=None), cloud().replace(features=torch.rand(6, 2))])
def test_there_and_back_torch_geometric(shape):
    pytest.importorskip("torch_geometric")
    same(shape, exchange.from_torch_geometric(exchange.to_torch_geometric(shape)))


@pytest.mark.parametrize("shape", [colored(), textured(), cloud(), tetrahedron()])
def test_there_and_back_pytorch3d(shape):
    pytest.importorskip("pytorch3d.renderer")
    leave = ("normals",) if isinstance(shape, Mesh) else ()
    same(shape.to(torch.float32), exchange.from_pytorch3d(exchange.to_pytorch3d(shape.to(torch.float32))), leave)


def test_gradients_flow_into_torch_geometric():
    pytest.importorskip("torch_geometric")
    points = torch.rand(3, 3, requires_grad=True)
    exchange.to_torch_geometric(PointCloud(points)).pos.sum().backward()
    assert points.grad is not None


def test_other_objects_are_refused():
    with pytest.raises(InvalidInput, match="got dict"):
        exchange.from_open3d({})
    with pytest.raises(InvalidInput, match="parts of a Scene"):
        exchange.from_trimesh(type("Scene", (), {})())


def test_a_missing_package_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "pytorch3d", None)
    monkeypatch.setitem(sys.modules, "pytorch3d.structures", None)
    with pytest.raises(
        MissingDependency, match=r"to_pytorch3d needs the package pytorch3d.*install it as its own documentation says"
    ):
        exchange.to_pytorch3d(cloud())


def test_seams_are_cut_only_where_corners_differ():
    mesh = tetrahedron()
    smooth, uv = split_seams(mesh.replace(uv=mesh.corners[:, :, :2]))
    assert len(smooth.vertices) == 4
    torch.testing.assert_close(uv[smooth.faces], mesh.corners[:, :, :2])
    uneven = torch.arange(24, dtype=torch.float64).reshape(4, 3, 2)
    torn, uv = split_seams(mesh.replace(uv=uneven, colors=mesh.vertices))
    assert len(torn.vertices) == 12
    torch.testing.assert_close(uv[torn.faces], uneven)
    torch.testing.assert_close(torn.colors, torn.vertices)
    assert np.array_equal(torn.corners, mesh.corners)
