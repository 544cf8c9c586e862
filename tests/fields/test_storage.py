"""Files of all kinds of fields."""

from collections.abc import Callable

import pytest
import torch
from torch.nn.functional import normalize

from geokit.errors import InvalidInput, UnreadableFile
from geokit.fields import (
    Field,
    FourierField,
    GaussianField,
    GridField,
    LocalCosineField,
    RadialField,
    SirenField,
    fit_image,
    fit_points,
    fit_sdf,
    load_field,
    save_field,
)
from geokit.fields.initialise import kernels_from_samples
from geokit.fields.storage import CLASSES
from geokit.geometry import PointCloud
from geokit.io.checkpoints import save_checkpoint
from tests.geometry.shapes import sphere

BOX = torch.tensor([[0.0, -1.0], [2.0, 3.0]])


def samples(d: int) -> torch.Tensor:
    return BOX[0, :d] + torch.rand(500, d) * (BOX[1, :d] - BOX[0, :d])


def radial() -> RadialField:
    field = RadialField(BOX, kernels_from_samples(samples(2), torch.rand(500), 40, 3))
    torch.nn.init.normal_(field.kernels.features)
    return field


def gaussians() -> GaussianField:
    field = GaussianField(BOX, 30, precision="float32")
    with torch.no_grad():
        for parameter in field.parameters():
            parameter.copy_(torch.rand_like(parameter) + 0.3)
    return field


MAKERS: dict[str, Callable[[], Field]] = {
    "local cosines": lambda: fit_image(torch.rand(30, 20, 2), budget=700),
    "grids": lambda: GridField(BOX, 3, cells=[(4, 8), (16, 16)], rows=64),
    "sines": lambda: SirenField(BOX, 1, hidden=16, layers=2),
    "waves": lambda: FourierField(BOX, 2, waves=8, hidden=16),
    "radial": radial,
    "gaussians": gaussians,
    "distances": lambda: fit_sdf(sphere(2), 3000),
    "surface": lambda: fit_points(PointCloud(normalize(torch.randn(800, 3), dim=1), normals=None)),
}


def test_every_class_is_tested() -> None:
    assert set(MAKERS) == set(CLASSES)


@pytest.mark.parametrize("kind", MAKERS)
def test_fields_come_back(tmp_path, kind: str) -> None:
    field = MAKERS[kind]()
    points = field.bounds[0] + (field.bounds[1] - field.bounds[0]) * torch.rand(50, field.dimension)
    save_field(tmp_path / "a.field", field)
    again = load_field(tmp_path / "a.field")
    assert type(again) is type(field)
    assert torch.equal(again(points), field(points))
    assert again.parameter_count == field.parameter_count


@pytest.mark.parametrize("kind", MAKERS)
def test_few_bits_are_few_bytes_and_nearly_the_same(tmp_path, kind: str) -> None:
    field = MAKERS[kind]()
    exact = save_field(tmp_path / "a.field", field)
    errors = []
    points = field.bounds[0] + (field.bounds[1] - field.bounds[0]) * torch.rand(50, field.dimension)
    for bits in (14, 8):
        assert save_field(tmp_path / "b.field", field, bits=bits) < exact
        errors.append(float((load_field(tmp_path / "b.field")(points) - field(points)).abs().max().detach()))
    assert errors[0] < errors[1]
    assert errors[0] < 0.02 * float(field(points).detach().abs().max()) + 1e-3


def test_what_cannot_be_written_or_read(tmp_path) -> None:
    class Unknown(SirenField):
        pass

    with pytest.raises(InvalidInput, match="Unknown"):
        save_field(tmp_path / "a.field", Unknown(BOX, 1))
    with pytest.raises(InvalidInput, match="bits"):
        save_field(tmp_path / "a.field", MAKERS["sines"](), bits=1)
    assert not list(tmp_path.iterdir())
    save_checkpoint(tmp_path / "c.field", {"x": torch.zeros(3)}, {"kind": "run"})
    with pytest.raises(UnreadableFile, match="not a field"):
        load_field(tmp_path / "c.field")


@pytest.mark.parametrize(
    ("kind", "more"),
    [
        ("sines", {"hidden": 10**9}),
        ("sines", {"hidden": 14_000}),
        ("grids", {"rows": 10**9, "cells": [[10**5, 10**5]]}),
        ("waves", {"waves": 10**7}),
        ("radial", {"kernels": 20_000, "channels": 20_000}),
        ("gaussians", {"count": 10**9}),
        ("gaussians", {"count": -1}),
    ],
)
def test_a_structure_that_is_not_there_is_refused_before_it_is_made(tmp_path, kind: str, more: dict[str, int]) -> None:
    field = MAKERS[kind]()
    metadata = {"kind": "field", "field": kind, "config": field.config() | more}
    save_checkpoint(tmp_path / "d.field", field.stored(), metadata)
    with pytest.raises(UnreadableFile, match="it tells of") as error:
        load_field(tmp_path / "d.field")
    assert "\n" not in str(error.value)


def test_large_seeds_and_long_pictures_come_back(tmp_path) -> None:
    save_field(tmp_path / "a.field", FourierField(BOX, 3, waves=8, hidden=8, seed=10**6))
    load_field(tmp_path / "a.field")
    save_field(tmp_path / "b.field", LocalCosineField(70_000, 2, 1, step=0.1))
    assert load_field(tmp_path / "b.field").raster(rows=slice(0, 4)).abs().max() < 1e-3
