"""geokit reconstruct."""

import sys
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from geokit.cli.options import Debug, Device, Switch

_STOPPED = 130


def _defaults_to(value: str, metavar: str = "N") -> Any:
    """An option that is None when it is not given: the default then is that of TrainConfig, or of the resumed run."""
    return tyro.conf.arg(metavar=metavar, help_behavior_hint=f"(default: {value})")


@dataclass
class Reconstruct:
    """Turn a capture (photographs) into a 3D splat scene."""

    capture: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="CAPTURE")]
    """A COLMAP, nerfstudio or Blender folder, a transforms.json, or a plain folder of photographs, whose poses are then
    found first (that needs the optional package pycolmap)."""
    output: Annotated[Path, tyro.conf.arg(metavar="DIR")]
    """The folder for the results: splats.ply, views/, turntable.gif, metrics.json, metrics.jsonl, config.yaml and
    checkpoint.safetensors."""
    steps: Annotated[int | None, _defaults_to("3500")] = None
    """Optimisation steps, one photograph each."""
    primitive: Annotated[Literal["gaussian", "gabor"] | None, _defaults_to("gaussian", "{gaussian,gabor}")] = None
    """gaussian: as every viewer shows them. gabor: Gaussians that carry waves, for fine periodic detail."""
    waves: Annotated[int | None, _defaults_to("2")] = None
    """Waves that a Gabor primitive carries."""
    max_splats: Annotated[int | None, _defaults_to("50000")] = None
    """The scene never has more splats than this."""
    sh_degree: Annotated[int | None, _defaults_to("2")] = None
    """0 to 3: how strongly a splat's colour may depend on the direction it is seen from."""
    strategy: Annotated[Literal["mcmc", "classic"] | None, _defaults_to("mcmc", "{mcmc,classic}")] = None
    """How splats are added and moved: mcmc relocates faint ones, classic clones, splits and prunes."""
    downscale: Annotated[float | None, _defaults_to("1")] = None
    """Divide the size of the photographs by this; 4 is a good beginning for photographs of a phone."""
    test_every: Annotated[int | None, _defaults_to("8")] = None
    """Hold out every N-th photograph (sorted by name, beginning with the first) to measure quality; 0 holds out none.
    A capture that brings its own split keeps it."""
    test_images: Annotated[tuple[str, ...] | None, _defaults_to("by --test-every", "NAME [NAME ...]")] = None
    """Hold out these photographs instead."""
    background: Annotated[tuple[float, float, float] | None, _defaults_to("0 0 0", "R G B")] = None
    """The colour behind everything, in [0, 1]. Transparent photographs bring their own by default."""
    seed: Annotated[int | None, _defaults_to("0")] = None
    """Seed of all random numbers. Equal inputs and seeds give equal bytes."""
    time_limit: Annotated[float | None, _defaults_to("none", "SECONDS")] = None
    """End training after this many seconds spent in training steps, over all sittings; opening the capture, saving and
    measuring come on top. The schedules then follow the clock, so that such a run is not reproducible."""
    device: Device = "auto"
    resume: Switch = False
    """Go on with the run in DIR. Options that are not given are those that it was begun with; of the others only
    --time-limit may change."""
    overwrite: Switch = False
    """Replace the run in DIR."""
    view: Switch = False
    """Watch it train in the browser: look around, pause, compare with the photographs, stop and save."""
    port: Annotated[int | None, tyro.conf.arg(help_behavior_hint="(default: 8080, or the next free one)")] = None
    """The port of --view, which only this machine reaches."""
    debug: Debug = False

    def run(self) -> int:
        """Train, then say how good it is and where things are."""
        from geokit.errors import InvalidInput

        if self.view:
            return self._watched()
        if self.port is not None:
            raise InvalidInput("--port is the port of --view; add --view, or leave it out")
        self._report(self._train())
        return 0

    def _train(self, *observers: Any) -> dict[str, Any]:
        from geokit.cli.progress import shown_progress
        from geokit.pipelines.observer import Observers
        from geokit.pipelines.reconstruct import reconstruct

        names = {field.name for field in fields(self)} - {"view", "port", "debug"}
        with shown_progress() as shown:
            observer = Observers(shown, *observers) if observers else shown
            return reconstruct(**{name: getattr(self, name) for name in names}, observer=observer)

    def _report(self, metrics: dict[str, Any]) -> None:
        from geokit.cli.pipes import printing
        from geokit.cli.report import print_reconstruction

        with printing():
            print_reconstruction(metrics, self.output)

    def _watched(self) -> int:
        """Train with the viewer open, which stays when training is over."""
        from contextlib import suppress

        from geokit.cli.pipes import printing
        from geokit.pipelines.interrupt import Interrupted
        from geokit.viewer import Viewer
        from geokit.viewer.live import LiveTraining
        from geokit.viewer.server import open_page

        with Viewer(port=self.port) as viewer:
            live, code = LiveTraining(viewer), 0
            with printing():
                print(f"watch it train at {viewer.url}")
            open_page(viewer.url)
            try:
                self._report(self._train(live))
                live.end(f"Training is over; everything is in {self.output}.")
            except Interrupted as stop:
                if not live.stopped:  # but by Ctrl+C, which ends the viewer too
                    raise
                print(f"geokit: {stop}", file=sys.stderr)
                live.end(f"Stopped; everything is saved in {self.output}.")
                code = _STOPPED
            with suppress(KeyboardInterrupt):
                with printing():
                    print(f"the viewer stays at {viewer.url}; end it with Ctrl+C")
                viewer.wait()
        return code
