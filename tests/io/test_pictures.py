"""Pictures with all their bits."""

import numpy as np
import pytest
import torch
from PIL import Image

from geokit.errors import InvalidInput, UnreadableFile
from geokit.io.pictures import load_picture, save_deep_picture


@pytest.mark.parametrize("ending", [".png", ".tif", ".npy"])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_eight_bits_come_back(tmp_path, ending: str, channels: int) -> None:
    pixels = torch.randint(0, 256, (5, 7, channels), dtype=torch.uint8)
    save_deep_picture(tmp_path / f"a{ending}", pixels)
    assert torch.equal(load_picture(tmp_path / f"a{ending}"), pixels)


@pytest.mark.parametrize(("ending", "channels"), [(".png", 1), (".tif", 1), (".tif", 3), (".npy", 5)])
def test_sixteen_bits_come_back(tmp_path, ending: str, channels: int) -> None:
    if ending == ".tif" and channels > 1:
        pytest.importorskip("tifffile")
    pixels = torch.from_numpy(np.random.default_rng(0).integers(0, 65536, (5, 7, channels), dtype=np.uint16))
    save_deep_picture(tmp_path / f"a{ending}", pixels)
    again = load_picture(tmp_path / f"a{ending}")
    assert again.dtype == torch.uint16
    assert np.array_equal(again.numpy(), pixels.numpy())


def test_arrays_stay_on_the_disk(tmp_path) -> None:
    np.save(tmp_path / "a.npy", np.zeros((3, 4), np.float32))
    picture = load_picture(tmp_path / "a.npy")
    assert picture.shape == (3, 4, 1)
    picture[0, 0] = 1  # in memory only
    assert float(load_picture(tmp_path / "a.npy").max()) == 0


def test_a_palette_with_transparency_has_four_channels(tmp_path) -> None:
    picture = Image.new("P", (4, 3))
    picture.putpalette([0, 0, 0, 255, 10, 20])
    picture.save(tmp_path / "a.png", transparency=0)
    assert load_picture(tmp_path / "a.png").shape == (3, 4, 4)


def test_what_cannot_be_is_said(tmp_path) -> None:
    np.save(tmp_path / "flat.npy", np.zeros(5))
    np.save(tmp_path / "names.npy", np.array([["a"]]))
    (tmp_path / "text.npy").write_text("no array")
    (tmp_path / "text.png").write_text("no picture")
    (tmp_path / "text.tif").write_text("no picture")
    for name in ("flat.npy", "names.npy", "text.npy", "text.png", "text.tif", "missing.png"):
        with pytest.raises(UnreadableFile, match=name):
            load_picture(tmp_path / name)
    deep, five = torch.zeros(2, 2, 3, dtype=torch.uint16), torch.zeros(2, 2, 5)
    for name, pixels in (
        ("a.png", deep),
        ("a.png", five),
        ("a.gif", five),
        ("a.jpg", torch.zeros(2, 2, 4)),
        ("a.png", five[0]),
    ):
        with pytest.raises(InvalidInput):
            save_deep_picture(tmp_path / name, pixels)
    assert not list(tmp_path.glob("a.*"))
