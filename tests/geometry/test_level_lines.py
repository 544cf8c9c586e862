"""Level lines lie where the function has the level, and close."""

import numpy as np
import pytest
import torch
import trimesh

from geokit.errors import InvalidInput
from geokit.geometry import Mesh
from geokit.geometry.level_lines import level_lines


def ball() -> Mesh:
    made = trimesh.creation.icosphere(3)
    return Mesh(torch.tensor(np.asarray(made.vertices)), torch.tensor(np.asarray(made.faces, dtype=np.int64)))


def test_lines_of_a_linear_function_lie_on_its_planes():
    mesh, direction = ball(), torch.tensor([0.3, -0.5, 0.8], dtype=torch.float64)
    levels = torch.linspace(-0.6, 0.6, 7, dtype=torch.float64)
    lines = level_lines(mesh, mesh.vertices @ direction, levels)
    assert set(lines.level_ids.tolist()) == set(range(7))
    torch.testing.assert_close(
        lines.ends @ direction, levels[lines.level_ids][:, None].expand(-1, 2), rtol=0, atol=1e-12
    )
    normals = mesh.face_normals()[lines.face_ids]
    corners = mesh.corners[lines.face_ids, 0]
    assert float(((lines.ends - corners[:, None]) * normals[:, None]).sum(2).abs().max()) < 1e-12


def test_lines_close_also_through_vertices_at_the_level():
    mesh = ball()
    lines = level_lines(mesh, mesh.vertices[:, 2], torch.zeros(1, dtype=torch.float64))  # the equator has vertices
    assert bool((mesh.vertices[:, 2] == 0).any())
    places = (lines.ends.reshape(-1, 3) * 1e9).round().to(torch.int64)
    lengths = (lines.ends[:, 0] - lines.ends[:, 1]).norm(dim=1)
    assert float(lengths.sum()) == pytest.approx(2 * np.pi, rel=0.01)
    _, counts = torch.unique(places, dim=0, return_counts=True)
    assert bool((counts % 2 == 0).all())


def test_nothing_where_the_function_is_constant_or_unknown():
    mesh = ball()
    assert not len(level_lines(mesh, torch.ones(len(mesh.vertices)), torch.tensor([1.0])))
    values = mesh.vertices[:, 2].clone()
    values[values > 0] = torch.inf
    levels = torch.tensor([-0.5, 0.5], dtype=torch.float64)
    assert set(level_lines(mesh, values, levels).level_ids.tolist()) == {0}
    with pytest.raises(InvalidInput, match="values"):
        level_lines(mesh, values[:5], levels)
