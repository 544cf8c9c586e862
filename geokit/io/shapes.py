"""Any shape from a file, whatever it turns out to hold."""

from importlib import import_module
from pathlib import Path

from geokit.errors import UnreadableFile
from geokit.geometry.mesh import Mesh
from geokit.geometry.point_cloud import PointCloud
from geokit.geometry.splats import Splats
from geokit.io.endings import check_content
from geokit.io.mesh_content import finish
from geokit.io.meshes import READERS, read_content
from geokit.io.ply_header import parse_header
from geokit.io.ply_mesh import has_faces
from geokit.io.safe import read_bytes
from geokit.io.splat_ply import is_splat_header

_SPLATS = (".splat", ".spz")
_COMPANIONS = {".mtl": "the materials of an .obj: open that", ".bin": "a buffer of a .gltf: open that"}


def load_shape(path: str | Path, drop_nonfinite: bool = False) -> Mesh | PointCloud | Splats:
    """Read a file as what it holds: a `Mesh` where there are faces, a `PointCloud` of points, or `Splats`.

    The ending (in upper or lower case) names the format; for .ply the content decides. drop_nonfinite leaves out what
    is not finite, with a warning. Raises `UnreadableFile` for anything damaged, lying or of another kind.
    """
    path = Path(path)
    ending = path.suffix.lower()
    if ending == ".ply":
        return _ply(path, drop_nonfinite)
    if ending in _SPLATS:
        return _splats(path, drop_nonfinite)
    if ending in READERS:
        content = read_content(path)
        mesh = finish(path, content, drop_nonfinite)
        if len(content.faces) or not len(content.vertices):
            return mesh
        return PointCloud(mesh.vertices, mesh.colors, mesh.normals)
    return _points(path, drop_nonfinite)


def _ply(path: Path, drop_nonfinite: bool) -> Mesh | PointCloud | Splats:
    data = read_bytes(path, ".ply file")
    try:
        header = parse_header(path, data)
    except UnreadableFile:
        check_content(path, data)
        raise
    if is_splat_header(header):
        return _splats(path, drop_nonfinite)
    if has_faces(header):
        return finish(path, read_content(path, data), drop_nonfinite)
    return _points(path, drop_nonfinite)


def _splats(path: Path, drop_nonfinite: bool) -> Splats:
    return import_module("geokit.io.splat_files").load_splats(path, drop_nonfinite)


def _points(path: Path, drop_nonfinite: bool) -> PointCloud:
    clouds = import_module("geokit.io.point_clouds")
    ending = path.suffix.lower()
    if ending not in clouds.POINT_ENDINGS:
        known = ", ".join(dict.fromkeys([*READERS, *_SPLATS, *clouds.POINT_ENDINGS]))
        about = f" ({_COMPANIONS[ending]})" if ending in _COMPANIONS else ""
        raise UnreadableFile(f"{path} ends in {path.suffix or 'nothing'}{about}; shapes end in {known}")
    try:
        return clouds.load_points(path, drop_nonfinite=drop_nonfinite)
    except UnreadableFile:
        if path.is_file():
            check_content(path, read_bytes(path))
        raise
