"""geokit compare."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from geokit.cli.options import Debug, Switch

if TYPE_CHECKING:
    from geokit.pipelines.compare import Comparison


@dataclass
class Compare:
    """Measure how far two meshes or clouds of points are from each other."""

    first: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="A")]
    """A mesh or a file of points, as for geokit info."""
    second: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="B")]
    """The reference, in the same frame and unit (geokit register brings A there)."""
    output: Annotated[Path | None, tyro.conf.arg(metavar="DIR", help_behavior_hint="(default: none)")] = None
    """A folder for errors_first.ply and errors_second.ply (both shapes, coloured by their distance to the other),
    histogram.png and comparison.json."""
    threshold: Annotated[
        float | None, tyro.conf.arg(metavar="LENGTH", help_behavior_hint="(default: 0.5 % of the diagonal of B)")
    ] = None
    """The distance up to which a place counts as right in precision, recall and the F-score."""
    samples: Annotated[int, tyro.conf.arg(metavar="N")] = 100_000
    """Places spread over the surface of a mesh; of a cloud every point is taken."""
    seed: Annotated[int, tyro.conf.arg(metavar="N")] = 0
    """Seed of those places."""
    json: Switch = False
    """Print JSON, for other programs."""
    overwrite: Switch = False
    """Replace files that exist."""
    debug: Debug = False

    def run(self) -> int:
        """Compare, then print a table."""
        from geokit.cli.pipes import printing
        from geokit.cli.progress import shown_progress
        from geokit.pipelines.compare import compare

        with shown_progress(quiet=True) as observer:
            found = compare(
                self.first,
                self.second,
                self.output,
                count=self.samples,
                threshold=self.threshold,
                seed=self.seed,
                overwrite=self.overwrite,
                observer=observer,
            )
        with printing():
            if self.json:
                import json

                print(json.dumps(found.as_json(), indent=2))
            else:
                _print_table(found)
        return 0


def _print_table(found: "Comparison") -> None:
    from geokit.cli.report import columns, console, table

    figures = found.figures
    there, back = figures.accuracy, figures.completeness
    out = console()
    lines = [("A", found.first), ("B", found.second), *(("note", message) for message in found.messages)]
    out.print(table(lines))
    out.print()
    rows = [
        ("mean distance", there.mean, back.mean),
        ("root mean square", there.rms, back.rms),
        ("median", there.median, back.median),
        ("95 % below", there.percentile_95, back.percentile_95),
        ("largest", there.maximum, back.maximum),
    ]
    shown = [(name, f"{a:.6g}", f"{b:.6g}") for name, a, b in rows]
    shown.append((f"within {figures.threshold:.4g}", f"{100 * there.within:.2f} %", f"{100 * back.within:.2f} %"))
    if there.absolute_cosine is not None and back.absolute_cosine is not None:
        shown.append(("cosine of normals", f"{there.absolute_cosine:.4f}", f"{back.absolute_cosine:.4f}"))
    out.print(columns(("", "A to B", "B to A"), shown))
    out.print()
    consistency = figures.normal_consistency
    summary = [
        ("chamfer", f"{figures.chamfer:.6g}  (mean of both mean distances)"),
        ("F-score", f"{figures.f_score:.4f}  (precision {figures.precision:.4f}, recall {figures.recall:.4f})"),
        ("Hausdorff", f"{figures.hausdorff:.6g}"),
        ("normal consistency", "no normals" if consistency is None else f"{consistency:.4f}  (1 is best)"),
    ]
    if found.ceiling is not None:
        summary.append(("colours", f"from 0 (dark violet) to {found.ceiling:.4g} and more (yellow)"))
    summary += [("wrote" if i == 0 else "", str(file)) for i, file in enumerate(found.files)]
    out.print(table(summary))
