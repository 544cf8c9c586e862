import binascii
import struct
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings

from geokit.io.e57 import write_e57
from geokit.io.e57_pages import checksums, in_pages, logical_place, physical_place, without_sums
from geokit.io.point_clouds import load_points, save_points
from tests.io.builders import mutate, mutations
from tests.io.hostile import cloud, refused, survives


def changed(content: bytes, old: bytes, new: bytes) -> bytes:
    """The file with other content, padded to the old length, and checksums that are right."""
    plain = without_sums(Path("a"), content).tobytes()
    assert old in plain
    return in_pages(plain.replace(old, new.ljust(len(old)), 1))


def test_sums_are_those_of_crc_32c() -> None:
    row = np.frombuffer(b"123456789" + bytes(1), np.uint8)
    assert int(checksums(np.frombuffer(b"1234567890" * 2, np.uint8).reshape(2, 10))[0]) == 0xF3DBD4FE
    slow = 0xFFFFFFFF
    for byte in row.tolist():
        slow ^= byte
        for _ in range(8):
            slow = slow >> 1 ^ (0x82F63B78 if slow & 1 else 0)
    assert int(checksums(row[None])[0]) == slow ^ 0xFFFFFFFF
    assert binascii.crc32(row) != slow ^ 0xFFFFFFFF
    for place in (0, 1, 1019, 1020, 1021, 99_999):
        assert logical_place(physical_place(place)) == place


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("count", [0, 1, 5000])
def test_everything_comes_back(tmp_path: Path, dtype: torch.dtype, count: int) -> None:
    there = cloud(count, dtype=dtype)
    save_points(tmp_path / "a.e57", there)
    back = load_points(tmp_path / "a.e57")
    assert torch.equal(back.points, there.points)
    assert torch.allclose(back.colors, there.colors)
    assert torch.allclose(back.normals, there.normals, atol=1e-6)


def test_pye57_reads_what_is_written(tmp_path: Path) -> None:
    pye57 = pytest.importorskip("pye57")
    there = cloud(5000, dtype=torch.float64)
    save_points(tmp_path / "a.e57", there)
    found = pye57.E57(str(tmp_path / "a.e57")).read_scan(0, colors=True, ignore_missing_fields=True)
    for i, axis in enumerate("XYZ"):
        assert np.array_equal(found[f"cartesian{axis}"], there.points[:, i])
    assert np.array_equal(found["colorGreen"], (there.colors[:, 1] * 255).round())


def test_scans_of_pye57_are_brought_into_one_frame(tmp_path: Path) -> None:
    pye57 = pytest.importorskip("pye57")
    file = pye57.E57(str(tmp_path / "a.e57"), mode="w")
    g = np.random.default_rng(0)
    wanted, shades = [], []
    for number in range(2):
        points, colors = g.normal(size=(3000, 3)), g.integers(0, 256, (3000, 3))
        turn = np.array([np.cos(0.4), 0, np.sin(0.4) * 0.6, np.sin(0.4) * 0.8])
        shift = np.array([600_000.0, 5_000_000.0, 10.0 * number])
        invalid = (np.arange(3000) % 10 == 0).astype(np.uint8)
        data = {f"cartesian{a}": points[:, i] for i, a in enumerate("XYZ")} | {"cartesianInvalidState": invalid}
        data |= {f"color{n}": colors[:, i].astype(np.uint8) for i, n in enumerate(("Red", "Green", "Blue"))}
        data["intensity"] = g.uniform(0, 1, 3000)
        file.write_scan_raw(data, name=f"scan {number}", rotation=turn, translation=shift)
        read = pye57.E57.to_global
        wanted.append(read(points, turn, shift)[invalid == 0])
        shades.append(colors[invalid == 0] / 255)
    file.close()
    with pytest.warns(UserWarning, match="left out 600 points"):
        found = load_points(tmp_path / "a.e57", features=True)
    assert found.points.dtype == torch.float64
    assert np.allclose(found.points, np.concatenate(wanted), rtol=0, atol=1e-6)  # pye57 writes single precision
    assert np.allclose(found.colors, np.concatenate(shades), atol=1e-6)
    assert found.features.shape == (5400, 1)


