"""The viewer: layers in a scene, the panel beside it, and what happens between the two."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from geokit.errors import InvalidInput
from geokit.geometry import Cameras

from .attributes import Attributes, give
from .clicks import Clicks, first_hit
from .frame import ViewFrame
from .history import History
from .home import distance_to_middle, home_camera, upward
from .layer_folders import LayerFolders
from .layers.layer import Layer, Pick, united
from .lights import light_scene
from .mishaps import sentence
from .server import page_address, start_server, stop_server

if TYPE_CHECKING:
    import torch
    import viser

TABS = ("Scene", "Tools", "Camera", "Save")
_UNTIL_BAD_NEWS_GOES = 12.0  # seconds
_NOTEBOOK_HEIGHT = 560  # pixels


class Viewer:
    """A server with layers.

    host, port: see `start_server`. server: one that serves already, in place of them. up: upwards in the world; found
    from the first shape when None. Everything here may be called from any thread; `lock` is held while the scene
    changes. All clients see the same scene, each through a camera of its own. device: where the pictures that are
    streamed are computed, of a scene that comes next; None is where the first of their splats are.
    """

    def __init__(
        self,
        host: str = "127.0.0.1",
        port: int | None = None,
        up: tuple[float, float, float] | None = None,
        server: viser.ViserServer | None = None,
    ):
        self.server = start_server(host, port) if server is None else server
        self.lock = threading.RLock()
        self.layers: dict[str, Layer] = {}
        self.frame: ViewFrame | None = None
        self.up = None if up is None else np.asarray(up, np.float64)
        self.device: torch.device | None = None
        self.history = History()
        self.clicks = Clicks()
        self._changed: list[Callable[[], None]] = []
        self._picked: list[Callable[[Pick, viser.ClientHandle], None]] = []
        self._closing: list[Callable[[], None]] = []
        self._closed = threading.Event()
        group = self.server.gui.add_tab_group()
        self._tabs = {name: group.add_tab(name) for name in TABS}
        self.folders = LayerFolders(self)
        self.server.scene.on_click()(self._click)
        from .parts import PARTS

        self.parts = {part.__name__: part(self) for part in PARTS}

    # The scene.

    def add(self, *layers: Layer) -> None:
        """Show layers; a name that is taken gets a number. The first ones decide the scale and the first view.

        All or, where one cannot be shown, none: `InvalidInput` for places too far away to be drawn.
        """
        with self.lock:
            before = self.frame, self.up
            for layer in layers:
                layer.name = self._free_name(layer.name)
                self.layers[layer.name] = layer
            try:
                if self.frame is None and layers:
                    self._look_at_all()
                for layer in layers:
                    assert self.frame is not None
                    self.frame.check(layer.name, layer.bounds())
                    layer.draw(self.server.scene, self.frame)
                    self.folders.add(layer)
            except BaseException:
                self.frame, self.up = before
                for layer in layers:
                    self._drop(layer)
                raise
        self.changed()

    def remove(self, name: str) -> None:
        """Take a layer out of the scene; `InvalidInput` for a name that is not there."""
        with self.lock:
            if name not in self.layers:
                raise InvalidInput(f"there is no layer {name!r}; there are {', '.join(self.layers) or 'none'}")
            self._drop(self.layers[name])
        self.changed()

    def edit(self, shapes: Mapping[Layer, Any], what: str) -> None:
        """Give layers other shapes; `undo` gives them back. what: was done, as the panel says it: "deleted 3 faces".

        Raises `InvalidInput` for a layer that is `locked`.
        """
        self.change({layer: {"shape": shape} for layer, shape in shapes.items()}, what)

    def change(self, attributes: Mapping[Layer, Attributes], what: str) -> None:
        """As `edit`, of any attributes of layers: their shapes and what goes with them."""
        with self.lock:
            self.check_editable(attributes)
            before = give(attributes)
            try:
                for layer in attributes:
                    assert self.frame is not None
                    self.frame.check(layer.name, layer.bounds())
            except InvalidInput:
                give(before)
                raise
            self.history.push(what, give, before)
        self.changed()

    def check_editable(self, layers: Iterable[Layer]) -> None:
        """Raise `InvalidInput` where one of the layers is `locked`."""
        for layer in layers:
            if layer.locked:
                raise InvalidInput(f"{layer.name} cannot be changed now: {layer.locked}")

    def undo(self) -> str | None:
        """Take the last edit back; returns what it was, None where nothing was done."""
        with self.lock:
            undone = self.history.undo()
        self.changed()
        return undone

    def show(self, layer: Layer, visible: bool = True) -> None:
        """Show or hide a layer."""
        with self.lock:
            layer.set_visible(visible)
            self.folders.switch(layer.name, visible)
        self.changed()

    def changed(self) -> None:
        """Tell everybody who asked by `on_change` that the scene is another one."""
        for callback in self._changed:
            callback()

    def on_change(self, callback: Callable[[], None]) -> None:
        """Call back after every change of the scene: layers, shapes, colours, visibility."""
        self._changed.append(callback)

    def on_pick(self, callback: Callable[[Pick, viser.ClientHandle], None]) -> None:
        """Call back when a user clicks on something."""
        self._picked.append(callback)

    def on_close(self, callback: Callable[[], None]) -> None:
        """Call back before the server stops."""
        self._closing.append(callback)

    # Cameras.

    def camera_of(self, client: viser.ClientHandle, width: int | None = None, height: int | None = None) -> Cameras:
        """What a client sees through, in the world; for a picture of this size, by default that of the browser.

        Raises `InvalidInput` while there is nothing in the scene.
        """
        if self.frame is None:
            raise InvalidInput("there is nothing in the scene to look at yet; add a shape first")
        camera = client.camera
        width, height = width or max(camera.image_width, 1), height or max(camera.image_height, 1)
        return self.frame.camera(camera.wxyz, camera.position, camera.fov, width, height)

    def look(self, client: viser.ClientHandle, camera: Cameras, distance: float | None = None) -> None:
        """Let a client see through a camera of the world. distance: to what it turns around, in world units."""
        assert self.frame is not None
        wxyz, position = self.frame.pose_to_view(camera.world_to_camera[0])
        height, focal = camera.sizes[0][1], float(camera.K[0, 1, 1])
        reach = (distance or self._distance(camera)) * self.frame.scale
        forward = camera.forwards[0].cpu().numpy()
        with client.atomic():
            client.camera.wxyz = wxyz
            client.camera.position = position
            client.camera.look_at = position + forward * reach
            client.camera.fov = 2 * float(np.arctan(height / 2 / focal))

    def home_camera(self, width: int = 640, height: int = 480) -> Cameras:
        """A camera of the world that shows all visible layers."""
        up = np.array([0.0, 0.0, 1.0]) if self.up is None else self.up
        return home_camera(self.layers.values(), up, width, height)

    # Clients.

    def notify(self, client: viser.ClientHandle | None, text: str, bad: bool = False) -> None:
        """Say one sentence to a client, or to all."""
        clients = self.server.get_clients().values() if client is None else [client]
        for one in clients:
            one.add_notification(
                "That did not work" if bad else "geokit",
                text,
                auto_close_seconds=_UNTIL_BAD_NEWS_GOES if bad else _UNTIL_BAD_NEWS_GOES / 3,
                color="red" if bad else "blue",
            )

    def guarded(self, *handles: Any) -> Callable[[Callable[[Any], None]], Callable[[Any], None]]:
        """A decorator: run when one of these controls is changed or clicked, one at a time; what goes wrong becomes a
        sentence for the client who did it, and the server lives on."""

        def decorate(function: Callable[[Any], None]) -> Callable[[Any], None]:
            def run(event: Any) -> None:
                self.safely(lambda: function(event), getattr(event, "client", None))

            for handle in handles:
                if handle is not None:
                    (handle.on_click if hasattr(handle, "on_click") else handle.on_update)(run)
            return run

        return decorate

    def safely(self, action: Callable[[], None], client: viser.ClientHandle | None = None, locked: bool = True) -> None:
        """Do it under the lock (not `locked`: beside it, for long jobs), then tell of the change; errors become a
        sentence for the client."""
        try:
            with self.lock if locked else contextlib.nullcontext():
                action()
            self.changed()
        except Exception as error:
            self.notify(client, sentence(error), bad=True)

    @contextlib.contextmanager
    def tab(self, name: str) -> Iterator[None]:
        """Controls made inside are put into this tab: one of `TABS`."""
        with self._tabs[name]:
            yield

    @property
    def url(self) -> str:
        """Where the page is."""
        return page_address(self.server.get_host(), self.server.get_port())

    def wait(self) -> None:
        """Serve until interrupted or closed."""
        while not self._closed.wait(0.5):  # without a limit, Ctrl+C would not get through everywhere
            pass

    @property
    def closed(self) -> bool:
        """Whether the server has been stopped."""
        return self._closed.is_set()

    def close(self) -> None:
        """Stop the server. It stays stopped; a second time does nothing."""
        if self.closed:
            return
        self._closed.set()
        for callback in self._closing:
            callback()
        stop_server(self.server)

    def __enter__(self) -> Viewer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _repr_html_(self) -> str:
        """The page inside a notebook, where the notebook's browser runs on this machine or forwards the port."""
        if self.closed:
            return "<p>This viewer is closed.</p>"
        return f'<iframe src="{self.url}" width="100%" height="{_NOTEBOOK_HEIGHT}" style="border:0"></iframe>'

    # Inside.

    def _free_name(self, name: str) -> str:
        name = name.replace("/", "_").lstrip(". ") or "shape"  # nodes of the viewer's own begin with a point
        number, free = 2, name
        while free in self.layers:
            free, number = f"{name}_{number}", number + 1
        return free

    def _drop(self, layer: Layer) -> None:
        self.layers.pop(layer.name)
        layer.leave()
        self.history.forget(layer)
        self.folders.remove(layer.name)

    def _look_at_all(self) -> None:
        """The frame, the up direction and the first camera, from the layers that are there."""
        bounds = united([layer.bounds() for layer in self.layers.values()])
        self.frame = ViewFrame.around(bounds)
        if self.up is None:
            self.up = upward(self.layers.values())
        self.server.scene.set_up_direction(tuple(float(x) for x in self.up))
        first = self.aim_first_camera()
        light_scene(self.server.scene, first, self.up)
        for client in self.server.get_clients().values():  # who came before there was anything
            self.look(client, first)

    def aim_first_camera(self) -> Cameras:
        """Let new clients begin where a layer wants to be seen from, or else where everything is seen; returns that."""
        assert self.frame is not None
        known = [view for layer in self.layers.values() if (view := layer.first_view()) is not None]
        camera = known[0] if known else self.home_camera()
        _, position = self.frame.pose_to_view(camera.world_to_camera[0])
        first = self.server.initial_camera
        first.position = tuple(float(x) for x in position)
        reach = self._distance(camera) * self.frame.scale
        first.look_at = tuple(float(x) for x in position + camera.forwards[0].numpy() * reach)
        first.fov = 2 * float(np.arctan(camera.sizes[0][1] / 2 / float(camera.K[0, 1, 1])))
        return camera

    def _distance(self, camera: Cameras) -> float:
        """From a camera to the middle of what is shown, along its axis; in world units."""
        return distance_to_middle(self.layers.values(), camera)

    def _click(self, event: Any) -> None:
        """Tell who asked what the ray of a click meets first."""

        def pick() -> None:
            if self.frame is not None:
                hit = first_hit(self.layers.values(), self.frame.to_world(event.ray_origin), event.ray_direction)
                for callback in self.clicks.listeners(self._picked):
                    if hit is not None:
                        callback(hit, event.client)

        self.safely(pick, event.client)
