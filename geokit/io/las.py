"""The .las format of airborne and terrestrial scans (ASPRS, versions 1.0 to 1.4), and .laz, its compressed form.

Coordinates are integers times a scale plus an offset: float64. Colours are read from 16 bits; where none is above 255
they are bytes that a program stored in 16 bits, as many do. LAZ is unpacked by lazrs, after its table of chunks has
been compared with the bytes that are there.
"""

import io
import math
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from geokit.backend.optional import optional
from geokit.errors import GeokitError, InvalidInput, UnreadableFile
from geokit.geometry.color_bytes import color_bytes
from geokit.geometry.point_cloud import PointCloud
from geokit.io.point_columns import PointColumns, check_unfolding
from geokit.io.safe import check_count, read_bytes

_LENGTHS = (20, 28, 26, 34, 57, 63, 30, 36, 38, 59, 67)  # bytes of a point by format, without extra bytes
_COLORS_AT = {2: 20, 3: 28, 5: 28, 7: 30, 8: 30, 10: 30}
_VARIABLE = 0xFFFFFFFF  # as a chunk size: the table of chunks tells it
_LAYERS = {10: 9, 11: 1, 12: 2, 13: 1}  # parts that a chunk of each kind of item is stored in (14: one a byte)
_RATIO = 50  # LAZ is seldom below a thirtieth of the points
_TOGETHER = 1 << 18  # points unpacked at once
_STEPS = 1e7  # over the extent, at least, when written


@dataclass(frozen=True)
class _Header:
    count: int
    format: int
    length: int  # bytes of a point
    body: int  # where the points begin
    compressed: bool
    laszip: bytes  # what the compressor has said about itself
    scale: np.ndarray
    offset: np.ndarray


def read_las(path: Path) -> PointColumns:
    """The points, colours, intensities and classes of a .las or .laz; `UnreadableFile` when it is damaged or lies."""
    data = read_bytes(path, ".las file")
    header = _parse_header(path, data)
    if header.compressed:
        check_unfolding(path, header.count * max(header.length, 24), len(data), _RATIO)
    else:
        check_count(path, "points", header.count, header.length, len(data) - header.body)
    points = np.empty((header.count, 3))
    colored = header.format in _COLORS_AT
    colors = np.empty((header.count if colored else 0, 3), np.uint16)
    intensity, classes = np.empty(header.count, np.uint16), np.empty(header.count, np.uint8)
    row = _row(header)
    done = 0
    for rows in _unpacked(path, data, header, row) if header.compressed else _plain(data, header, row):
        part = slice(done, done + len(rows))
        points[part] = rows["place"] * header.scale + header.offset
        intensity[part] = rows["intensity"]
        classes[part] = rows["class"] & (31 if header.format < 6 else 255)
        if colored:
            colors[part] = rows["color"]
        done += len(rows)
    if colored and len(colors) and colors.max() <= 255:
        colors = colors.astype(np.uint8)
    extras: dict[str, np.ndarray] = {"intensity": intensity, "classification": classes}
    return PointColumns(points, colors if colored else None, extras={n: v for n, v in extras.items() if v.any()})


def _row(header: _Header) -> np.dtype:
    names, kinds = ["place", "intensity", "class"], [("<i4", (3,)), "<u2", "u1"]
    places = [0, 12, 15 if header.format < 6 else 16]
    if header.format in _COLORS_AT:
        names, kinds, places = [*names, "color"], [*kinds, ("<u2", (3,))], [*places, _COLORS_AT[header.format]]
    return np.dtype({"names": names, "formats": kinds, "offsets": places, "itemsize": header.length})


