"""geokit convert."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from geokit.cli.options import Debug, Switch


@dataclass
class Convert:
    """Write a mesh, points or splats in another format, and say what that loses."""

    source: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="A")]
    """The file to read (.gltf too), or a folder that geokit reconstruct made."""
    target: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="B")]
    """The file to write; its ending is the format. Meshes: .ply .obj .stl .off .glb. Points: .ply .xyz .csv .pts .pcd
    .las .laz .e57 .npz. Splats: .ply .spz .splat."""
    drop_nonfinite: Switch = False
    """Leave out vertices, points or splats with NaN or infinite values, which are refused otherwise."""
    overwrite: Switch = False
    """Replace B where it exists."""
    debug: Debug = False

    def run(self) -> int:
        """Convert, then say what the new file does not hold."""
        from geokit.cli.pipes import printing
        from geokit.cli.report import counted, size
        from geokit.pipelines.convert import convert

        shape, lost = convert(self.source, self.target, drop_nonfinite=self.drop_nonfinite, overwrite=self.overwrite)
        with printing():
            print(f"wrote {self.target}: {counted(shape)}, {size(self.target.stat().st_size)}")
            for sentence in lost:
                print(f"note: {sentence}")
        return 0
