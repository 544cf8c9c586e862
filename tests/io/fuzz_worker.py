"""Reads mutated files in a process of its own whose memory is limited, and reports what breaks a promise.

Run by test_fuzz.py: `python -m tests.io.fuzz_worker FOLDER SECONDS SEED`; each finding is kept in FOLDER and told in
one line.
"""

import faulthandler
import os
import random
import resource
import struct
import sys
import time
import traceback
import tracemalloc
import warnings
from pathlib import Path

import torch

from geokit.errors import GeokitError, UnreadableFile
from geokit.geometry.mesh import Mesh
from geokit.io.shapes import load_shape

SLOWEST = 10.0  # seconds for less than a megabyte
SPARE = 64 << 20
MOST_MORE = 1 << 30  # bytes of addresses, for what does not tell tracemalloc
_NUMBERS = [0, 1, -1, 2, 3, 127, 128, 255, 256, 32767, 65535, 2**31 - 1, -(2**31), 2**32 - 1, 2**63 - 1, 10**12]
_WORDS = [str(n).encode() for n in _NUMBERS] + [
    b"nan",
    b"-inf",
    b"1e999",
    b"1e-999",
    b".",
    b"-",
    b"/",
    b"\\\n",
    b"#",
    b"\0",
    b"\xff" * 8,
]
_WORDS += [
    b"[" * 50,
    b'{"a":' * 30,
    b"element face 99999999\n",
    b"property list uchar int x\n",
    b"comment TextureFile ../x.png\n",
]
_WORDS += [
    b"v 1 2 3\n",
    b"f 1 2 3 4 5 6\n",
    b"f 1//2 -9/-9/-9 0\n",
    b"mtllib ../../etc/passwd\n",
    b"endfacet\n",
    b"\r\n",
    b"\x00\x00\xc0\x7f",
]


def mutated(seed: bytes, other: bytes, rng: random.Random) -> bytes:
    """`seed` after one to six changes: flips, inserts, deletions, repeats, cuts, splices, telling numbers."""
    data = bytearray(seed)
    for _ in range(rng.choice((1, 1, 2, 3, 6))):
        place, length = rng.randrange(len(data) + 1), rng.choice((1, 1, 2, 4, 8, 30, 200))
        kind = rng.randrange(8)
        if kind == 0 and data:
            data[place % len(data)] ^= 1 << rng.randrange(8)
        elif kind == 1:
            data[place:place] = rng.randbytes(length)
        elif kind == 2:
            del data[place : place + length]
        elif kind == 3:
            data[place:place] = data[place : place + length] * rng.choice((1, 2, 50))
        elif kind == 4:
            del data[place:]
        elif kind == 5:
            start = rng.randrange(len(other) + 1)
            data[place:place] = other[start : start + length]
        elif kind == 6:
            word = rng.choice(_WORDS)
            data[place : place + rng.choice((0, len(word)))] = word
        else:
            data = _renumbered(data, rng)
    return bytes(data)


def _renumbered(data: bytearray, rng: random.Random) -> bytearray:
    """One number of the file, in text or in binary, becomes a telling one."""
    number = rng.choice(_NUMBERS)
    digits = [i for i in range(len(data)) if data[i : i + 1].isdigit() and not data[max(i - 1, 0) : i].isdigit()]
    if digits and rng.random() < 0.6:
        start = end = rng.choice(digits)
        while end < len(data) and data[end : end + 1].isdigit():
            end += 1
        return data[:start] + str(number).encode() + data[end:]
    form = rng.choice(("<I", ">I", "<H", "<B", "<Q", "<f", "<d"))
    size = struct.calcsize(form)
    if len(data) >= size:
        place = rng.randrange(len(data) - size + 1)
        value = float(number) if form[1] in "fd" else number % 2 ** (8 * size)
        data[place : place + size] = struct.pack(form, value)
    return data


def broken_promise(path: Path) -> str | None:
    """What goes wrong when `path` is read; None when it gives a valid shape or one sentence."""
    size = path.stat().st_size
    tracemalloc.start()
    began = time.perf_counter()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            shape = load_shape(path)
        wrong = _invalid(shape)
    except UnreadableFile as error:
        wrong = (
            None if str(path) in str(error) and "\n" not in str(error) else f"no one sentence with the name: {error}"
        )
    except GeokitError as error:
        wrong = None if "\n" not in str(error) else f"no one sentence: {error}"
    except BaseException as error:
        wrong = f"{type(error).__name__}: {error} in {traceback.format_tb(error.__traceback__)[-1].strip()}"
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    seconds = time.perf_counter() - began
    if seconds > SLOWEST:
        wrong = f"took {seconds:.0f} s"
    if peak > 10 * size + SPARE:
        wrong = f"took {peak} bytes for a file of {size}"
    return wrong


def _invalid(shape: object) -> str | None:
    """What is wrong with a shape that its class does not check itself."""
    for name, tensor in shape.tensors().items():  # type: ignore[attr-defined]
        if tensor.is_floating_point() and name != "features" and not torch.isfinite(tensor).all():
            return f"{name} is not finite"
    if (
        isinstance(shape, Mesh)
        and len(shape)
        and not 0 <= int(shape.faces.min()) <= int(shape.faces.max()) < len(shape.vertices)
    ):
        return "faces out of range"
    return None


def main(folder: Path, seconds: float, seed: int) -> None:
    torch.set_num_threads(1)
    faulthandler.enable()
    held = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (held + MOST_MORE, held + MOST_MORE))
    rng = random.Random(seed)
    seeds = {p.name: p.read_bytes() for p in sorted((folder / "seeds").iterdir())}
    work, names = folder / f"work{seed}", list(seeds)
    work.mkdir()
    until, tried, kept = time.monotonic() + seconds, 0, 0
    while time.monotonic() < until and kept < 20:
        name = rng.choice(names)
        path = work / name
        path.write_bytes(mutated(seeds[name], seeds[rng.choice(names)], rng))
        tried += 1
        wrong = broken_promise(path)
        if wrong:
            kept += 1
            found = folder / f"found_{seed}_{kept}_{name}"
            os.replace(path, found)
            print(f"{found}: {wrong}", flush=True)
    print(f"tried {tried}", flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3]))
