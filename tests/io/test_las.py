import struct
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings

from geokit.errors import InvalidInput
from geokit.geometry import PointCloud
from geokit.io.las import write_las
from geokit.io.point_clouds import load_points, save_points
from tests.io.builders import mutate, mutations
from tests.io.hostile import cloud, refused, survives

laspy = pytest.importorskip("laspy")
pytest.importorskip("lazrs")


def by_laspy(path: Path, form: int, version: str, count: int = 500, wide: bool = True) -> np.ndarray:
    """A file of another program; returns its coordinates."""
    g = np.random.default_rng(form)
    las = laspy.LasData(laspy.LasHeader(point_format=form, version=version))
    las.header.scales, las.header.offsets = [0.001, 0.01, 0.001], [600_000, 5_000_000, 0]
    las.x, las.y = g.uniform(6e5, 6.01e5, count), g.uniform(5e6, 5.001e6, count)
    las.z = g.uniform(0, 100, count)
    las.classification = np.full(count, 6, np.uint8)
    if "red" in las.point_format.dimension_names:
        las.red = g.integers(0, 65536 if wide else 256, count).astype(np.uint16)
    las.write(str(path))
    return np.asarray(las.xyz)


@pytest.mark.parametrize("ending", [".las", ".laz"])
@pytest.mark.parametrize(
    ("form", "version"), [(0, "1.2"), (2, "1.2"), (3, "1.3"), (5, "1.3"), (6, "1.4"), (7, "1.4"), (8, "1.4")]
)
def test_files_of_laspy(tmp_path: Path, ending: str, form: int, version: str) -> None:
    path = tmp_path / f"a{ending}"
    points = by_laspy(path, form, version)
    found = load_points(path, features=True)
    assert found.points.dtype == torch.float64
    assert np.array_equal(found.points.numpy(), points)
    assert (found.features[:, -1] == 6).all()
    if form in (2, 3, 5, 7, 8):
        assert np.allclose(found.colors[:, 0].numpy(), laspy.read(path).red / 65535)
    else:
        assert found.colors is None


def test_bytes_that_were_stored_as_16_bits(tmp_path: Path) -> None:
    by_laspy(tmp_path / "a.las", 2, "1.2", wide=False)
    assert np.allclose(load_points(tmp_path / "a.las").colors[:, 0].numpy(), laspy.read(tmp_path / "a.las").red / 255)


@pytest.mark.parametrize("ending", [".las", ".laz"])
@pytest.mark.parametrize("colors", [False, True])
def test_laspy_reads_what_is_written(tmp_path: Path, ending: str, colors: bool) -> None:
    there = cloud(300, colors, normals=False, dtype=torch.float64)
    there = there.replace(points=there.points + torch.tensor([600_000, 5_000_000, 100.0]))
    save_points(tmp_path / f"a{ending}", there)
    las = laspy.read(tmp_path / f"a{ending}")
    assert np.allclose(las.xyz, there.points, rtol=0, atol=1e-6)
    assert np.allclose(las.header.mins, there.points.amin(0), rtol=0, atol=1e-6)
    assert np.allclose(las.header.maxs, there.points.amax(0), rtol=0, atol=1e-6)
    back = load_points(tmp_path / f"a{ending}")
    assert torch.allclose(back.points, there.points, rtol=0, atol=1e-6)
    assert (back.colors is not None) == colors
    if colors:
        assert torch.equal(back.colors, there.colors)
        assert las.header.point_format.id == 2


@pytest.mark.parametrize("ending", [".las", ".laz"])
@pytest.mark.parametrize(
    "points", [torch.zeros(0, 3), torch.ones(1, 3), torch.tensor([[0.0, 0, 0], [1e9, 1, 1]]), torch.rand(9, 3) * 1e-6]
)
def test_odd_clouds(tmp_path: Path, ending: str, points: torch.Tensor) -> None:
    save_points(tmp_path / f"a{ending}", PointCloud(points))
    back = load_points(tmp_path / f"a{ending}").points
    extent = float((points.amax(0) - points.amin(0)).max()) if len(points) else 0
    assert back.shape == points.shape
    assert torch.allclose(back, points.double(), rtol=0, atol=1e-6 * extent)


