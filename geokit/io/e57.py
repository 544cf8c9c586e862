"""The .e57 format of terrestrial scanners (ASTM E2807): points of several scans, each with its own pose.

Read and written by ourselves from the standard, so that a damaged file is refused instead of taking the process down:
the sums of all pages are checked first, the XML is read without entities, and every length is compared with the bytes
that are there. Images and other sections are stepped over.
"""

import math
import struct
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch

from geokit.errors import UnreadableFile
from geokit.geometry.color_bytes import color_bytes
from geokit.geometry.point_cloud import PointCloud
from geokit.io.e57_pages import in_pages, logical_place, physical_place, without_sums
from geokit.io.point_columns import PointColumns, check_unfolding
from geokit.io.safe import check_count, read_bytes
from geokit.io.vertex_values import decimals

_SPACE, _NORMAL_SPACE = (
    "http://www.astm.org/COMMIT/E57/2010-e57-v1.0",
    "http://www.libe57.org/E57_NOR_surface_normals.txt",
)
_E57, _NOR = f"{{{_SPACE}}}", f"{{{_NORMAL_SPACE}}}"
_XML = 2 << 20  # bytes of XML that any file may have
_RATIO = 10
_TOGETHER = 1 << 16  # values unpacked at once
_PACKET = 1200  # points written together: a packet holds at most 65,536 bytes
_PLACES = ("cartesianX", "cartesianY", "cartesianZ")
_ANGLES = ("sphericalRange", "sphericalAzimuth", "sphericalElevation")
_COLORS = ("colorRed", "colorGreen", "colorBlue")
_NORMALS = tuple(f"{_NOR}normal{axis}" for axis in "XYZ")


@dataclass(frozen=True)
class _Field:
    """One number of a point. bits: its size; real: a float, others are integers that count from `low` upwards."""

    name: str
    bits: int
    real: bool
    low: int = 0
    high: int = 0
    scale: float = 1.0
    offset: float = 0.0


@dataclass
class _Scan:
    """name: for messages. place: where its section begins, in the logical bytes. limits: of its colours."""

    name: str
    place: int
    count: int
    fields: list[_Field]
    rotation: np.ndarray
    translation: np.ndarray
    limits: dict[str, float] = field(default_factory=dict)


def read_e57(path: Path) -> PointColumns:
    """All valid points of all scans in the file's common frame; `UnreadableFile` when it is damaged or lies."""
    data = read_bytes(path, ".e57 file")
    logical = without_sums(path, data)
    size = len(data)
    del data
    scans = _scans(path, logical, size)
    check_unfolding(path, 24 * sum(scan.count for scan in scans), size, _RATIO)
    parts = [_points(path, logical, scan) for scan in scans]
    if not parts:
        raise UnreadableFile(f"{path} holds no scan with points; export it again with points")
    colors = normals = None
    if any(part.colors is not None for part in parts):
        grey = [np.full(part.points.shape, 0.5, np.float32) if part.colors is None else part.colors for part in parts]
        colors = np.concatenate(grey)
    if any(part.normals is not None for part in parts):
        normals = np.concatenate([np.zeros_like(p.points) if p.normals is None else p.normals for p in parts])
    shared = set.intersection(*(set(part.extras) for part in parts))
    extras = {name: np.concatenate([part.extras[name] for part in parts]) for name in sorted(shared)}
    single = all(part.points.dtype == np.float32 for part in parts)
    points = np.concatenate([part.points for part in parts])
    points = points if single else points.astype(np.float64, copy=False)
    return PointColumns(points, colors, normals, extras, dropped=sum(part.dropped for part in parts))


