"""The .spz format of Niantic: gzip of a 16-byte header and of quantised columns; versions 1 to 3 read, 3 written.

Header: "NGSP" as the little-endian number 0x5053474e, version, number of splats (4 bytes each), SH degree, fractional
bits, flags, reserved (1 byte each). Columns: positions (24-bit fixed point; half floats in version 1), opacity, colour,
log-scale, rotation (three bytes x y z; in version 3 the smallest three of the quaternion in 10 bits each), then the
spherical harmonics, colour channel fastest.

The axes of a .spz are right, up, back; a .ply, and `Splats`, has right, down, forward: y and z change their sign, in
positions, rotations and harmonics.
"""

import struct
import warnings
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from geokit.errors import InvalidInput, UnreadableFile
from geokit.geometry.splats import Splats

_MAGIC = 0x5053474E
_HEADER = struct.Struct("<IIIBBBB")
_COLOR_SCALE = 0.15
_EXTENDED = 0x2  # flag: extensions follow the columns
# A scene may take so many bytes, and so many for a compressed one. Files of degree 3 come to 10; what no scene needs is
# refused before it is allocated.
_FREE_BYTES, _RATIO = 40 << 20, 16
_ROWS, _PIECE = 1 << 14, 1 << 16  # splats decoded, compressed bytes inflated at a time
# signs of the harmonics 1..15 when y and z are mirrored
_SH_SIGNS = np.array([-1, -1, 1, -1, 1, 1, -1, 1, -1, 1, -1, -1, 1, -1, 1], np.float32)
_AXES = np.array([1, -1, -1], np.float32)


def read_spz(path: Path, data: bytes) -> Splats:
    """The splats in `data`, the content of `path`, in the axes of a .ply. Beside them little memory is taken."""
    stream = _Inflated(path, data)
    head = stream.read(_HEADER.size)
    if len(head) < _HEADER.size:
        raise UnreadableFile(f"{path} ends inside its header; it is truncated: copy or export it again")
    magic, version, count, degree, bits, flags, _ = _HEADER.unpack(head)
    if magic != _MAGIC:
        raise UnreadableFile(f"{path} is not a .spz file (wrong magic number {magic:#x}); check what it is")
    if version not in (1, 2, 3) or degree > 3 or bits > 23:
        raise UnreadableFile(
            f"{path} is a .spz of version {version} with harmonics of degree {degree} and {bits} fractional bits; "
            "versions 1 to 3, degrees 0 to 3 and at most 23 bits are readable: convert it"
        )
    if flags & _EXTENDED:
        warnings.warn(
            f"{path} carries extensions that are not read; colours that depend on the view may be off", stacklevel=4
        )
    bases = (degree + 1) ** 2
    size = count * 4 * (11 + 3 * bases)
    if size > _FREE_BYTES + _RATIO * len(data):
        raise UnreadableFile(
            f"{path} promises {count} splats ({size} bytes) in {len(data)} compressed bytes, which is not believable; "
            "export it again"
        )
    means, quats, log_scales, opacities, sh = (
        np.empty((count, *shape), np.float32) for shape in ((3,), (4,), (3,), (1,), (bases, 3))
    )
    columns: list[tuple[np.ndarray, int, Callable[[np.ndarray], np.ndarray]]] = [
        (means, 6 if version == 1 else 9, lambda raw: _positions(raw, version, bits)),
        (opacities, 1, _logits),
        (sh[:, 0], 3, lambda raw: (raw.astype(np.float32) / 255 - 0.5) / _COLOR_SCALE),
        (log_scales, 3, lambda raw: raw.astype(np.float32) / 16 - 10),
        (quats, 4 if version == 3 else 3, lambda raw: _quaternions(raw, version)),
        (sh[:, 1:], 3 * (bases - 1), _harmonics),
    ]
    for values, width, decode in columns:
        for start in range(0, count if width else 0, _ROWS):
            rows = min(_ROWS, count - start)
            raw = stream.read(rows * width)
            if len(raw) < rows * width:
                raise UnreadableFile(
                    f"{path} promises {count} splats but ends after {stream.given} bytes; it is truncated: "
                    "copy or export it again"
                )
            values[start : start + rows] = decode(np.frombuffer(raw, np.uint8).reshape(rows, width))
    return Splats(*map(torch.from_numpy, (means, quats, log_scales, opacities[:, 0], sh)))


class _Inflated:
    """The compressed `data` as a stream; given: bytes handed out so far."""

    def __init__(self, path: Path, data: bytes) -> None:
        self._path, self._data, self._place = path, memoryview(data), 0
        self._unpack = zlib.decompressobj(wbits=31)
        self.given = 0

    def read(self, count: int) -> bytearray:
        """The next `count` bytes, fewer at the end."""
        found = bytearray()
        while len(found) < count:
            piece: bytes | memoryview = self._unpack.unconsumed_tail
            if not piece:
                piece = self._data[self._place : self._place + _PIECE]
                self._place += len(piece)
            try:
                more = self._unpack.decompress(piece, count - len(found))
            except zlib.error as error:
                raise UnreadableFile(
                    f"{self._path} is not readable as compressed data ({error}); copy or export it again"
                ) from error
            found += more
            if self._unpack.eof or not (piece or more):
                break
        self.given += len(found)
        return found


