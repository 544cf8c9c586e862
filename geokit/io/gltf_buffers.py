"""The binary half of glTF: the chunks of a .glb, buffers, views and accessors, every number of them checked."""

import base64
import binascii
import json
import struct
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import unquote

import numpy as np

from geokit.errors import UnreadableFile
from geokit.io.safe import confined_path, existing_file, read_bytes

_COMPONENTS = {5120: "i1", 5121: "u1", 5122: "<i2", 5123: "<u2", 5125: "<u4", 5126: "<f4"}
_WIDTHS = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4, "MAT2": 4, "MAT3": 9, "MAT4": 16}
_GROWTH, _FREE = 8, 32 << 20  # what accessors may come to: so many times the bytes of the file, and so many more


def read_document(path: Path, data: bytes) -> "Document":
    """The parsed file: `data`, the content of `path`, is a .glb or the JSON of a .gltf."""
    binary, size = None, len(data)
    if data[:4] == b"glTF":
        data, binary = _chunks(path, data)
    _check_json_size(path, data)
    try:
        top = json.loads(data.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        reason = "it is nested too deeply" if isinstance(error, RecursionError) else str(error)[:120]
        raise UnreadableFile(f"{path} holds no readable JSON ({reason}); export it again") from error
    if not isinstance(top, dict):
        raise UnreadableFile(f"{path} is no glTF: its JSON is no object; check what it is")
    return Document(path, top, binary, size)


def _chunks(path: Path, data: bytes) -> tuple[bytes, bytes | None]:
    if len(data) < 20:
        raise UnreadableFile(f"{path} has {len(data)} bytes, too few for a .glb; it is truncated: copy it again")
    version, length = struct.unpack_from("<II", data, 4)
    if version != 2:
        raise UnreadableFile(f"{path} is a .glb of version {version}, wanted 2; export it again as glTF 2.0")
    if length != len(data):
        raise UnreadableFile(
            f"{path} says that it has {length} bytes but has {len(data)}; it is truncated or damaged: copy it again"
        )
    found: list[tuple[bytes, bytes]] = []
    place = 12
    while place + 8 <= length:
        size, kind = struct.unpack_from("<I4s", data, place)
        if size > length - place - 8:
            raise UnreadableFile(
                f"{path} has a chunk {kind!r} at byte {place} that promises {size} bytes, but "
                f"{length - place - 8} follow; "
                "it is damaged: export it again"
            )
        found.append((kind, data[place + 8 : place + 8 + size]))
        place += 8 + size
    if place != length or not found or found[0][0] != b"JSON":
        raise UnreadableFile(f"{path} has no whole JSON chunk first, or bytes behind its last chunk; export it again")
    binary = found[1][1] if len(found) > 1 and found[1][0] == b"BIN\0" else None
    return found[0][1], binary


def _check_json_size(path: Path, text: bytes) -> None:
    """Many small values take far more memory than their text: stop before they are made."""
    needed = 150 * (text.count(b"[") + text.count(b"{")) + 40 * text.count(b",")
    if needed > 6 * len(text) + (48 << 20):
        raise UnreadableFile(
            f"{path} has too many values in its JSON; geometry belongs into its buffers: export it again"
        )


class Document:
    """The JSON of a glTF and its buffers, read when they are asked for."""

    def __init__(self, path: Path, top: dict[str, Any], binary: bytes | None, size: int) -> None:
        self.path, self.top, self._binary = path, top, binary
        self._buffers: dict[int, bytes] = {}
        self._allowed = _FREE + _GROWTH * size

    def entry(self, kind: str, index: Any) -> dict[str, Any]:
        """Entry `index` of the list `kind`; `UnreadableFile` when there is none."""
        entries = self.top.get(kind)
        if isinstance(index, bool) or not isinstance(index, int) or not isinstance(entries, list):
            self.refuse(f"names {kind} {str(index)[:40]!r}, which it does not have")
        if not 0 <= index < len(entries) or not isinstance(entries[index], dict):
            self.refuse(f"names {kind} {index}, but has {len(entries)}")
        return entries[index]

    def refuse(self, reason: str) -> NoReturn:
        """Raise `UnreadableFile` with a reason."""
        raise UnreadableFile(f"{self.path} {reason}; export it again")

    def whole(self, entry: dict[str, Any], key: str, default: int | None = None) -> int:
        """A whole number that is not negative."""
        value = entry.get(key, default)
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 2**53:
            self.refuse(f"has {key} {str(value)[:40]!r} where a whole number that is not negative belongs")
        return value

    def reserve(self, count: int, bytes_each: int) -> None:
        """Account for an array before it is made: what repeats must not unfold without limit."""
        self._allowed -= count * bytes_each
        if self._allowed < 0:
            self.refuse(f"unfolds (by instances, strips or zeros) to more than {_GROWTH} times its size")

    def buffer(self, index: Any) -> bytes:
        """The bytes of a buffer: the binary chunk, base64 in the JSON or a file in the folder. Never the network."""
        if index in self._buffers:
            return self._buffers[index]
        entry = self.entry("buffers", index)
        length, uri = self.whole(entry, "byteLength"), entry.get("uri")
        if uri is None:
            content = self._binary if index == 0 and self._binary is not None else b""
        else:
            content = self.fetch(uri, "buffer")
            self._allowed += _GROWTH * len(content)
        if length > len(content):
            self.refuse(f"promises {length} bytes in buffer {index}, which has {len(content)}")
        self._buffers[index] = content
        return content

    def fetch(self, uri: Any, what: str) -> bytes:
        """What a URI names: base64, or a file inside the folder of this one."""
        if not isinstance(uri, str):
            self.refuse(f"has a {what} whose uri is no text")
        if uri.startswith("data:"):
            try:
                return base64.b64decode(uri.partition(",")[2], validate=True)
            except (binascii.Error, ValueError):
                self.refuse(f"has a {what} whose base64 is damaged")
        if "://" in uri or uri.startswith("//"):
            self.refuse(f"names a {what} on the network ({uri[:80]!r}), which is not fetched: put it beside the file")
        place = confined_path(self.path.parent, unquote(uri), self.path)
        return read_bytes(existing_file(place, f"{what} of {self.path}"), what)

    def view(self, index: Any) -> tuple[np.ndarray, int]:
        """The bytes of a buffer view and its stride, 0 when packed."""
        entry = self.entry("bufferViews", index)
        if "EXT_meshopt_compression" in str(entry.get("extensions"))[:1000]:
            self.refuse("is compressed with meshopt, which is not read: use a file without it")
        content = self.buffer(entry.get("buffer"))
        offset, length = self.whole(entry, "byteOffset", 0), self.whole(entry, "byteLength")
        stride = self.whole(entry, "byteStride", 0)
        if offset + length > len(content):
            self.refuse(f"has view {index} at bytes {offset} to {offset + length} of a buffer of {len(content)}")
        return np.frombuffer(content, np.uint8, length, offset), stride

    def accessor(self, index: Any) -> np.ndarray:
        """The values (count, width) of an accessor; integers marked as normalized become float32 in [-1, 1]."""
        entry = self.entry("accessors", index)
        code, width = self._layout(entry)
        count, size = self.whole(entry, "count"), np.dtype(code).itemsize
        self.reserve(count, width * size)
        if entry.get("bufferView") is None:
            values = np.zeros((count, width), code)
        else:
            values = self._strided(entry, entry, count, code, width)
        if isinstance(entry.get("sparse"), dict):
            values = self._with_sparse(entry["sparse"], values.copy(), code, width)
        if entry.get("normalized") and values.dtype.kind in "iu":
            self.reserve(count, width * 4)
            values = np.maximum(values / np.float32(np.iinfo(values.dtype).max), np.float32(-1))
        return values

    def _layout(self, entry: dict[str, Any]) -> tuple[str, int]:
        code, kind = entry.get("componentType"), entry.get("type")
        if not isinstance(code, int) or not isinstance(kind, str) or code not in _COMPONENTS or kind not in _WIDTHS:
            self.refuse(
                f"has an accessor of componentType {str(code)[:20]} and type {str(kind)[:20]!r}, which glTF has not"
            )
        return _COMPONENTS[code], _WIDTHS[kind]

    def _strided(self, where: dict[str, Any], named: dict[str, Any], count: int, code: str, width: int) -> np.ndarray:
        view, stride = self.view(where.get("bufferView"))
        offset, size = self.whole(where, "byteOffset", 0), width * np.dtype(code).itemsize
        stride = stride or size
        if stride < size or (count and offset + (count - 1) * stride + size > len(view)):
            self.refuse(f"promises {count} values of {size} bytes, {stride} apart, in a view of {len(view)} bytes")
        if not count:
            return np.empty((0, width), code)
        rows = np.lib.stride_tricks.as_strided(view[offset:], (count, size), (stride, 1), writeable=False)
        return np.ascontiguousarray(rows).view(code).reshape(count, width)

    def _with_sparse(self, sparse: dict[str, Any], values: np.ndarray, code: str, width: int) -> np.ndarray:
        count, where, what = self.whole(sparse, "count"), sparse.get("indices"), sparse.get("values")
        if (
            not isinstance(where, dict)
            or not isinstance(what, dict)
            or where.get("componentType") not in (5121, 5123, 5125)
        ):
            self.refuse("has a sparse accessor without indices and values")
        self.reserve(count, 4 + width * np.dtype(code).itemsize)
        places = self._strided(where, where, count, _COMPONENTS[where["componentType"]], 1)[:, 0]
        if count and int(places.max()) >= len(values):
            self.refuse(f"has a sparse accessor that changes value {int(places.max())} of {len(values)}")
        values[places] = self._strided(what, what, count, code, width)
        return values
