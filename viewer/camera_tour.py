"""Going from camera to camera: look through each, and hold its photograph against the rendering."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from copy import copy
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from geokit.errors import InvalidInput
from geokit.geometry import Cameras

from .background import Background
from .comparison import PICTURES, Comparison, compared
from .layers.cameras import CamerasLayer
from .layers.layer import Pick
from .layers.splats import SplatsLayer

if TYPE_CHECKING:
    import viser

    from .viewer import Viewer

_NONE = "none"
_AWAY = 0.3  # of a frustum's size: who has moved so far does not look through the camera any more
_BLANK = np.full((9, 16, 3), 255, np.uint8)


class CameraTour:
    """Choose a camera by its name, by previous and next, or by a click on its frustum; compare what it saw."""

    def __init__(self, viewer: Viewer) -> None:
        self.viewer = viewer
        self.chosen: tuple[CamerasLayer, int] | None = None
        self.comparison: Comparison | None = None
        self.work = Background(viewer)
        self._names: dict[str, tuple[CamerasLayer, int]] = {}
        self._known: list[tuple[str, Cameras]] = []
        gui = viewer.server.gui
        with viewer.tab("Camera"):
            self.folder = gui.add_folder("Cameras of the capture", visible=False)
        with self.folder:
            self.dropdown: Any = gui.add_dropdown("Camera", (_NONE,), initial_value=_NONE)
            self.steps = gui.add_button_group("Go to", ("previous", "next"))
            self.compare: Any = gui.add_checkbox("Compare", False, hint="the photograph against what geokit renders")
            self.kind = gui.add_dropdown("Picture", PICTURES, initial_value="wipe", visible=False)
            self.wipe = gui.add_slider("Wipe", 0, 100, 1, 50, visible=False, hint="photograph | render")
            self.image = gui.add_image(_BLANK, visible=False)
            self.score = gui.add_markdown("", visible=False)
            self.again = gui.add_button("Render again", visible=False)
        viewer.guarded(self.dropdown)(self._choose)
        viewer.guarded(self.steps)(self._step)
        viewer.guarded(self.compare, self.again)(self._ask_to_compare)
        viewer.guarded(self.kind, self.wipe)(lambda _: self._draw())
        viewer.on_pick(self._picked)
        viewer.on_change(self._scene_changed)
        viewer.server.on_client_connect(self._greet)

    def go_to(self, layer: CamerasLayer, i: int, client: viser.ClientHandle | None) -> None:
        """Look through camera `i` of a layer and show its comparison, where that is asked for."""
        if self.chosen is not None and self.chosen[0] is not layer:
            self.chosen[0].set_aside(None)
        self.chosen = layer, i
        layer.set_aside(i)
        name = next((name for name, camera in self._names.items() if camera == self.chosen), _NONE)
        if self.dropdown.value != name:
            self.dropdown.value = name
        if client is not None:
            camera = layer.shape[i]
            self.viewer.look(client, _all_seen(camera, client.camera.aspect or 1.0))
        if self.compare.value:
            self._compare(client)

    # Events.

    def _choose(self, event: Any) -> None:
        if event.client is None:  # set from here, not by a user
            return
        if self.dropdown.value in self._names:
            self.go_to(*self._names[self.dropdown.value], event.client)
        else:
            self._leave()

    def _step(self, event: Any) -> None:
        cameras = list(self._names.values())
        if not cameras:
            return
        by = 1 if self.steps.value == "next" else -1
        now = cameras.index(self.chosen) if self.chosen in cameras else (-1 if by == 1 else 0)
        self.go_to(*cameras[(now + by) % len(cameras)], event.client)

    def _picked(self, pick: Pick, client: viser.ClientHandle) -> None:
        if isinstance(pick.layer, CamerasLayer):
            self.go_to(pick.layer, pick.element, client)

    def _scene_changed(self) -> None:
        """Offer the cameras that are there now."""
        with self.viewer.lock:
            layers = [layer for layer in self.viewer.layers.values() if isinstance(layer, CamerasLayer)]
            known = [(layer.name, layer.shape) for layer in layers]
            if [(name, id(shape)) for name, shape in known] == [(name, id(shape)) for name, shape in self._known]:
                return
            self._known = known
            several = len(layers) > 1
            cameras = [(layer, i) for layer in layers for i in range(len(layer.shape))]
            names = [layer.shape.names[i] for layer, i in cameras]
            shown = [f"{layer.name}: {name}" for (layer, _), name in zip(cameras, names)] if several else names
            self._names = dict(zip(told_apart(shown, _NONE), cameras))
            self.dropdown.options = (_NONE, *self._names)
            self.folder.visible = bool(self._names)
            if self.chosen not in self._names.values():
                self._leave()

    def _leave(self) -> None:
        if self.chosen is not None:
            self.chosen[0].set_aside(None)
        self.chosen = None
        self.dropdown.value = _NONE
        self._show(None)

    def _greet(self, client: viser.ClientHandle) -> None:
        """Bring a frustum back when who looked through it has moved away."""

        async def moved(camera: Any) -> None:  # on the server's own thread: it must not wait for an edit
            if self.chosen is None or not self.viewer.lock.acquire(blocking=False):
                return
            try:
                self._moved(camera)
            finally:
                self.viewer.lock.release()

        client.camera.on_update(moved)

    def _moved(self, camera: Any) -> None:
        chosen, frame = self.chosen, self.viewer.frame
        if chosen is None or frame is None or len(self.viewer.server.get_clients()) > 1:
            return
        layer, i = chosen
        away = frame.to_world(camera.position) - layer.shape.centers[i].cpu().numpy()
        layer.set_aside(i if float(np.linalg.norm(away)) < _AWAY * layer.size else None)

    # The comparison.

    def _ask_to_compare(self, event: Any) -> None:
        if self.compare.value and self.chosen is None and self._names:
            self.go_to(*next(iter(self._names.values())), event.client)
        else:
            self._compare(event.client)

    def _compare(self, client: viser.ClientHandle | None) -> None:
        if not self.compare.value:
            self._show(None)
            return
        try:
            work = self._compared()
        except Exception:
            self._give_up()
            raise
        chosen = self.chosen

        def show(comparison: Comparison) -> None:
            if self.compare.value and self.chosen == chosen:
                self._show(comparison)

        self.work.ask("a comparison", work, show, client, self._give_up)

    def _give_up(self) -> None:
        self.compare.value = False
        self._show(None)

    def _compared(self) -> Callable[[], Comparison]:
        """What makes the comparison, beside the scene; `InvalidInput` where there is nothing to compare."""
        if self.chosen is None:
            raise InvalidInput("no camera is chosen; choose one above, or click on one in the scene")
        layer, i = self.chosen
        if layer.capture is None:
            raise InvalidInput(f"{layer.name} has no photographs to compare with")
        splats = [one for one in self.viewer.layers.values() if isinstance(one, SplatsLayer) and one.visible]
        if not splats:
            raise InvalidInput("no splats are shown that could be compared with the photographs; make some visible")
        capture, cameras, now = layer.capture, layer.shape, copy(splats[0])  # as it is while the scene changes
        return lambda: compared(now, capture, cameras, i)

    def _show(self, comparison: Comparison | None) -> None:
        self.comparison = comparison
        for handle in (self.kind, self.image, self.score, self.again):
            handle.visible = comparison is not None
        self.wipe.visible = comparison is not None and self.kind.value == "wipe"
        self._draw()

    def _draw(self) -> None:
        shown = self.comparison
        if shown is None:
            return
        self.wipe.visible = self.kind.value == "wipe"
        self.image.image = shown.picture(self.kind.value, self.wipe.value / 100)
        height, width = shown.rendering.shape[:2]
        self.score.content = f"PSNR {shown.score.psnr:.2f} dB, SSIM {shown.score.ssim:.3f} at {width} x {height}"


def told_apart(names: Iterable[str], *taken: str) -> list[str]:
    """The names, in their order, with a number behind each that is `taken` or was there before: a, b, a (2)."""
    used, numbers, different = set(taken), Counter[str](), list[str]()
    for name in names:
        free = name
        while free in used:
            numbers[name] += 1
            free = f"{name} ({numbers[name] + 1})"
        used.add(free)
        different.append(free)
    return different


def _all_seen(camera: Cameras, aspect: float) -> Cameras:
    """The camera with a higher picture where the page is narrower than its photograph, so that all of it is seen."""
    width, height = camera.sizes[0]
    return replace(camera, sizes=((width, max(height, round(width / aspect))),))