def _positions(raw: np.ndarray, version: int, bits: int) -> np.ndarray:
    if version == 1:
        return np.asarray(raw.copy().view("<f2").astype(np.float32) * _AXES)
    triple = raw.reshape(-1, 3, 3).astype(np.int32)
    fixed = triple[..., 0] | triple[..., 1] << 8 | triple[..., 2] << 16
    return np.asarray(((fixed ^ 0x800000) - 0x800000).astype(np.float32) / (1 << bits) * _AXES)


def _logits(raw: np.ndarray) -> np.ndarray:
    return torch.logit(torch.from_numpy(raw.astype(np.float32)).clamp(0.25, 254.75) / 255).numpy()


def _quaternions(raw: np.ndarray, version: int) -> np.ndarray:
    xyzw = _three_smallest(raw) if version == 3 else _first_three(raw)
    return np.concatenate([xyzw[:, 3:], xyzw[:, :3] * _AXES], axis=1)


def _harmonics(raw: np.ndarray) -> np.ndarray:
    values = raw.astype(np.float32).reshape(len(raw), -1, 3)
    return np.asarray((values - 128) / 128 * _SH_SIGNS[: values.shape[1], None])


def _first_three(rotations: np.ndarray) -> np.ndarray:
    """(N, 4) x y z w of versions 1 and 2."""
    xyz = rotations.astype(np.float64) / 127.5 - 1
    return np.concatenate([xyz, np.sqrt(np.maximum(0, 1 - (xyz**2).sum(1, keepdims=True)))], axis=1)


def _three_smallest(rotations: np.ndarray) -> np.ndarray:
    """(N, 4) x y z w of version 3: 2 bits for the largest entry, then sign and 9 bits for each of the others."""
    packed = rotations.copy().view("<u4")[:, 0]
    largest = (packed >> 30).astype(np.int64)
    others = np.stack([packed >> 20, packed >> 10, packed]) & 1023
    values = (others & 511) / 511 * np.sqrt(0.5) * np.where(others & 512, -1, 1)
    xyzw = np.zeros((len(packed), 4))
    rest = _other_entries(largest)
    np.put_along_axis(xyzw, rest, values.T, axis=1)
    np.put_along_axis(xyzw, largest[:, None], np.sqrt(np.maximum(0, 1 - (values**2).sum(0)))[:, None], axis=1)
    return xyzw


def _other_entries(largest: np.ndarray) -> np.ndarray:
    """(N, 3): the indices 0..3 without `largest`, ascending."""
    table = np.array([[1, 2, 3], [0, 2, 3], [0, 1, 3], [0, 1, 2]])
    return table[largest]


def write_spz(splats: Splats) -> bytes:
    """A .spz of version 3 of float32 splats on the CPU; waves are left out."""
    means = splats.means.numpy() * _AXES
    bits = 12
    reach = float(np.abs(means).max()) if len(means) else 0.0
    while bits > 0 and reach * (1 << bits) >= (1 << 23) - 1:
        bits -= 1
    if reach * (1 << bits) >= (1 << 23) - 1:
        raise InvalidInput(
            f"the splats reach {reach:.3g} units from the origin, beyond what .spz can hold; write a .ply"
        )
    fixed = np.round(means.astype(np.float64) * (1 << bits)).astype(np.int32)
    positions = np.stack([fixed & 255, fixed >> 8 & 255, fixed >> 16 & 255], axis=-1).astype(np.uint8)
    sh = splats.sh_coeffs.numpy()
    rest = sh[:, 1:] * _SH_SIGNS[: sh.shape[1] - 1, None]
    columns = [
        positions,
        _bytes(splats.logit_opacities.sigmoid().numpy() * 255),
        _bytes(sh[:, 0] * _COLOR_SCALE * 255 + 127.5),
        _bytes((splats.log_scales.numpy() + 10) * 16),
        _pack_rotations(splats.quats),
        _bytes(_coarse(rest[:, :3], 8)),
        _bytes(_coarse(rest[:, 3:], 16)),
    ]
    harmonics = np.concatenate(columns[5:], axis=1)
    header = _HEADER.pack(_MAGIC, 3, len(splats), splats.sh_degree, bits, 0, 0)
    body = b"".join(np.ascontiguousarray(c).tobytes() for c in (*columns[:5], harmonics))
    pack = zlib.compressobj(6, wbits=31)
    return pack.compress(header + body) + pack.flush()


def _bytes(values: np.ndarray) -> np.ndarray:
    return np.clip(np.round(values), 0, 255).astype(np.uint8)


def _coarse(values: np.ndarray, step: int) -> np.ndarray:
    """128 + 128 x on a coarser raster, which compresses better (5 bits for degree 1, 4 above)."""
    return np.floor((np.round(values * 128) + 128 + step / 2) / step) * step


def _pack_rotations(quats: torch.Tensor) -> np.ndarray:
    unit = torch.nn.functional.normalize(quats.double(), dim=1).numpy()
    xyzw = np.concatenate([unit[:, 1:] * _AXES, unit[:, :1]], axis=1)
    largest = np.abs(xyzw).argmax(axis=1)
    xyzw *= np.where(np.take_along_axis(xyzw, largest[:, None], axis=1) < 0, -1, 1)
    others = np.take_along_axis(xyzw, _other_entries(largest), axis=1)
    size = np.minimum(np.floor(511 * np.abs(others) / np.sqrt(0.5) + 0.5), 511).astype(np.uint32)
    entries = size | np.where(others < 0, 512, 0).astype(np.uint32)
    packed = largest.astype(np.uint32) << 30 | entries[:, 0] << 20 | entries[:, 1] << 10 | entries[:, 2]
    return packed.astype("<u4")[:, None].view(np.uint8)