def _scans(path: Path, logical: memoryview, size: int) -> list[_Scan]:
    """What the XML section tells about the scans."""
    place, length = struct.unpack_from("<QQ", logical, 24)
    start = logical_place(place)
    check_count(path, "bytes of XML", length, 1, max(len(logical) - start, 0))
    if length > max(_XML, size // 4):
        raise UnreadableFile(f"{path} has {length} bytes of XML in a file of {size}; it is damaged or made to do harm")
    text = logical[start : start + length].tobytes().rstrip(b"\0 \r\n\t")
    if b"<!DOCTYPE" in text or b"<!ENTITY" in text:
        raise UnreadableFile(f"{path} defines entities in its XML, which an .e57 has no use for; it is made to do harm")
    try:
        root = ElementTree.fromstring(text)
        scans = root.find(f"{_E57}data3D")
        found = [_scan(child, number) for number, child in enumerate(scans if scans is not None else ())]
        return [scan for scan in found if scan is not None]
    except (ElementTree.ParseError, LookupError, ValueError, TypeError, OverflowError, RecursionError) as error:
        raise UnreadableFile(
            f"{path} has XML that is damaged or describes no scans ({error}); export it again"
        ) from error


def _scan(element: ElementTree.Element, number: int) -> _Scan | None:
    points = element.find(f"{_E57}points")
    if points is None:
        return None
    prototype = points.find(f"{_E57}prototype")
    if prototype is None:
        raise ValueError(f"scan {number} has no prototype of its points")
    codecs = points.find(f"{_E57}codecs")
    if codecs is not None and len(codecs):
        raise ValueError(f"scan {number} is packed by a codec of its own")
    pose = [[_number(element, f"pose/{part}/{name}") for name in names] for part, names in _POSE]
    limits = {f"{name}{end}": _number(element, f"colorLimits/{name}{end}") for name in _COLORS for end in _ENDS}
    scan = _Scan(
        f"scan {number}",
        logical_place(int(points.attrib["fileOffset"])),
        int(points.attrib["recordCount"]),
        [_field(child) for child in prototype],
        _rotation(np.array([1.0, 0, 0, 0] if None in pose[0] else pose[0], dtype=np.float64)),
        np.array([0.0 if value is None else value for value in pose[1]]),
        {name: value for name, value in limits.items() if value is not None},
    )
    if scan.count < 0 or scan.place < 0 or not np.isfinite([*scan.rotation.flat, *scan.translation]).all():
        raise ValueError(f"scan {number} has a negative count or place, or a pose with NaN or infinite numbers")
    return scan


_POSE = (("rotation", "wxyz"), ("translation", "xyz"))
_ENDS = ("Minimum", "Maximum")


def _number(element: ElementTree.Element, names: str) -> float | None:
    found = element.find("/".join(f"{_E57}{name}" for name in names.split("/")))
    return None if found is None else float(found.text or 0)


def _field(element: ElementTree.Element) -> _Field:
    name, kind = element.tag.removeprefix(_E57), element.attrib["type"]
    if kind == "Float":
        return _Field(name, 32 if element.attrib.get("precision") == "single" else 64, True)
    if kind not in ("Integer", "ScaledInteger"):
        return _Field(name, -1, False)  # a text: its bytes are a stream of their own, and never read
    low, high = int(element.attrib.get("minimum", -(1 << 63))), int(element.attrib.get("maximum", (1 << 63) - 1))
    if not -(1 << 63) <= low <= high < 1 << 63:
        raise ValueError(f"{name} ranges from {low} to {high}")
    scaled = kind == "ScaledInteger"
    scale, offset = (float(element.attrib.get(key, usual)) if scaled else usual for key, usual in _SCALED)
    return _Field(name, (high - low).bit_length(), False, low, high, scale, offset)


_SCALED = (("scale", 1.0), ("offset", 0.0))


def _rotation(quaternion: np.ndarray) -> np.ndarray:
    """(3, 3) matrix of (w, x, y, z) of any non-zero length."""
    length = math.sqrt(float((quaternion**2).sum()))
    if not (math.isfinite(length) and length > 0):
        raise ValueError("a pose has a rotation of no length")
    w, x, y, z = quaternion / length
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
            [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
            [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
        ]
    )


def _points(path: Path, logical: memoryview, scan: _Scan) -> PointColumns:
    """One scan, in the common frame."""
    names = [f.name for f in scan.fields]
    wanted = _PLACES if _PLACES[0] in names else _ANGLES
    for name in wanted:
        if name not in names:
            raise UnreadableFile(f"{path}: {scan.name} has no field {name}; export it again with coordinates")
    streams = _streams(path, logical, scan)

    def table(chosen: tuple[str, ...], kind: type) -> np.ndarray:
        return np.stack([_values(path, scan, names.index(name), streams, kind) for name in chosen], axis=1)

    single = all(scan.fields[names.index(name)].bits == 32 and scan.fields[names.index(name)].real for name in wanted)
    moved = bool((scan.rotation != np.eye(3)).any() or scan.translation.any())
    still = single and not moved and wanted is _PLACES
    points = table(wanted, np.float32 if still else np.float64)
    invalid = "cartesianInvalidState" if wanted is _PLACES else "sphericalInvalidState"
    colors = table(_COLORS, np.float32) if all(name in names for name in _COLORS) else None
    normals = table(_NORMALS, np.float64) if all(name in names for name in _NORMALS) else None
    extras = {"intensity": table(("intensity",), np.float64)[:, 0]} if "intensity" in names else {}
    dropped = 0
    if invalid in names:
        valid = table((invalid,), np.float64)[:, 0] == 0
        dropped = len(points) - int(valid.sum())
        points = points[valid]
        colors, normals = (None if t is None else t[valid] for t in (colors, normals))
        extras = {name: values[valid] for name, values in extras.items()}
    if wanted is _ANGLES:
        distance, azimuth, elevation = points.T
        flat = distance * np.cos(elevation)
        points = np.stack([flat * np.cos(azimuth), flat * np.sin(azimuth), distance * np.sin(elevation)], axis=1)
    if moved:
        points = points @ scan.rotation.T + scan.translation
        normals = None if normals is None else normals @ scan.rotation.T
    colors = None if colors is None else _scaled_colors(scan, colors)
    return PointColumns(decimals(points) if single and not still else points, colors, normals, extras, dropped=dropped)


def _scaled_colors(scan: _Scan, colors: np.ndarray) -> np.ndarray:
    """To [0, 1], by the limits that the scan names, else by those of its fields."""
    fields = {f.name: f for f in scan.fields}
    for i, name in enumerate(_COLORS):
        low, high = (0, 1) if fields[name].real else (fields[name].low, fields[name].high)
        least, most = scan.limits.get(f"{name}Minimum", low), scan.limits.get(f"{name}Maximum", high)
        colors[:, i] = (colors[:, i] - least) / (most - least) if most > least else 0
    return colors.clip(0, 1)


def _streams(path: Path, logical: memoryview, scan: _Scan) -> list[bytearray]:
    """The bytes of every field, gathered from the packets of the scan's section."""
    check_count(path, f"bytes of the header of {scan.name}", 32, 1, max(len(logical) - scan.place, 0))
    kind, length, data_at = struct.unpack_from("<B7xQQ", logical, scan.place)
    place, end = logical_place(data_at), scan.place + length
    if kind != 1 or end > len(logical) or not scan.place < place:
        raise UnreadableFile(
            f"{path}: {scan.name} has a section that begins or ends outside of the file; export it again"
        )
    streams = [bytearray() for _ in scan.fields]
    # the least that a stream must have; where all have it, the packets that follow are those of the index
    wanted = [0 if f.bits < 0 else -(-scan.count * f.bits // 8) for f in scan.fields]
    check_count(path, f"points of {scan.name}", scan.count, sum(max(f.bits, 0) for f in scan.fields) / 8, len(logical))
    while any(len(stream) < least for stream, least in zip(streams, wanted)):
        check_count(path, f"bytes of a packet of {scan.name}", 6, 1, max(end - place, 0))
        packet, _, extra, number = struct.unpack_from("<BBHH", logical, place)
        after = place + extra + 1
        check_count(path, f"bytes of a packet of {scan.name}", extra + 1, 1, end - place)
        if packet == 1:
            begin = place + 6 + 2 * number
            if number != len(streams) or begin > after:
                raise _lying(path, scan)
            lengths = struct.unpack_from(f"<{number}H", logical, place + 6)
            if begin + sum(lengths) > after:
                raise _lying(path, scan)
            for stream, size in zip(streams, lengths):
                stream += logical[begin : begin + size]
                begin += size
        elif packet not in (0, 2):
            raise _lying(path, scan)
        place = after
    return streams


def _lying(path: Path, scan: _Scan) -> UnreadableFile:
    return UnreadableFile(f"{path}: {scan.name} has a packet that disagrees with its points; the file is damaged")


def _values(path: Path, scan: _Scan, number: int, streams: list[bytearray], kind: type) -> np.ndarray:
    """(N,) the numbers of a field."""
    about, stream = scan.fields[number], streams[number]
    if about.bits < 0:
        raise UnreadableFile(f"{path}: {scan.name} has {about.name} as text, wanted numbers; export it again")
    if about.real:
        return np.frombuffer(stream, "<f4" if about.bits == 32 else "<f8", scan.count).astype(kind)
    values: np.ndarray = np.empty(scan.count, kind)
    padded = np.frombuffer(bytes(stream) + bytes(16), np.uint8)
    words = np.ndarray((len(padded) - 8,), "<u8", padded, strides=(1,))  # a word at every byte
    mask = np.uint64((1 << about.bits) - 1)
    for start in range(0, scan.count, _TOGETHER):
        bits = np.arange(start, min(start + _TOGETHER, scan.count), dtype=np.int64) * about.bits
        shift = (bits & 7).astype(np.uint64)
        raw = words[bits >> 3] >> shift
        if about.bits > 56:
            raw |= (padded[(bits >> 3) + 8].astype(np.uint64) << np.uint64(1)) << (np.uint64(63) - shift)
        steps = (raw & mask).astype(np.float64) + about.low
        values[start : start + len(bits)] = steps * about.scale + about.offset
    return values


def write_e57(cloud: PointCloud) -> bytes:
    """An .e57 of one scan without a pose: coordinates in the type of the points, colours as bytes."""
    double = cloud.points.dtype == torch.float64
    points = cloud.points.detach().cpu().numpy()
    columns = [(name, points[:, i].astype("<f8" if double else "<f4")) for i, name in enumerate(_PLACES)]
    if cloud.colors is not None:
        columns += [(name, column) for name, column in zip(_COLORS, color_bytes(cloud.colors).T)]
    if cloud.normals is not None:
        normals = cloud.normals.detach().cpu().numpy().astype("<f4")
        columns += [(f"nor:normal{axis}", normals[:, i]) for i, axis in enumerate("XYZ")]
    packets = bytearray()
    for start in range(0, len(cloud), _PACKET):
        buffers = [column[start : start + _PACKET].tobytes() for _, column in columns]
        body = struct.pack(f"<H{len(buffers)}H", len(buffers), *map(len, buffers)) + b"".join(buffers)
        body += bytes(-(4 + len(body)) % 4)
        packets += struct.pack("<BBH", 1, 0, 3 + len(body)) + body
    xml = _xml(len(cloud), [name for name, _ in columns], double).encode()
    section = struct.pack("<B7xQQQ", 1, 32 + len(packets), physical_place(80), 0)
    before = 80 + len(packets)
    whole = before + len(xml)
    physical = -(-whole // 1020) * 1024
    header = struct.pack("<8sIIQQQQ", b"ASTM-E57", 1, 0, physical, physical_place(before), len(xml), 1024)
    return in_pages(header + section + bytes(packets) + xml)


def _xml(count: int, names: list[str], double: bool) -> str:
    single = 'type="Float" precision="single"'
    kinds = dict.fromkeys(_PLACES, 'type="Float"' if double else single)
    kinds |= dict.fromkeys(_COLORS, 'type="Integer" minimum="0" maximum="255"')
    fields = "".join(f"<{name} {kinds.get(name, single)}/>" for name in names)
    limits = "".join(
        f'<{n}{end} type="Integer">{255 * (end == "Maximum")}</{n}{end}>' for n in _COLORS for end in _ENDS
    )
    colors = f'<colorLimits type="Structure">{limits}</colorLimits>' if _COLORS[0] in names else ""
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f'<e57Root type="Structure" xmlns="{_SPACE}" xmlns:nor="{_NORMAL_SPACE}">'
        '<formatName type="String">ASTM E57 3D Imaging Data File</formatName>'
        '<guid type="String">{00000000-0000-0000-0000-000000000000}</guid>'
        '<versionMajor type="Integer">1</versionMajor><versionMinor type="Integer">0</versionMinor>'
        '<e57LibraryVersion type="String">geokit</e57LibraryVersion>'
        '<coordinateMetadata type="String"></coordinateMetadata>'
        '<data3D type="Vector" allowHeterogeneousChildren="1"><vectorChild type="Structure">'
        '<guid type="String">{00000000-0000-0000-0000-000000000001}</guid><name type="String">points</name>'
        f'{colors}<points type="CompressedVector" fileOffset="{physical_place(48)}" recordCount="{count}">'
        f'<prototype type="Structure">{fields}</prototype>'
        '<codecs type="Vector" allowHeterogeneousChildren="1"></codecs></points>'
        '</vectorChild></data3D><images2D type="Vector" allowHeterogeneousChildren="1"></images2D></e57Root>\n'
    )