def test_packed_integers_and_angles(tmp_path: Path) -> None:
    """The fields of a file are described again, so that the same bytes mean other numbers."""
    there = cloud(100, normals=False)
    content = write_e57(there)
    old = b'type="Integer" minimum="0" maximum="255"'
    (tmp_path / "a.e57").write_bytes(changed(content, old, b'type="Integer" minimum="9" maximum="264"'))
    found = load_points(tmp_path / "a.e57")
    assert torch.allclose(found.colors[:, 0], (there.colors[:, 0] + 9 / 255).clamp(0, 1))
    assert torch.allclose(found.colors[:, 1:], there.colors[:, 1:])
    plain = without_sums(Path("a"), content).tobytes()
    for name, other in zip(("X", "Y", "Z"), (b"sphericalRange", b"sphericalAzimuth", b"sphericalElevation")):
        plain = plain.replace(f"<cartesian{name} ".encode(), b"<" + other + b" ")
    xml = plain[plain.index(b"<?xml") :].rstrip(b"\0")
    plain = plain[: plain.index(b"<?xml")] + xml
    size = -(-len(plain) // 1020) * 1024
    header = plain[:16] + struct.pack("<Q", size) + plain[24:32] + struct.pack("<Q", len(xml)) + plain[40:]
    (tmp_path / "b.e57").write_bytes(in_pages(header))
    radius, azimuth, elevation = there.points.double().T
    x, z = radius * elevation.cos() * azimuth.cos(), radius * elevation.sin()
    found = load_points(tmp_path / "b.e57").points.double()
    assert torch.allclose(found[:, 0], x, atol=1e-6)
    assert torch.allclose(found[:, 2], z, atol=1e-6)


@pytest.mark.parametrize("bits", [1, 3, 7, 12, 25, 31, 57, 60, 63, 64])
def test_integers_of_all_sizes(bits: int) -> None:
    from geokit.io.e57 import _Field, _Scan, _values

    g = np.random.default_rng(bits)
    numbers = [int(g.integers(0, 1 << 32)) << 32 | int(g.integers(0, 1 << 32)) for _ in range(100)]
    numbers = [number % (1 << bits) for number in numbers]
    stream = sum(number << i * bits for i, number in enumerate(numbers)).to_bytes(-(-100 * bits // 8), "little")
    low = -(1 << 63) if bits == 64 else -3
    scan = _Scan("a", 0, 100, [_Field("a", bits, False, low, 0, 0.5, 2.0)], np.eye(3), np.zeros(3))
    found = _values(Path("a"), scan, 0, [bytearray(stream)], np.float64)
    assert np.allclose(found, [(number + low) * 0.5 + 2 for number in numbers], rtol=1e-15, atol=1024)


def test_damage_is_found_by_the_sums(tmp_path: Path) -> None:
    content = write_e57(cloud(200))
    for place in (30, 100, 1021, 3000, len(content) - 1):
        broken = bytearray(content)
        broken[place] ^= 16
        (tmp_path / "a.e57").write_bytes(broken)
        refused(tmp_path / "a.e57", "checksum in the page at byte|promises|version")
    for broken, match in (
        (content[:-5], "promises"),
        (content[:500], "truncated"),
        (b"", "ASTM-E57"),
        (b"hello", "ASTM"),
    ):
        (tmp_path / "a.e57").write_bytes(broken)
        refused(tmp_path / "a.e57", match)


@pytest.mark.parametrize(
    ("old", "new", "match"),
    [
        (b'recordCount="200"', b'recordCount="999999999"', "damaged|would unfold"),
        (b'recordCount="200"', b'recordCount="201"', "of a packet|packet that disagrees"),
        (b'recordCount="200"', b'recordCount="-20"', "negative count"),
        (b'fileOffset="48"', b'fileOffset="9999"', "scan 0"),
        (b'<?xml version="1.0" encoding="UTF-8"?>', b'<!DOCTYPE x [<!ENTITY a "b">]>', "entities"),
        (b'minimum="0" maximum="255"', b'minimum="9" maximum="1"', "ranges from"),
        (b'type="Integer" minimum="0" maximum="255"', b'type="String"', "as text"),
        (b"<cartesianX", b"<cartesianQ", "no field sphericalRange"),
        (b"e57Root type", b"e57Boot type", "XML that is damaged"),
        (b"\x01\x00", b"\x07\x00", "section|packet"),
    ],
)
def test_lies_with_sums_that_are_right(tmp_path: Path, old: bytes, new: bytes, match: str) -> None:
    content = write_e57(cloud(200))
    plain = without_sums(Path("a"), content).tobytes()
    start = 80 if old == b"\x01\x00" else 0
    assert old in plain[start:]
    place = plain.index(old, start)
    grown = plain[:place] + new.ljust(len(old)) + plain[place + len(old) :]
    more = len(grown) - len(plain)
    begin, length = struct.unpack_from("<QQ", grown, 24)
    grown = grown[:24] + struct.pack("<QQ", begin, length + more) + grown[40:].rstrip(b"\0")
    pages = in_pages(grown)
    (tmp_path / "a.e57").write_bytes(in_pages(grown[:16] + struct.pack("<Q", len(pages)) + grown[24:]))
    refused(tmp_path / "a.e57", match)


@given(steps=mutations())
@settings(max_examples=60, deadline=None)
def test_broken_bytes(tmp_path_factory: pytest.TempPathFactory, steps: list) -> None:
    """Mutations of the content, with sums that are right, so that what lies behind them is reached."""
    path = tmp_path_factory.mktemp("fuzz") / "a.e57"
    content = write_e57(cloud(60))
    survives(path, mutate(content, steps))
    pages = in_pages(mutate(without_sums(path, content).tobytes(), steps) or b"\0")
    survives(path, in_pages(_sized(without_pages(pages), len(pages))))


def without_pages(pages: bytes) -> bytes:
    return np.frombuffer(pages, np.uint8).reshape(-1, 1024)[:, :1020].tobytes()


def _sized(plain: bytes, size: int) -> bytes:
    return plain[:16] + struct.pack("<Q", size) + plain[24:]


def test_no_warnings_for_a_good_file(tmp_path: Path) -> None:
    save_points(tmp_path / "a.e57", cloud(10))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        load_points(tmp_path / "a.e57")
