"""The promises about hostile files, in one place.

Reading: a file gives a result or one sentence (`UnreadableFile`), a count is compared with the bytes that are left
before anything is allocated, and a path named inside a data set stays inside its folder. Writing: a file is written
beside its final name and renamed, so that a full disk or a killed process leaves what was there before.
"""

import itertools
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from geokit.errors import GeokitError, UnreadableFile

_saves = itertools.count()


def existing_file(path: str | Path, what: str = "file") -> Path:
    """`path` as a `Path`, or `UnreadableFile` when no regular file is there."""
    path = Path(path)
    if path.is_dir():
        raise UnreadableFile(f"{path} is a folder, but a {what} is wanted; name the file itself")
    if not path.is_file():
        raise UnreadableFile(f"{path} does not exist, but a {what} is wanted; check the name")
    return path


def read_bytes(path: str | Path, what: str = "file") -> bytes:
    """The whole content of an existing file; `UnreadableFile` when it is missing or the system refuses."""
    path = existing_file(path, what)
    try:
        return path.read_bytes()
    except OSError as error:
        raise UnreadableFile(
            f"{path} cannot be read ({error.strerror or error}); check its permissions and the disk"
        ) from error


def confined_path(folder: Path, relative: str | Path, named_in: Path | None = None) -> Path:
    """The path `relative` inside `folder`, resolved; `UnreadableFile` when it (or a link on it) leads outside.

    named_in: the file that holds the name, for the message.
    """
    where = f" (named in {named_in})" if named_in else ""
    try:
        root = folder.resolve()
        path = (root / relative).resolve()
        inside = path.is_relative_to(root)
    except (OSError, ValueError, RuntimeError) as error:
        raise UnreadableFile(f"{str(relative)!r}{where} is not a usable path ({error}); correct it") from error
    if not inside:
        raise UnreadableFile(
            f"{str(relative)!r}{where} leaves the capture folder {root}; "
            "move the file inside and correct its path, nothing outside the folder is read"
        )
    return path


def check_count(path: Path, what: str, count: int, bytes_each: float, bytes_left: int) -> None:
    """Raise `UnreadableFile` unless `count` items of at least `bytes_each` bytes fit in `bytes_left`.

    Called before anything of that size is allocated.
    """
    if count < 0 or count * bytes_each > bytes_left:
        raise UnreadableFile(
            f"{path} promises {count} {what} ({count * bytes_each:.0f} bytes) but only {bytes_left} bytes follow; "
            "the file is truncated or damaged: copy or export it again"
        )


@contextmanager
def atomic_write(path: str | Path) -> Iterator[BinaryIO]:
    """A binary file that takes the name `path` only when the block ends without an error.

    The bytes go to a hidden file in the same folder (made when missing), are flushed to the disk, and the file is then
    renamed over `path`. On any failure the hidden file is removed and an older `path` stays as it was; an `OSError`
    such as a full disk becomes a `GeokitError` that says so.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{socket.gethostname()}.{os.getpid()}.{next(_saves)}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _remove_abandoned(path)
        with open(temporary, "xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException as error:
        with suppress(OSError):
            temporary.unlink()
        if isinstance(error, OSError) and not isinstance(error, GeokitError):
            kept = "the older file of that name is unharmed" if path.exists() else "nothing that existed was touched"
            raise GeokitError(
                f"{path} could not be written ({error.strerror or error}); {kept}: "
                "free some space or choose another folder, then save again"
            ) from error
        raise
    _sync_folder(path.parent)


def _remove_abandoned(path: Path) -> None:
    """Remove what processes of this machine that no longer live left behind in the middle of a save of `path`."""
    prefix = f".{path.name}.{socket.gethostname()}."
    for leftover in path.parent.iterdir():
        if not (leftover.name.startswith(prefix) and leftover.name.endswith(".part")):
            continue
        owner = leftover.name.removeprefix(prefix).split(".")[0]
        if owner.isdigit() and not _alive(int(owner)):
            with suppress(OSError):
                leftover.unlink()


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        return True
    return True


def _sync_folder(folder: Path) -> None:
    """Make a rename itself durable, where the system can."""
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
