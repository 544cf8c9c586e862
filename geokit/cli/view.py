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
    export: Annotated[Path | None, tyro.conf.arg(metavar="PAGE.html", help_behavior_hint="(default: none)")] = None
    """Write the scene as one page to send to somebody, and end: it opens without geokit, a server or a network."""
    overwrite: Switch = False
    """Replace the page of --export where it exists."""
    debug: Debug = False

    def run(self) -> int:
        """Serve until interrupted."""
        import webbrowser

        from geokit.cli.pipes import printing
        from geokit.errors import InvalidInput
        from geokit.viewer import show

        if not self.paths:
            raise InvalidInput("there is nothing to view; name files or folders")
        if self.export is not None:
            return self._write_page(self.export)
        if self.overwrite:
            raise InvalidInput("--overwrite replaces the page of --export, which is missing; name one, or leave it out")
        viewer = show(*self.paths, host=self.host, port=self.port)
        with printing():
            print(f"the viewer is at {viewer.url}; end it with Ctrl+C")
        if not self.no_open:
            webbrowser.open(viewer.url)
        try:
            viewer.wait()
        except KeyboardInterrupt:
            viewer.close()
        return 0

    def _write_page(self, target: Path) -> int:
        from geokit.cli.pipes import printing
        from geokit.cli.progress import shown_progress
        from geokit.cli.report import size
        from geokit.viewer.page import save_page

        with shown_progress(quiet=True) as observer:
            save_page(target, self.paths, overwrite=self.overwrite, observer=observer)
        with printing():
            print(f"wrote {target}: {size(target.stat().st_size)}; open it in any browser")
        return 0
