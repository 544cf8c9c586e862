"""geokit render."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from geokit.cli.options import Debug, Device, Switch


@dataclass
class Render:
    """Render a scene from cameras: pictures, depth maps or a moving .gif; or the field of an image at any size."""

    scene: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="DIR_OR_SPLATS_OR_FIELD")]
    """A folder that geokit reconstruct made; a .ply, .splat or .spz file; or a .field that geokit fit image made."""
    output: Annotated[Path, tyro.conf.arg(metavar="FOLDER_OR_GIF")]
    """Scenes: a folder for one .png a camera, or a file that ends in .gif. Fields: a picture."""
    cameras: Annotated[
        str | None,
        tyro.conf.arg(metavar="turntable|test|train|CAPTURE|FILE.json", help_behavior_hint="(a scene needs them)"),
    ] = None
    """The turntable, the held-out or the training views of a run; or the views of a capture; or a file of cameras,
    {"cameras": [{"name": ..., "world_to_camera": 4x4, "K": 3x3, "width": ..., "height": ...}, ...]}, with axes x right,
    y down, z forward, K in pixels, and the centre of the first pixel at (0.5, 0.5)."""
    scale: Annotated[float, tyro.conf.arg(metavar="S")] = 1
    """Fields: how many times as large as the image that was fitted."""
    bits: Annotated[int, tyro.conf.arg(metavar="8|16")] = 8
    """Fields: of a channel; 16 go into a .tif or .npy, and grey ones into a .png."""
    depth: Switch = False
    """Also write depth: NAME_depth.png (16 bits; depth.json says how long a step is) and NAME_depth_colors.png."""
    downscale: Annotated[float, tyro.conf.arg(metavar="N")] = 1
    """Divide the size of the pictures by this."""
    background: Annotated[
        tuple[float, float, float] | None,
        tyro.conf.arg(metavar="R G B", help_behavior_hint="(default: the run's, or 0 0 0)"),
    ] = None
    """The colour behind everything, in [0, 1]."""
    device: Device = "auto"
    overwrite: Switch = False
    """Replace files that exist."""
    debug: Debug = False

    def run(self) -> int:
        """Render, then say what was written."""
        from geokit.cli.pipes import printing
        from geokit.cli.progress import shown_progress
        from geokit.errors import InvalidInput
        from geokit.pipelines.render import render_scene

        if self.scene.suffix.lower() == ".field":
            return self._field()
        if self.cameras is None:
            raise InvalidInput(
                f"{self.scene} is a scene, which is seen from --cameras; give them, turntable for example"
            )
        if self.scale != 1 or self.bits != 8:
            raise InvalidInput("--scale and --bits are for fields; pictures of a scene are made smaller by --downscale")
        with shown_progress() as observer:
            written = render_scene(
                self.scene,
                self.cameras,
                self.output,
                depth=self.depth,
                downscale=self.downscale,
                background=self.background,
                device=self.device,
                overwrite=self.overwrite,
                observer=observer,
            )
        with printing():
            print(f"wrote {written[0]}" if len(written) == 1 else f"wrote {len(written)} pictures into {self.output}/")
        return 0

    def _field(self) -> int:
        from geokit.cli.pipes import printing
        from geokit.errors import InvalidInput
        from geokit.pipelines.render_field import render_field

        of_scenes = self.cameras is not None or self.depth or self.downscale != 1 or self.background is not None
        if of_scenes or self.device != "auto":
            raise InvalidInput("a field takes --scale, --bits and --output; cameras, depth and the rest are for scenes")
        height, width = render_field(self.scene, self.output, self.scale, self.overwrite, self.bits)
        with printing():
            print(f"wrote {self.output}, {width} x {height} pixels")
        return 0