def test_what_is_lost_is_said(tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match="cannot hold normals"):
        save_points(tmp_path / "a.las", cloud())
    with pytest.raises(InvalidInput, match="usual size"):
        write_las(PointCloud(torch.tensor([[0.0, 0, 0], [1e-320, 0, 0]], dtype=torch.float64)))


def changed(content: bytes, place: int, layout: str, *values: object) -> bytes:
    data = bytearray(content)
    struct.pack_into(layout, data, place, *values)
    return bytes(data)


def test_headers_that_lie(tmp_path: Path, data_folder: Path) -> None:
    plain = write_las(cloud(normals=False))
    cases = [
        (plain[:-1], "promises 50 points"),
        (changed(plain, 107, "<I", 4_000_000_000), "promises 4000000000 points"),
        (changed(plain, 104, "B", 99), "point format 35"),
        (changed(plain, 104, "B", 3), "points of 26 bytes in format 3"),
        (changed(plain, 96, "<I", 1 << 31), "disagrees with itself"),
        (changed(plain, 131, "<d", float("nan")), "scale"),
        (changed(plain, 131, "<d", 0), "scale"),
        (changed(plain, 155, "<d", float("inf")), "scale"),
        (changed(plain, 25, "B", 9), "1.9"),
        (plain[:100], "header"),
        (b"", "LASF"),
        (b"LASF", "truncated"),
    ]
    for content, match in cases:
        (tmp_path / "a.las").write_bytes(content)
        refused(tmp_path / "a.las", match)
    assert len(load_points(data_folder / "io_dev" / "made" / "points_pf3.las")) == 200


@pytest.mark.parametrize(("form", "version"), [(2, "1.2"), (7, "1.4")])
def test_chunks_that_lie(tmp_path: Path, form: int, version: str) -> None:
    by_laspy(tmp_path / "good.laz", form, version)
    good = (tmp_path / "good.laz").read_bytes()
    body = struct.unpack_from("<I", good, 96)[0]
    table = struct.unpack_from("<q", good, body)[0]
    for content in (
        changed(good, 107 if form == 2 else 247, "<I", 3_000_000_000),
        changed(good, 107 if form == 2 else 247, "<I", 40_000),
        changed(good, table + 4, "<I", 0xFFFFFFFF),
        changed(good, table + 4, "<I", 2),
        changed(good, table + 4, "<I", 0),
        good[: table + 8] + b"\xff" * 5,
        changed(good, body, "<q", len(good) - 3),
        changed(good, body, "<q", -5),
        good[: table + 6],
        good[:table],
        good[: body + 3],
        good.replace(b"laszip encoded", b"laszip encodex", 1),
        *(
            changed(good, body + 8 + (36 if form == 7 else 26) + 4 + 4 * i, "<I", 0xFFFFFFF0)
            for i in range(3)
            if form == 7
        ),
    ):
        path = tmp_path / "a.laz"
        path.write_bytes(content)
        refused(path, "a.laz")


@pytest.mark.parametrize("form", ["las", "laz2", "laz7"])
@given(steps=mutations())
@settings(max_examples=40, deadline=None)
def test_broken_bytes(tmp_path_factory: pytest.TempPathFactory, form: str, steps: list) -> None:
    folder = tmp_path_factory.mktemp("fuzz")
    if form == "las":
        good = write_las(cloud())
    else:
        by_laspy(folder / "good.laz", int(form[3:]), "1.4" if form == "laz7" else "1.2", 60)
        good = (folder / "good.laz").read_bytes()
    survives(folder / f"a.{form[:3]}", mutate(good, steps))
