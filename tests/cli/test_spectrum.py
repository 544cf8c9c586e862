"""geokit spectrum, as typed."""

import json

import numpy as np
import pytest
import torch

from geokit.geometry import PointCloud
from geokit.geometry.mesh import Mesh
from geokit.io.meshes import save_mesh
from geokit.io.photographs import load_photograph
from geokit.io.point_clouds import save_points
from tests.cli.test_main import said, sentence
from tests.geometry.shapes import sphere


@pytest.fixture
def ball(tmp_path):
    """A sphere of radius two with a vertex too many."""
    mesh = sphere(3, radius=2.0)
    vertices = torch.cat([mesh.vertices, torch.full((1, 3), 2.0, dtype=torch.float64)])
    save_mesh(tmp_path / "ball.ply", Mesh(vertices, mesh.faces))
    return tmp_path / "ball.ply"


def test_the_spectrum_of_a_mesh_is_told_written_and_drawn(capsys, ball, tmp_path):
    out = said(capsys, ["spectrum", ball, "--count", 30, "--output", tmp_path / "s.npz", "--pictures"], 0).out
    assert "643 vertices" in out
    assert "in 1 piece" in out
    assert "residuals at most" in out
    assert str(tmp_path / "s.png") in out
    with np.load(tmp_path / "s.npz") as found:
        values, vectors, masses = (found[name] for name in ("eigenvalues", "eigenvectors", "masses"))
        assert found["residuals"].max() < 1e-8
    assert vectors.shape == (643, 30)
    assert values[1:4] == pytest.approx(0.5, rel=0.02)  # l (l + 1) / radius^2
    assert masses.sum() == pytest.approx(16 * np.pi, rel=0.02)
    np.testing.assert_allclose(vectors.T @ (masses[:, None] * vectors), np.eye(30), atol=1e-8)
    picture = load_photograph(tmp_path / "s.png")
    assert picture.shape[0] > 300
    assert float(picture.float().std()) > 0.05


def test_json_has_every_eigenvalue_and_points_have_a_spectrum_too(capsys, tmp_path):
    save_points(tmp_path / "a.ply", PointCloud(sphere(3).vertices.float()))
    found = json.loads(said(capsys, ["spectrum", tmp_path / "a.ply", "--count", 10, "--json"], 0).out)
    assert len(found["eigenvalues"]) == 10
    assert found["components"] == 1
    assert found["eigenvalues"][1] == pytest.approx(2, rel=0.1)


def test_what_cannot_be_is_one_sentence(capsys, ball, tmp_path):
    assert "count must be 1 to 642" in sentence(capsys, ["spectrum", ball, "--count", 700])
    assert "must end in .npz" in sentence(capsys, ["spectrum", ball, "--output", tmp_path / "a.txt"])
    (tmp_path / "s.npz").write_text("precious")
    assert "exists already" in sentence(capsys, ["spectrum", ball, "--output", tmp_path / "s.npz"])
    assert (tmp_path / "s.npz").read_text() == "precious"
    save_points(tmp_path / "p.ply", PointCloud(torch.rand(50, 3)))
    assert "points" in sentence(capsys, ["spectrum", tmp_path / "p.ply", "--pictures"])
