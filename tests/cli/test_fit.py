"""geokit fit, and what shows its results, on the command line."""

import json

import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn.functional import normalize

from geokit.cli.main import main
from geokit.geometry import PointCloud
from geokit.io.meshes import load_mesh, save_mesh
from geokit.io.point_clouds import save_points
from tests.geometry.shapes import sphere


def picture(path, height=48, width=64):
    y, x = np.mgrid[:height, :width]
    pixels = np.stack([x * 4 % 256, y * 5 % 256, (x + y) % 256], -1).astype(np.uint8)
    Image.fromarray(pixels).save(path)


def test_image_to_field_to_picture(capsys, tmp_path):
    picture(tmp_path / "a.png")
    field = str(tmp_path / "a.field")
    fit = ["fit", "image", str(tmp_path / "a.png"), "--output", field]
    assert main([*fit, "--size", "3kB"]) == 0
    out = capsys.readouterr().out
    assert "PSNR" in out
    assert "64 x 48 pixels" in out
    assert (tmp_path / "a.field").stat().st_size <= 3000
    assert main([*fit, "--size", "3kB"]) == 2
    assert "--overwrite" in capsys.readouterr().err
    assert main([*fit, "--parameters", "4000", "--overwrite", "--json"]) == 0
    figures = json.loads(capsys.readouterr().out)
    assert figures["parameters"] <= 4000
    assert figures["psnr"] > 20
    assert main(["info", field, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["functions"] == "local cosines"
    assert main(["render", field, "--scale", "2.5", "--output", str(tmp_path / "big.png")]) == 0
    assert Image.open(tmp_path / "big.png").size == (160, 120)


def test_what_cannot_be_is_one_sentence(capsys, tmp_path):
    picture(tmp_path / "a.png")
    out = str(tmp_path / "a.field")
    for options, words in (
        (["--size", "many", "--output", out], "64kB"),
        (["--size", "20", "--output", out], "too small"),
        (["--size", "9kB", "--parameters", "900", "--output", out], "not both"),
        (["--output", str(tmp_path / "a.png")], ".field"),
    ):
        assert main(["fit", "image", str(tmp_path / "a.png"), *options]) == 2
        err = capsys.readouterr().err.splitlines()[-1]
        assert err.startswith("geokit: ")
        assert words in err
    assert main(["render", str(tmp_path / "a.png"), "--output", "x"]) == 2
    assert "--cameras" in capsys.readouterr().err
    assert not (tmp_path / "a.field").exists()


@pytest.mark.parametrize("model", ["grids", "radial", "sines"])
def test_what_is_trained(capsys, tmp_path, model):
    picture(tmp_path / "a.png")
    fit = ["fit", "image", str(tmp_path / "a.png"), "--output", str(tmp_path / "a.field"), "--model", model, "--json"]
    assert main([*fit, "--parameters", "3000", "--time-limit", "1"]) == 0
    figures = json.loads(capsys.readouterr().out)
    assert figures["parameters"] <= 3000
    assert figures["psnr"] > 10
    assert main(["render", str(tmp_path / "a.field"), "--output", str(tmp_path / "b.png")]) == 0
    assert Image.open(tmp_path / "b.png").size == (64, 48)
    assert main([*fit, "--overwrite", "--size", "3kB"]) == 2
    assert "--parameters" in capsys.readouterr().err


def test_points_to_surface(capsys, tmp_path):
    points = normalize(torch.randn(2000, 3, generator=torch.Generator().manual_seed(0)), dim=1)
    save_points(tmp_path / "ball.ply", PointCloud(points))
    fit = ["fit", "points", str(tmp_path / "ball.ply"), "--output"]
    assert main([*fit, str(tmp_path / "ball.obj")]) == 0
    assert "watertight" in capsys.readouterr().out
    mesh = load_mesh(tmp_path / "ball.obj")
    assert float((mesh.vertices.norm(dim=1) - 1).abs().max()) < 0.02
    assert main([*fit, str(tmp_path / "ball.field")]) == 0
    capsys.readouterr()
    assert main(["info", str(tmp_path / "ball.field")]) == 0
    assert "surface" in capsys.readouterr().out
    assert main([*fit, str(tmp_path / "ball.png")]) == 2
    assert ".field" in capsys.readouterr().err


def test_mesh_to_distances_to_mesh(capsys, tmp_path):
    save_mesh(tmp_path / "ball.ply", sphere(2))
    fit = ["fit", "sdf", str(tmp_path / "ball.ply"), "--output", str(tmp_path / "ball.field")]
    assert main([*fit, "--parameters", "20000"]) == 0
    assert "mean distance" in capsys.readouterr().out
    assert main([*fit, "--size", "40kB", "--overwrite"]) == 0
    assert (tmp_path / "ball.field").stat().st_size <= 40_000
    mesh = ["mesh", str(tmp_path / "ball.field"), "--output", str(tmp_path / "again.ply")]
    assert main([*mesh, "--resolution", "32"]) == 0
    assert float((load_mesh(tmp_path / "again.ply").vertices.norm(dim=1) - 1).abs().max()) < 0.05
    capsys.readouterr()
    for options, words in ((["--depth", "5"], "--depth"), ([], "--overwrite")):
        assert main([*mesh, *options]) == 2
        assert words in capsys.readouterr().err
    assert main(["render", str(tmp_path / "ball.field"), "--output", str(tmp_path / "a.png")]) == 2
    assert "geokit mesh" in capsys.readouterr().err


def test_sixteen_bits_come_back_as_sixteen(tmp_path):
    grey = (np.arange(40 * 50).reshape(40, 50) * 30).astype(np.uint16)
    Image.fromarray(grey).save(tmp_path / "deep.png")
    field = str(tmp_path / "a.field")
    assert main(["fit", "image", str(tmp_path / "deep.png"), "--output", field, "--parameters", "2200"]) == 0
    assert main(["render", field, "--bits", "16", "--output", str(tmp_path / "again.png")]) == 0
    again = np.asarray(Image.open(tmp_path / "again.png")).astype(float)
    assert np.abs(again - grey).max() < 300
    assert len(np.unique(again)) > 1000
