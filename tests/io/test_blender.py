import math
from pathlib import Path

import pytest
import torch

from geokit.errors import UnreadableFile
from geokit.io import load_capture
from geokit.io.photographs import load_photograph
from tests.io.builders import WIDTH, ring, write_blender


def test_train_and_test_files_are_the_split(tmp_path: Path) -> None:
    write_blender(tmp_path, 4, 2)
    capture = load_capture(tmp_path)
    assert capture.kind == "blender"
    assert capture.cameras.names == (
        "test/r_4.png",
        "test/r_5.png",
        "train/r_0.png",
        "train/r_1.png",
        "train/r_2.png",
        "train/r_3.png",
    )
    assert capture.test == [0, 1]
    assert capture.train == [2, 3, 4, 5]
    assert torch.allclose(capture.cameras.world_to_camera[2:], ring(6)[:4], atol=1e-12)
    assert capture.cameras.K[0, 0, 0] == pytest.approx(0.5 * WIDTH / math.tan(0.45))
    assert load_capture(tmp_path, test_images=["r_1"]).test == [3]
    assert load_capture(tmp_path / "transforms_train.json").test == [0, 1]


def test_without_a_test_file_val_takes_its_place(tmp_path: Path) -> None:
    write_blender(tmp_path, 4, 2)
    (tmp_path / "transforms_test.json").unlink()
    capture = load_capture(tmp_path)
    assert [capture.cameras.names[i] for i in capture.test] == ["val/r_0.png"]
    (tmp_path / "transforms_val.json").unlink()
    assert load_capture(tmp_path).test == [0]


def test_photographs_stand_on_white(tmp_path: Path) -> None:
    write_blender(tmp_path)
    capture = load_capture(tmp_path)
    pixels = load_photograph(tmp_path / "test/r_4.png").double() / 255
    wanted = pixels[..., :3] * pixels[..., 3:] + 1 - pixels[..., 3:]
    assert torch.allclose(capture.photograph(0).double(), wanted, atol=0.6 / 255)
    clear = pixels[..., 3] == 0
    assert bool((capture.photograph(0)[clear] == 1).all())


def test_missing_photographs(tmp_path: Path) -> None:
    write_blender(tmp_path, 4, 2)
    (tmp_path / "train/r_2.png").unlink()
    assert "1 of 6 frames" in load_capture(tmp_path).messages[0]
    (tmp_path / "transforms_train.json").write_text("{}")
    with pytest.raises(UnreadableFile, match=r"transforms_train\.json has no list 'frames'"):
        load_capture(tmp_path)
