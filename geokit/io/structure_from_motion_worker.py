"""The process behind `structure_from_motion`: reads its task as JSON from stdin, reports on stdout.

Started by path, it imports pycolmap and nothing of geokit.
"""

import json
import os
import shutil
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def main() -> None:
    """Extract, match and map; the model with most photographs becomes sparse/0."""
    task = json.load(sys.stdin)
    folder, work, lenses = Path(task["folder"]), Path(task["work"]), task["lenses"]
    total = sum(map(len, lenses))
    _end_with_parent()
    import pycolmap

    pycolmap.set_random_seed(0)
    database, found = work / "database.db", work / "models"
    database.unlink(missing_ok=True)
    for old in (found, work / "sparse"):
        shutil.rmtree(old, ignore_errors=True)
    found.mkdir(parents=True)
    _extract(pycolmap, database, folder, lenses)
    with _pairs_reported(pycolmap, database, total, task["exhaustive"]):
        match = pycolmap.match_exhaustive if task["exhaustive"] else pycolmap.match_sequential
        match(database, device=pycolmap.Device.cpu)
    options = pycolmap.IncrementalPipelineOptions()
    options.min_model_size = 2
    options.random_seed = 0
    placed = [0]

    def one_more() -> None:
        placed[0] += 1
        _say(f"placing photographs: {placed[0] + 2} of {total}")

    models = pycolmap.incremental_mapping(database, folder, found, options, next_image_callback=one_more)
    if models:
        best = max(models.values(), key=lambda model: model.num_reg_images())
        (work / "sparse" / "0").mkdir(parents=True)
        best.write_binary(work / "sparse" / "0")
        _say(f"placed {best.num_reg_images()} of {total} photographs, {best.num_points3D()} points")


def _say(text: str) -> None:
    print("progress", text, flush=True)


def _extract(pycolmap, database: Path, folder: Path, lenses: list[list[str]]) -> None:  # type: ignore[no-untyped-def]
    """Features of a few photographs at a time, so that there is something to report. One camera a lens."""
    extraction = pycolmap.FeatureExtractionOptions()
    extraction.max_image_size = 1600
    batch, done = max(2, os.cpu_count() or 2), 0
    for number, names in enumerate(lenses, start=1):
        reader = pycolmap.ImageReaderOptions()
        reader.camera_model = "SIMPLE_RADIAL"
        for start in range(0, len(names), batch):
            _say(f"finding features: {done} of {sum(map(len, lenses))}")
            chosen = names[start : start + batch]
            mode = pycolmap.CameraMode.SINGLE
            pycolmap.extract_features(database, folder, chosen, mode, reader, extraction, pycolmap.Device.cpu)
            reader.existing_camera_id = number  # COLMAP numbers cameras from 1
            done += len(chosen)


@contextmanager
def _pairs_reported(pycolmap, database: Path, count: int, exhaustive: bool) -> Iterator[None]:  # type: ignore[no-untyped-def]
    """Say every second how many pairs have been matched."""
    import sqlite3

    done = threading.Event()

    def watch() -> None:
        total = count * (count - 1) // 2
        while not done.wait(1.0):
            try:
                with sqlite3.connect(f"file:{database}?mode=ro", uri=True, timeout=1) as reader:
                    pairs = reader.execute("select count(*) from matches").fetchone()[0]
            except sqlite3.Error:
                continue
            _say(
                f"matching photographs: {pairs} of {total} pairs"
                if exhaustive
                else f"matching photographs: {pairs} pairs"
            )

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        done.set()
        watcher.join()


def _end_with_parent() -> None:
    """Do not live on when the process that started this one has been killed."""
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            threading.Event().wait(1.0)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


if __name__ == "__main__":
    main()
