"""geokit view."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from geokit.cli.options import Debug, Switch


@dataclass
class View:
    """Open anything that geokit makes or reads in the browser: look, measure, compare, edit, save."""

    paths: Annotated[tuple[Path, ...], tyro.conf.Positional, tyro.conf.arg(metavar="FILE_OR_FOLDER")]
    """Meshes, points, splats, fields, captures, folders that geokit made; all into one scene."""
    host: str = "127.0.0.1"
    """The address to listen on. The default is for this machine alone; there is no password."""
    port: Annotated[int | None, tyro.conf.arg(help_behavior_hint="(default: 8080, or the next free one)")] = None
    """The port to listen on."""
    no_open: Switch = False
    """Do not open a browser."""
    debug: Debug = False

    def run(self) -> int:
        """Serve until interrupted."""
        from geokit.cli.pipes import printing
        from geokit.errors import InvalidInput
        from geokit.viewer import show
        from geokit.viewer.server import open_page

        if not self.paths:
            raise InvalidInput("there is nothing to view; name files or folders")
        viewer = show(*self.paths, host=self.host, port=self.port)
        try:
            with printing():
                print(f"the viewer is at {viewer.url}; end it with Ctrl+C")
            if not self.no_open:
                open_page(viewer.url)
            viewer.wait()
        except KeyboardInterrupt:
            pass
        finally:
            viewer.close()
        return 0
