import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings

from geokit.io.npz import write_npz
from geokit.io.point_clouds import load_points, save_points
from tests.io.builders import mutate, mutations
from tests.io.hostile import cloud, refused, survives


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_everything_comes_back(tmp_path: Path, dtype: torch.dtype) -> None:
    there = cloud(20, dtype=dtype).replace(features=torch.rand(20, 4).to(dtype))
    save_points(tmp_path / "a.npz", there)
    back = load_points(tmp_path / "a.npz", features=True)
    assert all(
        torch.equal(a, b) and a.dtype == b.dtype for a, b in zip(there.tensors().values(), back.tensors().values())
    )
    with np.load(tmp_path / "a.npz", allow_pickle=False) as arrays:
        assert set(arrays) == {"points", "colors", "normals", "features"}


def test_files_of_others(tmp_path: Path, data_folder: Path) -> None:
    np.save(tmp_path / "a.npy", np.asfortranarray(np.arange(12, dtype=">f8").reshape(4, 3)))
    found = load_points(tmp_path / "a.npy")
    assert found.points.tolist() == np.arange(12).reshape(4, 3).tolist()
    assert found.points.dtype == torch.float64
    np.save(tmp_path / "b.npy", np.arange(12, dtype=np.int32).reshape(4, 3))
    assert load_points(tmp_path / "b.npy").points[3, 2] == 11
    scan = load_points(data_folder / "meshes" / "abc_00011084_scanpts.npy")
    assert len(scan) == 59979
    garden = load_points(data_folder / "splatting" / "garden_npz" / "test_garden.npz")
    assert (len(garden), garden.colors.amax()) == (138766, 1)
    np.savez(tmp_path / "c.npz", points=np.zeros((2, 3)), colors=np.zeros((3, 3)))
    refused(tmp_path / "c.npz", "colors has shape")


def member(array_header: bytes, content: bytes = b"", declared: int | None = None) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("points.npy", array_header + content)
    return out.getvalue()


def npy(description: str, content: bytes = b"") -> bytes:
    text = (description + "\n").encode()
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + content


@pytest.mark.parametrize(
    ("description", "match"),
    [
        ("{'descr': '<f4', 'fortran_order': False, 'shape': (1000000000, 3)}", "promises an array"),
        ("{'descr': '<f4', 'fortran_order': False, 'shape': (-1, 3)}", "promises an array"),
        ("{'descr': '|O', 'fortran_order': False, 'shape': (1, 3)}", "pickled"),
        ("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1, 3)}", "wanted numbers"),
        ("{'descr': '<f4', 'fortran_order': False, 'shape': (1, 2)}", "shape"),
        ("{'descr': '<f4', 'fortran_order': False}", "no NumPy array"),
        ("(" * 5000, "no NumPy array"),
        ("__import__('os').system('true')", "no NumPy array"),
    ],
)
def test_headers_that_lie(tmp_path: Path, description: str, match: str) -> None:
    for name, content in (("a.npy", npy(description, bytes(24))), ("a.npz", member(npy(description, bytes(24))))):
        (tmp_path / name).write_bytes(content)
        refused(tmp_path / name, match)


def test_bombs_and_other_archives(tmp_path: Path) -> None:
    header = npy("{'descr': '<f4', 'fortran_order': False, 'shape': (20000000, 3)}")
    (tmp_path / "a.npz").write_bytes(member(header, bytes(240_000_000)))
    refused(tmp_path / "a.npz", "would unfold")
    for content in (b"", b"PK\x03\x04", b"hello", member(b"\x93NUMPY")):
        (tmp_path / "a.npz").write_bytes(content)
        refused(tmp_path / "a.npz", "a.npz")
    np.savez(tmp_path / "a.npz", other=np.zeros(3))
    refused(tmp_path / "a.npz", "no array 'points'")


@given(steps=mutations())
@settings(max_examples=60, deadline=None)
def test_broken_bytes(tmp_path_factory: pytest.TempPathFactory, steps: list) -> None:
    survives(tmp_path_factory.mktemp("fuzz") / "a.npz", mutate(write_npz(cloud()), steps))
