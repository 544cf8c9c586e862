"""Splats that geokit's own rasterizer draws on the server, streamed to each client as the picture behind its scene."""

from __future__ import annotations

import threading
import time
import traceback
from typing import TYPE_CHECKING, Any

import torch

from .client_stream import ClientStream, Step
from .frame import ViewFrame
from .mishaps import sentence
from .picture_wire import PictureWire, depth_png, jpeg
from .splat_modes import MODES, Mode
from .streamed_scene import StreamedScene

if TYPE_CHECKING:
    import viser

    from .viewer import Viewer

_QUALITY: dict[str, int] = {"draft": 75, "full": 92}
_DEPTH_SHARE = {"draft": 0.5, "full": 1.0}  # of the picture's width and height: the median is slow


class RenderLoop:
    """One thread that draws for all clients in turn, whoever waits longest first; idle, it sleeps.

    Never more than two pictures of a client are on their way, and each is drawn for the camera that is the newest when
    the drawing begins. scene: what is drawn. frames, seconds: pictures sent so far, and the time spent on them.
    """

    def __init__(self, viewer: Viewer) -> None:
        self.viewer = viewer
        self.scene = StreamedScene(viewer)
        self.frames = 0
        self.seconds = {"render": 0.0, "encode": 0.0}
        self._clients: dict[int, tuple[viser.ClientHandle, ClientStream]] = {}
        self._wake = threading.Condition()
        self._stale, self._ended = True, False
        self._add_controls()
        viewer.on_change(self._scene_changed)
        viewer.on_close(self.close)
        viewer.server.on_client_connect(self._came)
        viewer.server.on_client_disconnect(self._left)
        self._thread = threading.Thread(target=self._run, name="geokit render loop", daemon=True)
        self._thread.start()

    def show(self, mode: Mode) -> None:
        """Let the pictures show this."""
        self._menu.value = self.scene.mode = mode
        self.viewer.changed()

    def close(self) -> None:
        """End the loop."""
        with self._wake:
            self._ended = True
            self._wake.notify_all()
        if threading.current_thread() is not self._thread:
            self._thread.join(timeout=10)

    # What happens, on whatever thread: noted here, done by the loop.

    def _add_controls(self) -> None:
        with self.viewer.tab("Scene"):
            self._menu = self.viewer.server.gui.add_dropdown(
                "Splats show", MODES, initial_value=self.scene.mode, visible=False, hint="of splats rendered by geokit"
            )

        @self.viewer.guarded(self._menu)
        def _(_: Any) -> None:
            self.scene.mode = self._menu.value

    def _scene_changed(self) -> None:
        with self._wake:
            self._stale = True
            self._wake.notify_all()

    # Coroutines run on the server's own thread, in order: a camera costs no thread.

    async def _came(self, client: viser.ClientHandle) -> None:
        def taken() -> None:
            with self._wake:
                self._wake.notify_all()

        stream = ClientStream(PictureWire(client, taken), time.monotonic())
        with self._wake:
            self._clients[client.client_id] = client, stream
            self._wake.notify_all()

        @client.camera.on_update
        async def _(_: viser.CameraHandle) -> None:
            with self._wake:
                stream.moved(time.monotonic())
                self._wake.notify_all()

    async def _left(self, client: viser.ClientHandle) -> None:
        with self._wake:
            self._clients.pop(client.client_id, None)

    # The loop.

    def _run(self) -> None:
        while True:
            try:
                while self._turn():
                    pass
                return
            except Exception:  # of the loop itself, not of a picture: the next change finds it alive
                traceback.print_exc()

    def _turn(self) -> bool:
        """Draw one picture, or sleep; False when the loop ended."""
        with self._wake:
            if self._ended:
                return False
            stale, self._stale = self._stale, False
        if stale:
            try:
                self._look()
            except Exception as error:
                for client, stream in list(self._clients.values()):
                    self._explain(client, stream, error)
        with self._wake:
            if self._ended or self._stale:
                return not self._ended
            chosen, patience = self._choose(time.monotonic())
            if chosen is None:
                self._wake.wait(patience)
                return True
            client, stream, step = chosen
            stream.served_at = time.monotonic()
            camera = stream.camera
        try:
            if step == "clear":
                stream.wire.clear()
                stream.drawn = None
                return True
            self._draw(client, stream, step, camera)
            stream.told = ""
        except Exception as error:
            self._explain(client, stream, error)
        stream.drawn, stream.drawn_full = (camera, self.scene.changes), step == "full"
        return True

    def _choose(self, now: float) -> tuple[tuple[viser.ClientHandle, ClientStream, Step] | None, float | None]:
        """Who is served next and how; or how long nothing is to be done."""
        waits: list[float] = []
        ready: list[tuple[viser.ClientHandle, ClientStream, Step]] = []
        for client, stream in self._clients.values():
            step, patience = stream.next_step(self.scene.changes, self.scene.empty, now)
            if step is not None:
                ready.append((client, stream, step))
            elif patience is not None:
                waits.append(patience)
        # Who moves goes before who rests: a full picture takes long.
        ready.sort(key=lambda one: (one[2] == "full", one[1].served_at))
        return (ready[0] if ready else None), (min(waits) if waits else None)

    def _look(self) -> None:
        """See whether what is to be drawn is another scene; then every client waits for it to rest."""
        if not self.scene.look():
            return
        if self._menu.visible == self.scene.empty:
            self._menu.visible = not self.scene.empty
        now = time.monotonic()
        with self._wake:
            for _, stream in self._clients.values():
                stream.moved_at = now

    def _draw(self, client: viser.ClientHandle, stream: ClientStream, step: Step, number: int) -> None:
        """One picture for the camera that the client has now."""
        handle = client.camera
        width, height = handle.image_width, handle.image_height
        if width < 1 or height < 1:
            return
        whole = ViewFrame().camera(handle.wxyz, handle.position, handle.fov, width, height)
        share = stream.resolution.share if step == "draft" else 1.0
        camera = whole.scaled(share)
        start = time.perf_counter()
        ranged = (number, self.scene.looks)
        picture = self.scene.picture(camera, width / camera.sizes[0][0], step == "full" and stream.ranged != ranged)
        if step == "full":
            stream.ranged = ranged
        pixels = (picture * 255 + 0.5).clamp(0, 255).to(torch.uint8).numpy()
        depth = self.scene.depth(camera.scaled(_DEPTH_SHARE[step])) if self.scene.among_others else None
        rendered = time.perf_counter()
        stream.wire.send(jpeg(pixels, _QUALITY[step]), None if depth is None else depth_png(depth))
        self.frames += 1
        self.seconds["render"] += rendered - start
        self.seconds["encode"] += time.perf_counter() - rendered
        stream.resolution.learn(share, time.perf_counter() - start)

    def _explain(self, client: viser.ClientHandle, stream: ClientStream, error: Exception) -> None:
        """Say it once."""
        said = sentence(error)
        if said != stream.told and not stream.wire.closed:
            self.viewer.notify(client, said, bad=True)
        stream.told = said
