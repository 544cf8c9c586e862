"""glTF 2.0 scenes, .gltf and .glb, as one mesh.

All triangles (lists, strips and fans) of all nodes of the scene, each at its place: the nodes' transforms are applied,
nothing else moves (no animation; skins and morph targets stay as they are stored). Axes stay glTF's own: y up, metres.
Normals, colours (COLOR_0) and places in the texture (of the base colour) are kept where every part has them, of the
textures the first. Draco and meshopt compression, other extensions that a file says it needs, and files on the network
are refused. Points and lines are passed over, unless there are only points.
"""

import warnings
from pathlib import Path
from typing import Any

import numpy as np

from geokit.errors import UnreadableFile
from geokit.io.gltf_buffers import Document, read_document
from geokit.io.gltf_nodes import placed_meshes
from geokit.io.mesh_content import MeshContent, check_indices, no_faces, strips_to_triangles
from geokit.io.textures import decode_texture, load_texture

_HARMLESS = ("KHR_materials_", "KHR_lights_", "KHR_mesh_quantization", "KHR_texture_transform", "EXT_texture_webp")
_POINTS, _TRIANGLES, _STRIP, _FAN = 0, 4, 5, 6


def read_gltf(path: Path, data: bytes) -> MeshContent:
    """The mesh in `data`, the content of `path`; without faces when the scene holds points only."""
    document = read_document(path, data)
    _check_version(document)
    parts, kinds = [], set()
    for mesh, matrix in placed_meshes(document):
        for primitive in _entries(document, mesh, "primitives"):
            mode = document.whole(primitive, "mode", _TRIANGLES)
            kinds.add(mode)
            if mode in (_POINTS, _TRIANGLES, _STRIP, _FAN):
                parts.append((mode, primitive, matrix))
    surfaces = [part for part in parts if part[0] != _POINTS]
    read = [_primitive(document, *part) for part in surfaces or parts]
    if not read:
        raise UnreadableFile(f"{path} has no triangles in its scene; choose a file that holds a mesh")
    return _merged(document, read)


def _check_version(document: Document) -> None:
    asset = document.top.get("asset")
    version = asset.get("version") if isinstance(asset, dict) else None
    if not isinstance(version, str) or not version.startswith("2."):
        document.refuse(f"is glTF of version {str(version)[:20]!r}, wanted 2.0")
    needed = document.top.get("extensionsRequired", [])
    for name in needed if isinstance(needed, list) else [needed]:
        if not str(name).startswith(_HARMLESS):
            document.refuse(f"needs the extension {str(name)[:60]!r}, which is not read; save it without compression")


def _entries(document: Document, entry: dict[str, Any], key: str) -> list[dict[str, Any]]:
    values = entry.get(key, [])
    if not isinstance(values, list) or not all(isinstance(value, dict) for value in values):
        document.refuse(f"has {key} that are no list of objects")
    return values


def _primitive(
    document: Document, mode: int, primitive: dict[str, Any], matrix: np.ndarray
) -> tuple[MeshContent, int | None]:
    """One part at its place, and the number of its texture."""
    attributes = primitive.get("attributes")
    if not isinstance(attributes, dict) or "POSITION" not in attributes:
        document.refuse("has a part without POSITION")
    if _extension(primitive, "KHR_draco_mesh_compression") and _is_empty(document, attributes):
        document.refuse("is compressed with Draco, which is not read; save it without compression")
    texture, uv_name, uv_transform = _material(document, primitive)
    points = _vectors(document, attributes, "POSITION", 3)
    count = len(points)
    indices = None if mode == _POINTS else _indices(document, primitive, count)
    faces = _faces(document, mode, indices, count)
    moved = points.astype(np.float32, copy=False)
    if not np.array_equal(matrix, np.eye(4)):
        with np.errstate(over="ignore", invalid="ignore"):
            moved = (points.astype(np.float64) @ matrix[:3, :3].T + matrix[:3, 3]).astype(np.float32)
    part = MeshContent(moved, faces)
    if np.linalg.det(matrix[:3, :3]) < 0:  # a mirror turns the faces inside out
        part.faces = faces[:, [0, 2, 1]]
    if "NORMAL" in attributes:
        normals = _vectors(document, attributes, "NORMAL", 3, count)
        with np.errstate(over="ignore", invalid="ignore"):
            part.normals = normals @ _cofactors(matrix[:3, :3]).T
    if "COLOR_0" in attributes:
        part.colors = _vectors(document, attributes, "COLOR_0", 3, count)[:, :3].clip(0, 1)
    if uv_name in attributes:
        document.reserve(len(faces), 24)
        uv = _vectors(document, attributes, uv_name, 2, count).astype(np.float64)
        uv = np.concatenate([uv, np.ones((count, 1))], axis=1) @ uv_transform.T
        uv[:, 1] = 1 - uv[:, 1]
        part.uv = uv[part.faces].astype(np.float32)
    return part, texture


def _extension(entry: dict[str, Any], name: str) -> dict[str, Any]:
    """What an extension says of an entry, nothing where it is absent."""
    extensions = entry.get("extensions")
    found = extensions.get(name) if isinstance(extensions, dict) else None
    return found if isinstance(found, dict) else {}


def _is_empty(document: Document, attributes: dict[str, Any]) -> bool:
    return document.entry("accessors", attributes["POSITION"]).get("bufferView") is None


