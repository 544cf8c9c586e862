"""Principal curvatures of surfaces whose curvatures are known."""

import numpy as np
import pytest
import torch
import trimesh

from geokit.geometry import Mesh
from geokit.spectral.principal import principal_curvatures


def mesh_of(made: trimesh.Trimesh) -> Mesh:
    return Mesh(torch.tensor(np.asarray(made.vertices)), torch.tensor(np.asarray(made.faces, dtype=np.int64)))


def test_a_ball_bends_alike_everywhere():
    found = principal_curvatures(mesh_of(trimesh.creation.icosphere(4, radius=2.0)))
    torch.testing.assert_close(found.values, torch.full_like(found.values, 0.5), rtol=0.08, atol=0)
    assert float((found.values - 0.5).abs().mean()) < 0.01
    assert float(found.shape_index.min()) > 0.95


def test_a_torus_bends_as_its_two_radii_say():
    mesh = mesh_of(trimesh.creation.torus(3.0, 1.0, major_sections=160, minor_sections=80))
    found = principal_curvatures(mesh)
    across = mesh.vertices[:, :2].norm(dim=1)
    outer = across > 3.9
    assert float(found.values[:, 0].median()) == pytest.approx(1.0, rel=0.02)
    torch.testing.assert_close(
        found.values[outer, 1], ((across - 3) / across)[outer].clamp(-1, 1), rtol=0.05, atol=0.005
    )
    inner = across < 2.1
    torch.testing.assert_close(found.values[inner, 1], ((across - 3) / across)[inner], rtol=0.05, atol=0.005)
    # Around the tube it bends most: the larger direction has nothing of the way around the axis.
    around = torch.linalg.cross(torch.tensor([0.0, 0, 1]).double().expand_as(mesh.vertices), mesh.vertices)
    around = torch.nn.functional.normalize(around, dim=1)
    assert float((found.directions[:, 0] * around).sum(1).abs().max()) < 0.05
    assert float((found.directions * found.normals[:, None]).sum(2).abs().max()) < 1e-9


def test_the_shape_index_tells_saddles_from_cups():
    x, y = np.meshgrid(np.linspace(-0.3, 0.3, 41), np.linspace(-0.3, 0.3, 41), indexing="ij")
    number = np.arange(41 * 41).reshape(41, 41)
    corners = [number[:-1, :-1], number[1:, :-1], number[1:, 1:], number[:-1, 1:]]
    a, b, c, d = (corner.reshape(-1) for corner in corners)
    faces = torch.tensor(np.concatenate([np.stack([a, b, c], 1), np.stack([a, c, d], 1)]))
    middle = 20 * 41 + 20
    for height, index in ((x * x - y * y, 0.0), (x * x + y * y, -1.0), (-(x * x) - y * y, 1.0), (-x * x, 0.5)):
        places = torch.tensor(np.stack([x, y, height], -1).reshape(-1, 3))
        found = principal_curvatures(Mesh(places, faces))
        assert float(found.shape_index[middle]) == pytest.approx(index, abs=0.05)
