from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from geokit.errors import UnreadableFile
from geokit.io.point_clouds import load_points
from geokit.io.xyz import guess_columns, write_xyz
from tests.io.builders import mutate, mutations
from tests.io.hostile import cloud, refused, survives


def written(tmp_path: Path, text: str | bytes, ending: str = ".xyz") -> Path:
    path = tmp_path / f"a{ending}"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


@pytest.mark.parametrize(
    "text",
    [
        "1 2 3\n4 5 6.5\n",
        "1 2 3\n4 5 6.5",
        "1\t2\t3\r\n4\t5\t6.5\r\n",
        "1,2,3\n4,5,6.5\n",
        "1, 2, 3\n 4, 5, 6.5\n\n",
        "1;2;3\n4;5;6.5\n",
        "# made by hand\n\n1 2 3 # the first\n// between\n4 5 6.5\n",
        "//X Y Z\n1 2 3\n4 5 6.5\n",
        "x,y,z\n1,2,3\n4,5,6.5\n",
        "2\n1 2 3\n4 5 6.5\n",
        "\ufeff1 2 3\n4e0 +5 6.5E0\n",
        "1 2 3\r4 5 6.5\r",
    ],
)
def test_all_spellings_of_two_points(tmp_path: Path, text: str) -> None:
    found = load_points(written(tmp_path, text))
    assert found.points.tolist() == [[1, 2, 3], [4, 5, 6.5]]
    assert found.points.dtype == torch.float32
    assert found.colors is None
    assert found.normals is None


def test_names_decide(tmp_path: Path) -> None:
    text = "//Nx Ny Nz Intensity B G R X Y Z\n0 0 1 7 0 51 255 1 2 3\n"
    found = load_points(written(tmp_path, text), features=True)
    assert found.points.tolist() == [[1, 2, 3]]
    assert torch.allclose(found.colors, torch.tensor([[1, 0.2, 0]]))
    assert found.normals.tolist() == [[0, 0, 1]]
    assert found.features.tolist() == [[7]]
    assert load_points(written(tmp_path, text)).features is None


def test_values_decide_where_there_are_no_names() -> None:
    g = np.random.default_rng(0)
    points, shades = g.normal(size=(40, 3)), g.integers(0, 256, (40, 3))
    normals = g.normal(size=(40, 3))
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    heat = g.uniform(-2048, 2047, (40, 1))
    rgb, n = ["red", "green", "blue"], ["nx", "ny", "nz"]
    for parts, names in (
        ([shades], rgb),
        ([normals], n),
        ([shades, normals], rgb + n),
        ([normals, shades], n + rgb),
        ([shades / 255], rgb),
        ([heat, shades], ["scalar_1", *rgb]),
        ([g.integers(0, 256, (40, 1)), shades], ["scalar_1", *rgb]),
        ([shades, np.full((40, 1), 255)], [*rgb, "scalar_4"]),
        ([heat], ["scalar_1"]),
        ([points * 300], ["scalar_1", "scalar_2", "scalar_3"]),
    ):
        assert guess_columns(np.concatenate([points, *parts], axis=1)) == ["x", "y", "z", *names]


def test_pts_of_two_scans(tmp_path: Path) -> None:
    text = "2\n1 2 3 -1200 10 20 30\n4 5 6 800 255 0 0\n1\n7 8 9 100 0 0 51\n"
    found = load_points(written(tmp_path, text, ".pts"))
    assert found.points.tolist() == [[1, 2, 3], [4, 5, 6], [7, 8, 9]]
    assert torch.allclose(found.colors[2], torch.tensor([0, 0, 0.2]))


def test_surveyors_coordinates_keep_their_digits(tmp_path: Path, data_folder: Path) -> None:
    text = "600000.123 5000000.456 10.789\n600001.123 5000001.456 11.789\n"
    found = load_points(written(tmp_path, text))
    assert found.points.dtype == torch.float64
    assert found.points[0].tolist() == [600000.123, 5000000.456, 10.789]
    real = load_points(data_folder / "io_dev" / "trimesh" / "points_cloudcompare.xyz")
    assert len(real) == 101
    assert real.points[0].tolist() == [665187.522077, 5648349.895035, 241.767693]
    assert torch.allclose(real.colors[0], torch.tensor([117, 73, 49], dtype=torch.float64) / 255)


def test_refusals_name_the_line(tmp_path: Path) -> None:
    for text, match in (
        ("1 2 3\n4 5 6\n7 8\n", "line 3: 2 numbers where the lines before have 3"),
        ("1 2 3\n4 x 6\n", "line 2: '4 x 6' is not a line of numbers"),
        ("hello world\n", "line 1: 'hello world' is not a line"),
        ("1 2\n3 4\n", "2 numbers a line, wanted at least 3"),
        ("1,5 2,5 3,5\n", "decimal commas"),
        ("1,5;2,5;3,5\n", "decimal commas"),
        ("1 2 3\nnan 5 6\n", "1 of 2 points with NaN"),
        ("1 2 3\n1e999 5 6\n", "NaN or infinite"),
        (b"1 2 3\n4 \0 6\n", "bytes of zero"),
        ("1 2 3\n" * 300_000 + "1 2\n", "line 300001"),
    ):
        refused(written(tmp_path, text), match)
    with pytest.warns(UserWarning, match="left out 1 points"):
        assert len(load_points(written(tmp_path, "1 2 3\nnan 5 6\n"), drop_nonfinite=True)) == 1
    for text in ("", "\n\n", "# nothing\n", "0\n"):
        assert len(load_points(written(tmp_path, text))) == 0
    with pytest.raises(UnreadableFile, match="does not exist"):
        load_points(tmp_path / "none.xyz")


def test_many_pieces_are_one_table(tmp_path: Path) -> None:
    table = np.arange(900_000).reshape(-1, 3)
    text = "".join(f"{a} {b} {c}\n" for a, b, c in table.tolist())
    assert len(text) > 1 << 22
    assert np.array_equal(load_points(written(tmp_path, text)).points.numpy(), table.astype(np.float32))


@pytest.mark.parametrize("ending", [".xyz", ".csv", ".pts"])
@given(steps=mutations())
@settings(max_examples=40, deadline=None)
def test_broken_bytes(tmp_path_factory: pytest.TempPathFactory, ending: str, steps: list) -> None:
    survives(tmp_path_factory.mktemp("fuzz") / f"a{ending}", mutate(write_xyz(cloud(), ending=ending), steps))


@given(st.binary(max_size=300))
@settings(max_examples=40, deadline=None)
def test_any_bytes(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    survives(tmp_path_factory.mktemp("any") / "a.xyz", content)


def test_tables_that_are_no_points_cost_no_time(tmp_path: Path) -> None:
    """Names were once guessed for every column, and empty lines skipped one by one in Python."""
    with pytest.raises(UnreadableFile, match="200,000 numbers a point"):
        load_points(written(tmp_path, "1 " * 200_000 + "\n"))
    np.save(tmp_path / "a.npy", np.ones((2, 200_000), np.float32))
    with pytest.raises(UnreadableFile, match="rows and columns are exchanged"):
        load_points(tmp_path / "a.npy")


@pytest.mark.parametrize("lines", ["\n", "# a\n", "// a\n", " \r\n"])
def test_many_lines_before_the_first_point(tmp_path: Path, lines: str) -> None:
    assert load_points(written(tmp_path, lines * 40_000 + "1 2 3\n")).points.tolist() == [[1, 2, 3]]
