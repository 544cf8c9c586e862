"""Which way is up: for the view, and for the shapes themselves."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from geokit.errors import InvalidInput

from ..attributes import Attributes, give
from ..frame import ViewFrame
from ..layers.cameras import CamerasLayer
from ..layers.layer import Layer, Pick
from .directions import AXES, axis_name, axis_vector, rigid, rotation_between, unit, up_of_ground

if TYPE_CHECKING:
    import viser

    from ..viewer import Viewer

_SETTLE = 0.15  # seconds: the turned scene travels by another queue than a client's camera


class UpAxisTool:
    """Sets the view's up direction for all clients, and turns the shapes so that theirs is the one of a convention."""

    def __init__(self, viewer: Viewer) -> None:
        self._viewer = viewer
        self._picks: list[Pick] = []
        gui = viewer.server.gui
        with viewer.tab("Tools"), gui.add_folder("Up axis", expand_by_default=False):
            self.status = gui.add_markdown("")
            self.axes = gui.add_button_group("Up is", AXES)
            self.clicks = gui.add_checkbox("Click ground", False, hint="three places on it tell which way is up")
            self.cameras = gui.add_button("As the cameras stood", visible=False)
            self.turn = gui.add_button_group("Turn shapes to", ("+z up", "+y up"), hint="the files stay as they are")
        viewer.guarded(self.axes)(lambda _: self.set_up(axis_vector(self.axes.value)))
        viewer.guarded(self.clicks)(self._claim)
        viewer.guarded(self.cameras)(lambda _: self.set_up(self._up_of_cameras()))
        viewer.guarded(self.turn)(lambda _: self.turn_shapes(axis_vector(self.turn.value[:2])))
        viewer.on_change(self._keep_up)

    def set_up(self, up: NDArray[np.float64]) -> None:
        """Up is this direction (3,) of the world from now on. Clients stay where they are and look at the same."""
        self._set_view(unit(up), np.eye(3))

    def turn_shapes(self, target: NDArray[np.float64]) -> None:
        """Turn all shapes about the origin, so that what is up becomes `target` (3,); one edit.

        Clients turn along, so what they see stays. Raises `InvalidInput`, and turns nothing, where up is there already
        or a layer cannot be turned.
        """
        viewer = self._viewer
        if viewer.frame is None:
            raise InvalidInput("there is nothing in the scene that could be turned")
        up = unit(np.array([0.0, 0.0, 1.0]) if viewer.up is None else viewer.up)
        if float(up @ target) > 1 - 1e-12:
            raise InvalidInput("up is this direction already; there is nothing to turn")
        viewer.check_editable(viewer.layers.values())
        rotation = rotation_between(up, target)
        after = {layer: layer.turned(rigid(rotation)) for layer in viewer.layers.values()}
        before = self._turn(after, rotation)

        def back(former: dict[Layer, Attributes]) -> None:
            # What came since was put beside the turned shapes, or made of them.
            since = [layer for layer in viewer.layers.values() if layer not in former]
            viewer.check_editable(since)
            self._turn({**former, **{layer: layer.turned(rigid(rotation.T)) for layer in since}}, rotation.T)
            self._set_view(up, rotation.T)

        viewer.history.push(f"turned the shapes, {axis_name(target)} is up", back, before)
        self._set_view(target, rotation)

    def click(self, pick: Pick, client: viser.ClientHandle) -> None:
        """A place on the ground; the third gives the direction, towards the side from which it is seen."""
        self._picks.append(pick)
        if len(self._picks) == 3:
            points, self._picks = np.stack([pick.point for pick in self._picks]), []
            self.clicks.value = False
            eye = self._viewer.camera_of(client).centers[0].numpy()
            self.set_up(up_of_ground(points, eye))
        self._show()

    def _turn(self, layers: dict[Layer, Attributes], rotation: NDArray[np.float64]) -> dict[Layer, Attributes]:
        """Show turned layers, and return what they were; the middle of the view turns along, so that they stay in
        it."""
        viewer = self._viewer
        assert viewer.frame is not None
        x, y, z = (float(value) for value in rotation @ viewer.frame.center)
        viewer.frame = ViewFrame((x, y, z), viewer.frame.scale)
        for layer in viewer.layers.values():
            layer.reframe(viewer.frame)
        before = give(layers)
        self._picks = []
        for part in viewer.parts.values():
            if hasattr(part, "moved"):
                part.moved(rigid(rotation))
        return before

    def _set_view(self, up: NDArray[np.float64], motion: NDArray[np.float64]) -> None:
        """Up, and the clients' cameras turned by `motion` (3, 3) about the middle of the scene."""
        viewer = self._viewer
        poses = [
            (client, motion @ client.camera.position, motion @ client.camera.look_at)
            for client in viewer.server.get_clients().values()
        ]
        viewer.up = up
        viewer.server.scene.set_up_direction(up)
        if viewer.frame is not None:
            viewer.aim_first_camera()
        viewer.server.flush()
        if poses:
            time.sleep(_SETTLE)
        for client, position, target in poses:
            put_camera(client, position, target, up)
        self._show()

    def _claim(self, _: Any) -> None:
        self._picks = []
        if self.clicks.value:
            self._viewer.clicks.claim(self.click, self._lost)
        else:
            self._viewer.clicks.release(self.click)
        self._show()

    def _lost(self) -> None:
        self.clicks.value = False

    def _up_of_cameras(self) -> NDArray[np.float64]:
        shapes = [layer.shape for layer in self._viewer.layers.values() if isinstance(layer, CamerasLayer)]
        if not shapes:
            raise InvalidInput("there are no cameras in the scene to tell which way is up")
        up = -torch.cat([cameras.world_to_camera[:, 1, :3].cpu() for cameras in shapes]).mean(0).numpy()
        if float(np.linalg.norm(up)) < 1e-3:
            raise InvalidInput("the cameras stood in all directions, their mean is no direction; choose an axis")
        return up

    def _keep_up(self) -> None:
        with self._viewer.lock:
            some = any(isinstance(layer, CamerasLayer) for layer in self._viewer.layers.values())
            if self.cameras.visible != some:
                self.cameras.visible = some
            self._show()

    def _show(self) -> None:
        up = self._viewer.up
        words = "" if up is None else f"Up is {axis_name(up)}."
        if self.clicks.value:
            words = f"Click on the ground, {3 - len(self._picks)} more."
        if self.status.content != words:
            self.status.content = words


def put_camera(
    client: viser.ClientHandle, position: NDArray[np.float64], target: NDArray[np.float64], up: NDArray[np.float64]
) -> None:
    """Put a client's camera there, in view coordinates, even where viser believes it to be there already."""
    aside = position + (target - position) * 0.5
    with client.atomic():
        client.camera.position = aside
        client.camera.position = position
        client.camera.up_direction = up
        client.camera.look_at = target
