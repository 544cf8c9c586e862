"""Many shapes to the correspondences of every two of them, one pair at a time, so that a stopped run goes on."""

import csv
import io
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path
from typing import Any

import torch

from geokit.errors import GeokitError, InvalidInput, UnreadableFile
from geokit.io import save_picture
from geokit.io.safe import atomic_write
from geokit.pipelines.interrupt import Interrupted, StopRequest
from geokit.pipelines.match import FORMAT, Opened, make_report, open_mesh
from geokit.pipelines.match_folder import MatchFolder, load_match, save_match
from geokit.pipelines.match_pictures import contact_sheet
from geokit.pipelines.observer import Observer
from geokit.pipelines.posed_pictures import picture_names
from geokit.spectral.match_shape import MatchShape, match_shape
from geokit.spectral.matching import match as find_match

_KEPT_VERTICES = 300_000  # of shapes whose operators are kept in memory
_SHOWN = 24  # shapes on the contact sheet
_COLUMNS = ("confidence", "cycle_error", "orientation")


@dataclass
class Summary:
    """What became of a collection: for every pair its two names and its report, or why there is none."""

    root: Path
    pairs: list[tuple[str, str]]
    reports: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    failures: dict[tuple[str, str], str] = field(default_factory=dict)
    kept: int = 0

    @property
    def table_file(self) -> Path:
        """One line a pair."""
        return self.root / "summary.csv"

    @property
    def picture_file(self) -> Path:
        """All shapes in the colours of the first."""
        return self.root / "contact_sheet.png"

    def folder(self, pair: tuple[str, str]) -> MatchFolder:
        """Where a pair is."""
        return MatchFolder(self.root / "__".join(pair))

    def counted(self) -> str:
        """How many, in words."""
        new = len(self.reports) - self.kept
        parts = [f"{new} pairs", *([f"{self.kept} kept from before"] if self.kept else [])]
        return ", ".join([*parts, *([f"{len(self.failures)} failed"] if self.failures else [])])

    def rows(self) -> list[list[str]]:
        """Cells of a table, the least confident pairs last."""
        found = sorted(self.reports.items(), key=lambda item: -item[1]["quality"]["confidence"])
        rows = [
            [
                " ".join(pair),
                f"{report['quality']['confidence']:.2f}",
                f"{report['quality']['cycle_error']:.1f} %",
                f"{report['quality']['orientation']:.0%}",
                f"{report['seconds']['match']:.1f}",
                "; ".join(report["quality"]["warnings"]),
            ]
            for pair, report in found
        ]
        return rows + [[" ".join(pair), "-", "-", "-", "-", sentence] for pair, sentence in self.failures.items()]

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        pairs = [
            {"shapes": list(pair), **self.reports[pair]["quality"]}
            if pair in self.reports
            else {"shapes": list(pair), "failure": self.failures[pair]}
            for pair in self.pairs
        ]
        return {"folder": str(self.root), "pairs": pairs}

    def save_table(self) -> None:
        """Write summary.csv."""
        text = io.StringIO()
        writer = csv.writer(text)
        writer.writerow(["shape_1", "shape_2", *_COLUMNS, "seconds", "failure"])
        for pair in self.pairs:
            if pair in self.reports:
                report = self.reports[pair]
                figures = [report["quality"][name] for name in _COLUMNS]
                writer.writerow([*pair, *figures, report["seconds"]["match"], ""])
            else:
                writer.writerow([*pair, *[""] * len(_COLUMNS), "", self.failures.get(pair, "")])
        with atomic_write(self.table_file) as file:
            file.write(text.getvalue().encode())


