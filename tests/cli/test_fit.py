"""geokit fit, and what shows its results, on the command line."""

import json

import numpy as np
from PIL import Image

from geokit.cli.main import main


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
    assert json.loads(capsys.readouterr().out)["made of"] == "local cosines"
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
