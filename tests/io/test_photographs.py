import warnings
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from geokit.errors import InvalidInput, UnreadableFile
from geokit.io.photographs import load_photograph, photograph_size, save_picture
from tests.io.builders import mutate, mutations, write_photograph


def test_pixels_come_back_exactly(tmp_path: Path) -> None:
    pixels = torch.randint(0, 256, (5, 7, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    save_picture(tmp_path / "a.png", pixels)
    assert torch.equal(load_photograph(tmp_path / "a.png"), pixels)
    save_picture(tmp_path / "b.png", pixels.float() / 255)
    assert torch.equal(load_photograph(tmp_path / "b.png"), pixels)


def test_floats_are_clamped(tmp_path: Path) -> None:
    save_picture(tmp_path / "a.png", torch.tensor([[[-1.0, 0.5, 2.0]]]))
    assert load_photograph(tmp_path / "a.png").tolist() == [[[0, 128, 255]]]


@pytest.mark.parametrize(
    ("mode", "channels"), [("L", 3), ("P", 3), ("1", 3), ("CMYK", 3), ("LA", 4), ("RGBA", 4), ("I;16", 3)]
)
def test_every_kind_of_pixel(tmp_path: Path, mode: str, channels: int) -> None:
    path = tmp_path / ("a.tif" if mode == "CMYK" else "a.png")
    grey = np.arange(12, dtype=np.uint16).reshape(3, 4) * 5000
    picture = Image.fromarray(grey) if mode == "I;16" else Image.fromarray((grey // 257).astype(np.uint8)).convert(mode)
    picture.save(path)
    image = load_photograph(path)
    assert image.shape == (3, 4, channels)
    assert image.dtype == torch.uint8
    if mode in ("L", "I;16"):
        assert image[2, 3].tolist() == [214, 214, 214]


def test_transparent_palette(tmp_path: Path) -> None:
    picture = Image.new("P", (2, 1))
    picture.putpalette([255, 0, 0, 0, 255, 0])
    picture.putdata([0, 1])
    picture.save(tmp_path / "a.png", transparency=1)
    assert load_photograph(tmp_path / "a.png").tolist() == [[[255, 0, 0, 255], [0, 255, 0, 0]]]


def test_a_turned_photograph_follows_the_camera(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    exif = Image.Exif()
    exif[0x0112] = 6  # stored lying, to be shown upright
    Image.new("RGB", (40, 30)).save(path, exif=exif)
    assert load_photograph(path).shape[:2] == (40, 30)  # as a viewer shows it
    assert load_photograph(path, (40, 30)).shape[:2] == (30, 40)  # the camera was calibrated on the stored pixels
    assert load_photograph(path, (30, 40)).shape[:2] == (40, 30)  # ... or on the turned ones
    assert load_photograph(path, (20, 10)).shape[:2] == (30, 40)
    for size in (None, (40, 30), (30, 40), (20, 10)):
        assert photograph_size(path, size) == tuple(load_photograph(path, size).shape[1::-1])


def test_broken_pictures_are_one_sentence(tmp_path: Path) -> None:
    write_photograph(tmp_path / "whole.png", 64, 64)
    Image.open(tmp_path / "whole.png").save(tmp_path / "whole.jpg")
    (tmp_path / "text.png").write_text("not a picture")
    (tmp_path / "empty.jpg").write_bytes(b"")
    for ending in ("png", "jpg"):
        content = (tmp_path / f"whole.{ending}").read_bytes()
        (tmp_path / f"half.{ending}").write_bytes(content[: len(content) // 2])
    for name in ("text.png", "empty.jpg", "half.png", "half.jpg", "absent.png", "."):
        with pytest.raises(UnreadableFile) as caught:
            load_photograph(tmp_path / name)
        assert str(tmp_path) in str(caught.value)
        assert "\n" not in str(caught.value)


def test_a_picture_with_too_many_pixels_is_not_opened(tmp_path: Path, monkeypatch) -> None:
    write_photograph(tmp_path / "a.png", 64, 64)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    with pytest.raises(UnreadableFile, match="more pixels than is safe"):
        load_photograph(tmp_path / "a.png")


def test_wrong_pictures_to_save(tmp_path: Path) -> None:
    for pixels, name in [
        (torch.zeros(3, 3), "a.png"),
        (torch.zeros(0, 3, 3), "a.png"),
        (torch.zeros(3, 3, 3), "a.exr"),
    ]:
        with pytest.raises(InvalidInput):
            save_picture(tmp_path / name, pixels)
    assert not list(tmp_path.iterdir())


@given(st.sampled_from(["png", "jpg", "tif", "bmp", "webp"]), mutations())
@settings(max_examples=200, deadline=None)
def test_any_bytes_give_pixels_or_one_sentence(
    tmp_path_factory: pytest.TempPathFactory, ending: str, steps: list[tuple[float, str, bytes]]
) -> None:
    folder = tmp_path_factory.getbasetemp() / "photographs"
    folder.mkdir(exist_ok=True)
    seed, path = folder / f"seed.{ending}", folder / f"mutated.{ending}"
    if not seed.exists():
        write_photograph(seed, 24, 20)
    path.write_bytes(mutate(seed.read_bytes(), steps))
    with suppress(UnreadableFile), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert load_photograph(path).dtype == torch.uint8
