import functools
import gzip
import struct
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from geokit.errors import InvalidInput, UnreadableFile
from geokit.geometry import Splats
from geokit.io import load_splats, save_splats
from geokit.io.ply import parse_header, read_vertices, write_vertices
from geokit.io.splat_binary import write_splat
from geokit.io.splat_ply import is_splat_ply, write_splat_ply
from geokit.io.spz import write_spz
from tests.io.builders import mutate, mutations, random_splats


def equal(a: Splats, b: Splats) -> bool:
    return all(x.shape == y.shape and torch.equal(x, y) for x, y in zip(a.tensors().values(), b.tensors().values()))


def rotations(quats: torch.Tensor) -> torch.Tensor:
    w, x, y, z = torch.nn.functional.normalize(quats.double(), dim=1).unbind(1)
    return torch.stack(
        [
            torch.stack([1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)], 1),
            torch.stack([2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)], 1),
            torch.stack([2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)], 1),
        ],
        1,
    )


def refused(path: Path, match: str) -> None:
    with pytest.raises(UnreadableFile, match=match) as caught:
        load_splats(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


# ---- .ply


@given(st.integers(0, 9), st.integers(0, 3), st.integers(0, 3), st.booleans(), st.integers(0, 2**32 - 1))
@settings(max_examples=40, deadline=None)
def test_a_ply_keeps_everything_exactly(
    tmp_path_factory: pytest.TempPathFactory, count: int, degree: int, waves: int, per_channel: bool, seed: int
) -> None:
    path = tmp_path_factory.mktemp("ply") / "a.ply"
    splats = random_splats(count, degree, waves, per_channel and waves > 0, seed)
    save_splats(path, splats)
    assert equal(load_splats(path), splats)


def test_the_ply_has_the_layout_that_viewers_expect(tmp_path: Path) -> None:
    splats = random_splats(2, 1, 1)
    save_splats(tmp_path / "a.ply", splats)
    content = (tmp_path / "a.ply").read_bytes()
    parsed = parse_header(tmp_path / "a.ply", content)
    names = [p.name for p in parsed.elements[0].properties]
    assert names == [
        *("x", "y", "z", "nx", "ny", "nz", "f_dc_0", "f_dc_1", "f_dc_2"),
        *(f"f_rest_{i}" for i in range(9)),
        *("opacity", "scale_0", "scale_1", "scale_2", "rot_0", "rot_1", "rot_2", "rot_3"),
        *("wave_0_fx", "wave_0_fy", "wave_0_fz", "wave_0_cos", "wave_0_sin"),
    ]
    assert {p.type for p in parsed.elements[0].properties} == {"f4"}
    assert content.startswith(b"ply\nformat binary_little_endian 1.0\n")
    columns = read_vertices(tmp_path / "a.ply", (), "splats")
    assert columns["f_rest_1"].tolist() == splats.sh_coeffs[:, 2, 0].tolist()  # red first: all its coefficients
    assert columns["f_rest_3"].tolist() == splats.sh_coeffs[:, 1, 1].tolist()  # then green
    assert columns["rot_0"].tolist() == splats.quats[:, 0].tolist()
    assert not columns["nx"].any()
    assert is_splat_ply(tmp_path / "a.ply")


def test_properties_go_by_name(tmp_path: Path) -> None:
    """Another order, other types, unknown properties, no normals."""
    splats = random_splats(3, 2, 2, per_channel=True)
    save_splats(tmp_path / "a.ply", splats)
    columns = read_vertices(tmp_path / "a.ply", (), "splats")
    for name in ("nx", "ny", "nz"):
        del columns[name]
    shuffled = {name: columns[name] for name in sorted(columns, key=lambda name: hash((name, 7)))}
    (tmp_path / "b.ply").write_bytes(write_vertices({"label": np.zeros(3, np.uint8), **shuffled}))
    assert equal(load_splats(tmp_path / "b.ply"), splats)
    rows = np.stack([column.astype(np.float64) for column in shuffled.values()], 1)
    lines = ["element vertex 3", *(f"property double {name}" for name in shuffled), "end_header", ""]
    for form, body in {
        "binary_big_endian": rows.astype(">f8").tobytes(),
        "binary_little_endian": rows.astype("<f8").tobytes(),
        "ascii": "\n".join(" ".join(map(repr, row)) for row in rows.tolist()).encode(),
    }.items():
        (tmp_path / "c.ply").write_bytes("\n".join(["ply", f"format {form} 1.0", *lines]).encode() + body)
        assert equal(load_splats(tmp_path / "c.ply"), splats)


def edited(path: Path, old: bytes, new: bytes) -> None:
    content = path.read_bytes()
    assert old in content
    path.write_bytes(content.replace(old, new, 1))


@pytest.mark.parametrize(
    ("old", "new", "match"),
    [
        (b"property float opacity", b"property float 0pacity", "missing the properties opacity"),
        (b"property float rot_3", b"property float rot_4", "missing the properties rot_3"),
        (b"element vertex 5\n", b"element vertex 6\n", "promises 6 vertices"),
        (b"element vertex 5\n", b"element vertex 999999999999\n", "promises"),
        (b"element vertex 5\n", b"element vertex -5\n", "promises -5"),
        (b"f_rest_44", b"g_rest_44", "44 properties f_rest"),
        (b"f_rest_44", b"f_rest_45", "45 numbered from 0"),
        (b"wave_1_fz", b"wave_1_qz", "without the properties wave_1_fz"),
        (b"wave_0_sin_1", b"wave_0_sun_1", "wave_0_sin_1"),
        (b"element vertex", b"element vortex", "no element 'vertex'"),
        (b"end_header", b"and_header", "not understood|end_header"),
    ],
)
def test_a_lying_ply(tmp_path: Path, old: bytes, new: bytes, match: str) -> None:
    save_splats(tmp_path / "a.ply", random_splats(5, 3, 2, per_channel=True))
    edited(tmp_path / "a.ply", old, new)
    refused(tmp_path / "a.ply", match)


def test_other_kinds_of_ply(tmp_path: Path) -> None:
    (tmp_path / "points.ply").write_bytes(write_vertices({name: np.zeros(2, np.float32) for name in "xyz"}))
    refused(tmp_path / "points.ply", "missing the properties f_dc_0")
    assert not is_splat_ply(tmp_path / "points.ply")
    packed = b"ply\nformat binary_little_endian 1.0\nelement chunk 1\nproperty float min_x\nelement vertex 1\n"
    (tmp_path / "packed.ply").write_bytes(packed + b"property uint packed_position\nend_header\n" + b"\0" * 8)
    refused(tmp_path / "packed.ply", "splat-transform")


# ---- .splat


def test_splat_round_trip(tmp_path: Path) -> None:
    splats = random_splats(50, 0)
    save_splats(tmp_path / "a.splat", splats)
    back = load_splats(tmp_path / "a.splat")
    assert torch.equal(back.means, splats.means)
    assert torch.allclose(back.log_scales, splats.log_scales, atol=1e-6)
    assert (rotations(back.quats) - rotations(splats.quats)).abs().max() < 0.03
    color = (0.5 + 0.28209479177387814 * splats.sh_coeffs).clamp(0, 1)
    assert torch.allclose(0.5 + 0.28209479177387814 * back.sh_coeffs, color, atol=0.51 / 255)
    assert torch.allclose(back.logit_opacities.sigmoid(), splats.logit_opacities.sigmoid(), atol=0.51 / 255)
    save_splats(tmp_path / "b.splat", back)  # the bytes are a fixed point but for the rounding of exp(log(scale))
    again = load_splats(tmp_path / "b.splat")
    assert torch.equal(again.sh_coeffs, back.sh_coeffs)
    assert torch.equal(again.logit_opacities, back.logit_opacities)


def test_the_layout_of_a_splat(tmp_path: Path) -> None:
    row = struct.pack("<3f3f8B", 1, 2, 3, 0.5, 1, 2, 255, 0, 128, 255, 128, 128, 192, 128)
    (tmp_path / "a.splat").write_bytes(row)
    splats = load_splats(tmp_path / "a.splat")
    assert splats.means.tolist() == [[1, 2, 3]]
    assert torch.allclose(splats.log_scales.exp(), torch.tensor([[0.5, 1, 2]]))
    assert torch.nn.functional.normalize(splats.quats).tolist() == [[0, 0, 1, 0]]
    assert torch.allclose(0.5 + 0.28209479177387814 * splats.sh_coeffs[0, 0], torch.tensor([1, 0, 128 / 255]))
    assert float(splats.logit_opacities) > 6
    assert torch.isfinite(splats.logit_opacities).all()


def test_broken_splat_files(tmp_path: Path) -> None:
    save_splats(tmp_path / "a.splat", random_splats(3, 0))
    whole = (tmp_path / "a.splat").read_bytes()
    (tmp_path / "a.splat").write_bytes(whole[:-1])
    refused(tmp_path / "a.splat", "95 bytes, which is no multiple of 32")
    (tmp_path / "a.splat").write_bytes(struct.pack("<f", -1.0).join([whole[:12], whole[16:]]))
    refused(tmp_path / "a.splat", "negative scales")
    (tmp_path / "a.splat").write_bytes(b"")
    assert len(load_splats(tmp_path / "a.splat")) == 0


# ---- .spz


def test_spz_round_trip(tmp_path: Path) -> None:
    splats = random_splats(200, 3)
    save_splats(tmp_path / "a.spz", splats)
    back = load_splats(tmp_path / "a.spz")
    assert (back.means - splats.means).abs().max() < 0.6 / 4096
    assert (back.log_scales - splats.log_scales).abs().max() <= 1 / 32 + 1e-6
    assert (rotations(back.quats) - rotations(splats.quats)).abs().max() < 0.01
    assert (back.logit_opacities.sigmoid() - splats.logit_opacities.sigmoid()).abs().max() < 0.51 / 255
    assert (back.sh_coeffs[:, 0] - splats.sh_coeffs[:, 0]).abs().max() < 0.51 / 255 / 0.15
    inside, held = splats.sh_coeffs.clamp(-1, 0.85), back.sh_coeffs.clamp(-1, 0.85)
    assert (held[:, 1:4] - inside[:, 1:4]).abs().max() < 5 / 128
    assert (held[:, 4:] - inside[:, 4:]).abs().max() < 9 / 128


def spz(
    version: int, columns: bytes, count: int = 1, degree: int = 0, bits: int = 12, magic: int = 0x5053474E
) -> bytes:
    return gzip.compress(struct.pack("<IIIBBBB", magic, version, count, degree, bits, 0, 0) + columns, mtime=0)


def test_the_layout_of_spz(tmp_path: Path) -> None:
    """Bytes put together by hand after the published format: right, up, back in the file; right, down, forward here."""
    position = (
        (1 << 12).to_bytes(3, "little") + (-(2 << 12)).to_bytes(3, "little", signed=True) + (1).to_bytes(3, "little")
    )
    rest = bytes([255, 166, 128, 128, 160, 144, 128])  # opacity, colour, log scales 0, -1, -2
    turned = bytes([191, 128, 64])  # x, y, z = 0.498, 0.004, -0.498
    (tmp_path / "a.spz").write_bytes(spz(2, position + rest + turned))
    splats = load_splats(tmp_path / "a.spz")
    assert splats.means.tolist() == [[1, 2, -1 / 4096]]
    assert splats.log_scales.tolist() == [[0, -1, -2]]
    assert torch.allclose(splats.sh_coeffs[0, 0], (torch.tensor([166, 128, 128]) / 255 - 0.5) / 0.15)
    assert torch.allclose(splats.quats[0, 1:], torch.tensor([191 / 127.5 - 1, 1 - 128 / 127.5, 1 - 64 / 127.5]))
    assert splats.quats.norm() == pytest.approx(1)
    third = (3 << 30 | (511 << 20) | (512 | 256) << 10 | 0).to_bytes(4, "little")  # w largest; x = 0.707, y = -0.354
    (tmp_path / "b.spz").write_bytes(spz(3, position + rest + third))
    half = 256 / 511 * 0.5**0.5
    wanted = [(1 - 0.5 - half**2) ** 0.5, 0.5**0.5, half, 0]
    assert torch.allclose(load_splats(tmp_path / "b.spz").quats[0], torch.tensor(wanted), atol=1e-6)
    first = np.array([1, -2, 0.5], "<f2").tobytes()
    (tmp_path / "c.spz").write_bytes(spz(1, first + rest + turned))
    assert load_splats(tmp_path / "c.spz").means.tolist() == [[1, 2, -0.5]]


def test_turning_the_axes_turns_the_colours(tmp_path: Path) -> None:
    """The harmonics read from a .spz, seen from a direction, equal those in the file seen from the mirrored one."""
    directions = torch.nn.functional.normalize(torch.randn(40, 3, generator=torch.Generator().manual_seed(3)), dim=1)

    def basis(d: torch.Tensor) -> torch.Tensor:
        x, y, z = d.unbind(1)
        return torch.stack(
            [
                *(y, z, x),
                *(x * y, y * z, 2 * z * z - x * x - y * y, x * z, x * x - y * y),
                *(y * (3 * x * x - y * y), x * y * z, y * (4 * z * z - x * x - y * y)),
                *(z * (2 * z * z - 3 * x * x - 3 * y * y), x * (4 * z * z - x * x - y * y)),
                *(z * (x * x - y * y), x * (x * x - 3 * y * y)),
            ],
            dim=1,
        )

    stored = np.random.default_rng(0).integers(0, 256, (15, 3)).astype(np.uint8)
    columns = bytes(9) + bytes([128] * 7) + bytes([128] * 3) + stored.tobytes()
    (tmp_path / "a.spz").write_bytes(spz(2, columns, degree=3))
    ours = load_splats(tmp_path / "a.spz").sh_coeffs[0, 1:]
    raw = (torch.from_numpy(stored).float() - 128) / 128
    mirrored = directions * torch.tensor([1.0, -1.0, -1.0])
    assert torch.allclose(basis(directions) @ ours, basis(mirrored) @ raw, atol=1e-5)


def test_far_splats_use_fewer_fractional_bits(tmp_path: Path) -> None:
    splats = random_splats(4, 0).replace(means=torch.tensor([[5000.0, 1, 2]] * 4))
    save_splats(tmp_path / "a.spz", splats)
    assert (load_splats(tmp_path / "a.spz").means - splats.means).abs().max() < 1e-3
    with pytest.raises(InvalidInput, match="beyond what"):
        save_splats(tmp_path / "a.spz", splats.replace(means=splats.means * 1e4))


@pytest.mark.parametrize(
    ("content", "match"),
    [
        (b"", "truncated"),
        (b"not gzip at all", "compressed"),
        (gzip.compress(b"short", mtime=0), "inside its header"),
        (spz(2, bytes(19), magic=1), "magic"),
        (spz(4, bytes(19)), "version 4"),
        (spz(2, bytes(19), degree=4), "degree 4"),
        (spz(2, bytes(19), bits=40), "40 fractional bits"),
        (spz(2, bytes(18)), "promises 1 splats"),
        (spz(2, bytes(19), count=2**32 - 1), "not believable"),
        (spz(2, bytes(19), count=3_000_000), "promises 3000000"),
        (spz(2, bytes(100_000_000), count=5_000_000), "not believable"),
        (spz(2, bytes(1900), count=100)[:30], "promises 100|compressed"),
    ],
)
def test_broken_spz_files(tmp_path: Path, content: bytes, match: str) -> None:
    (tmp_path / "a.spz").write_bytes(content)
    refused(tmp_path / "a.spz", match)


@pytest.mark.parametrize("degree", [0, 3])
def test_the_memory_that_a_small_spz_takes(tmp_path: Path, degree: int) -> None:
    """At most ten times the file and 64 MB, for as many splats as are believed; one more tenth is refused."""
    if not Path("/proc/self/status").is_file() or "VmHWM" not in Path("/proc/self/status").read_text():
        pytest.skip("the system does not say how much memory a process took at most")
    count, width = (40 << 20) // (4 * (11 + 3 * (degree + 1) ** 2)), 19 + 3 * ((degree + 1) ** 2 - 1)
    for name, splats in (("tiny", 100), ("full", count), ("over", count * 11 // 10)):
        (tmp_path / f"{name}.spz").write_bytes(spz(2, bytes(width * splats), splats, degree))
    code = (
        "import pathlib, sys\n"
        "from geokit.io import load_splats\n"
        "taken = []\n"
        "for name in ('tiny', 'full'):\n"
        "    load_splats(f'{sys.argv[1]}/{name}.spz')\n"
        "    status = pathlib.Path('/proc/self/status').read_text()\n"
        "    taken.append(1024 * int(status.split('VmHWM:')[1].split()[0]))\n"
        "print(taken[1] - taken[0])\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 10 * (tmp_path / "full.spz").stat().st_size + (64 << 20)
    assert int(done.stdout) > 30 << 20, "nothing was measured"
    refused(tmp_path / "over.spz", "not believable")


# ---- all of them


@pytest.mark.parametrize("ending", [".splat", ".spz"])
def test_what_a_format_cannot_hold_is_said(tmp_path: Path, ending: str) -> None:
    with pytest.warns(UserWarning, match=f"{ending} cannot hold Gabor waves"):
        save_splats(tmp_path / f"a{ending}", random_splats(3, 0, 2))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        save_splats(tmp_path / f"a{ending}", random_splats(3, 0))
        save_splats(tmp_path / "a.spz", random_splats(3, 3))
    with pytest.warns(UserWarning, match="degree 3"):
        save_splats(tmp_path / "a.splat", random_splats(3, 3))


def test_values_that_are_not_finite(tmp_path: Path) -> None:
    splats = random_splats(5, 0)
    save_splats(tmp_path / "good.ply", splats)
    for name, tensor in splats.tensors().items():
        if tensor.numel() == 0:
            continue
        broken = tensor.clone()
        broken[2] = float("nan")
        with pytest.raises(InvalidInput, match=f"{name} has"):
            save_splats(tmp_path / "good.ply", splats.replace(**{name: broken}))
    assert equal(load_splats(tmp_path / "good.ply"), splats)
    columns = read_vertices(tmp_path / "good.ply", (), "splats")
    columns["scale_1"][3] = np.inf
    columns["rot_0"][0] = columns["rot_1"][0] = columns["rot_2"][0] = columns["rot_3"][0] = 0
    (tmp_path / "bad.ply").write_bytes(write_vertices(columns))
    refused(tmp_path / "bad.ply", "2 of 5 splats")
    with pytest.warns(UserWarning, match="left out 2 splats"):
        kept = load_splats(tmp_path / "bad.ply", drop_nonfinite=True)
    assert equal(kept, splats[torch.tensor([1, 2, 4])])


def test_doubles_gradients_and_unknown_endings(tmp_path: Path) -> None:
    splats = random_splats(3, 1)
    save_splats(tmp_path / "a.PLY", splats.to(torch.float64).map(lambda t: t.requires_grad_()))
    assert equal(load_splats(tmp_path / "a.PLY"), splats)
    for name in ("a.obj", "a"):
        with pytest.raises(InvalidInput, match="splat files end in"):
            save_splats(tmp_path / name, splats)
        with pytest.raises(InvalidInput, match="splat files end in"):
            load_splats(tmp_path / name)
    refused(tmp_path / "absent.ply", "does not exist")


@functools.cache
def seeds() -> list[tuple[str, bytes]]:
    properties = [
        "x",
        "y",
        "z",
        "f_dc_0",
        "f_dc_1",
        "f_dc_2",
        "opacity",
        "scale_0",
        "scale_1",
        "scale_2",
        "rot_0",
        "rot_1",
        "rot_2",
        "rot_3",
    ]
    lines = ["ply", "format ascii 1.0", "element vertex 1", *(f"property float {name}" for name in properties)]
    content = write_spz(random_splats(3, 1))
    return [
        (".ply", write_splat_ply(random_splats(2, 0))),
        (".ply", write_splat_ply(random_splats(2, 1, 1))),
        (".ply", "\n".join([*lines, "end_header", "1 " * 14]).encode()),
        (".splat", write_splat(random_splats(3, 0))),
        (".spz", content),
        (".raw", gzip.decompress(content)),
    ]


@given(st.integers(0, 5), mutations(), st.floats(0, 1))
@settings(max_examples=1000, deadline=None)
def test_any_bytes_give_splats_or_one_sentence(
    tmp_path_factory: pytest.TempPathFactory, seed: int, steps: list[tuple[float, str, bytes]], focus: float
) -> None:
    folder = tmp_path_factory.getbasetemp() / "fuzz"
    folder.mkdir(exist_ok=True)
    ending, content = seeds()[seed]
    head = int(focus * len(content))  # many mutations should hit the header
    content = mutate(content[:head], steps) + content[head:] if focus > 0.1 else mutate(content, steps)
    if ending == ".raw":
        ending, content = ".spz", gzip.compress(content, 1)
    path = folder / f"mutated{ending}"
    path.write_bytes(content)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            splats = load_splats(path)
        except UnreadableFile as error:
            sentence = str(error)
            assert sentence.startswith(str(path)), sentence
            return
    for tensor in splats.tensors().values():
        assert bool(torch.isfinite(tensor).all())
    assert len(splats) * 20 <= 50 * len(content) + 1_000_000


@pytest.mark.data
def test_real_files(data_folder: Path, tmp_path: Path) -> None:
    made = data_folder / "io_dev" / "made"
    splats = load_splats(made / "gaussians_sh3_500.ply")
    assert (len(splats), splats.sh_degree) == (500, 3)
    save_splats(tmp_path / "a.ply", splats)
    assert equal(load_splats(tmp_path / "a.ply"), splats)
    assert len(load_splats(made / "gaussians_400.splat")) == 400
    refused(made / "good_binary_le.ply", "missing the properties")
    refused(made / "truncated_binary.ply", "missing|promises")
