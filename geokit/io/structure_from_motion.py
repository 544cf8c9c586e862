"""Poses for a plain folder of photographs, by pycolmap: SIFT, matching, incremental mapping, on the CPU.

The work is done by a process of its own (`structure_from_motion_worker.py`), so that nothing that COLMAP does can
take the caller down, its log stays out of the terminal and Ctrl-C ends it at once. The result is kept in a workspace
and used again when the photographs have not changed; nothing is written into the folder of the photographs.
"""

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from geokit.errors import GeokitError, UnreadableFile
from geokit.io.colmap import import_pycolmap, read_colmap
from geokit.io.photographs import is_photograph, lens_marks
from geokit.io.safe import atomic_write
from geokit.io.views import Listing

_EXHAUSTIVE = 150  # photographs up to which every pair is matched
_WORKER = Path(__file__).with_name("structure_from_motion_worker.py")


def reconstruct_poses(
    folder: Path, workspace: str | Path | None = None, progress: Callable[[str], None] | None = None
) -> Listing:
    """Find the poses of the photographs in `folder`.

    workspace: where the work is kept, by default under the user's cache folder. progress is told what is going on.
    Photographs that could not be placed are left out with a message. Raises `UnreadableFile` when less than half of
    them, or fewer than two, could be placed, and `MissingDependency` without pycolmap.
    """
    import_pycolmap()
    photographs = sorted(file.name for file in folder.iterdir() if is_photograph(file) and file.is_file())
    if len(photographs) < 2:
        raise UnreadableFile(f"{folder} holds {len(photographs)} photograph; a reconstruction needs at least 2")
    lenses: dict[tuple[str, ...], list[str]] = {}
    for name in photographs:
        lenses.setdefault(lens_marks(folder / name), []).append(name)
    key = _key(folder, photographs)
    work = Path(workspace) if workspace is not None else _cache_folder() / key
    model = work / "sparse" / "0"
    if not _finished(work, key):
        _run(folder, list(lenses.values()), work, progress)
        with atomic_write(work / "finished.json") as file:
            file.write(json.dumps({"photographs": key}).encode())
    elif progress is not None:
        progress("poses found in the workspace")
    if not model.is_dir():
        raise _too_few(folder, 0, len(photographs))
    listing = read_colmap(folder, model, folder)
    listing.kind = "photographs"
    placed = len(listing.views)
    if placed < 2 or placed < len(photographs) / 2:
        raise _too_few(folder, placed, len(photographs))
    if placed < len(photographs):
        listing.messages.append(f"{len(photographs) - placed} of {len(photographs)} photographs could not be placed")
    return listing


def poses_are_known(folder: Path) -> bool:
    """Whether `reconstruct_poses` would find its work done, in the user's cache folder."""
    photographs = sorted(file.name for file in folder.iterdir() if is_photograph(file) and file.is_file())
    key = _key(folder, photographs)
    return _finished(_cache_folder() / key, key)


def _too_few(folder: Path, placed: int, total: int) -> UnreadableFile:
    return UnreadableFile(
        f"structure-from-motion could place only {placed} of the {total} photographs in {folder}; "
        "take more, sharp, with "
        "at least two thirds of overlap between neighbours, and take out those that show something else"
    )


def _key(folder: Path, photographs: list[str]) -> str:
    """What the result depends on: the names, sizes and times of the photographs."""
    stats = [(name, (folder / name).stat()) for name in photographs]
    described = json.dumps([str(folder.resolve()), [(name, s.st_size, s.st_mtime_ns) for name, s in stats]])
    return hashlib.sha256(described.encode()).hexdigest()[:24]


def _cache_folder() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "geokit" / "structure_from_motion"


def _finished(work: Path, key: str) -> bool:
    try:
        return bool(json.loads((work / "finished.json").read_bytes()).get("photographs") == key)
    except (OSError, ValueError, AttributeError):
        return False


def _run(folder: Path, lenses: list[list[str]], work: Path, progress: Callable[[str], None] | None) -> None:
    """Run the worker to its end, passing on what it says. lenses: the photographs that share one, together."""
    try:
        work.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise GeokitError(f"the workspace {work} cannot be made ({error.strerror}); name another one") from error
    task = {
        "folder": str(folder.resolve()),
        "lenses": lenses,
        "work": str(work.resolve()),
        "exhaustive": sum(map(len, lenses)) <= _EXHAUSTIVE,
    }
    # -P keeps the worker's own folder, whose modules have everyday names, off its import path
    command = [sys.executable, "-P", str(_WORKER)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    with (
        open(work / "log.txt", "wb") as log,
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, env=environment) as worker,
    ):
        assert worker.stdin is not None
        assert worker.stdout is not None
        try:
            worker.stdin.write(json.dumps(task).encode())
            worker.stdin.close()
            for line in worker.stdout:
                if progress is not None and line.startswith(b"progress "):
                    progress(line.decode(errors="replace").removeprefix("progress ").strip())
            code = worker.wait()
        except BaseException:
            worker.kill()
            raise
    if code != 0:
        raise GeokitError(
            f"structure-from-motion of {folder} ended with an error (exit {code}); the log is {work / 'log.txt'}: "
            "try fewer or smaller photographs, or make the model with COLMAP itself"
        )
