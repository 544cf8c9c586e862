"""Meshes as files: .ply, .obj, .stl, .off, .gltf and .glb."""

import warnings
from collections.abc import Callable
from pathlib import Path

from geokit.errors import InvalidInput, UnreadableFile
from geokit.geometry.mesh import Mesh
from geokit.io.endings import check_content
from geokit.io.gltf import read_gltf
from geokit.io.gltf_write import write_glb
from geokit.io.mesh_content import MeshContent, finish
from geokit.io.obj import read_obj, write_material, write_obj
from geokit.io.off import read_off, write_off
from geokit.io.ply_mesh import read_ply, write_ply
from geokit.io.safe import atomic_write, read_bytes
from geokit.io.stl import read_stl, write_stl
from geokit.io.textures import encode_texture

READERS: dict[str, Callable[[Path, bytes], MeshContent]] = {
    ".ply": read_ply,
    ".obj": read_obj,
    ".stl": read_stl,
    ".off": read_off,
    ".gltf": read_gltf,
    ".glb": read_gltf,
}
_WRITERS: dict[str, Callable[[Mesh], bytes]] = {
    ".ply": write_ply,
    ".stl": write_stl,
    ".off": write_off,
    ".glb": write_glb,
}
_CANNOT_HOLD = {
    ".ply": ("texture",),
    ".stl": ("normals", "colors", "uv", "texture"),
    ".off": ("uv", "texture"),
}


def load_mesh(path: str | Path, drop_nonfinite: bool = False) -> Mesh:
    """Read a mesh by its ending, in upper or lower case, into one `Mesh` on the CPU, in the file's own axes and unit.

    What each format leaves open is decided at the top of its module: `geokit.io.ply_mesh`, `obj`, `stl`, `off`, `gltf`.
    float32, or float64 where the file says so or, being text, needs it. An empty mesh that its file declares (a .ply
    of no faces and no vertices, an ascii .stl of no facets) is read as one.

    drop_nonfinite: leave out vertices that are not finite and the faces that use them, with a warning; they are refused
    otherwise. Raises `UnreadableFile`, naming file, place and reason, for anything damaged, lying, of another kind or
    without faces.
    """
    path = Path(path)
    content = read_content(path)
    if not len(content.faces) and len(content.vertices):
        raise UnreadableFile(
            f"{path} holds {len(content.vertices)} points and no faces; geokit.io.load_shape reads it as points"
        )
    return finish(path, content, drop_nonfinite)


def read_content(path: Path, data: bytes | None = None) -> MeshContent:
    """The tables of a mesh file, before it is known whether they are finite or hold any faces; data: its content."""
    read = READERS.get(path.suffix.lower())
    if read is None:
        raise UnreadableFile(
            f"{path} ends in {path.suffix or 'nothing'}; meshes end in {', '.join(READERS)}: convert or rename it"
        )
    data = read_bytes(path, "mesh") if data is None else data
    try:
        return read(path, data)
    except UnreadableFile:
        check_content(path, data)
        raise


def save_mesh(path: str | Path, mesh: Mesh) -> None:
    """Write a mesh by its ending, atomically: .ply, .obj (a texture as .mtl and .png beside it), .stl, .off or .glb.

    .ply keeps everything but a texture, floats as they are and colours as bytes; .obj keeps everything; .off vertices,
    faces, normals and colours; .glb everything in float32; .stl triangles alone. A warning says what is lost.
    Raises `InvalidInput` for other endings, and for a .glb without faces, which no .glb can be.
    """
    path = Path(path)
    ending = path.suffix.lower()
    if ending == ".glb" and not len(mesh):
        raise InvalidInput(f"{path}: a .glb cannot hold a mesh without faces; write a .ply")
    if ending == ".obj":
        _save_obj(path, mesh)
    elif ending in _WRITERS:
        with atomic_write(path) as file:
            file.write(_WRITERS[ending](mesh))
    else:
        known = ", ".join([".obj", *_WRITERS])
        raise InvalidInput(f"{path}: meshes are written as {known}, not {ending or 'without an ending'}")
    lost = lost_of_mesh(ending, mesh)
    if lost:
        warnings.warn(f"{path}: {ending} cannot hold {' and '.join(lost)}; write an .obj to keep them", stacklevel=2)


def mesh_files(path: Path, mesh: Mesh) -> list[Path]:
    """All files that `save_mesh` writes: `path`, and beside an .obj with a texture its .mtl and .png."""
    beside = path.suffix.lower() == ".obj" and mesh.texture is not None and mesh.uv is not None
    return [path, *([path.with_suffix(".mtl"), path.with_suffix(".png")] if beside else [])]


def lost_of_mesh(ending: str, mesh: Mesh) -> list[str]:
    """Names of the fields of `mesh` that files with this ending cannot hold."""
    return [name for name in _CANNOT_HOLD.get(ending, ()) if getattr(mesh, name) is not None]


def _save_obj(path: Path, mesh: Mesh) -> None:
    library = None
    if (beside := mesh_files(path, mesh)[1:]) and mesh.texture is not None:
        material, picture = beside
        with atomic_write(picture) as file:
            file.write(encode_texture(mesh.texture.detach().cpu().numpy()))
        with atomic_write(material) as file:
            file.write(write_material(picture.name))
        library = material.name
    with atomic_write(path) as file:
        file.write(write_obj(mesh, library))