def match_collection(
    paths: Sequence[Path],
    output: str | Path,
    *,
    template: Path | None = None,
    overwrite: bool = False,
    observer: Observer | None = None,
) -> Summary:
    """Match every two of the meshes in `paths`, or `template` with each of them, into one folder a pair in `output`.

    A pair that was finished for the same shapes is kept, and so are eigenpairs (in `eigenpairs`), so that a stopped run
    goes on where it was; a pair that fails is told of, and the others go on. On SIGINT or SIGTERM the pair in work is
    finished and `Interrupted` raised. Raises `InvalidInput` for fewer than two shapes, a shape named twice, and a
    folder of a pair that holds the match of other shapes, unless `overwrite`; `UnreadableFile` for damaged files,
    before anything is matched.
    """
    observer, root = observer or Observer(), Path(output)
    paths = [*([] if template is None else [template]), *(path for path in paths if path != template)]
    if len(paths) < 2:
        raise InvalidInput(f"a collection needs at least two shapes, got {len(paths)}; name more files")
    if len({path.resolve() for path in paths}) < len(paths):
        raise InvalidInput("a shape is named twice in the collection; name every file once")
    if root.exists() and not root.is_dir():
        raise InvalidInput(f"{root} is a file, but the output is a folder; choose another name")
    opened: dict[str, Opened] = {}
    for done, (name, path) in enumerate(zip(_names(paths), paths)):
        observer.count("reading", done, len(paths))
        opened[name] = open_mesh(path)
        for message in opened[name].messages:
            observer.message(f"{path.name}: {message}")
    first = next(iter(opened))
    pairs = list(combinations(opened, 2)) if template is None else [(first, name) for name in opened if name != first]
    summary = Summary(root, pairs)
    for pair in pairs:
        report = None if overwrite else _finished(summary.folder(pair), [opened[name] for name in pair])
        if report is not None:
            summary.reports[pair] = report
    summary.kept = len(summary.reports)
    _match_missing(summary, opened, observer)
    summary.save_table()
    observer.phase("drawing")
    sheet = _sheet(summary, opened, first)
    if sheet is not None:
        save_picture(summary.picture_file, sheet)
    return summary


def _names(paths: Sequence[Path]) -> list[str]:
    """The files' stems, or more of their paths where those are not all different."""
    stems = [path.stem for path in paths]
    return stems if len(set(stems)) == len(stems) else picture_names([path.as_posix().lstrip("/") for path in paths])


def _finished(folder: MatchFolder, shapes: list[Opened]) -> dict[str, Any] | None:
    """The report of a finished match of these shapes; None where there is none. Raises for the match of others."""
    if not folder.report.exists():
        return None
    try:
        report = folder.load_report()
        load_match(folder.arrays)
        same = [shape["digest"] for shape in report["shapes"]] == [shape.digest for shape in shapes]
    except (UnreadableFile, KeyError, TypeError):
        return None
    if not same or report.get("format") != FORMAT or report["settings"]["landmarks"] is not None:
        raise InvalidInput(
            f"{folder.root} holds the match of other shapes or settings; choose another folder, or replace it with "
            "--overwrite"
        )
    return report


def _match_missing(summary: Summary, opened: dict[str, Opened], observer: Observer) -> None:
    missing = [pair for pair in summary.pairs if pair not in summary.reports]
    prepared: dict[str, MatchShape] = {}

    def ready(name: str, beside: str) -> MatchShape:
        if name not in prepared:
            held = sum(len(shape) for shape in prepared.values())
            for other in [n for n in prepared if n != beside]:
                if held + len(opened[name].mesh.vertices) > _KEPT_VERTICES:
                    held -= len(prepared.pop(other))
            prepared[name] = match_shape(opened[name].mesh, cache=summary.root / "eigenpairs")
        return prepared[name]

    with StopRequest() as stop:
        for done, pair in enumerate(missing):
            observer.count(f"matching {' and '.join(pair)}", done, len(missing))
            began = time.time()
            try:
                found = find_match(ready(pair[0], pair[1]), ready(pair[1], pair[0]))
            except GeokitError as error:
                summary.failures[pair] = str(error)
                observer.message(f"{' and '.join(pair)}: {error}")
                continue
            folder = summary.folder(pair)
            report = make_report(found, [opened[name] for name in pair], None, "")
            report["seconds"] = {"match": time.time() - began}
            save_match(folder.arrays, found)
            folder.save_report(report)
            summary.reports[pair] = report
            if stop.requested:
                raise Interrupted(
                    f"stopped after {len(summary.reports)} of {len(summary.pairs)} pairs; the same command goes on"
                )


def _sheet(summary: Summary, opened: dict[str, Opened], first: str) -> torch.Tensor | None:
    """A picture of the first shape and of those matched with it."""
    shown = [pair for pair in summary.reports if pair[0] == first][: _SHOWN - 1]
    if not shown:
        return None
    maps = [load_match(summary.folder(pair).arrays)["p2p_21"] for pair in shown]
    return contact_sheet(opened[first].mesh, [(opened[pair[1]].mesh, p2p) for pair, p2p in zip(shown, maps)])
