"""geokit match."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from geokit.cli.options import Debug, Switch

if TYPE_CHECKING:
    from geokit.pipelines.match_collection import Summary


@dataclass
class Match:
    """Find which point of one shape corresponds to which of another: people, animals, organs, in any pose."""

    shapes: Annotated[tuple[Path, ...], tyro.conf.Positional, tyro.conf.arg(metavar="A B ...")]
    """Two meshes, or many, of which every two are matched."""
    output: Annotated[Path, tyro.conf.arg(metavar="FOLDER")]
    """The folder for match.npz, report.json, coloured shapes and pictures; for many shapes, one folder a pair in it."""
    landmarks: Annotated[Path | None, tyro.conf.arg(metavar="FILE", help_behavior_hint="(default: none)")] = None
    """Two shapes: vertices that correspond, one pair on a line, counted from 0; # begins a comment."""
    template: Annotated[Path | None, tyro.conf.arg(metavar="MESH", help_behavior_hint="(default: every two)")] = None
    """Many shapes: match this one with each of the others, instead of every two."""
    json: Switch = False
    """Print JSON, for other programs."""
    overwrite: Switch = False
    """Replace matches that are there; of many shapes, those that are finished are otherwise kept."""
    debug: Debug = False

    def run(self) -> int:
        """Match, then say how well and where things are."""
        from geokit.cli.pipes import printing
        from geokit.cli.progress import shown_progress
        from geokit.errors import InvalidInput

        many = len(self.shapes) > 2 or self.template is not None
        if len(self.shapes) < 2 and not many:
            raise InvalidInput(f"match needs at least two shapes, got {len(self.shapes)}; name another file")
        if many and self.landmarks is not None:
            raise InvalidInput("--landmarks are for two shapes; match these one pair at a time, or leave them out")
        with shown_progress(quiet=self.json) as observer:
            if many:
                from geokit.pipelines.match_collection import match_collection

                summary = match_collection(
                    self.shapes, self.output, template=self.template, overwrite=self.overwrite, observer=observer
                )
            else:
                from geokit.pipelines.match import match_files

                first, second = self.shapes
                report = match_files(
                    first,
                    second,
                    self.output,
                    landmarks=self.landmarks,
                    overwrite=self.overwrite,
                    observer=observer,
                )
        with printing():
            if self.json:
                import json

                print(json.dumps(summary.as_json() if many else report, indent=2))
            elif many:
                _print_summary(summary)
            else:
                _print_report(report)
        return 0


def _print_report(report: dict[str, Any]) -> None:
    from geokit.cli.report import console, size, table
    from geokit.pipelines.match_words import quality_rows

    seconds, files = report["seconds"], report["files"]
    rows = [
        *quality_rows(report["quality"], [Path(shape["file"]).name for shape in report["shapes"]]),
        ("time", f"{seconds['all']:.0f} s ({seconds['cpu']:.0f} CPU s), {size(report['peak_memory_bytes'])} of memory"),
        ("arrays", f"{files['arrays']} (p2p_12, p2p_21, functional_map, precise points)"),
        ("picture", files["picture"]),
        ("coloured", f"{files['shape_1']}, {files['shape_2']}"),
        *([("textured", files["textured"])] if "textured" in files else []),
        ("figures", files["report"]),
        ("look", f"geokit view {Path(files['report']).parent}"),
    ]
    out = console()
    out.print()
    out.print(table(rows))


def _print_summary(summary: "Summary") -> None:
    from geokit.cli.report import columns, console, table

    out = console()
    out.print()
    titles = ("pair", "confidence", "there and back", "orientation", "seconds", "")
    out.print(columns(titles, summary.rows()))
    out.print()
    rows = [
        ("matched", summary.counted()),
        ("maps", f"{summary.root}/*/match.npz"),
        ("table", str(summary.table_file)),
        *([("picture", str(summary.picture_file))] if summary.picture_file.exists() else []),
        *([("look", f"geokit view {summary.root}")] if summary.reports else []),
    ]
    out.print(table(rows))
