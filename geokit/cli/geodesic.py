"""geokit geodesic."""

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, Literal

import tyro

from geokit.cli.options import Debug, Switch


@dataclass
class Geodesic:
    """Distances along a surface from some of its vertices: numbers, colours, a picture with isolines."""

    mesh: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="MESH")]
    """A mesh: .ply, .obj, .stl, .off, .glb or .gltf."""
    source: Annotated[tyro.conf.UseAppendAction[list[int]], tyro.conf.arg(metavar="VERTEX")]
    """A vertex to start from, counted from 0; give it several times for the distance to the nearest."""
    output: Annotated[Path, tyro.conf.arg(metavar="FILE")]
    """A .npz to write, with the array `distances`; or a mesh, for instance .ply, with distances as colours."""
    method: Literal["fast_marching", "heat", "dijkstra", "exact"] = "fast_marching"
    """How: fast_marching errs by some 0.2 %, heat by 1 to 2 % (smooth), dijkstra by 5 % (along edges); exact needs the
    package libigl."""
    picture: Annotated[Path | None, tyro.conf.arg(metavar="PICTURE", help_behavior_hint="(default: none)")] = None
    """A .png or .jpg to draw, with lines of equal distance."""
    overwrite: Switch = False
    """Replace files that exist."""
    debug: Debug = False

    def run(self) -> int:
        """Measure, then say how far it goes."""
        from geokit.cli.pipes import printing
        from geokit.cli.progress import shown_progress
        from geokit.cli.report import console, table
        from geokit.pipelines.geodesic import geodesic

        options = {field.name: getattr(self, field.name) for field in fields(self)}
        options.pop("debug")
        with shown_progress() as observer:
            made = geodesic(options.pop("mesh"), options.pop("source"), observer=observer, **options)
        reached = made.distances[made.distances.isfinite()]
        rows = [
            ("written", ", ".join(str(file) for file in made.files)),
            ("furthest", f"{float(reached.max()):.6g}, at vertex {int(made.distances.nan_to_num(posinf=-1).argmax())}"),
            ("mean", f"{float(reached.mean()):.6g}"),
            ("time", f"{made.seconds:.1f} s"),
        ]
        if made.unreached:
            rows.insert(3, ("unreached", f"{made.unreached:,} vertices in other pieces, at distance inf"))
        with printing():
            console().print(table(rows))
        return 0
