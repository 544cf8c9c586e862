"""Where files of the user go: names that are free, and what was written."""

from __future__ import annotations

from pathlib import Path

from geokit.errors import InvalidInput


def free_path(folder: Path, stem: str, ending: str) -> Path:
    """A path in `folder` that nothing has yet: STEM.ending, STEM_2.ending, ..."""
    path, number = folder / f"{stem}{ending}", 2
    while path.exists():
        path, number = folder / f"{stem}_{number}{ending}", number + 1
    return path


def typed_path(text: str) -> Path:
    """The path that a user typed, ~ and all; `InvalidInput` for none, and for the home of nobody."""
    text = text.strip()
    if not text or "\0" in text:
        raise InvalidInput("the name of the file is missing; type one")
    try:
        return Path(text).expanduser()
    except RuntimeError as error:
        raise InvalidInput(f"{text} begins in the home of nobody known here; type the whole path") from error


def size_in_words(count: int) -> str:
    """Bytes as people say them."""
    value = float(count)
    for unit in ("bytes", "kB", "MB"):
        if value < 1000:
            return f"{value:.3g} {unit}" if unit != "bytes" else f"{count} bytes"
        value /= 1000
    return f"{value:.3g} GB"
