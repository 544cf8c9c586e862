import struct
from pathlib import Path

import pytest

from geokit.errors import UnreadableFile
from geokit.geometry.mesh import Mesh
from geokit.io.meshes import load_mesh

CORNERS = [(0, 0, 0), (1, 0, 0), (0, 1, 0)]
FACET = "facet normal 0 0 1\n outer loop\n  vertex 0 0 0\n  vertex 1 0 0\n  vertex 0 1 0\n endloop\nendfacet\n"


def binary(facets: int = 2, promised: int | None = None, header: bytes = b"made by hand", value: float = 1) -> bytes:
    rows = b"".join(
        struct.pack("<12fH", 0, 0, 1, *(v * value for c in CORNERS for v in c), 0x8123) for _ in range(facets)
    )
    return header.ljust(80, b"\0") + struct.pack("<I", facets if promised is None else promised) + rows


def read(folder: Path, content: bytes | str) -> Mesh:
    (folder / "a.stl").write_bytes(content if isinstance(content, bytes) else content.encode())
    return load_mesh(folder / "a.stl")


@pytest.mark.parametrize(
    "text",
    [
        f"solid a\n{FACET}endsolid a\n",
        f"solid\n{FACET}endsolid",
        f"  SOLID x y z facet\r\n{FACET.upper()}ENDSOLID\r\n".replace("\n", "\r\n"),
        f"solid a\n{FACET}endsolid a\nsolid b\nendsolid b\n",
        "solid a\n" + " ".join(FACET.split()) + "\nendsolid a",
        f"solid a\n{FACET}endsolid a\n".replace("0 0 1", "nan nan nan"),
    ],
)
def test_text(tmp_path: Path, text: str) -> None:
    mesh = read(tmp_path, text)
    assert mesh.vertices.tolist() == [list(map(float, c)) for c in CORNERS]
    assert mesh.faces.tolist() == [[0, 1, 2]]


def test_binary_even_when_it_begins_with_solid(tmp_path: Path) -> None:
    for header in (b"made by hand", b"solid but binary", b"solid x\nfacet normal"):
        mesh = read(tmp_path, binary(header=header))
        assert mesh.faces.tolist() == [[0, 1, 2], [0, 1, 2]]
        assert len(mesh.vertices) == 3


def test_equal_corners_are_one_whatever_the_sign_of_zero(tmp_path: Path) -> None:
    text = f"solid a\n{FACET}{FACET.replace('vertex 0 0 0', 'vertex -0 0 -0.0')}endsolid"
    assert len(read(tmp_path, text).vertices) == 3


@pytest.mark.parametrize(
    ("content", "match"),
    [
        (b"", "is empty"),
        (b"abc", "too few for a binary"),
        (binary() + b"\0", "promises 2 facets, which are 184 bytes of binary .stl, but has 185"),
        (binary()[:-1], "promises 2 facets"),
        (binary(promised=2**32 - 1), "promises 4294967295 facets"),
        (binary(promised=1), "promises 1 facets"),
        (binary(value=float("nan")), "NaN or infinite"),
        (f"solid a\n{FACET}", "its end before endsolid"),
        (f"solid a\n{FACET}endsolid a\n{FACET}", "an unexpected word in line 10 \\('facet"),
        ("solid a\nfacet normal 0 0\nouter loop", "something other than three numbers in line 3"),
        (f"solid a\n{FACET}endsolid".replace("1 0 0", "1 0 x"), "something other than three numbers in line 5 \\('x'"),
        (f"solid a\n{FACET}endsolid".replace("vertex 1 0 0\n", ""), "a facet that has not three corners in line 6"),
        (f"solid a\n{FACET}endsolid".replace("endloop", "vertex 1 1 1\nendloop"), "a facet that has not three corners"),
        ("solid a\nvertex 0 0 0\n", "an unexpected word in line 2"),
        ("solid a", "its end before endsolid"),
    ],
)
def test_broken_files_are_one_sentence(tmp_path: Path, content: bytes | str, match: str) -> None:
    with pytest.raises(UnreadableFile, match=match) as caught:
        read(tmp_path, content)
    assert str(tmp_path / "a.stl") in str(caught.value)
    assert "\n" not in str(caught.value)
