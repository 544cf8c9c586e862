"""geokit convert."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from geokit.cli.options import Debug, Switch


@dataclass
class Convert:
    """Write a splat scene in another format: .ply (everything), .spz (small), .splat (small, colours without gloss)."""

    source: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="A")]
    """A .ply, .splat or .spz file, or a folder that geokit reconstruct made."""
    target: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="B")]
    """The file to write; its ending is the format."""
    drop_nonfinite: Switch = False
    """Leave out splats with NaN or infinite values or a zero rotation, which are refused otherwise."""
    overwrite: Switch = False
    """Replace B where it exists."""
    debug: Debug = False

    def run(self) -> int:
        """Convert, then say what the new file does not hold."""
        from geokit.cli.pipes import printing
        from geokit.cli.report import size
        from geokit.pipelines.convert import convert

        splats, lost = convert(self.source, self.target, drop_nonfinite=self.drop_nonfinite, overwrite=self.overwrite)
        with printing():
            print(f"wrote {self.target}: {len(splats):,} splats, {size(self.target.stat().st_size)}")
            for sentence in lost:
                print(f"note: {sentence}")
        return 0
