"""What every layer promises: a shape that is shown, edited, picked and written."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from geokit.errors import InvalidInput
from geokit.pipelines.standing import up_direction

from ..attributes import Attributes
from ..frame import ViewFrame, as_array
from ..retired import Retired
from ..turning import TURNED, turned_shape

if TYPE_CHECKING:
    import viser

    from geokit.geometry import Cameras

    from ..drawables import Drawable

_ENOUGH = 50_000  # places that are asked which way is up


@dataclass(frozen=True)
class Pick:
    """What a ray met first. point: (3,) in the world. distance: along the ray, in world units.

    element: the number of the face, point, splat or camera that was met; -1 for none. values: what is known there, as
    a user reads it: names and numbers. weights: of a face's corners (3,).
    """

    layer: Layer
    point: NDArray[np.float64]
    distance: float
    element: int = -1
    weights: tuple[float, float, float] | None = None
    values: dict[str, str] = field(default_factory=dict)


class Layer(ABC):
    """One thing in the scene: a name, a shape, and how it is drawn.

    `shape` is what exports write; it is never changed in place, only replaced (`Viewer.edit`, which can be undone).
    read: what its file holds now, as attributes for it; None where it is not all of one file. Nodes in the browser live
    below "/NAME". All coordinates are the world's, unless a name says view.
    """

    kind: str = ""  # what a user calls it: mesh, points, splats, cameras, ...

    def __init__(self, name: str, shape: Any, source: Path | None = None) -> None:
        self.name, self.shape, self.source = name, shape, source
        self.read: Callable[[], Attributes] | None = None
        self.visible = True
        self.motion = np.eye(4)  # of the shape since it was read
        self.locked = ""  # why the shape may not be edited now, as a user reads it
        self._nodes: list[viser.SceneNodeHandle] = []
        self._retired = Retired()
        self._scene: viser.SceneApi | None = None
        self._frame = ViewFrame()

    @abstractmethod
    def bounds(self) -> NDArray[np.float64]:
        """(2, 3) lowest and highest corner, in the world."""

    @abstractmethod
    def nodes(self, scene: viser.SceneApi, frame: ViewFrame) -> list[viser.SceneNodeHandle]:
        """Adds what is shown below "/NAME"; called again after every change, when the former nodes are gone."""

    @abstractmethod
    def drawables(self) -> list[Drawable]:
        """What is shown, in the plain pieces that a page without a server draws."""

    def controls(self, gui: viser.GuiApi, viewer: Any) -> None:
        """Adds the layer's controls to the folder that is open. viewer: the `Viewer`, for `guarded` and `edit`."""
        return

    def pick(self, origin: NDArray[np.float64], direction: NDArray[np.float64]) -> Pick | None:
        """What the ray from `origin` (3,) along the unit `direction` (3,) meets first, if anything."""
        return None

    def told(self, pick: Pick) -> dict[str, str]:
        """What is known now where this layer was picked, as a user reads it."""
        return pick.values

    def elements(self) -> NDArray[np.float64] | None:
        """(N, 3) places of what can be selected, kept and deleted (points, splats, middles of faces), if anything."""
        return None

    def kept(self, mask: NDArray[np.bool_]) -> Any:
        """The shape with only the elements of `mask` (N,)."""
        raise NotImplementedError

    def legend(self) -> Legend | None:
        """The scale of the colours that are shown, where they stand for numbers."""
        return None

    def clear_view(self, camera: Cameras) -> Cameras:
        """The first camera that is proposed, or a nearer one where the layer itself hides what it is about."""
        return camera

    def placed(self, places: Tensor | NDArray[np.float64]) -> NDArray[np.float64]:
        """Places of the shape (..., 3) where they are shown."""
        return as_array(places)

    def turned(self, matrix: NDArray[np.float64]) -> Attributes:
        """The attributes, `shape` among them, with which the layer follows when all is moved by a rigid (4, 4).

        Raises `InvalidInput` for a layer that cannot follow.
        """
        if not isinstance(self.shape, TURNED):
            raise InvalidInput(f"{self.name} is of a kind ({self.kind}) that cannot be turned, so nothing was turned")
        return {"shape": turned_shape(self.shape, matrix), "motion": matrix @ self.motion}

    def stands_as(self, then: Layer) -> bool:
        """Whether shape and place are still those of a copy that was made of the layer."""
        return self.shape is then.shape

    def upwards(self) -> NDArray[np.float64] | None:
        """(3,) the direction that is up, where the layer knows it."""
        return None

    def likely_upwards(self) -> NDArray[np.float64] | None:
        """(3,) the direction in which the shape stands best, if it has elements."""
        elements = self.elements()
        if elements is None or len(elements) < 4:
            return None
        low, high = self.bounds()
        some = elements[:: max(1, len(elements) // _ENOUGH)]
        near = some[((some >= low) & (some <= high)).all(1)]  # without what is far around it
        return upwards(near) if len(near) > 3 else None

    def first_view(self) -> Cameras | None:
        """Where to look from at the beginning, where the layer knows a better place than outside of everything."""
        return None

    # What is the same for all.

    def draw(self, scene: viser.SceneApi, frame: ViewFrame) -> None:
        """Show the shape as it is now, in place of what was shown of it before."""
        self.erase()
        self._scene, self._frame = scene, frame
        self._nodes = self.nodes(scene, frame)
        self.set_visible(self.visible)

    def redraw(self, overlap: float = 0.0) -> None:
        """Draw again where the layer was drawn.

        overlap: for so many seconds the former nodes stay, so that nothing flickers while the browser unpacks the new
        ones; `nodes` must then choose other names every time.
        """
        if self._scene is None:
            return
        if not overlap:
            self.draw(self._scene, self._frame)
            return
        former = self._nodes
        self._nodes = self.nodes(self._scene, self._frame)
        self.set_visible(self.visible)
        self._retired.later(former, overlap)

    def reframe(self, frame: ViewFrame) -> None:
        """Draw in other view coordinates from the next time on."""
        self._frame = frame

    def erase(self) -> None:
        """Take the nodes out of the scene."""
        for node in reversed(self._nodes):  # children are removed with their parent
            node.remove()
        self._nodes = []
        self._retired.now()

    def leave(self) -> None:
        """Take the nodes out of the scene and draw no more, whatever becomes of the shape."""
        self.erase()
        if self._scene is not None:
            self._scene.remove_by_name(f"/{self.name}")  # what nodes lived below, or what failed in the middle left
        self._scene = None

    def set_visible(self, visible: bool) -> None:
        """Show or hide."""
        self.visible = visible
        for node in self._nodes:
            node.visible = visible
        if not visible:
            self._retired.hide()

    def replace(self, shape: Any) -> None:
        """Show another shape in its place."""
        self.shape = shape
        self.redraw()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r}, {self.shape!r})"


@dataclass(frozen=True)
class Legend:
    """title: what is shown. low, high: the ends of the range. colors: (N, 3) in [0, 1], from low to high."""

    title: str
    low: float
    high: float
    colors: NDArray[np.float64]


def box_of(points: Any) -> NDArray[np.float64]:
    """(2, 3) the box of tensors or arrays (N, 3); of nothing, a point at the origin."""
    points = np.asarray(points, np.float64).reshape(-1, 3)
    points = points[np.isfinite(points).all(1)]
    return np.stack([points.min(0), points.max(0)]) if len(points) else np.zeros((2, 3))


def upwards(places: NDArray[np.float64]) -> NDArray[np.float64]:
    """(3,) the direction in which places (N, 3) of a shape stand best."""
    chosen = torch.from_numpy(places[:: max(1, len(places) // _ENOUGH)])
    return up_direction(chosen, torch.ones(len(chosen)).double()).numpy()


def united(boxes: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
    """(2, 3) the box around boxes; without any, a unit box at the origin."""
    if not boxes:
        return np.array([[-0.5] * 3, [0.5] * 3])
    stacked = np.stack(boxes)
    return np.stack([stacked[:, 0].min(0), stacked[:, 1].max(0)])
