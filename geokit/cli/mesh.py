"""geokit mesh."""

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from geokit.cli.options import Debug, Switch


def _automatic(value: str, metavar: str) -> Any:
    return tyro.conf.arg(metavar=metavar, help_behavior_hint=f"(default: {value})")


@dataclass
class Mesh:
    """Make a surface: of points by screened Poisson reconstruction, of splats by fusing their depth, of a field."""

    source: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="INPUT")]
    """A file of points (.ply, .xyz, .pcd, .las, .e57, ...), with or without normals; a folder that geokit reconstruct
    made; a splat file with --cameras; or a .field that geokit fit sdf or fit points made."""
    output: Annotated[Path, tyro.conf.arg(metavar="FILE")]
    """The mesh to write; its ending is the format: .ply, .obj, .stl, .off or .glb."""
    depth: Annotated[int | None, _automatic("by the spacing and the noise of the points", "N")] = None
    """Points: the depth of the octree, 3 to 12; one more halves the size of the details."""
    trim: Annotated[float | None, _automatic("3", "T")] = None
    """Points: leave out what bridges a hole further from the points than so many radii of their 16 neighbours. 0 leaves
    out nothing."""
    no_denoise: Switch = False
    """Points: take them as they are; by default noise is averaged out where there is much of it."""
    voxel: Annotated[float | None, _automatic("1.5 pixels of the photographs", "S")] = None
    """Splats: the side of a voxel, in the scene's unit."""
    cameras: Annotated[Path | None, _automatic("those of the run", "CAMERAS")] = None
    """Splats: the cameras to look from: a capture or a .json file of cameras, or train, test or turntable of a run."""
    resolution: Annotated[int | None, _automatic("256", "N")] = None
    """Fields of meshes: cubes along the longest side."""
    faces: Annotated[int | None, _automatic("all", "N")] = None
    """Simplify the mesh to so many faces."""
    device: Annotated[
        Literal["auto", "cpu", "cuda"] | None,
        tyro.conf.arg(metavar="{auto,cpu,cuda}", help_behavior_hint="(default: auto)"),
    ] = None
    """Splats: where to render them; auto is an NVIDIA GPU that geokit's kernels run on, else the CPU."""
    overwrite: Switch = False
    """Replace FILE where it exists."""
    debug: Debug = False

    def run(self) -> int:
        """Make it, then say what it is."""
        from geokit.cli.pipes import printing
        from geokit.cli.progress import shown_progress
        from geokit.cli.report import console, size, table
        from geokit.errors import InvalidInput
        from geokit.pipelines.surface import make_surface

        options = {field.name: getattr(self, field.name) for field in fields(self)}
        options.pop("debug")
        if self.source.suffix.lower() == ".field":
            return self._field(options)
        if options.pop("resolution") is not None:
            raise InvalidInput("--resolution is for fields; points take --depth, splats --voxel")
        denoise = False if options.pop("no_denoise") else None
        with shown_progress() as observer:
            made = make_surface(**options, denoise=denoise, observer=observer)
        how = {"poisson": "screened Poisson through {:,} points", "fusion": "depth of {:,} views, fused"}[made.method]
        rows = [
            ("mesh", f"{made.output} ({size(made.output.stat().st_size)})"),
            ("faces", f"{len(made.mesh):,}, {len(made.mesh.vertices):,} vertices"),
            ("colours", "yes" if made.mesh.colors is not None else "no"),
            ("watertight", "yes" if made.watertight else "no, it has a rim where nothing was seen"),
            ("made by", how.format(made.inputs)),
            ("time", f"{made.seconds:.1f} s"),
        ]
        with printing():
            console().print(table(rows))
        return 0

    def _field(self, options: dict[str, Any]) -> int:
        from geokit.cli.pipes import printing
        from geokit.cli.progress import shown_progress
        from geokit.errors import InvalidInput
        from geokit.pipelines.mesh_field import mesh_field

        taken = ("source", "output", "resolution", "overwrite")
        given = [name for name, value in options.items() if name not in taken and value not in (None, False)]
        if given:
            raise InvalidInput(f"--{given[0].replace('_', '-')} is not for fields, which take --resolution")
        with shown_progress() as observer:
            observer.phase(f"The surface of {self.source}")
            mesh = mesh_field(self.source, self.output, self.resolution, self.overwrite)
        with printing():
            print(f"wrote {self.output}: {len(mesh):,} faces, {len(mesh.vertices):,} vertices")
        return 0
