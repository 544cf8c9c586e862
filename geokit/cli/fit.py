"""geokit fit, with one sub-command a kind of signal."""

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import tyro
from tyro.constructors import PrimitiveConstructorSpec

from geokit.cli.options import Debug, Switch
from geokit.errors import InvalidInput

_UNITS = {"": 1, "k": 1000, "m": 1000_000, "g": 1000_000_000}
# Words as they were typed: what is wrong with them is said in one sentence when the verb runs.
_WORD = PrimitiveConstructorSpec(
    nargs=1,
    metavar="WORD",
    instance_from_str=lambda words: words[0],
    is_instance=lambda word: word is None or isinstance(word, str),
    str_from_instance=lambda word: [str(word)],
)


def _automatic(value: str, metavar: str) -> Any:
    return tyro.conf.arg(metavar=metavar, help_behavior_hint=f"(default: {value})")


@dataclass(kw_only=True)
class FitImage:
    """Store a picture in the functions that it is worth: smooth at any scale, with the least square error."""

    source: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="PICTURE")]
    """A .png, .jpg, .webp, .tif or .npy picture, grey or colour, 8 or 16 bits (.tif, .npy), with or without alpha."""
    output: Annotated[Path, tyro.conf.arg(metavar="FILE.field")]
    """The field to write; geokit render shows it, geokit info tells about it."""
    size: Annotated[str | None, _WORD, _automatic("2 bits a pixel, 4 kB at least", "SIZE")] = None
    """How large the file may be: 64kB, 1.5MB or a number of bytes."""
    parameters: Annotated[int | None, _automatic("as --size asks", "N")] = None
    """Instead of --size: how many numbers of 32 bits the field may have."""
    model: Annotated[str, _WORD, tyro.conf.arg(metavar="MODEL")] = "cosines"
    """cosines, which are not trained and are the best; or grids, radial or sines, which take --parameters."""
    time_limit: Annotated[float | None, _automatic("60", "SECONDS")] = None
    """For what is trained: how many CPU seconds."""
    overwrite: Switch = False
    """Replace FILE.field where it exists."""
    json: Switch = False
    """Print the figures as JSON, for other programs."""
    debug: Debug = False

    def run(self) -> int:
        """Fit, then say how well."""
        from geokit.cli.pipes import printing
        from geokit.cli.progress import shown_progress
        from geokit.cli.report import console, size, table
        from geokit.pipelines.fit_image import fit_image_file

        with shown_progress(quiet=self.json) as observer:
            made = fit_image_file(
                self.source,
                self.output,
                parameters=self.parameters,
                size=None if self.size is None else bytes_of(self.size),
                model=self.model,
                time_limit=self.time_limit,
                overwrite=self.overwrite,
                observer=observer,
            )
        height, width = made.pixels
        figures = {
            "psnr": made.psnr,
            "bytes": made.bytes,
            "bits_per_pixel": 8 * made.bytes / (height * width),
            "parameters": made.field.parameter_count,
            "seconds": made.seconds,
            "cpu_seconds": made.cpu_seconds,
        }
        rows = [
            ("field", f"{made.output} ({size(made.bytes)}; {self.source.name} has {size(made.source_bytes)})"),
            ("picture", f"{width} x {height} pixels, {made.field.channels} channel{'s' * (made.field.channels > 1)}"),
            ("PSNR", f"{made.psnr:.2f} dB"),
            ("a pixel", f"{figures['bits_per_pixel']:.2f} bits"),
            ("numbers", f"{made.field.parameter_count:,}"),
            ("time", f"{made.seconds:.1f} s"),
        ]
        with printing():
            if self.json:
                import json

                print(json.dumps(figures, indent=1))
            else:
                console().print(table(rows))
        return 0


