"""Textures on another mesh: across seams nothing smears."""

import torch

from geokit.geometry.mesh import Mesh
from geokit.geometry.surface_sampling import look_up
from geokit.pipelines.texture_transfer import charts, transfer_texture
from geokit.spectral.matching import match
from tests.spectral.blobs import blob, permuted


def textured(mesh: Mesh) -> Mesh:
    """Front and back in two charts of one texture, red and blue."""
    back = mesh.corners.mean(1)[:, 2] < 0
    flat = mesh.corners[:, :, :2]
    flat = (flat - flat.amin((0, 1))) / (flat.amax((0, 1)) - flat.amin((0, 1)))
    uv = 0.05 + 0.4 * flat + torch.where(back, 0.5, 0.0)[:, None, None]
    texture = torch.zeros(64, 64, 3, dtype=torch.float64)
    texture[32:, :32, 0] = texture[:32, 32:, 2] = 1
    return mesh.replace(uv=uv, texture=texture)


def test_a_copy_has_the_same_colours_in_the_middle_of_every_face():
    mesh = textured(blob(2))
    assert len(charts(mesh).unique()) == 2
    plain = mesh.replace(uv=None, texture=None)
    copy, old = permuted(plain)
    found = transfer_texture(match(mesh, copy))
    assert found.uv is not None
    assert torch.equal(found.texture, mesh.texture)
    middles = look_up(found.texture, found.uv.mean(1))
    back = mesh.vertices[old][found.faces].mean(1)[:, 2] < 0
    right = middles[torch.arange(len(back)), torch.where(back, 2, 0)]
    assert float((right > 0.99).double().mean()) > 0.97
    assert transfer_texture(match(plain, copy)) is None


def test_vertex_colours_where_there_is_no_texture():
    mesh = blob(2)
    mesh = mesh.replace(colors=torch.rand(162, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64))
    copy, old = permuted(mesh.replace(colors=None))
    found = transfer_texture(match(mesh, copy))
    torch.testing.assert_close(found.colors, mesh.colors[old], atol=1e-5, rtol=0)
