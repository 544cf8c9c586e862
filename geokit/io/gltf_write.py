"""Meshes as .glb files."""

import json
import struct
from typing import Any

import numpy as np

from geokit.backend.file_ops import merge_rows
from geokit.geometry.mesh import Mesh
from geokit.io.textures import encode_texture

_VERTICES, _INDICES = 34962, 34963  # what a buffer view is for


def write_glb(mesh: Mesh, unlit: bool = False) -> bytes:
    """A .glb of one node in float32. With uv, corners of a vertex that differ in them become vertices of their own.

    unlit: colours are shown as they are, whatever the light (KHR_materials_unlit).
    """
    fields = {name: t.detach().cpu().numpy() for name, t in mesh.tensors().items()}
    faces = fields["faces"]
    arrays: dict[str, np.ndarray] = {"POSITION": fields["vertices"]}
    if "normals" in fields:
        arrays["NORMAL"] = fields["normals"]
    if "colors" in fields:
        arrays["COLOR_0"] = fields["colors"]
    if "uv" in fields and len(faces):
        arrays, faces = _with_corner_uv(arrays, faces, fields["uv"])
    writer = _GlbWriter()
    attributes = {
        name: writer.add(values.astype("<f4"), _VERTICES, name == "POSITION") for name, values in arrays.items()
    }
    primitive: dict[str, Any] = {"attributes": attributes, "mode": 4, "material": 0}
    if len(faces):
        primitive["indices"] = writer.add(faces.reshape(-1, 1).astype("<u4"), _INDICES)
    top: dict[str, Any] = {"asset": {"version": "2.0", "generator": "geokit"}, "scene": 0}
    top |= {"scenes": [{"nodes": [0]}], "nodes": [{"mesh": 0}], "meshes": [{"primitives": [primitive]}]}
    surface: dict[str, Any] = {"metallicFactor": 0, "roughnessFactor": 1}  # left out, it would be metal
    material: dict[str, Any] = {"pbrMetallicRoughness": surface, "doubleSided": True}
    if unlit:
        material["extensions"] = {"KHR_materials_unlit": {}}
        top["extensionsUsed"] = ["KHR_materials_unlit"]
    if not len(fields["vertices"]):
        top = {key: value for key, value in top.items() if key != "meshes"} | {"nodes": [{}]}
    elif "texture" in fields and "uv" in fields:
        view = writer.view(encode_texture(fields["texture"]))
        surface["baseColorTexture"] = {"index": 0}
        top |= {"textures": [{"source": 0}], "images": [{"bufferView": view, "mimeType": "image/png"}]}
    if "meshes" in top:
        top["materials"] = [material]
    return writer.file(top)


def _with_corner_uv(
    arrays: dict[str, np.ndarray], faces: np.ndarray, uv: np.ndarray
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """One vertex for each different pair of vertex and place in the texture."""
    rows = np.concatenate([faces.reshape(-1, 1).astype(np.float64), uv.reshape(-1, 2)], axis=1)
    firsts, ids = merge_rows(rows)
    chosen = faces.reshape(-1)[firsts]
    arrays = {name: values[chosen] for name, values in arrays.items()}
    arrays["TEXCOORD_0"] = uv.reshape(-1, 2)[firsts] * [1, -1] + [0, 1]
    return arrays, ids.reshape(-1, 3)


class _GlbWriter:
    """The binary chunk of a .glb as it grows."""

    def __init__(self) -> None:
        self._blocks: list[bytes] = []
        self._length = 0
        self._views: list[dict[str, Any]] = []
        self._accessors: list[dict[str, Any]] = []

    def view(self, content: bytes, target: int | None = None) -> int:
        self._views.append({"buffer": 0, "byteOffset": self._length, "byteLength": len(content)})
        if target:
            self._views[-1]["target"] = target
        self._blocks.append(content + b"\0" * (-len(content) % 4))
        self._length += len(self._blocks[-1])
        return len(self._views) - 1

    def add(self, values: np.ndarray, target: int, bounds: bool = False) -> int:
        if not len(values):
            return -1
        kinds = {1: "SCALAR", 2: "VEC2", 3: "VEC3"}
        entry = {
            "bufferView": self.view(values.tobytes(), target),
            "count": len(values),
            "type": kinds[values.shape[1]],
        }
        entry["componentType"] = 5125 if values.dtype.kind == "u" else 5126
        if bounds:
            entry |= {"min": values.min(axis=0).tolist(), "max": values.max(axis=0).tolist()}
        self._accessors.append(entry)
        return len(self._accessors) - 1

    def file(self, top: dict[str, Any]) -> bytes:
        if self._length:
            top |= {"buffers": [{"byteLength": self._length}], "bufferViews": self._views, "accessors": self._accessors}
        text = json.dumps(top, separators=(",", ":")).encode()
        text += b" " * (-len(text) % 4)
        chunks = struct.pack("<I4s", len(text), b"JSON") + text
        if self._length:
            chunks += struct.pack("<I4s", self._length, b"BIN\0") + b"".join(self._blocks)
        return struct.pack("<4sII", b"glTF", 2, 12 + len(chunks)) + chunks