@dataclass(kw_only=True)
class FitSdf:
    """Store the signed distance to a mesh, negative inside, also of meshes with holes or that cut themselves."""

    source: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="MESH")]
    """A mesh (.ply, .obj, .stl, .off, .glb, .gltf)."""
    output: Annotated[Path, tyro.conf.arg(metavar="FILE.field")]
    """The field to write; geokit mesh makes a mesh of it again, at any resolution."""
    parameters: Annotated[int | None, _automatic("200,000", "N")] = None
    """How many numbers of 32 bits the field may have."""
    size: Annotated[str | None, _WORD, _automatic("as --parameters ask for", "SIZE")] = None
    """Instead: how large the file may be, such as 100kB; numbers then have 12 bits."""
    overwrite: Switch = False
    """Replace FILE.field where it exists."""
    debug: Debug = False

    def run(self) -> int:
        """Fit, then say how well."""
        from geokit.cli.pipes import printing
        from geokit.cli.progress import shown_progress
        from geokit.cli.report import console, size, table
        from geokit.pipelines.fit_sdf import fit_sdf_file

        with shown_progress() as observer:
            made = fit_sdf_file(
                self.source,
                self.output,
                parameters=self.parameters,
                size=None if self.size is None else bytes_of(self.size),
                overwrite=self.overwrite,
                observer=observer,
            )
        share = 100 * made.error / made.extent
        rows = [
            ("field", f"{made.output} ({size(made.bytes)}; {self.source.name} has {size(made.source_bytes)})"),
            ("numbers", f"{made.field.parameter_count:,}"),
            ("error", f"{made.error:.3g}, {share:.2g} % of the diagonal (mean distance of places on the mesh)"),
            ("time", f"{made.seconds:.1f} s"),
        ]
        with printing():
            console().print(table(rows))
        return 0


@dataclass(kw_only=True)
class FitPoints:
    """The surface through points, with or without normals and noise, as a mesh or as a field."""

    source: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="POINTS")]
    """A file of points (.ply, .xyz, .pcd, .las, .e57, ...), or a range scan with faces, whose vertices are taken."""
    output: Annotated[Path, tyro.conf.arg(metavar="FILE")]
    """A mesh (.ply, .obj, .stl, .off, .glb), or a .field."""
    cell: Annotated[float | None, _automatic("as spacing and noise of the points ask for", "S")] = None
    """The side of the finest cells, in the points' unit."""
    overwrite: Switch = False
    """Replace FILE where it exists."""
    debug: Debug = False

    def run(self) -> int:
        """Fit, then say what it is."""
        from geokit.cli.pipes import printing
        from geokit.cli.progress import shown_progress
        from geokit.cli.report import console, size, table
        from geokit.pipelines.fit_points import fit_points_file

        with shown_progress() as observer:
            made = fit_points_file(
                self.source, self.output, cell=self.cell, overwrite=self.overwrite, observer=observer
            )
        rows = [("field" if made.mesh is None else "mesh", f"{made.output} ({size(made.output.stat().st_size)})")]
        if made.mesh is not None:
            rows += [
                ("faces", f"{len(made.mesh):,}, {len(made.mesh.vertices):,} vertices"),
                ("watertight", "yes" if made.watertight else "no, it has a rim where nothing was seen"),
            ]
        rows += [
            ("points", f"{made.points:,}"),
            ("numbers", f"{made.field.parameter_count:,}"),
            ("time", f"{made.seconds:.1f} s"),
        ]
        with printing():
            console().print(table(rows))
        return 0


@dataclass
class Fit:
    """Fit a field to a picture, to a mesh or to points."""

    signal: Annotated[
        Annotated[FitImage, tyro.conf.subcommand("image", prefix_name=False)]
        | Annotated[FitSdf, tyro.conf.subcommand("sdf", prefix_name=False)]
        | Annotated[FitPoints, tyro.conf.subcommand("points", prefix_name=False)],
        tyro.conf.arg(name=""),
    ]
    debug: bool = field(init=False)

    def __post_init__(self) -> None:
        self.debug = self.signal.debug

    def run(self) -> int:
        """Fit it."""
        return self.signal.run()


def bytes_of(words: str) -> int:
    """A number of bytes from 64kB, 1.5 MB or 65536. Raises `InvalidInput` for anything else."""
    found = re.fullmatch(r"(\d+\.?\d*)\s*([kmg]?)b?", words.strip().lower())
    if not found or float(found[1]) * _UNITS[found[2]] < 1:
        raise InvalidInput(f"a size is a number of bytes such as 64kB, 1.5MB or 65536, got {words!r}")
    return int(float(found[1]) * _UNITS[found[2]])
