import struct
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from geokit.errors import MissingDependency, UnreadableFile
from geokit.io import load_capture
from tests.io.builders import ring, write_colmap, write_photograph

pycolmap = pytest.importorskip("pycolmap")


def refused(path: Path, match: str) -> None:
    with pytest.raises(UnreadableFile, match=match) as caught:
        load_capture(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("binary", [True, False])
def test_a_model_is_read(tmp_path: Path, binary: bool) -> None:
    write_colmap(tmp_path, 5, binary=binary)
    capture = load_capture(tmp_path)
    assert capture.kind == "colmap"
    assert capture.cameras.names == tuple(f"images/{i:03d}.png" for i in range(5))
    assert torch.allclose(capture.cameras.world_to_camera, ring(5), atol=1e-9)
    assert capture.cameras.K[0].tolist() == [[30, 0, 16], [0, 31, 12], [0, 0, 1]]
    assert capture.points is not None
    assert torch.allclose(capture.points.points, torch.tensor([[0, 0, 0.3], [0.1, -0.2, 0.3], [0.2, -0.4, 0.3]]))
    assert torch.allclose(capture.points.colors, torch.tensor([[1, 0, 0], [1, 1 / 255, 0], [1, 2 / 255, 0]]))


@pytest.mark.parametrize("place", ["sparse", ".", "colmap/sparse/0"])
def test_the_model_may_lie_elsewhere(tmp_path: Path, place: str) -> None:
    write_colmap(tmp_path, 3)
    for file in list((tmp_path / "sparse/0").iterdir()):
        (tmp_path / place).mkdir(parents=True, exist_ok=True)
        file.rename(tmp_path / place / file.name)
    assert len(load_capture(tmp_path)) == 3
    assert len(load_capture(tmp_path / place)) == 3


def test_the_folder_of_the_model_itself_can_be_named(tmp_path: Path) -> None:
    write_colmap(tmp_path, 3)
    assert load_capture(tmp_path / "sparse/0").cameras.names == ("images/000.png", "images/001.png", "images/002.png")


@pytest.mark.parametrize(
    ("camera", "model", "coefficients"),
    [
        ("SIMPLE_PINHOLE 32 24 30 16 12", "opencv", (0,) * 8),
        ("SIMPLE_RADIAL 32 24 30 16 12 .01", "opencv", (0.01, 0, 0, 0, 0, 0, 0, 0)),
        ("RADIAL 32 24 30 16 12 .01 .02", "opencv", (0.01, 0.02, 0, 0, 0, 0, 0, 0)),
        ("OPENCV 32 24 30 30 16 12 .01 .02 .003 .004", "opencv", (0.01, 0.02, 0.003, 0.004, 0, 0, 0, 0)),
        (
            "FULL_OPENCV 32 24 30 30 16 12 .01 .02 .003 .004 .05 .06 .07 .08",
            "opencv",
            (0.01, 0.02, 0.003, 0.004, 0.05, 0.06, 0.07, 0.08),
        ),
        ("OPENCV_FISHEYE 32 24 30 30 16 12 .01 .02 .03 .04", "fisheye", (0.01, 0.02, 0.03, 0.04)),
    ],
)
def test_camera_models(tmp_path: Path, camera: str, model: str, coefficients: tuple) -> None:
    write_colmap(tmp_path, 2, camera)
    capture = load_capture(tmp_path)
    lens = capture.views[0].lens
    assert (lens.fx, lens.fy, lens.cx, lens.cy) == (30, 30, 16, 12)
    assert (lens.model, lens.coefficients) == (model, coefficients)
    assert capture.photograph(0).shape == (24, 32, 3)


@pytest.mark.parametrize("binary", [True, False])
def test_other_camera_models_are_named(tmp_path: Path, binary: bool) -> None:
    write_colmap(tmp_path, 2, "FOV 32 24 30 30 16 12 .1", binary=binary)
    refused(tmp_path, "undistort with COLMAP first")


def test_missing_photographs_are_said_and_left_out(tmp_path: Path) -> None:
    write_colmap(tmp_path, 5)
    (tmp_path / "images/003.png").unlink()
    capture = load_capture(tmp_path)
    assert len(capture) == 4
    assert "1 of 5 frames listed in images.bin have no file (003.png)" in capture.messages[0]


def test_reduced_copies_when_there_is_nothing_else(tmp_path: Path) -> None:
    write_colmap(tmp_path, 2)
    for i in range(2):
        write_photograph(tmp_path / f"images_2/{i:03d}.png", 16, 12)
        (tmp_path / f"images/{i:03d}.png").unlink()
    (tmp_path / "images").rmdir()
    assert load_capture(tmp_path).cameras.K[0, 0, 0] == 15


@pytest.mark.parametrize("name", ["../../outside.png", "/etc/hostname"])
@pytest.mark.parametrize("binary", [True, False])
def test_an_image_that_leaves_the_folder(tmp_path: Path, name: str, binary: bool) -> None:
    write_photograph(tmp_path / "outside.png")
    write_colmap(tmp_path / "a/capture", 3, binary=binary)
    images = tmp_path / "a/capture/sparse/0" / ("images.bin" if binary else "images.txt")
    images.write_bytes(images.read_bytes().replace(b"001.png", name.encode()))
    refused(tmp_path / "a/capture", "leaves the capture folder")


@pytest.mark.parametrize("binary", [True, False])
def test_a_pose_with_nan(tmp_path: Path, binary: bool) -> None:
    write_colmap(tmp_path, 3, binary=binary)
    model = tmp_path / "sparse/0"
    if binary:
        content = bytearray((model / "images.bin").read_bytes())
        content[8 + 4 + 32 : 8 + 4 + 40] = struct.pack("<d", float("nan"))
        (model / "images.bin").write_bytes(content)
    else:
        lines = (model / "images.txt").read_text().split("\n")
        lines[1] = " ".join(["1", "nan", *lines[1].split()[2:]])
        (model / "images.txt").write_text("\n".join(lines))
    refused(tmp_path, r"image .*NaN")


def test_every_truncation_of_every_binary_file_is_refused(tmp_path: Path) -> None:
    """pycolmap alone takes a cameras.bin of ten bytes for a camera."""
    write_colmap(tmp_path, 3)
    for name in ("cameras", "images", "points3D", "rigs", "frames"):
        path = tmp_path / f"sparse/0/{name}.bin"
        whole = path.read_bytes()
        for length in range(len(whole)):
            path.write_bytes(whole[:length])
            refused(tmp_path, rf"{name}\.bin")
        path.write_bytes(whole)
    assert len(load_capture(tmp_path)) == 3


def test_lying_counts_are_refused_before_anything_is_allocated(tmp_path: Path) -> None:
    write_colmap(tmp_path, 3)
    for name in ("cameras", "images", "points3D", "rigs", "frames"):
        path = tmp_path / f"sparse/0/{name}.bin"
        whole = path.read_bytes()
        for count in (2**63, 2**40, 1000):
            path.write_bytes(struct.pack("<Q", count) + whole[8:])
            refused(tmp_path, rf"{name}\.bin")
        path.write_bytes(whole)


@pytest.mark.parametrize("name", ["cameras", "images", "points3D"])
@pytest.mark.parametrize("binary", [True, False])
def test_a_file_of_the_model_is_missing(tmp_path: Path, name: str, binary: bool) -> None:
    write_colmap(tmp_path, 3, binary=binary)
    (tmp_path / "sparse/0" / f"{name}.{'bin' if binary else 'txt'}").unlink()
    # without its cameras a model is not found, and pycolmap has no part in what the folder is taken for
    refused(
        tmp_path / "sparse/0" if name == "cameras" else tmp_path,
        "holds no capture" if name == "cameras" else f"holds no {name}",
    )


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("cameras.txt", "1 PINHOLE 32"),
        ("cameras.txt", "1 PINHOLE 32 24 30 nan 16 12"),
        ("cameras.txt", "1 WONDER 32 24 30 30 16 12"),
        ("cameras.txt", "1 PINHOLE 32 24 -30 30 16 12"),
        ("images.txt", "1 1 0 0 0 1 1 1 1"),
        ("images.txt", "1 1 0 0\n"),
        ("images.txt", "1 1 0 0 0 1 1 1 77 000.png\n\n"),
        ("points3D.txt", "1 2 3"),
        ("points3D.txt", "1 nan 2 3 0 0 0 1 1 0"),
        ("images.txt", "\x00\xff"),
    ],
)
def test_damaged_text(tmp_path: Path, name: str, content: str) -> None:
    write_colmap(tmp_path, 3, binary=False)
    (tmp_path / "sparse/0" / name).write_text(content, encoding="latin-1")
    refused(tmp_path, "sparse/0")


def test_no_photographs_beside_the_model(tmp_path: Path) -> None:
    write_colmap(tmp_path, 2)
    (tmp_path / "images").rename(tmp_path / "pictures")
    refused(tmp_path, "no folder 'images'")


def test_zero_images(tmp_path: Path) -> None:
    write_colmap(tmp_path, 3, binary=False)
    (tmp_path / "sparse/0/images.txt").write_text("")
    (tmp_path / "sparse/0/points3D.txt").write_text("")
    refused(tmp_path, "at least 2")


def test_without_pycolmap_the_cure_is_named(tmp_path: Path, monkeypatch) -> None:
    write_colmap(tmp_path, 2)
    monkeypatch.setitem(sys.modules, "pycolmap", None)
    with pytest.raises(MissingDependency, match=r"pip install 'geokit\[colmap\]'"):
        load_capture(tmp_path)


def test_importing_the_package_imports_no_reader() -> None:
    program = (
        "import sys, geokit, geokit.io; print([m for m in ('torch', 'PIL', 'pycolmap', 'numpy') if m in sys.modules])"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, cwd=Path(__file__).parents[2], timeout=60
    )
    assert ended.stdout.strip() == "[]", ended.stderr
