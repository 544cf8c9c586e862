"""geokit spectrum."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from geokit.cli.options import Debug, Switch

if TYPE_CHECKING:
    from geokit.pipelines.spectrum import Spectrum as Found

_LISTED = (0, 1, 2, 3, 4, 5, 9, 19, 49, 99, 199, 499, 999)


@dataclass
class Spectrum:
    """Find the smoothest functions on a shape, its vibrations: eigenvalues and eigenfunctions of its Laplacian."""

    shape: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="SHAPE")]
    """A mesh, or a file of points."""
    count: Annotated[int | None, tyro.conf.arg(metavar="N", help_behavior_hint="(default: 200, or all there are)")] = (
        None
    )
    """How many, the smallest first."""
    output: Annotated[Path | None, tyro.conf.arg(metavar="FILE", help_behavior_hint="(default: none)")] = None
    """A .npz file for eigenvalues (K), eigenvectors (vertices, K), masses (vertices) and residuals (K)."""
    pictures: Switch = False
    """Draw a sheet of eigenfunctions on the mesh, FILE with the ending .png (without FILE: SHAPE_spectrum.png here)."""
    cache: Switch = False
    """Keep the result in the cache folder ($GEOKIT_CACHE, else the user's own), and look there for an earlier one."""
    json: Switch = False
    """Print JSON, for other programs, with all eigenvalues."""
    overwrite: Switch = False
    """Replace files that exist."""
    debug: Debug = False

    def run(self) -> int:
        """Compute, then print a table."""
        from geokit.cli.pipes import printing
        from geokit.cli.progress import shown_progress
        from geokit.pipelines.spectrum import find_spectrum

        beside = self.output or Path(f"{self.shape.stem}_spectrum.npz")
        with shown_progress(quiet=True) as observer:
            found = find_spectrum(
                self.shape,
                self.output,
                beside.with_suffix(".png") if self.pictures else None,
                count=self.count,
                cache=self.cache,
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


def _print_table(found: "Found") -> None:
    from geokit.cli.report import columns, console, counted, table
    from geokit.pipelines.spectrum import wavelengths

    out, basis = console(), found.basis
    values = basis.eigenvalues.tolist()
    lengths, residuals = wavelengths(basis.eigenvalues).tolist(), basis.residuals.tolist()
    pieces = f"{found.components} {'piece' if found.components == 1 else 'pieces'}"
    if found.components == len(values):
        pieces = f"at least {pieces}"
    out.print(
        table(
            [
                ("shape", f"{found.source}: {counted(found.shape)}"),
                ("area", f"{found.area:.6g}, in {pieces} (eigenvalues of zero)"),
                ("eigenpairs", f"{len(values)} in {found.seconds:.1f} s, residuals at most {max(residuals):.1e}"),
                *(("note", message) for message in found.messages),
            ]
        )
    )
    out.print()
    listed = [number for number in _LISTED if number < len(values) - 1] + [len(values) - 1]
    rows = [
        (str(i), f"{values[i]:.6g}", "-" if i < found.components else f"{lengths[i]:.4g}", f"{residuals[i]:.1e}")
        for i in listed
    ]
    out.print(columns(("number", "eigenvalue", "wavelength", "residual"), rows))
    if found.files:
        out.print()
        out.print(table([("wrote" if i == 0 else "", str(file)) for i, file in enumerate(found.files)]))
