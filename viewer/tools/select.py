"""Selecting parts of layers: by a rectangle, a click, or numbers; then deleting or keeping them."""

from __future__ import annotations

from copy import copy
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from geokit.errors import InvalidInput
from geokit.geometry.topology import connected_components

from ..background import Background
from ..layers.layer import Layer, Pick
from ..layers.mesh import MeshLayer
from ..layers.splats import SplatsLayer
from ..render_scene import visible_drawables
from .choice import LayerChoice, counted, delete_elements, has_elements
from .on_screen import Sight, in_rectangle
from .selection import MODES, Mode, Selection

if TYPE_CHECKING:
    import viser

    from ..viewer import Viewer


class SelectTool:
    """A rectangle drawn over the page, a click on a piece of a mesh, or thresholds of splats select elements."""

    def __init__(self, viewer: Viewer) -> None:
        self._viewer = viewer
        self.selection = Selection(viewer)
        self.work = Background(viewer, every=True)
        gui = viewer.server.gui
        with viewer.tab("Tools"), gui.add_folder("Select", expand_by_default=False):
            self.choice = LayerChoice(viewer, has_elements)
            self.mode = gui.add_dropdown("Mode", MODES, hint="Shift adds and Ctrl removes while a rectangle is drawn")
            self.rectangle = gui.add_checkbox("Rectangle", False, hint="drag over the page; the view stands still")
            self.seen = gui.add_checkbox("Only visible", False, hint="leave out what is hidden behind something")
            self.piece = gui.add_checkbox(
                "Click a piece", False, hint="selects all faces of a mesh that are connected with the one you click on"
            )
            self.floaters = gui.add_folder("Splats by numbers", expand_by_default=False, visible=False)
            with self.floaters:
                self.opacity = gui.add_slider("Opacity below", 0.0, 1.0, 0.01, 0.05)
                self.size = gui.add_slider(
                    "Size above", 0.0, 1.0, 0.005, 0.1, hint="the longest standard deviation, in shares of the scene"
                )
                self.thresholds = gui.add_button("Select these", hint="splats that are fainter or larger than this")
            self.status = gui.add_markdown("Nothing is selected.")
            self.turn = gui.add_button_group("Selection", ("Invert", "Clear"))
            self.delete = gui.add_button("Delete selected", disabled=True)
            self.keep = gui.add_button("Keep selected", disabled=True)
        viewer.guarded(self.rectangle)(lambda _: self._listen(self.rectangle.value))
        viewer.guarded(self.piece)(self._claim)
        viewer.guarded(self.thresholds)(lambda _: self.select(self._beyond()))
        viewer.guarded(self.turn)(self._turn)
        viewer.guarded(self.delete)(lambda event: self._cut(event, selected=True))
        viewer.guarded(self.keep)(lambda event: self._cut(event, selected=False))
        viewer.on_change(self._keep_up)

    def select(self, masks: dict[Layer, NDArray[np.bool_]], mode: Mode | None = None) -> None:
        """Apply masks (N,) in a mode, by default that of the panel, and show the result."""
        self.selection.apply(masks, mode or self.mode.value)
        self._show()

    def select_rectangle(self, event: viser.SceneRectSelectEvent, mode: Mode | None = None) -> None:
        """The elements whose middle is inside a rectangle of a client's page, as soon as they are found."""
        camera, chosen = self._viewer.camera_of(event.client), mode or self.mode.value
        # Copies stay as they are while the scene changes.
        layers = {layer: copy(layer) for layer in self.choice.layers()}
        hiding = visible_drawables(self._viewer.layers.values()) if self.seen.value else None

        def find() -> dict[Layer, NDArray[np.bool_]]:
            sight = None if hiding is None else Sight.of(camera, hiding)
            masks = {}
            for layer, now in layers.items():
                elements = now.elements()
                assert elements is not None
                masks[layer] = in_rectangle(elements, camera, event.screen_min, event.screen_max)
                if sight is not None:
                    found = np.flatnonzero(masks[layer])
                    masks[layer][found[~sight.unhidden(elements[found])]] = False
            return masks

        def show(masks: dict[Layer, NDArray[np.bool_]]) -> None:
            there = list(self._viewer.layers.values())
            changed = [layer for layer, now in layers.items() if layer not in there or not layer.stands_as(now)]
            if len(changed) < len(layers):
                self.select({layer: mask for layer, mask in masks.items() if layer not in changed}, chosen)
            if changed:
                raise InvalidInput(f"{changed[0].name} changed while the rectangle was looked through; draw it again")

        self.work.ask("what is in the rectangle", find, show, event.client)

    def select_piece(self, pick: Pick, client: viser.ClientHandle | None = None) -> None:
        """The faces that are connected with the one that was clicked."""
        if not isinstance(pick.layer, MeshLayer):
            raise InvalidInput(f"{pick.layer.name} is no mesh, so it has no connected pieces; click on a mesh")
        mesh = pick.layer.shape
        pieces = connected_components(mesh)[mesh.faces[:, 0]]
        self.select({pick.layer: (pieces == pieces[pick.element]).numpy()})

    def _beyond(self) -> dict[Layer, NDArray[np.bool_]]:
        """Splats that are fainter or larger than the thresholds."""
        masks: dict[Layer, NDArray[np.bool_]] = {}
        for layer in self.choice.layers():
            if isinstance(layer, SplatsLayer):
                low, high = layer.bounds()
                largest = layer.shape.log_scales.detach().cpu().double().amax(1).exp().numpy()
                opacity = layer.shape.logit_opacities.detach().cpu().double().sigmoid().numpy()
                large = largest > self.size.value * float(np.linalg.norm(high - low))
                masks[layer] = (opacity < self.opacity.value) | large
        if not masks:
            raise InvalidInput("there are no splats among the chosen layers; choose others")
        return masks

    def _listen(self, wanted: bool) -> None:
        """While rectangles are drawn, dragging does not turn the view."""
        scene = self._viewer.server.scene
        scene.remove_rect_select_callback()
        if wanted:
            scene.on_rect_select()(lambda event: self._drawn(event, None))
            scene.on_rect_select(modifier="shift")(lambda event: self._drawn(event, "add"))
            scene.on_rect_select(modifier="cmd/ctrl")(lambda event: self._drawn(event, "remove"))

    def _drawn(self, event: viser.SceneRectSelectEvent, mode: Mode | None) -> None:
        self._viewer.safely(lambda: self.select_rectangle(event, mode), event.client)

    def _claim(self, _: Any) -> None:
        if self.piece.value:
            self._viewer.clicks.claim(self.select_piece, self._lost)
        else:
            self._viewer.clicks.release(self.select_piece)

    def _lost(self) -> None:
        self.piece.value = False

    def _turn(self, event: Any) -> None:
        masks = {} if self.turn.value == "Clear" else self._inverted()
        self.select(masks, "replace")

    def _inverted(self) -> dict[Layer, NDArray[np.bool_]]:
        masks = self.selection.masks
        for layer in self.choice.layers():
            elements = layer.elements()
            assert elements is not None
            masks[layer] = ~masks.get(layer, np.zeros(len(elements), bool))
        return masks

    def _cut(self, event: Any, selected: bool) -> None:
        masks = self.selection.masks
        what = delete_elements(self._viewer, masks if selected else {layer: ~mask for layer, mask in masks.items()})
        self._viewer.notify(getattr(event, "client", None), what)

    def _keep_up(self) -> None:
        with self._viewer.lock:
            if self.selection.keep_up():
                self._show()
            splats = any(isinstance(layer, SplatsLayer) for layer in self._viewer.layers.values())
            if self.floaters.visible != splats:
                self.floaters.visible = splats

    def _show(self) -> None:
        masks = self.selection.masks
        self.status.content = f"Selected: {counted(masks)}." if masks else "Nothing is selected."
        self.delete.disabled = self.keep.disabled = not masks
