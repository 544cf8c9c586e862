"""Images as fields: exact without a budget, within the budget, best among choices, and clear about what cannot be."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from geokit.errors import InvalidInput, UnreadableFile
from geokit.fields.cosine_choice import kept, price_for
from geokit.fields.cosine_code import choice_bits, decode, encode, pack, quantise, unpack
from geokit.fields.images import analysed, fit_image
from geokit.fields.local_cosine import LocalCosineField
from geokit.fields.storage import load_field, save_field

GENERATOR = torch.Generator().manual_seed(3)


def picture(height: int = 45, width: int = 70, channels: int = 3) -> Tensor:
    """Waves, an edge and noise."""
    y, x = torch.meshgrid(torch.arange(height) / 20, torch.arange(width) / 30, indexing="ij")
    waves = torch.stack([(3 * x + c * y).sin() * (2 * y - c).cos() for c in range(channels)], -1)
    image = 0.5 + 0.3 * waves + 0.2 * (x > y)[..., None] + 0.02 * torch.randn(waves.shape, generator=GENERATOR)
    return image.clamp(0, 1)


def error(field: LocalCosineField, image: Tensor) -> float:
    return float((field.raster().detach() - image).square().mean())


def test_exact_without_a_budget() -> None:
    for image in (picture(), picture(16, 16, 1), picture(3, 90, 4), picture(1, 1, 2)):
        assert error(fit_image(image), image) < 1e-10


@pytest.mark.parametrize("dtype", [torch.uint8, torch.uint16])
def test_integers_are_shares_of_white(dtype: torch.dtype) -> None:
    white = 255 if dtype == torch.uint8 else 65535
    image = (picture() * white).round()
    field = fit_image(image.to(dtype))
    assert error(field, image / white) < 1e-10


def test_a_call_is_the_raster() -> None:
    image = picture()
    field = fit_image(image, budget=2000)
    y, x = torch.meshgrid(torch.arange(45) + 0.5, torch.arange(70) + 0.5, indexing="ij")
    torch.testing.assert_close(field(torch.stack([x, y], -1)), field.raster(), atol=1e-5, rtol=0)
    larger = field.raster(90, 210)
    torch.testing.assert_close(
        field(torch.stack([(x - 0.5 + 1 / 6), (y - 0.25)], -1)), larger[::2, ::3], atol=1e-5, rtol=0
    )
    torch.testing.assert_close(field.raster(90, 210, slice(31, 52)), larger[31:52], atol=1e-6, rtol=0)


def test_derivatives_are_those_of_the_values() -> None:
    field = fit_image(picture(), budget=3000).double()
    x = torch.rand(50, 2, dtype=torch.float64, generator=GENERATOR) * torch.tensor([70.0, 45.0])
    step = 1e-5
    shifts = step * torch.eye(2, dtype=torch.float64)
    with torch.no_grad():
        first = torch.stack([(field(x + s) - field(x - s)) / (2 * step) for s in shifts], -1)
        second = torch.stack([(field.gradient(x + s) - field.gradient(x - s)) / (2 * step) for s in shifts], -1)
        torch.testing.assert_close(field.gradient(x), first, atol=1e-6, rtol=1e-5)
        torch.testing.assert_close(field.laplacian(x), second.diagonal(dim1=-2, dim2=-1).sum(-1), atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("budget", [300, 1000, 4000, 9000])
def test_budget_is_kept_and_used(budget: int) -> None:
    image = picture()
    field = fit_image(image, budget=budget)
    assert field.parameter_count <= budget
    assert field.parameter_count > 0.98 * budget
    assert error(fit_image(image, budget=budget // 2 + 100), image) >= error(field, image)


def test_the_choice_is_the_best_at_its_price() -> None:
    """Against all rectangles of one tile, one by one."""
    coefficients = torch.randn(1, 1, 6, 5, 1, generator=GENERATOR).double() * torch.rand(6, 5, 1) ** 3
    price = 0.02
    best = math.inf
    for rows in range(7):
        for columns in range(6):
            inside = torch.zeros(6, 5, dtype=torch.bool)
            inside[:rows, :columns] = True
            own = coefficients[0, 0, :, :, 0]
            keep = inside & (own.square() > price)
            best = min(best, float(own[~keep].square().sum()) + price * (int(keep.sum()) + rows * columns / 32))
    keep = kept(coefficients, price)
    found = float(coefficients[~keep].square().sum()) + price * (int(keep.sum()) + (choice_bits(keep) - 16) / 32)
    assert found == pytest.approx(best)
    assert price_for(coefficients, 1e9) == 0


def test_packing_and_coding_lose_nothing() -> None:
    rows = torch.cat(list(analysed(picture(), torch.eye(3), torch.zeros(3), torch.zeros(5, 6, 3))))
    keep = kept(rows, 0.01)
    assert torch.equal(unpack(pack(keep), tuple(keep.shape)), keep)
    assert len(pack(keep)) == -(-choice_bits(keep) // 8)
    numbers = quantise(rows, 0.05)
    assert torch.equal(decode(encode(numbers), tuple(numbers.shape)), numbers)
    assert float((numbers * 0.05 - rows).abs().max()) <= 0.6 * 0.05 + 1e-6


@pytest.mark.parametrize("size", [1500, 4000, 20_000])
def test_files_have_the_size_that_was_asked_for(tmp_path, size: int) -> None:
    image = picture(96, 120)
    field = fit_image(image, size=size)
    assert 0.85 * size < save_field(tmp_path / "a.field", field) + 300
    assert save_field(tmp_path / "a.field", field) <= size
    again = load_field(tmp_path / "a.field")
    torch.testing.assert_close(again.raster(), field.raster(), atol=1e-6, rtol=0)
    assert again.config() == field.config()


def test_files_of_exact_numbers(tmp_path) -> None:
    field = fit_image(picture(), budget=3000)
    save_field(tmp_path / "a.field", field)
    again = load_field(tmp_path / "a.field")
    assert torch.equal(again.raster(), field.raster())
    assert again.parameter_count == field.parameter_count
    few = save_field(tmp_path / "b.field", field, bits=8)
    assert few < (tmp_path / "a.field").stat().st_size / 2
    assert error(load_field(tmp_path / "b.field"), picture()) < 4e-3


def test_one_colour_takes_next_to_nothing(tmp_path) -> None:
    image = torch.full((200, 300, 3), 0.25)
    field = fit_image(image, size=2000)
    assert error(field, image) < 1e-10
    assert save_field(tmp_path / "a.field", field) < 1000


def test_large_images_are_read_from_the_disk(tmp_path, monkeypatch) -> None:
    from geokit.fields import images as module

    image = (picture(200, 120) * 255).to(torch.uint8)
    np.save(tmp_path / "large.npy", image.numpy())
    mapped = torch.from_numpy(np.load(tmp_path / "large.npy", mmap_mode="c"))
    whole = fit_image(image, budget=9000)
    monkeypatch.setattr(module, "_SAMPLE", 20_000)
    parts = fit_image(mapped, budget=9000)
    assert parts.parameter_count <= 9000
    assert parts.parameter_count > 8500
    assert error(parts, image / 255) < 1.2 * error(whole, image / 255)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"image": torch.zeros(0, 5, 3)}, "pixels"),
        ({"image": torch.zeros(5)}, "pixels"),
        ({"image": torch.zeros(5, 5, dtype=torch.int64)}, "uint8"),
        ({"image": torch.full((5, 5), float("nan"))}, r"pixel \(0, 0\)"),
        ({"image": picture(), "budget": 10}, "too small"),
        ({"image": picture(), "budget": 300.5}, "whole number"),
        ({"image": picture(), "tile": 0}, "tile"),
        ({"image": picture() * 1e30}, "scale it"),
        ({"image": picture().numpy()}, "tensor"),
        ({"image": picture(), "size": 10}, "too small"),
        ({"image": picture(), "budget": 1000, "size": 1000}, "not both"),
    ],
)
def test_what_cannot_be_is_said(arguments, words: str) -> None:
    with pytest.raises(InvalidInput, match=words):
        fit_image(**arguments)


def test_damaged_files_give_one_sentence(tmp_path) -> None:
    path = tmp_path / "a.field"
    save_field(path, fit_image(picture(), size=4000))
    content = path.read_bytes()
    for end in range(0, len(content), 97):
        path.write_bytes(content[:end])
        with pytest.raises(UnreadableFile):
            load_field(path)
    huge = content.replace(b'\\"height\\": 45', b'\\"height\\": 99999999')
    assert huge != content
    length = int.from_bytes(content[:8], "little") + len(huge) - len(content)
    path.write_bytes(length.to_bytes(8, "little") + huge[8:])
    with pytest.raises(UnreadableFile, match="cannot"):
        load_field(path)


def test_a_sample_that_is_cheap_does_not_set_the_price_for_ever(monkeypatch) -> None:
    from geokit.fields import images

    image = torch.full((192, 96, 1), 0.5)
    image[16:32] = torch.rand(16, 96, 1, generator=GENERATOR)  # in no row of tiles that is looked at
    monkeypatch.setattr(images, "_SAMPLE", 192 * 96 // 3)
    assert fit_image(image, budget=1200).parameter_count <= 1200


def test_rasters_that_cannot_be() -> None:
    field = fit_image(picture())
    for arguments in ((-3, 5), (0, 5), (30, 5, slice(40, 50))):
        with pytest.raises(InvalidInput, match="raster"):
            field.raster(*arguments)
