"""geokit register."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from geokit.cli.options import Debug, Switch

if TYPE_CHECKING:
    from geokit.pipelines.register import Registered


@dataclass
class Register:
    """Bring one scan onto another by a rigid motion, from any pose, and say how well it fits."""

    source: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="A")]
    """The mesh or points to move. The 4x4 matrix that is printed brings its points, as columns, into the frame of B."""
    target: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="B")]
    """The mesh or points that stay; A needs to overlap with them only in part."""
    output: Annotated[Path | None, tyro.conf.arg(metavar="FILE", help_behavior_hint="(default: none)")] = None
    """Write A, moved, to this file; its ending is the format."""
    near: Switch = False
    """A lies about right already: only align it finely."""
    voxel: Annotated[float | None, tyro.conf.arg(metavar="LENGTH", help_behavior_hint="(default: by extent)")] = None
    """The size of the details by which the scans are first brought together."""
    json: Switch = False
    """Print JSON, for other programs."""
    overwrite: Switch = False
    """Replace FILE where it exists."""
    debug: Debug = False

    def run(self) -> int:
        """Register, then print the matrix and the residuals."""
        from geokit.cli.pipes import printing
        from geokit.cli.progress import shown_progress
        from geokit.pipelines.register import register

        with shown_progress(quiet=True) as observer:
            found = register(
                self.source,
                self.target,
                self.output,
                voxel=self.voxel,
                near=self.near,
                overwrite=self.overwrite,
                observer=observer,
            )
        with printing():
            if self.json:
                import json

                print(json.dumps(found.as_json(), indent=2))
            else:
                _print(found, self.output)
        return 0


def _print(found: "Registered", output: Path | None) -> None:
    import math

    from geokit.cli.report import console, table

    registration = found.registration
    out = console()
    for row in registration.matrix.tolist():
        out.print("  ".join(f"{value:16.9g}" for value in row))
    out.print()
    share = f" ({100 * registration.rmse / found.extent:.3g} % of the diagonal of B)" if found.extent else ""
    rows = [
        ("turned", f"{math.degrees(found.angle):.4g} degrees"),
        ("residual", f"{registration.rmse:.6g} root mean square{share}"),
        ("fitness", f"{100 * registration.fitness:.1f} % of A within {registration.max_distance:.4g} of B"),
        ("", "converged" if registration.converged else "not converged: it still moved in the last step"),
        *(("note", message) for message in (*found.messages, *found.lost)),
        *([("wrote", str(output))] if output else []),
    ]
    out.print(table(rows))
