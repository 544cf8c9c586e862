"""What holds for all formats of points."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from geokit.errors import InvalidInput, UnreadableFile
from geokit.geometry import PointCloud
from geokit.io.meshes import load_mesh
from geokit.io.point_clouds import POINT_ENDINGS, load_points, save_points
from geokit.io.point_files import load_point_ply
from geokit.io.shapes import load_shape
from geokit.io.vertex_values import decimals, unit_colors
from tests.io.hostile import cloud

KEEP_ALL = (".ply", ".xyz", ".txt", ".csv", ".asc", ".pts", ".pcd", ".npz", ".e57")


@pytest.mark.parametrize("ending", KEEP_ALL)
@given(st.integers(0, 60), st.booleans(), st.booleans(), st.booleans(), st.integers(0, 1 << 30))
@settings(max_examples=15, deadline=None)
def test_there_and_back(
    tmp_path_factory: pytest.TempPathFactory,
    ending: str,
    count: int,
    colors: bool,
    normals: bool,
    double: bool,
    seed: int,
) -> None:
    if ending == ".pts":
        count += 5  # its columns have no names: what they are is told by their values
    there = cloud(count, colors, normals, seed, torch.float64 if double else torch.float32)
    if double:
        there = there.replace(points=there.points + torch.tensor([600_000.0, 5_000_000, 0]))
    path = tmp_path_factory.mktemp("there") / f"a{ending}"
    save_points(path, there)
    back = load_points(path)
    if count > 1:
        assert torch.equal(back.points, there.points)
        assert back.points.dtype == there.points.dtype
        assert (back.colors is not None) == colors
        assert (back.normals is not None) == normals
    assert len(back) == count
    if count and colors:
        assert torch.allclose(back.colors.to(there.points), there.colors, atol=1e-6)
    if count and normals:
        assert torch.allclose(back.normals.to(there.points), there.normals, atol=1e-6)


def test_endings_that_are_none(tmp_path: Path) -> None:
    for name in ("a.doc", "a"):
        (tmp_path / name).write_text("1 2 3")
        with pytest.raises(InvalidInput, match="files of points end in"):
            load_points(tmp_path / name)
        with pytest.raises(InvalidInput, match="files of points end in"):
            save_points(tmp_path / name, cloud())
    for ending in POINT_ENDINGS:
        with pytest.raises(UnreadableFile, match="does not exist"):
            load_points(tmp_path / f"none{ending}")
        (tmp_path / f"folder{ending}").mkdir()
        with pytest.raises(UnreadableFile, match="is a folder"):
            load_points(tmp_path / f"folder{ending}")


def test_a_failed_save_leaves_the_older_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save_points(tmp_path / "a.pcd", cloud(5))
    before = (tmp_path / "a.pcd").read_bytes()
    monkeypatch.setattr("os.replace", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    with pytest.raises(Exception, match="could not be written"):
        save_points(tmp_path / "a.pcd", cloud(9))
    assert (tmp_path / "a.pcd").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["a.pcd"]


def test_ply_of_points(tmp_path: Path, data_folder: Path) -> None:
    there = cloud(7).replace(features=torch.rand(7, 2))
    save_points(tmp_path / "a.ply", there)
    back = load_points(tmp_path / "a.ply", features=True)
    assert all(torch.allclose(a, b) for a, b in zip(there.tensors().values(), back.tensors().values()))
    narrow = load_point_ply(tmp_path / "a.ply")
    assert (narrow.points.dtype, narrow.normals, narrow.features) == (torch.float32, None, None)
    for name, count in (
        ("trimesh/points_ascii.ply", 5),
        ("trimesh/emptyIO_ply_points_ascii.ply", 8),
        ("assimp/PLY_points.ply", 4),
    ):
        assert len(load_points(data_folder / "io_dev" / name)) == count
    assert len(load_points(data_folder / "meshes" / "bun_zipper.ply")) == 35947


def test_points_that_are_not_finite(tmp_path: Path) -> None:
    rows = np.ones((3, 3), np.float32)
    rows[1, 2] = np.inf
    np.save(tmp_path / "a.npy", rows)
    with pytest.raises(UnreadableFile, match="1 of 3 points with NaN"):
        load_points(tmp_path / "a.npy")
    with pytest.warns(UserWarning, match="left out 1 points with NaN"):
        assert len(load_points(tmp_path / "a.npy", drop_nonfinite=True)) == 2


@pytest.mark.parametrize("ending", [".npy", ".ply", ".xyz", ".obj", ".splat"])
def test_dropping_reaches_the_reader_of_any_shape(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"a{ending}"
    header = "ply\nformat ascii 1.0\nelement vertex 2\n" + "".join(f"property float {c}\n" for c in "xyz")
    if ending == ".npy":
        np.save(path, np.array([[0, 0, 0], [np.nan, 0, 0]], np.float32))
    elif ending == ".splat":
        splat = np.array([0, 0, 0, 1, 1, 1], "<f4").tobytes() + bytes([255, 0, 0, 255, 255, 128, 128, 128])
        path.write_bytes(splat + np.array([np.nan], "<f4").tobytes() + splat[4:])
    else:
        before, row = {".ply": (header + "end_header\n", ""), ".xyz": ("", ""), ".obj": ("", "v ")}[ending]
        path.write_text(f"{before}{row}0 0 0\n{row}nan 0 0\n")
    with pytest.raises(UnreadableFile, match="1 of 2"):
        load_shape(path)
    with pytest.warns(UserWarning, match="left out 1"):
        assert len(load_shape(path, drop_nonfinite=True)) == 1


def test_when_decimals_are_doubles() -> None:
    near = np.array([[0.0, 0, 0], [1, 1, 1]])
    assert decimals(near).dtype == np.float32
    assert decimals(near * 1e6).dtype == np.float32
    assert decimals(near + 1e6).dtype == np.float64
    assert decimals(near + 10).dtype == np.float32
    assert decimals(np.array([[1.0, 2, 3]])).dtype == np.float32  # no extent: a thousandth
    assert decimals(np.array([[6e5, 5e6, 0]])).dtype == np.float64
    assert decimals(np.array([[1e300, 0, 0], [0, 0, 0]])).dtype == np.float64
    assert decimals(np.zeros((0, 3))).dtype == np.float32


def test_scales_of_colours() -> None:
    path = Path("a.ply")
    for values in ([[0, 51, 255]], [[0.0, 51.0, 255.0]], [[0, 0.2, 1]]):
        kind = np.uint8 if isinstance(values[0][1], int) else np.float64
        assert np.allclose(unit_colors(path, np.array(values, kind), np.float32), [[0, 0.2, 1]])
    for kind in (np.uint16, np.float64):
        found = unit_colors(path, np.array([[0, 13107, 65535]], kind), np.float64)
        assert found.dtype == np.float64
        assert np.allclose(found, [[0, 0.2, 1]])
    assert unit_colors(path, np.array([[-1e-7, 0.5, 1 + 1e-7]]), np.float32).tolist() == [[0, 0.5, 1]]
    assert unit_colors(path, np.empty((0, 3), np.uint8), np.float32).shape == (0, 3)
    for odd in ([[-1.0, 0.5, 1]], [[0, 0.5, 1.5]], [[0, 1, 70000.0]]):
        with pytest.warns(UserWarning, match="neither in 0..1 nor bytes"):
            assert unit_colors(path, np.array(odd), np.float32) is None
    with pytest.warns(UserWarning, match="neither in 0..1 nor bytes"):
        assert unit_colors(path, np.array([[-1, 0, 1]], np.int8), np.float32) is None


def test_colours_of_one_file_are_the_same_as_points_and_as_a_mesh(tmp_path: Path) -> None:
    kinds = [f"property {kind} {name}" for kind, names in (("float", "xyz"), ("float", "rgb")) for name in names]
    lines = ["ply", "format ascii 1.0", "element vertex 3", *kinds, "element face 1"]
    lines += ["property list uchar int vertex_indices", "end_header"]
    for row in ("13107 0 65535", "51 0 255", "0.2 0 1"):
        rows = [f"{i} {i * i} 0 {row}" for i in range(3)]
        (tmp_path / "a.ply").write_text("\n".join([*lines, *rows, "3 0 1 2"]) + "\n")
        points, mesh = load_points(tmp_path / "a.ply").colors, load_mesh(tmp_path / "a.ply").colors
        assert torch.equal(points, mesh)
        assert torch.allclose(points, torch.tensor([0.2, 0, 1]).expand(3, 3))


def test_an_empty_cloud(tmp_path: Path) -> None:
    for ending in POINT_ENDINGS:
        save_points(tmp_path / f"a{ending}", PointCloud(torch.zeros(0, 3)))
        assert len(load_points(tmp_path / f"a{ending}")) == 0
