"""Splats that geokit's own rasterizer draws on the server, streamed to each client as the picture behind its scene."""

from __future__ import annotations

import threading
import time
import traceback
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from geokit.viewer.client_stream import ClientStream, Step
from geokit.viewer.frame import ViewFrame
from geokit.viewer.layers.layer import Legend
from geokit.viewer.layers.splats import SplatsLayer
from geokit.viewer.picture_wire import FARTHEST, PictureWire, depth_png, jpeg
from geokit.viewer.splat_modes import MODES, Mode, colored, colors_of, legend_of, normals_of, numbers_of
from geokit.viewer.streamed_splats import StreamedSplats
from torch import Tensor

from geokit.errors import GeokitError
from geokit.geometry import Cameras, Splats

if TYPE_CHECKING:
    import viser
    from geokit.viewer.viewer import Viewer

WHITE = (1.0, 1.0, 1.0)
_QUALITY: dict[str, int] = {"draft": 75, "full": 92}
_DEPTH_SHARE = {"draft": 0.5, "full": 1.0}  # of the picture's width and height: the median is slow


class RenderLoop:
    """One thread that draws for all clients in turn, whoever waits longest first; idle, it sleeps.

    Never more than two pictures of a client are on their way, and each is drawn for the camera that is the newest when
    the drawing begins. mode: what the pictures show, one of `MODES`. background: behind the splats, sRGB in [0, 1].
    """

    def __init__(self, viewer: Viewer) -> None:
        self.viewer = viewer
        self.mode: Mode = "Colours"
        self.background = WHITE
        self.frames = 0
        self.seconds = {"render": 0.0, "encode": 0.0}  # spent in all, for measurements
        self._clients: dict[int, tuple[viser.ClientHandle, ClientStream]] = {}
        self._wake = threading.Condition()
        self._stale, self._ended = True, False
        self._scene, self._looks = 0, 0  # they count the changes of what is seen, and of it but for the legend
        self._key: tuple[Any, ...] = ()
        self._shapes: list[tuple[Splats, bool]] = []
        self._streamed: StreamedSplats | None = None
        self._with_depth = False
        self._legend: Legend | None = None
        self._add_controls()
        viewer.on_change(self._scene_changed)
        viewer.on_close(self.close)
        viewer.server.on_client_connect(self._came)
        viewer.server.on_client_disconnect(self._left)
        self._thread = threading.Thread(target=self._run, name="geokit render loop", daemon=True)
        self._thread.start()

    def show(self, mode: Mode) -> None:
        """Let the pictures show this."""
        self._menu.value = self.mode = mode
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
                "Splats show", MODES, initial_value=self.mode, visible=False, hint="of splats rendered by geokit"
            )

        @self.viewer.guarded(self._menu)
        def _(_: Any) -> None:
            self.mode = self._menu.value

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
                self._streamed, self._shapes = None, []
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
        stream.drawn, stream.drawn_full = (camera, self._scene), step == "full"
        return True

    def _choose(self, now: float) -> tuple[tuple[viser.ClientHandle, ClientStream, Step] | None, float | None]:
        """Who is served next and how; or how long nothing is to be done."""
        waits: list[float] = []
        ready: list[tuple[viser.ClientHandle, ClientStream, Step]] = []
        for client, stream in self._clients.values():
            step, patience = stream.next_step(self._scene, self._streamed is None, now)
            if step is not None:
                ready.append((client, stream, step))
            elif patience is not None:
                waits.append(patience)
        # Who moves goes before who rests: a full picture takes long.
        ready.sort(key=lambda one: (one[2] == "full", one[1].served_at))
        return (ready[0] if ready else None), (min(waits) if waits else None)

    def _look(self) -> None:
        """See whether what is to be drawn is another scene."""
        viewer = self.viewer
        with viewer.lock:
            layers = [layer for layer in viewer.layers.values() if isinstance(layer, SplatsLayer) and layer.streamed]
            shapes = [(layer.shape, layer.antialiased) for layer in layers]
            among = any(layer.visible and layer not in layers for layer in viewer.layers.values())
            frame = viewer.frame
        same = len(shapes) == len(self._shapes) and all(
            a[0] is b[0] and a[1] == b[1] for a, b in zip(shapes, self._shapes)
        )
        key = (frame, self.mode, self.background, among)
        if same and key == self._key:
            return
        if not same or self._key[:1] != key[:1]:
            self._streamed = StreamedSplats.of(shapes, frame) if shapes and frame is not None else None
        if self._menu.visible != bool(shapes):
            self._menu.visible = bool(shapes)
        self._shapes, self._key, self._with_depth = shapes, key, among
        self._scene, self._looks = self._scene + 1, self._looks + 1
        self._set_legend(None)
        now = time.monotonic()
        with self._wake:
            for _, stream in self._clients.values():
                stream.moved_at = now

    def _set_legend(self, legend: Legend | None) -> None:
        """Give the first of the streamed layers the legend of the pictures, the others none."""
        self._legend = legend
        with self.viewer.lock:
            layers = [layer for layer in self.viewer.layers.values() if isinstance(layer, SplatsLayer)]
            drawn = [layer for layer in layers if layer.streamed]
            changed = [
                layer for layer in layers if layer.streamed_legend is not (legend if layer in drawn[:1] else None)
            ]
            for layer in changed:
                layer.streamed_legend = legend if layer in drawn[:1] else None
        if changed:
            self.viewer.changed()

    def _draw(self, client: viser.ClientHandle, stream: ClientStream, step: Step, number: int) -> None:
        """One picture for the camera that the client has now."""
        assert self._streamed is not None
        handle = client.camera
        width, height = handle.image_width, handle.image_height
        if width < 1 or height < 1:
            return
        whole = ViewFrame().camera(handle.wxyz, handle.position, handle.fov, width, height)
        share = stream.resolution.share if step == "draft" else 1.0
        camera = whole.scaled(share)
        start = time.perf_counter()
        ranged = (number, self._looks)
        picture = self.picture(camera, width / camera.sizes[0][0], step == "full" and stream.ranged != ranged)
        if step == "full":
            stream.ranged = ranged
        pixels = (picture * 255 + 0.5).clamp(0, 255).to(torch.uint8).numpy()
        depth = self._depth(camera.scaled(_DEPTH_SHARE[step])) if self._with_depth else None
        rendered = time.perf_counter()
        stream.wire.send(jpeg(pixels, _QUALITY[step]), None if depth is None else depth_png(depth))
        self.frames += 1
        self.seconds["render"] += rendered - start
        self.seconds["encode"] += time.perf_counter() - rendered
        stream.resolution.learn(share, time.perf_counter() - start)

    def picture(self, camera: Cameras, zoom: float = 1.0, new_range: bool = False) -> Tensor:
        """(H, W, 3) what is streamed for a camera in view coordinates.

        zoom: pixels of the screen in a pixel of the picture. new_range: let the legend begin and end where the numbers
        that are seen do; otherwise they keep the range they have.
        """
        assert self._streamed is not None
        background = torch.tensor(self.background)
        if self.mode == "Colours":
            return colors_of(self._streamed, camera, background)
        if self.mode == "Normals":
            return normals_of(self._streamed, camera, background)
        numbers = numbers_of(self.mode, self._streamed, camera, zoom)
        if self._legend is None or new_range:
            legend = legend_of(self.mode, numbers)
            if self._legend is None or (legend.low, legend.high) != (self._legend.low, self._legend.high):
                self._scene += self._legend is not None  # what others see is in the colours of the old range
                self._set_legend(legend)
        assert self._legend is not None
        return colored(numbers, self._legend, background)

    def _depth(self, camera: Cameras) -> np.ndarray:
        """(H, W) in view units; where splats let more than half of the light through there is nothing."""
        assert self._streamed is not None
        depth, there = self._streamed.median_depth(camera)
        return torch.where(there, depth, FARTHEST).numpy()

    def _explain(self, client: viser.ClientHandle, stream: ClientStream, error: Exception) -> None:
        """Say it once."""
        if isinstance(error, GeokitError):
            sentence = str(error)
        elif isinstance(error, MemoryError):
            sentence = "there is not enough memory to draw these splats"
        else:
            traceback.print_exc()
            sentence = f"this is a mistake of geokit itself ({type(error).__name__}: {error})"
        if sentence != stream.told and not stream.wire.closed:
            self.viewer.notify(client, sentence, bad=True)
        stream.told = sentence