def _parse_header(path: Path, data: bytes) -> _Header:
    if not data.startswith(b"LASF"):
        raise UnreadableFile(f"{path} is no .las file (it does not begin with 'LASF'); check what it is")
    if len(data) < 227:
        raise UnreadableFile(f"{path} has {len(data)} bytes, less than the header of a .las; the file is truncated")
    minor, size, body, records = data[25], *struct.unpack_from("<HII", data, 94)
    form, length, count = struct.unpack_from("<BHI", data, 104)
    compressed, form = bool(form & 0x80), form & 0x3F
    if data[24] != 1 or minor > 4 or form >= len(_LENGTHS):
        raise UnreadableFile(
            f"{path} says it is .las {data[24]}.{minor} with point format {form}, wanted 1.0 to 1.4 with 0 to 10; "
            "it is damaged or too new"
        )
    if minor == 4:
        if len(data) < 375:
            raise UnreadableFile(f"{path} has {len(data)} bytes, less than the header of a .las 1.4; it is truncated")
        count = struct.unpack_from("<Q", data, 247)[0] or count
    if length < _LENGTHS[form] or not 227 <= size <= body <= len(data):
        raise UnreadableFile(
            f"{path} has a header that disagrees with itself (points of {length} bytes in format {form}, header of "
            f"{size} bytes, points from byte {body} of {len(data)}); the file is damaged: export it again"
        )
    scale, offset = (np.array(struct.unpack_from("<3d", data, place)) for place in (131, 155))
    if not (np.isfinite(scale).all() and np.isfinite(offset).all() and (scale != 0).all()):
        raise UnreadableFile(
            f"{path} has the scale {scale.tolist()} and the offset {offset.tolist()}, wanted finite numbers and no "
            "scale of 0; the file is damaged: export it again"
        )
    laszip = _record(data, size, records, body) if compressed else b""
    return _Header(count, form, length, body, compressed, laszip, scale, offset)


def _record(data: bytes, place: int, records: int, end: int) -> bytes:
    """What stands in the record of the compressor; empty where there is none."""
    for _ in range(records):
        if place + 54 > end:
            break
        user, number, length = struct.unpack_from("<16sHH", data, place + 2)
        if user.rstrip(b"\0") == b"laszip encoded" and number == 22204:
            return data[place + 54 : min(place + 54 + length, end)]
        place += 54 + length
    return b""


def _plain(data: bytes, header: _Header, row: np.dtype) -> Iterator[np.ndarray]:
    rows = np.frombuffer(data, row, header.count, header.body)
    for start in range(0, header.count, _TOGETHER):
        yield rows[start : start + _TOGETHER]


def _unpacked(path: Path, data: bytes, header: _Header, row: np.dtype) -> Iterator[np.ndarray]:
    lazrs = optional("lazrs", f"reading {path.name} (.laz)", "scans")
    if not header.count:
        return
    chunks = _chunks(path, data, header, lazrs)
    place, group = header.body + 8, []
    for chunk in chunks:
        group.append(chunk)
        if sum(points for points, _ in group) >= _TOGETHER or chunk is chunks[-1]:
            length = sum(size for _, size in group)
            out = bytearray(sum(points for points, _ in group) * header.length)
            _told(
                path, lazrs.decompress_points_with_chunk_table, data[place : place + length], header.laszip, out, group
            )
            yield np.frombuffer(out, row)
            place += length
            group = []


def _told(path: Path, function, *arguments):  # type: ignore[no-untyped-def]
    """The result of a function of lazrs; whatever it raises (even what is no Exception) as `UnreadableFile`."""
    try:
        return function(*arguments)
    except (KeyboardInterrupt, MemoryError, GeokitError):
        raise
    except BaseException as error:
        if type(error).__name__ not in ("LazrsError", "PanicException", "ValueError", "RuntimeError", "TypeError"):
            raise
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise UnreadableFile(f"{path} holds points that cannot be unpacked ({reason}); export it again") from error