def _vectors(
    document: Document, attributes: dict[str, Any], name: str, width: int, count: int | None = None
) -> np.ndarray:
    values = document.accessor(attributes[name])
    if values.shape[1] < width or (values.shape[1] > width and name != "COLOR_0"):
        document.refuse(f"has {name} of {values.shape[1]} numbers, wanted {width}")
    if count is not None and len(values) != count:
        document.refuse(f"has {count} positions but {len(values)} of {name}")
    if values.dtype.kind in "iu" and name == "COLOR_0":
        values = values / np.float32(np.iinfo(values.dtype).max)
    return values


def _indices(document: Document, primitive: dict[str, Any], count: int) -> np.ndarray | None:
    if primitive.get("indices") is None:
        return None
    values = document.accessor(primitive["indices"])
    if values.shape[1] != 1 or values.dtype.kind != "u":
        document.refuse("has indices that are no whole numbers")
    check_indices(document.path, values, count)
    return values[:, 0]


def _faces(document: Document, mode: int, indices: np.ndarray | None, count: int) -> np.ndarray:
    if mode == _POINTS:
        return no_faces()
    total = count if indices is None else len(indices)
    document.reserve(total if mode == _TRIANGLES else 3 * total, 8)
    corners = np.arange(count) if indices is None else indices.astype(np.int64)
    if mode == _TRIANGLES:
        if total % 3:
            document.refuse(f"has {total} corners of triangles, no multiple of three")
        return corners.reshape(-1, 3)
    if mode == _STRIP:
        return corners[strips_to_triangles(corners, np.zeros(1, np.int64))]
    if total < 3:
        return no_faces()
    return np.stack([np.full(total - 2, corners[0]), corners[1:-1], corners[2:]], axis=1)


def _material(document: Document, primitive: dict[str, Any]) -> tuple[int | None, str, np.ndarray]:
    """The texture of the base colour, which coordinates it takes and how it moves them (KHR_texture_transform)."""
    info: Any = {}
    if primitive.get("material") is not None:
        rough = document.entry("materials", primitive["material"]).get("pbrMetallicRoughness")
        info = rough.get("baseColorTexture") if isinstance(rough, dict) else None
    info = info if isinstance(info, dict) else {}
    moved = _extension(info, "KHR_texture_transform")
    channel = document.whole(moved, "texCoord", document.whole(info, "texCoord", 0))
    try:
        (x, y), (sx, sy) = moved.get("offset", (0, 0)), moved.get("scale", (1, 1))
        turn = float(moved.get("rotation", 0))
        c, s = np.cos(turn), np.sin(turn)
        transform = np.array([[c * sx, s * sy, x], [-s * sx, c * sy, y]], np.float64)
    except (TypeError, ValueError):
        document.refuse("has a KHR_texture_transform that is no offset, rotation and scale")
    return info.get("index"), f"TEXCOORD_{channel}", transform


def _cofactors(linear: np.ndarray) -> np.ndarray:
    """What normals are turned by: the inverse transpose times the determinant, there for flat matrices as well."""
    a, b, c = linear.T
    turned = np.stack([np.cross(b, c), np.cross(c, a), np.cross(a, b)], axis=1)
    return (
        turned / max(float(np.abs(turned).max()), np.finfo(np.float64).tiny) * (np.sign(np.linalg.det(linear)) or 1.0)
    )


def _merged(document: Document, read: list[tuple[MeshContent, int | None]]) -> MeshContent:
    parts = [part for part, _ in read]
    starts = np.cumsum([0] + [len(part.vertices) for part in parts])
    total, faces = int(starts[-1]), sum(len(part.faces) for part in parts)
    if len(parts) > 1:
        document.reserve(total, 36)
        document.reserve(faces, 48)

    def joined(name: str) -> np.ndarray | None:
        values = [getattr(part, name) for part in parts]
        if any(value is None for value in values):
            return None
        return np.concatenate(values) if len(values) > 1 else values[0]

    merged = MeshContent(
        np.concatenate([part.vertices for part in parts]) if len(parts) > 1 else parts[0].vertices,
        np.concatenate([part.faces + start for part, start in zip(parts, starts)])
        if len(parts) > 1
        else parts[0].faces,
        joined("normals"),
        joined("colors"),
        joined("uv"),
    )
    textures = list(dict.fromkeys(number for _, number in read if isinstance(number, int)))
    if textures and merged.uv is not None:
        if len(textures) > 1:
            warnings.warn(f"{document.path}: of its {len(textures)} textures only the first was kept", stacklevel=5)
        merged.texture = _texture(document, textures[0])
    return merged


def _texture(document: Document, number: int) -> np.ndarray | None:
    """The pixels of a texture; None, with a warning, where they cannot be had."""
    texture = document.entry("textures", number)
    webp = _extension(texture, "EXT_texture_webp")
    source = webp.get("source", texture.get("source"))
    if source is None:
        return None
    image = document.entry("images", source)
    uri = image.get("uri")
    if isinstance(uri, str) and not uri.startswith("data:"):
        return load_texture(document.path, uri)
    content = document.fetch(uri, "picture") if uri is not None else document.view(image.get("bufferView"))[0].tobytes()
    try:
        return decode_texture(content, f"picture {source}")
    except UnreadableFile as error:
        warnings.warn(f"{document.path}: its texture was left out: {error}", stacklevel=6)
        return None
