import struct
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from geokit.io.pcd import unpack_lzf, write_pcd
from geokit.io.point_clouds import load_points, save_points
from tests.io.builders import mutate, mutations
from tests.io.hostile import cloud, refused, survives


def pcd(data: str, body: bytes, points: int = 2, fields: str = "x y z", **changes: str) -> bytes:
    n = len(fields.split())
    entries = {
        "VERSION": "0.7", "FIELDS": fields, "SIZE": "4 " * n, "TYPE": "F " * n, "COUNT": "1 " * n,
        "WIDTH": str(points), "HEIGHT": "1", "VIEWPOINT": "0 0 0 1 0 0 0", "POINTS": str(points), "DATA": data,
    } | changes  # fmt: skip
    return ("# .PCD\n" + "".join(f"{k} {v}\n" for k, v in entries.items() if v)).encode() + body


def packed(plain: bytes) -> bytes:
    """LZF of literals only, with its two sizes."""
    runs = b"".join(bytes([len(plain[i : i + 32]) - 1]) + plain[i : i + 32] for i in range(0, len(plain), 32))
    return struct.pack("<II", len(runs), len(plain)) + runs


ROWS = np.array([[1.5, -2, 3], [4, 5, -6]], np.float32)


@pytest.mark.parametrize(
    "content",
    [
        pcd("ascii", b"1.5 -2 3\n4 5 -6\n"),
        pcd("binary", ROWS.tobytes()),
        pcd("binary_compressed", packed(ROWS.T.tobytes())),
        pcd("binary", ROWS.tobytes(), COUNT="", POINTS="", VERSION="0.5"),
        pcd("binary", ROWS.astype("<f8").tobytes(), SIZE="8 8 8"),
        pcd("binary", b"".join(b"PAD!" + row.tobytes() for row in ROWS), fields="_ x y z", TYPE="U F F F"),
        pcd("binary", b"".join(row.tobytes() + bytes(8) for row in ROWS), fields="x y z h", COUNT="1 1 1 2"),
    ],
)
def test_all_forms_of_two_points(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.pcd").write_bytes(content)
    assert load_points(tmp_path / "a.pcd").points.tolist() == ROWS.tolist()


def test_colours_as_bits_of_a_float_and_as_integers(tmp_path: Path) -> None:
    value = 255 << 16 | 51 << 8
    asfloat = np.array([value], "<u4").view("<f4")[0]
    forms = (
        ("F", pcd("binary", ROWS[0].tobytes() + struct.pack("<I", value), 1, "x y z rgb")),
        ("U", pcd("binary", ROWS[0].tobytes() + struct.pack("<I", value), 1, "x y z rgba", TYPE="F F F U")),
        ("F", pcd("ascii", f"1.5 -2 3 {float(asfloat)!r}\n".encode(), 1, "x y z rgb")),
        ("U", pcd("ascii", f"1.5 -2 3 {value | 255 << 24}\n".encode(), 1, "x y z rgba", TYPE="F F F U")),
    )
    for _, content in forms:
        (tmp_path / "a.pcd").write_bytes(content)
        assert torch.allclose(load_points(tmp_path / "a.pcd").colors.float(), torch.tensor([[1, 0.2, 0]]))


def test_missing_points_of_a_grid_are_left_out_and_counted(tmp_path: Path) -> None:
    rows = np.array([[1, 2, 3], [np.nan] * 3, [4, 5, 6], [np.nan] * 3], np.float32)
    (tmp_path / "a.pcd").write_bytes(pcd("binary", rows.tobytes(), 4, WIDTH="2", HEIGHT="2"))
    with pytest.warns(UserWarning, match="left out 2 points"):
        assert load_points(tmp_path / "a.pcd").points.tolist() == [[1, 2, 3], [4, 5, 6]]


def test_normals_of_lonely_points_become_zero(tmp_path: Path) -> None:
    rows = np.array([[1, 2, 3, 0, 0, 2], [4, 5, 6, np.nan, np.nan, np.nan]], np.float32)
    fields = "x y z normal_x normal_y normal_z"
    (tmp_path / "a.pcd").write_bytes(pcd("binary", rows.tobytes(), fields=fields))
    with pytest.warns(UserWarning, match="1 normals"):
        assert load_points(tmp_path / "a.pcd").normals.tolist() == [[0, 0, 1], [0, 0, 0]]


def test_a_real_file_and_a_peer(tmp_path: Path, data_folder: Path) -> None:
    assert len(load_points(data_folder / "io_dev" / "made" / "points_ascii.pcd")) == 50
    peer = pytest.importorskip("pypcd4")
    save_points(tmp_path / "a.pcd", cloud())
    assert np.array_equal(peer.PointCloud.from_path(tmp_path / "a.pcd").numpy(("x", "y", "z")), cloud().points.numpy())


def test_open3d_reads_what_is_written_and_packs_what_is_read(tmp_path: Path) -> None:
    from geokit.backend.optional import open3d
    from geokit.errors import MissingDependency

    try:
        o3d = open3d("a test")
    except MissingDependency as error:
        pytest.skip(str(error))
    save_points(tmp_path / "a.pcd", cloud(3000))
    there = o3d.io.read_point_cloud(str(tmp_path / "a.pcd"))
    assert np.allclose(there.points, cloud(3000).points)
    assert np.allclose(there.colors, cloud(3000).colors, atol=1e-3)
    assert np.allclose(there.normals, cloud(3000).normals)
    o3d.io.write_point_cloud(str(tmp_path / "b.pcd"), there, compressed=True)
    back = load_points(tmp_path / "b.pcd")
    assert torch.equal(back.points, cloud(3000).points)
    assert torch.allclose(back.colors, cloud(3000).colors, atol=1e-3)
    flat = o3d.geometry.PointCloud(o3d.utility.Vector3dVector(np.ones((5000, 3)) * [1, 2, 3]))
    o3d.io.write_point_cloud(str(tmp_path / "c.pcd"), flat, compressed=True)
    assert (load_points(tmp_path / "c.pcd").points == torch.tensor([1.0, 2, 3])).all()


@pytest.mark.parametrize(
    ("content", "match"),
    [
        (pcd("binary", ROWS.tobytes(), 2_000_000_000), "promises 2000000000 points"),
        (pcd("binary", ROWS.tobytes()[:-1]), "promises 2 points"),
        (pcd("binary", ROWS.tobytes(), -1), "-1"),
        (pcd("binary", ROWS.tobytes(), WIDTH="7"), "WIDTH x HEIGHT"),
        (pcd("ascii", b"1.25 2.5 3.75\n"), "promises 2 points of 3 numbers but has 1"),
        (pcd("ascii", b"1.5 2 3\n4 5\n"), "no line of numbers"),
        (pcd("ascii", b"1 2 3\n4 5 six\n"), "no line of numbers"),
        (pcd("ascii", b"1 2 3\n", 10**9), "only 7 bytes follow"),
        (pcd("rot13", b""), "DATA 'rot13'"),
        (pcd("binary", ROWS.tobytes(), SIZE="4 4"), "without sense"),
        (pcd("binary", ROWS.tobytes(), SIZE="3 4 4"), "without sense"),
        (pcd("binary", ROWS.tobytes(), COUNT="1 1"), "disagrees with itself"),
        (pcd("binary", ROWS.tobytes(), COUNT="1 1 99999999999"), "disagrees with itself"),
        (pcd("binary", ROWS.tobytes(), fields="x x z"), "two fields"),
        (pcd("binary", ROWS.tobytes(), fields="x y t"), "no field z"),
        (pcd("binary_compressed", packed(ROWS.tobytes())[:-1]), "packed bytes"),
        (pcd("binary_compressed", struct.pack("<II", 5, 24) + b"\xff\xff\xff\xff\xff"), "do not unfold"),
        (pcd("binary_compressed", struct.pack("<II", 3, 24) + b"\x1fab"), "do not unfold"),
        (pcd("binary_compressed", struct.pack("<II", 3, 1 << 31) + b"\0aa", 1 << 27, SIZE="4 4 8"), "unfold"),
        (b"# .PCD\nVERSION 0.7\n", "no DATA line"),
        (b"hello\n" * 9, "not understood"),
        (b"", "no DATA line"),
    ],
)
def test_refusals(tmp_path: Path, content: bytes, match: str) -> None:
    (tmp_path / "a.pcd").write_bytes(content)
    refused(tmp_path / "a.pcd", match)


@given(st.binary(max_size=200))
def test_literal_runs_unfold_to_themselves(plain: bytes) -> None:
    assert unpack_lzf(Path("a"), packed(plain)[8:], len(plain)) == plain


def test_copies_that_overlap() -> None:
    assert unpack_lzf(Path("a"), b"\x01ab" + bytes([5 << 5, 1]), 9) == b"ababababa"
    assert unpack_lzf(Path("a"), b"\0x" + bytes([7 << 5, 255, 0]), 265) == b"x" * 265


@pytest.mark.parametrize("form", ["ascii", "binary", "binary_compressed"])
@given(steps=mutations())
@settings(max_examples=40, deadline=None)
def test_broken_bytes(tmp_path_factory: pytest.TempPathFactory, form: str, steps: list) -> None:
    table = cloud(30).points.numpy()
    bodies = {
        "ascii": "\n".join(" ".join(map(str, row)) for row in table.tolist()).encode(),
        "binary": table.tobytes(),
        "binary_compressed": packed(table.T.tobytes()),
    }
    survives(tmp_path_factory.mktemp("fuzz") / "a.pcd", mutate(pcd(form, bodies[form], 30), steps))


def test_features_are_written_as_fields(tmp_path: Path) -> None:
    kept = cloud(5).replace(features=torch.arange(10.0).reshape(5, 2))
    (tmp_path / "a.pcd").write_bytes(write_pcd(kept, ["a", "b"]))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert torch.equal(load_points(tmp_path / "a.pcd", features=True).features, kept.features)
