"""Frames to a moving picture, or to a folder of pictures. Nothing takes a name before it is complete."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from geokit.errors import GeokitError, InvalidInput, MissingDependency
from geokit.io.safe import atomic_write
from geokit.pipelines.turntable import save_gif

FORMATS = (".gif", ".webp", ".mp4", "folder of .png")
FOLDER = FORMATS[-1]
_HELD = 3_000_000_000  # bytes of frames that .gif and .webp may need at once
_QUALITY = 85  # of .webp

Frames = Iterable[NDArray[np.uint8]]


def check_video(target: Path, kind: str, frames: int, width: int, height: int, overwrite: bool) -> None:
    """Raise `InvalidInput` or `MissingDependency` for what could not be written, before anything is rendered."""
    if kind == ".mp4":
        find_ffmpeg()
    elif kind != FOLDER and frames * width * height * 3 > _HELD:
        raise InvalidInput(f"{frames} frames of {width} x {height} are too many for a {kind}; write a .mp4 or pictures")
    if kind != FOLDER and target.suffix.lower() != kind:
        raise InvalidInput(f"{target} does not end in {kind}; correct the name or choose another format")
    if target.exists() and not overwrite:
        raise InvalidInput(f"{target} exists already; choose another name, or tick 'Replace the file'")
    if target.is_dir() != (kind == FOLDER) and target.exists():
        raise InvalidInput(f"{target} exists and is {'a folder' if target.is_dir() else 'a file'}; choose another name")
    if kind == FOLDER and target.is_dir():
        other = [file.name for file in target.iterdir() if not re.fullmatch(r"\d{4,}\.png", file.name)]
        if other:
            raise InvalidInput(f"{target} holds more than frames ({min(other)} would be lost); choose another name")


def write_video(target: Path, kind: str, frames: Frames, fps: float, size: tuple[int, int]) -> None:
    """Write frames (H, W, 3) of a size (width, height), one after the other as they come.

    When the frames end by an error, or writing does, nothing is left behind and an older file stays.
    """
    if kind == FOLDER:
        _write_folder(target, frames)
    elif kind == ".mp4":
        _write_mp4(target, frames, fps, size)
    elif kind == ".gif":
        pictures = [torch.from_numpy(frame) for frame in frames]
        save_gif(target, pictures, len(pictures) / fps)
    else:
        images = [Image.fromarray(frame) for frame in frames]
        options = {"append_images": images[1:], "duration": round(1000 / fps), "loop": 0, "quality": _QUALITY}
        with atomic_write(target) as file:
            images[0].save(file, "WEBP", save_all=True, **options)


def find_ffmpeg() -> str:
    """The program; `MissingDependency` without it."""
    found = shutil.which("ffmpeg")
    if found is None:
        raise MissingDependency(
            "an .mp4 needs the program ffmpeg, which is not installed; install it, or choose .gif or .webp"
        )
    return found


def _write_mp4(target: Path, frames: Frames, fps: float, size: tuple[int, int]) -> None:
    with atomic_write(target) as file, tempfile.TemporaryFile() as said:
        command = [
            find_ffmpeg(), "-y", "-loglevel", "error", "-f", "rawvideo", "-pix_fmt", "rgb24",
            "-s", f"{size[0]}x{size[1]}", "-r", str(fps), "-i", "-",
            "-vf", "pad=ceil(iw/2)*2:ceil(ih/2)*2", "-pix_fmt", "yuv420p", "-movflags", "+faststart", "-f", "mp4",
            str(file.name),
        ]  # fmt: skip
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=said)
        assert process.stdin is not None
        try:
            for frame in frames:
                process.stdin.write(np.ascontiguousarray(frame).tobytes())
            process.stdin.close()
        except BrokenPipeError:
            pass  # it ended early: its own words say why
        except BaseException:
            process.kill()
            process.wait()
            raise
        if process.wait() != 0:
            said.seek(0)
            words = said.read().decode(errors="replace").strip().splitlines()
            raise GeokitError(f"{target} was not written: ffmpeg ended with {(words or ['an error'])[-1]}")


def _write_folder(target: Path, frames: Frames) -> None:
    """NNNN.png, first into a hidden folder beside it, which then takes the place of an older one as a whole."""
    target = target.resolve()  # of a link, the folder that it leads to
    target.parent.mkdir(parents=True, exist_ok=True)
    hidden = Path(tempfile.mkdtemp(prefix=f".{target.name}.", suffix=".part", dir=target.parent))
    try:
        for name, frame in _numbered(frames):
            Image.fromarray(frame).save(hidden / name)
        hidden.chmod(0o755)
        if target.is_dir():
            _exchange(hidden, target)
        else:
            os.replace(hidden, target)
    finally:
        shutil.rmtree(hidden, ignore_errors=True)


def _exchange(new: Path, old: Path) -> None:
    """Give a folder the name of an older one, which is removed."""
    aside = new.with_suffix(".old")
    os.replace(old, aside)
    try:
        os.replace(new, old)
    except OSError:
        os.replace(aside, old)
        raise
    shutil.rmtree(aside, ignore_errors=True)


def _numbered(frames: Frames) -> Iterator[tuple[str, NDArray[np.uint8]]]:
    for i, frame in enumerate(frames):
        yield f"{i:04d}.png", frame
