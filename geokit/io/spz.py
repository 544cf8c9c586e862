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
from pathlib import Path

import numpy as np
import torch

from geokit.errors import InvalidInput, UnreadableFile
from geokit.geometry.splats import Splats

_MAGIC = 0x5053474E
_HEADER = struct.Struct("<IIIBBBB")
_COLOR_SCALE = 0.15
_EXTENDED = 0x2  # flag: extensions follow the columns
_FREE_BYTES, _RATIO = 64 << 20, 50  # a column of splats does not compress further than this in earnest
# signs of the harmonics 1..15 when y and z are mirrored
_SH_SIGNS = np.array([-1, -1, 1, -1, 1, 1, -1, 1, -1, 1, -1, -1, 1, -1, 1], np.float32)
_AXES = np.array([1, -1, -1], np.float32)


def read_spz(path: Path, data: bytes) -> Splats:
    """The splats in `data`, the content of `path`, in the axes of a .ply."""
    unpack = zlib.decompressobj(wbits=31)
    head = _inflate(path, unpack, data, _HEADER.size)
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
    widths = [6 if version == 1 else 9, 1, 3, 3, 4 if version == 3 else 3, 3 * ((degree + 1) ** 2 - 1)]
    size = count * sum(widths)
    if size > max(_FREE_BYTES, _RATIO * len(data)):
        raise UnreadableFile(
            f"{path} promises {count} splats ({size} bytes) in {len(data)} compressed bytes, which is not believable; "
            "export it again"
        )
    body = _inflate(path, unpack, unpack.unconsumed_tail, size)
    if len(body) < size:
        raise UnreadableFile(
            f"{path} promises {count} splats ({size} bytes) but only {len(body)} bytes follow; it is truncated"
        )
    columns, place = [], 0
    for width in widths:
        columns.append(np.frombuffer(body, np.uint8, count * width, place).reshape(count, width))
        place += count * width
    return _decode(columns, version, bits)


def _inflate(path: Path, unpack: "zlib._Decompress", data: bytes, most: int) -> bytes:
    """At most `most` bytes of the compressed `data`."""
    if most == 0:
        return b""
    try:
        return unpack.decompress(data, most)
    except zlib.error as error:
        raise UnreadableFile(f"{path} is not readable as compressed data ({error}); copy or export it again") from error


def _decode(columns: list[np.ndarray], version: int, bits: int) -> Splats:
    positions, alphas, colors, scales, rotations, harmonics = columns
    count = len(alphas)
    means: np.ndarray
    if version == 1:
        means = positions.copy().view("<f2").astype(np.float32)
    else:
        triple = positions.reshape(count, 3, 3).astype(np.int32)
        fixed = triple[..., 0] | triple[..., 1] << 8 | triple[..., 2] << 16
        means = ((fixed ^ 0x800000) - 0x800000).astype(np.float32) / (1 << bits)
    xyzw = _three_smallest(rotations) if version == 3 else _first_three(rotations)
    quats = np.concatenate([xyzw[:, 3:], xyzw[:, :3] * _AXES], axis=1)
    dc = (colors.astype(np.float32) / 255 - 0.5) / _COLOR_SCALE
    rest = (harmonics.astype(np.float32).reshape(count, harmonics.shape[1] // 3, 3) - 128) / 128
    sh = np.concatenate([dc[:, None], rest * _SH_SIGNS[: rest.shape[1], None]], axis=1)
    alpha = torch.from_numpy(alphas[:, 0].astype(np.float32)).clamp(0.25, 254.75) / 255
    return Splats(
        torch.from_numpy(means * _AXES),
        torch.from_numpy(quats.astype(np.float32)),
        torch.from_numpy(scales.astype(np.float32) / 16 - 10),
        torch.logit(alpha),
        torch.from_numpy(sh.astype(np.float32)),
    )


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
