"""The pages of an .e57 file: 1,020 bytes of content and a CRC-32C each. Places count with or without the sums."""

import functools
import struct
from pathlib import Path

import numpy as np

from geokit.errors import UnreadableFile

_PAGE, _CONTENT = 1024, 1020
_POLYNOMIAL = 0x82F63B78  # CRC-32C, bits reflected
_PAGES = 1 << 12  # looked at together


def logical_place(physical: int) -> int:
    """A place in the file as one in the content of its pages."""
    return physical - 4 * (physical // _PAGE)


def physical_place(logical: int) -> int:
    """The reverse of `logical_place`."""
    return logical + 4 * (logical // _CONTENT)


def without_sums(path: Path, data: bytes) -> memoryview:
    """The content (bytes) of all pages of the file; `UnreadableFile` when it is no .e57, cut or changed."""
    if not data.startswith(b"ASTM-E57"):
        raise UnreadableFile(f"{path} is no .e57 file (it does not begin with 'ASTM-E57'); check what it is")
    if len(data) < _PAGE:
        raise UnreadableFile(f"{path} has {len(data)} bytes, less than one page of an .e57; the file is truncated")
    major, _, length, _, _, page = struct.unpack_from("<IIQQQQ", data, 8)
    if major != 1 or page != _PAGE:
        raise UnreadableFile(
            f"{path} has version {major} and pages of {page} bytes, wanted 1 and {_PAGE}; it is damaged"
        )
    if length != len(data) or length % _PAGE:
        raise UnreadableFile(
            f"{path} promises {length} bytes but has {len(data)}; the file is truncated or damaged: copy it again"
        )
    pages = np.frombuffer(data, np.uint8).reshape(-1, _PAGE)
    for start in range(0, len(pages), _PAGES):
        some = pages[start : start + _PAGES]
        wrong = checksums(some[:, :_CONTENT]) != some[:, _CONTENT:].copy().view(">u4")[:, 0]
        if wrong.any():
            place = (start + int(wrong.argmax())) * _PAGE
            raise UnreadableFile(
                f"{path} has a wrong checksum in the page at byte {place}; the file is damaged: copy or export it again"
            )
    return pages[:, :_CONTENT].reshape(-1).data


def in_pages(content: bytes) -> bytes:
    """The file with this content."""
    pages = np.zeros((-(-len(content) // _CONTENT), _PAGE), np.uint8)
    padded = np.frombuffer(content + bytes(-len(content) % _CONTENT), np.uint8)
    pages[:, :_CONTENT] = padded.reshape(-1, _CONTENT)
    pages[:, _CONTENT:] = checksums(pages[:, :_CONTENT]).astype(">u4")[:, None].view(np.uint8)
    return pages.tobytes()


def checksums(rows: np.ndarray) -> np.ndarray:
    """(P,) the CRC-32C of every row of (P, even) bytes, two columns at a time."""
    table = _table()
    sums = np.full(len(rows), 0xFFFFFFFF, np.uint32)
    pairs = np.ascontiguousarray(np.ascontiguousarray(rows).view("<u2").T)
    for pair in pairs:
        sums = table[(sums & 0xFFFF) ^ pair] ^ (sums >> 16)
    return ~sums


@functools.cache
def _table() -> np.ndarray:
    """(65536,) what two bytes do to a sum."""
    sums: np.ndarray = np.arange(1 << 16, dtype=np.uint32)
    for _ in range(16):
        sums = (sums >> 1) ^ (sums & 1) * np.uint32(_POLYNOMIAL)
    return sums
