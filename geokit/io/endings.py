"""What a file is, by its first bytes, and whether that is what its name says."""

import re
from pathlib import Path

from geokit.errors import UnreadableFile

# What a file begins with, what it is, and the endings that go with it.
_MARKS: tuple[tuple[bytes, str, tuple[str, ...]], ...] = (
    (rb"ply[\r\n]", "a .ply", (".ply",)),
    (rb"glTF", "a .glb", (".glb", ".gltf")),
    (rb"LASF", "a .las or .laz", (".las", ".laz")),
    (rb"ASTM-E57", "an .e57", (".e57",)),
    (rb"# \.PCD|VERSION (0)?\.\d", "a .pcd", (".pcd",)),
    (rb"(ST)?C?N?4?n?OFF\s", "an .off", (".off",)),
    (rb"solid[^\n]*\n\s*(facet|endsolid)", "an .stl", (".stl",)),
    (rb"(?:[^\n\0]*\n)*?v[ \t]+[-+.\d]", "an .obj", (".obj",)),
    (rb"PK\x03\x04", "a zip archive", (".npz", ".zip")),
    (rb"\x1f\x8b", "compressed by gzip", (".spz", ".gz")),
    (rb"\x93NUMPY", "a .npy", (".npy",)),
    (rb"\x89PNG|\xff\xd8\xff|GIF8", "a picture", ()),
    (rb"%PDF", "a document", ()),
    (rb"version https://git-lfs", "a pointer of Git LFS, the file itself was not fetched: run git lfs pull", ()),
    (rb"\s*<(!DOCTYPE|html|HTML|\?xml)", "a page of the web or XML, perhaps a failed download", ()),
)


def check_content(path: Path, data: bytes) -> None:
    """Raise `UnreadableFile` when `data`, which the reader for the ending of `path` refused, is of another kind."""
    found = [(what, endings) for mark, what, endings in _MARKS if re.match(mark, data[:4096])]
    count = int.from_bytes(data[80:84], "little")
    if len(data) >= 84 and len(data) == 84 + 50 * count:
        found.append(("a binary .stl", (".stl",)))
    for what, endings in found:
        if path.suffix.lower() not in endings:
            cure = f"rename it to end in {endings[0]}" if endings else "check where it comes from"
            raise UnreadableFile(f"{path} ends in {path.suffix} but is {what}; {cure}")