def _chunks(path: Path, data: bytes, header: _Header, lazrs) -> list[tuple[int, int]]:  # type: ignore[no-untyped-def]
    """(points, bytes) of every chunk, after it is certain that they fit in the file and in the header's count."""
    damaged = UnreadableFile(f"{path} has no sound table of compressed chunks; the file is damaged: export it again")
    record = header.laszip
    if len(record) < 34 or len(record) != 34 + 6 * struct.unpack_from("<H", record, 32)[0]:
        raise damaged
    compressor, size = struct.unpack_from("<H", record, 0)[0], struct.unpack_from("<I", record, 12)[0]
    items = [struct.unpack_from("<HHH", record, place) for place in range(34, len(record), 6)]
    if compressor not in (2, 3):
        raise UnreadableFile(
            f"{path} is packed by an early LASzip without chunks (compressor {compressor}); unpack it with LAStools"
        )
    if sum(length for _, length, _ in items) != header.length or size == 0:
        raise damaged
    check_count(path, "bytes of the chunks' place", 8, 1, len(data) - header.body)
    table = struct.unpack_from("<q", data, header.body)[0]
    table = struct.unpack_from("<q", data, len(data) - 8)[0] if table == -1 else table
    if not header.body + 8 <= table <= len(data) - 8:
        raise damaged
    number = struct.unpack_from("<I", data, table + 4)[0]
    packed = table - header.body - 8
    # every chunk begins with one point as it is, which bounds their number before the table is unpacked
    if number * header.length > packed or (size != _VARIABLE and number != -(-header.count // size)):
        raise damaged
    source = io.BytesIO(data)
    source.seek(header.body)
    found = _told(path, lambda: lazrs.read_chunk_table(source, lazrs.LazVlr(record)))
    counts = [points for points, _ in found] if size == _VARIABLE else [size] * (number - 1)
    counts += [] if size == _VARIABLE else [header.count - size * (number - 1)]
    sizes = [length for _, length in found]
    if sum(counts) != header.count or sum(sizes) > packed or min(counts) < 1 or min(sizes) < header.length:
        raise damaged
    if compressor == 3:
        _check_layers(data, header, items, sizes, damaged)
    return list(zip(counts, sizes))


def _check_layers(data: bytes, header: _Header, items: list, sizes: list[int], damaged: UnreadableFile) -> None:
    """The parts of a chunk, whose lengths follow its first point and its count of points, must fill no more than it."""
    layers = sum(_LAYERS.get(kind, length) for kind, length, _ in items)
    place = header.body + 8
    for size in sizes:
        before = header.length + 4 + 4 * layers
        if size < before or sum(struct.unpack_from(f"<{layers}I", data, place + header.length + 4)) > size - before:
            raise damaged
        place += size


def write_las(cloud: PointCloud, compressed: bool = False) -> bytes:
    """A .las 1.2 of point format 0, or 2 for a coloured cloud; compressed: a .laz.

    Coordinates are rounded to a power of ten, a thousandth of the unit or less: one ten-millionth of the extent.
    """
    points = cloud.points.detach().cpu().double().numpy()
    colored = cloud.colors is not None
    length = 26 if colored else 20
    low, high = (points.min(axis=0), points.max(axis=0)) if len(points) else (np.zeros(3), np.zeros(3))
    extent = float((high - low).max())
    usual = extent == 0 or 1e-200 < extent < 1e200
    step = 1e-3
    if extent and usual:
        step = min(step, 10.0 ** math.ceil(math.log10(extent / _STEPS)))
        step = max(step, 10.0 ** math.ceil(math.log10(extent / 2e9)))
    if not usual or len(points) >= 1 << 32:
        raise InvalidInput(
            f"a .las cannot hold {len(points)} points with an extent of {extent:.3g}; bring them to a usual size, or "
            "write a .ply"
        )
    header = _Header(len(points), 2 if colored else 0, length, 0, compressed, b"", np.full(3, step), low)
    rows = np.zeros(len(points), _row(header))
    rows["place"] = np.round((points - low) / step)
    if colored:
        rows["color"] = color_bytes(cloud.colors).astype(np.uint16) * 257  # type: ignore[arg-type]
    record, body = b"", rows.tobytes()
    body_at = 227
    if compressed:
        lazrs = optional("lazrs", "writing a .laz", "scans")
        layout = lazrs.LazVlr.new_for_compression(header.format, 0)
        content = bytes(layout.record_data())
        record = struct.pack("<H16sHH32s", 0, b"laszip encoded", 22204, len(content), b"http://laszip.org") + content
        body_at += len(record)
        out = io.BytesIO(bytes(body_at))
        out.seek(body_at)
        packer = lazrs.LasZipCompressor(out, layout)
        if len(points):
            packer.compress_many(np.frombuffer(body, np.uint8))
        packer.done()
        body = out.getvalue()[body_at:]
    number = header.format | (0x80 if compressed else 0)
    start = struct.pack("<4sHH16sBB32s32sHH", b"LASF", 0, 0, bytes(16), 1, 2, b"geokit", b"geokit", 0, 0)
    start += struct.pack("<HIIBHI5I", 227, body_at, bool(record), number, length, len(points), len(points), 0, 0, 0, 0)
    top = low + np.round((high - low) / step) * step
    box = (value for pair in zip(top, low) for value in pair)
    return start + struct.pack("<3d3d6d", *header.scale, *low, *box) + record + body
