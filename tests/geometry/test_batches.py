import pytest
import torch

from geokit.errors import InvalidInput
from geokit.geometry.batches import MeshBatch, PointBatch
from geokit.geometry.mesh import Mesh
from geokit.geometry.point_cloud import PointCloud
from tests.geometry.shapes import sphere, tetrahedron


def clouds() -> list[PointCloud]:
    g = torch.Generator().manual_seed(0)
    return [PointCloud(torch.rand(n, 3, generator=g), torch.rand(n, 3, generator=g)) for n in (3, 0, 5)]


def test_clouds_come_back_as_they_went_in():
    batch = PointBatch.from_clouds(clouds())
    assert (len(batch), batch.offsets.tolist(), batch.ids.tolist()) == (3, [0, 3, 3, 8], [0] * 3 + [2] * 5)
    for i, cloud in enumerate(clouds()):
        assert torch.equal(batch[i].points, cloud.points)
        assert torch.equal(batch[i].colors, cloud.colors)
    assert torch.equal(batch[-1].points, clouds()[2].points)
    with pytest.raises(IndexError, match="3 shapes, asked for number 3"):
        batch[3]


def test_padding_shows_what_is_real():
    points, mask = PointBatch.from_clouds(clouds()).padded(-7)
    assert points.shape == (3, 5, 3)
    assert mask.sum(1).tolist() == [3, 0, 5]
    assert torch.equal(points[mask], torch.cat([cloud.points for cloud in clouds()]))
    assert bool((points[~mask] == -7).all())


def test_meshes_come_back_as_they_went_in():
    first = tetrahedron()
    meshes = [m.replace(uv=m.corners[:, :, :2]) for m in (first, sphere(1), first)]
    meshes[1] = meshes[1].replace(texture=torch.rand(4, 4, 3, dtype=torch.float64))
    batch = MeshBatch.from_meshes(meshes)
    assert (len(batch), len(batch.mesh)) == (3, 4 + 80 + 4)
    for i, mesh in enumerate(meshes):
        for name, tensor in mesh.tensors().items():
            assert torch.equal(getattr(batch[i], name), tensor), name
    assert batch[0].texture is None
    assert torch.equal(batch.vertex_ids[batch.mesh.faces[:, 0]], batch.face_ids)
    assert batch.to(torch.float32)[1].texture.dtype == torch.float32


def test_what_only_some_carry_is_refused():
    with pytest.raises(InvalidInput, match="colors are missing in shape 1"):
        PointBatch.from_clouds([clouds()[0], PointCloud(torch.rand(2, 3))])
    with pytest.raises(InvalidInput, match="at least one"):
        MeshBatch.from_meshes([])


def test_wrong_offsets():
    cloud = clouds()[2]
    for offsets in ([0, 4], [1, 5], [0, 6, 5], []):
        with pytest.raises(InvalidInput, match="offsets must run from 0 to 5"):
            PointBatch(cloud, torch.tensor(offsets, dtype=torch.int64))
    mesh = Mesh(torch.rand(3, 3), torch.tensor([[0, 1, 2]]))
    with pytest.raises(InvalidInput, match="must agree"):
        MeshBatch(mesh, torch.tensor([0, 3]), torch.tensor([0, 1, 1]))
