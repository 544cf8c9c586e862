"""geokit geodesic: distances, colours and a picture from a file, and one sentence for what cannot be."""

import numpy as np
import pytest
import torch

from geokit.cli.main import main
from geokit.geometry.mesh import Mesh
from geokit.io.meshes import load_mesh, save_mesh
from geokit.io.photographs import load_photograph
from geokit.pipelines.geodesic import isoline_mesh


@pytest.fixture
def square(tmp_path):
    """A unit square of 6 x 6 vertices, and another piece."""
    line = torch.linspace(0, 1, 6)
    x, y = (axis.reshape(-1) for axis in torch.meshgrid(line, line, indexing="ij"))
    i = torch.arange(36).reshape(6, 6)
    a, b, c, d = i[:-1, :-1].reshape(-1), i[1:, :-1].reshape(-1), i[1:, 1:].reshape(-1), i[:-1, 1:].reshape(-1)
    places = torch.cat([torch.stack([x, y, 0 * x], 1), torch.tensor([[2.0, 0, 0], [3, 0, 0], [2, 1, 0]])])
    faces = torch.cat([torch.stack([a, b, c], 1), torch.stack([a, c, d], 1), torch.tensor([[36, 37, 38]])])
    save_mesh(tmp_path / "square.ply", Mesh(places, faces))
    return tmp_path / "square.ply"


def test_numbers_colours_and_a_picture(square, tmp_path, capsys):
    target, picture = tmp_path / "out" / "d.npz", tmp_path / "d.png"
    arguments = ["geodesic", str(square), "--source", "0", "--source", "35", "--output", str(target)]
    assert main([*arguments, "--picture", str(picture)]) == 0
    assert "3 vertices in other pieces" in capsys.readouterr().out
    with np.load(target) as arrays:
        distances, sources = torch.from_numpy(arrays["distances"]), arrays["sources"].tolist()
        assert str(arrays["method"]) == "fast_marching"
    places = load_mesh(square).vertices[:36].double()
    wanted = torch.cdist(places, places[[0, 35]]).amin(1)
    assert sources == [0, 35]
    torch.testing.assert_close(distances[:36], wanted, rtol=1e-5, atol=1e-9)
    assert bool(torch.isinf(distances[36:]).all())
    pixels = load_photograph(picture)
    assert len(pixels.reshape(-1, 3).unique(dim=0)) > 100
    assert main([*arguments[:-1], str(tmp_path / "d.ply")]) == 0
    colors = load_mesh(tmp_path / "d.ply").colors
    assert float((colors[0] - colors[35]).abs().max()) < 0.01
    assert float((colors[0] - colors[5]).abs().max()) > 0.3


def test_isolines_follow_the_distance(square):
    mesh = load_mesh(square)
    striped = isoline_mesh(mesh, torch.arange(39, dtype=torch.float64))
    assert striped.uv.shape == (51, 3, 2)
    assert float(striped.uv[-1, -1, 0]) == pytest.approx(0.98)
    assert float(striped.uv[..., 0].min()) == 0


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--source", "39", "--output", "d.npz"], "the mesh has 39 vertices"),
        (["--source", "0", "--output", "d.txt"], "must end in .npz"),
        (["--source", "0", "--output", "d.npz", "--picture", "d.gif"], "must end in .png"),
    ],
)
def test_what_cannot_be_is_one_sentence(square, options, words, capsys, monkeypatch):
    monkeypatch.chdir(square.parent)
    assert main(["geodesic", str(square), *options]) == 2
    assert words in capsys.readouterr().err


def test_files_that_exist_are_kept(square, capsys):
    assert main(["geodesic", str(square), "--source", "0", "--output", str(square)]) == 2
    assert "--overwrite" in capsys.readouterr().err
