"""geokit view."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import tyro

from geokit.cli.options import Debug, Device, Switch


@dataclass
class View:
    """Open anything that geokit makes or reads in the browser: look, measure, compare, edit, save."""

    paths: Annotated[tuple[Path, ...], tyro.conf.Positional, tyro.conf.arg(metavar="FILE_OR_FOLDER")]
    """Meshes, points, splats, fields, captures, folders that geokit made; all into one scene."""
    map: Annotated[Path | None, tyro.conf.arg(metavar="FILE", help_behavior_hint="(default: none)")] = None
    """Two meshes: the map between them, match.npz of geokit match or one vertex number a line, counted from 0, the
    vertex of the first that each of the second goes to."""
    truth: Annotated[tuple[Path, ...], tyro.conf.arg(metavar="FILE ...", help_behavior_hint="(default: none)")] = ()
    """With --map or a folder of geokit match: the right map, to show errors; a file as for --map, pairs of vertices, a
    .vts for each of the two shapes, or the word "same" where equal numbers correspond."""
    host: str = "127.0.0.1"
    """The address to listen on. The default is for this machine alone; there is no password."""
    port: Annotated[int | None, tyro.conf.arg(help_behavior_hint="(default: 8080, or the next free one)")] = None
    """The port to listen on."""
    device: Device = "auto"
    no_open: Switch = False
    """Do not open a browser."""
    export: Annotated[Path | None, tyro.conf.arg(metavar="PAGE.html", help_behavior_hint="(default: none)")] = None
    """Write the scene as one page to send to somebody, and end: it opens without geokit, a server or a network."""
    overwrite: Switch = False
    """Replace the page of --export where it exists."""
    debug: Debug = False

    def run(self) -> int:
        """Serve until interrupted."""
        import os

        # Read when torch is loaded: threads that wait would take the core on which the browser draws.
        os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
        from geokit.cli.pipes import printing
        from geokit.errors import GeokitError, InvalidInput, UnreadableFile
        from geokit.viewer.server import open_page, page_address, say_goodbye, start_server, stop_server

        if not self.paths:
            raise InvalidInput("there is nothing to view; name files or folders")
        for path in self.paths:
            if not path.exists():
                raise UnreadableFile(f"{path} does not exist; check the name")
        if self.export is not None:
            if self.device != "auto":
                raise InvalidInput("--device is where pictures for the browser are made; a page has none: leave it out")
            return self._write_page(self._things(), self.export)
        if self.overwrite:
            raise InvalidInput("--overwrite replaces the page of --export, which is missing; name one, or leave it out")
        # The browser loads the page while torch is loaded and the files are read.
        server = start_server(self.host, self.port)
        try:
            url = page_address(server.get_host(), server.get_port())
            with printing():
                print(f"the viewer is at {url}; end it with Ctrl+C")
            if not self.no_open:
                open_page(url)
            from geokit.backend.device_choice import chosen_device
            from geokit.viewer.content import layers_of
            from geokit.viewer.show import fill

            device = chosen_device(self.device)
            layers = [layer for thing in self._things() for layer in layers_of(thing)]
            with fill(server, layers, device=device) as viewer:
                viewer.wait()
        except KeyboardInterrupt:
            pass
        except GeokitError as error:
            say_goodbye(server, str(error))
            raise
        finally:
            stop_server(server)
        return 0

    def _things(self) -> list[Any]:
        if self.map is None and not self.truth:
            return list(self.paths)
        from geokit.viewer.matching import named_things

        return named_things(self.paths, self.map, self.truth)

    def _write_page(self, things: list[Any], target: Path) -> int:
        from geokit.cli.pipes import printing
        from geokit.cli.progress import shown_progress
        from geokit.cli.report import size
        from geokit.viewer.page import save_page

        with shown_progress(quiet=True) as observer:
            save_page(target, things, overwrite=self.overwrite, observer=observer)
        with printing():
            print(f"wrote {target}: {size(target.stat().st_size)}; open it in any browser")
        return 0
