"""Stereolithography .stl files, ascii and binary.

What the format leaves open and this reader decides:

- A file is binary when its size is 84 + 50 times the count in bytes 80 to 84, whatever its first word; otherwise it is
  ascii when it begins with `solid`, otherwise refused. More bytes than the count says are refused: a wrong count would
  give a silent half.
- The format repeats a corner in every facet: corners whose numbers are equal become one vertex, so that the mesh hangs
  together. Facets keep their number and order. Normals of facets (the corners say them) and the two bytes that some
  programs use for colours are passed over.
"""

from pathlib import Path

import numpy as np

from geokit.backend.file_ops import STL_FAULTS, merge_rows, parse_stl
from geokit.errors import UnreadableFile
from geokit.geometry.mesh import Mesh
from geokit.io.mesh_content import MeshContent

_FACET = np.dtype([("normal", "<f4", 3), ("corners", "<f4", (3, 3)), ("attribute", "<u2")])
_HEADER, _COUNTED = 80, 84


def read_stl(path: Path, data: bytes) -> MeshContent:
    """The mesh in `data`, the content of `path`."""
    if not data:
        raise UnreadableFile(f"{path} is empty; export it again")
    count = int.from_bytes(data[_HEADER:_COUNTED], "little") if len(data) >= _COUNTED else -1
    if count >= 0 and len(data) == _COUNTED + count * _FACET.itemsize:
        corners = np.frombuffer(data, _FACET, count, _COUNTED)["corners"].reshape(-1, 3)
        return _connected(corners.astype(np.float32), exact=True)
    if data.lstrip()[:5].lower() == b"solid":
        return _read_text(path, data)
    if count < 0:
        raise UnreadableFile(f"{path} has {len(data)} bytes, too few for a binary .stl, and is no ascii one")
    raise UnreadableFile(
        f"{path} promises {count} facets, which are {_COUNTED + count * _FACET.itemsize} bytes of binary .stl, but has "
        f"{len(data)}; the file is truncated or damaged: copy or export it again"
    )


def _read_text(path: Path, data: bytes) -> MeshContent:
    corners, fault, place = parse_stl(data, data.lower().count(b"vertex") // 3 * 3 + 3)
    if fault:
        line = 1 + data.count(b"\n", 0, place)
        words = data[place : place + 60].split(b"\n")[0].decode("utf-8", "replace").strip()
        raise UnreadableFile(f"{path} has {STL_FAULTS[fault]} in line {line} ({words!r}); export it again")
    return _connected(corners, exact=False)


def _connected(corners: np.ndarray, exact: bool) -> MeshContent:
    firsts, ids = merge_rows(corners)
    return MeshContent(corners[firsts] + 0.0, ids.reshape(-1, 3), exact=exact)


def write_stl(mesh: Mesh) -> bytes:
    """A binary .stl in float32; only the triangles are kept."""
    facets = np.zeros(len(mesh), _FACET)
    facets["normal"] = mesh.face_normals().detach().cpu().numpy()
    facets["corners"] = mesh.corners.detach().cpu().numpy()
    return b"written by geokit".ljust(_HEADER) + len(mesh).to_bytes(4, "little") + facets.tobytes()
