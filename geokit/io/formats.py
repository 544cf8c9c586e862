"""What a file says about itself in its first bytes: the variant of its format, and the unit of its lengths."""

import re
import struct
from pathlib import Path

_HEAD = 4096
_NAMED = {".ply": re.compile(rb"(?m)^format\s+(\w+)"), ".pcd": re.compile(rb"(?m)^DATA\s+(\w+)")}
_UNITS = {
    ".glb": "metre (glTF)",
    ".gltf": "metre (glTF)",
    ".e57": "metre (E57)",
    ".las": "that of its coordinate system, usually metre",
    ".laz": "that of its coordinate system, usually metre",
}
_TEXTS = {".xyz", ".txt", ".csv", ".pts", ".asc", ".xyzn", ".xyzrgb", ".obj", ".off", ".gltf"}


def unit_of(path: Path) -> str:
    """The unit that the format prescribes, in words; most leave it to whoever made the file."""
    return _UNITS.get(path.suffix.lower(), "the file's own")


def format_of(path: Path) -> str:
    """The ending and what is known about the variant, as in '.ply, binary_little_endian'."""
    ending = path.suffix.lower()
    with open(path, "rb") as file:
        head = file.read(_HEAD)
    variant = ""
    if ending in _NAMED and (found := _NAMED[ending].search(head)):
        variant = found[1].decode("ascii", "replace").replace("_", " ")
    elif ending == ".stl":
        variant = "ascii" if head.lstrip().startswith(b"solid") and b"facet" in head else "binary"
    elif ending in (".las", ".laz") and len(head) > 104:
        variant = f"version {head[24]}.{head[25]}, point format {head[104] & 0x3F}"
    elif ending == ".glb" and len(head) >= 8:
        variant = f"glTF {struct.unpack_from('<I', head, 4)[0]}"
    elif ending in _TEXTS:
        variant = "text"
    return f"{ending}, {variant}" if variant else ending
