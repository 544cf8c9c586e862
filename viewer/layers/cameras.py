"""Cameras as frusta, with the photographs that they took."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from geokit.geometry import Cameras
from geokit.geometry.neighbors import nearest_neighbors
from geokit.io import Capture

from ..drawables import Drawable, Segments
from ..frame import ViewFrame
from ..thumbnails import Thumbnails
from .layer import Layer, Pick, box_of

if TYPE_CHECKING:
    import viser

_COLOR, _TEST_COLOR = (0.30, 0.45, 0.75), (0.88, 0.53, 0.17)
_LINE = 1.5  # pixels
_AGREED = 0.3  # the least length of the mean of unit vectors that say much the same
_STEPS_BACK, _ABOVE = 0.3, 0.07  # in extents of the cameras
_MOST_OF_EXTENT, _OF_SPACING = 0.12, 0.45  # the size of a frustum


class CamerasLayer(Layer):
    """Cameras. size: the distance between a camera's centre and the picture drawn for it, in world units.

    capture: whose photographs are shown on them, as small pictures that a thread makes. test: the numbers of the
    cameras that are held out, drawn in another colour. with_photographs: whether they are shown.
    """

    kind = "cameras"
    shape: Cameras

    def __init__(
        self,
        name: str,
        shape: Cameras,
        source: Path | None = None,
        capture: Capture | None = None,
        test: frozenset[int] = frozenset(),
    ) -> None:
        super().__init__(name, shape, source)
        self.capture, self.test = capture, test
        self.with_photographs = capture is not None
        self.thumbnails = None if capture is None else Thumbnails(capture)
        self.size = _fitting_size(shape)
        self._aside: int | None = None  # the camera that somebody looks through

    def replace(self, shape: Cameras) -> None:
        """Show other cameras; the photographs stay where there are as many."""
        self.__dict__.pop("_corners", None)
        if self.capture is not None and len(shape) != len(self.capture):
            self.capture, self.thumbnails, self.with_photographs, self.test = None, None, False, frozenset()
        super().replace(shape)

    def bounds(self) -> NDArray[np.float64]:
        """The box around the centres."""
        return box_of(self.shape.centers.cpu())

    def upwards(self) -> NDArray[np.float64] | None:
        """The mean of what the photographers held upwards."""
        mean = -self.shape.world_to_camera[:, 1, :3].mean(0).cpu().numpy() if len(self.shape) else np.zeros(3)
        length = float(np.linalg.norm(mean))
        return mean / length if length > _AGREED else None

    def first_view(self) -> Cameras | None:
        """Where the first photograph was taken, and some steps back: so the place is seen as it was photographed."""
        if self.capture is None:
            return None
        pose = self.shape.world_to_camera[:1].clone()
        pose[0, 2, 3] += _STEPS_BACK * self.shape.extent
        pose[0, 1, 3] += _ABOVE * self.shape.extent  # its own frustum would stand before the middle
        return replace(self.shape[0], world_to_camera=pose)

    def nodes(self, scene: viser.SceneApi, frame: ViewFrame) -> list[Any]:
        """One frustum a camera."""
        made: list[Any] = []
        for i, (width, height) in enumerate(self.shape.sizes):
            wxyz, position = frame.pose_to_view(self.shape.world_to_camera[i])
            fov = 2 * math.atan(height / 2 / float(self.shape.K[i, 1, 1]))
            made.append(
                scene.add_camera_frustum(
                    f"/{self.name}/{i:05d}",
                    fov,
                    width / height,
                    scale=self._scale(i, frame),
                    thickness=_LINE,
                    thickness_units="screen",
                    color=self.color(i),
                    image=self._picture(i),
                    wxyz=wxyz,
                    position=position,
                    cast_shadow=False,
                    receive_shadow=False,
                )
            )
        return made

    def color(self, i: int) -> tuple[float, float, float]:
        """RGB in [0, 1] of camera `i`."""
        return _TEST_COLOR if i in self.test else _COLOR

    def drawables(self) -> list[Drawable]:
        """Eight lines a camera."""
        corners = self.corners()
        centers = np.broadcast_to(self.shape.centers.cpu().numpy()[:, None], corners.shape)
        ends = np.concatenate([np.stack([centers, corners], 2), np.stack([corners, np.roll(corners, 1, 1)], 2)], 1)
        colors = np.array([self.color(i) for i in range(len(self.shape))]).reshape(-1, 3)
        return [Segments(ends.reshape(-1, 2, 3), np.repeat(colors, 8, axis=0))]

    def controls(self, gui: viser.GuiApi, viewer: Any) -> None:
        """How large they are, and whether with their photographs."""
        if self.test:
            gui.add_markdown("Blue: trained on. Orange: held out.")
        size = gui.add_slider("Size", 0.1, 5.0, 0.1, 1.0)
        first = self.size

        @viewer.guarded(size)
        def _(_: Any) -> None:
            self.resize(first * size.value)

        if self.thumbnails is None:
            return
        shown = gui.add_checkbox("Photographs", self.with_photographs)
        self.thumbnails.begin(gui, viewer, self._arrived)

        @viewer.guarded(shown)
        def _(_: Any) -> None:
            self.show_photographs(shown.value)

    def resize(self, size: float) -> None:
        """Draw them so large, in world units."""
        self.size = size
        self.__dict__.pop("_corners", None)
        frusta: list[Any] = self._nodes
        for i, node in enumerate(frusta):
            node.scale = self._scale(i, self._frame)

    def show_photographs(self, shown: bool) -> None:
        """With their photographs, or without."""
        self.with_photographs = shown
        frusta: list[Any] = self._nodes
        for i, node in enumerate(frusta):
            node.image = self._picture(i)

    def set_aside(self, i: int | None) -> None:
        """Hide the frustum of camera `i`, through which somebody looks, and bring back the last one."""
        before, self._aside = self._aside, i
        for one in (before, i):
            if one is not None and one < len(self._nodes):
                self._nodes[one].visible = self.visible and one != i

    def set_visible(self, visible: bool) -> None:
        """Show or hide, but for the camera that somebody looks through."""
        super().set_visible(visible)
        self.set_aside(self._aside)

    def erase(self) -> None:
        """Take the frusta out of the scene."""
        super().erase()
        self._aside = None

    def pick(self, origin: NDArray[np.float64], direction: NDArray[np.float64]) -> Pick | None:
        """The first camera whose picture the ray meets."""
        corners = self.corners()
        if not len(corners):
            return None
        first, across, down = corners[:, 0], corners[:, 1] - corners[:, 0], corners[:, 3] - corners[:, 0]
        normal = np.cross(across, down)
        with np.errstate(divide="ignore", invalid="ignore"):
            distance = ((first - origin) * normal).sum(1) / (normal @ direction)
            inside = origin + distance[:, None] * direction - first
            u, v = ((inside * side).sum(1) / (side * side).sum(1) for side in (across, down))
            met = (distance > 0) & (u >= 0) & (u <= 1) & (v >= 0) & (v <= 1)
        if self._aside is not None:
            met[self._aside] = False
        if not met.any():
            return None
        i = int(np.argmin(np.where(met, distance, np.inf)))
        values = {"camera": self.shape.names[i]}
        if self.test:
            values["used"] = "held out" if i in self.test else "trained on"
        return Pick(self, origin + distance[i] * direction, float(distance[i]), i, None, values)

    def corners(self) -> NDArray[np.float64]:
        """(N, 4, 3) the corners of the drawn pictures, in the world: upper left, upper right, lower right, lower left.

        As they are drawn: around the optical axis, in the capture's aspect.
        """
        return self._corners

    @cached_property
    def _corners(self) -> NDArray[np.float64]:
        sizes = np.asarray(self.shape.sizes, np.float64).reshape(-1, 2)
        half = sizes / 2 / self.shape.K[:, 1, 1].cpu().numpy()[:, None]
        signs = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]], np.float64)
        rays = np.concatenate([signs * half[:, None], np.ones((len(half), 4, 1))], 2) * self.size
        rotation = self.shape.world_to_camera[:, :3, :3].cpu().numpy()
        return rays @ rotation + self.shape.centers.cpu().numpy()[:, None]

    def _scale(self, i: int, frame: ViewFrame) -> float:
        """viser draws a frustum of its own volume; this is the factor to it, so that `size` means what it says."""
        width, height = self.shape.sizes[i]
        half = height / 2 / float(self.shape.K[i, 1, 1])
        return self.size * frame.scale * float(np.cbrt(half * half * width / height / 3))

    def _picture(self, i: int) -> NDArray[np.uint8] | None:
        return self.thumbnails.get(i) if self.thumbnails is not None and self.with_photographs else None

    def _arrived(self, i: int) -> None:
        frusta: list[Any] = self._nodes
        if self.with_photographs and i < len(frusta):
            frusta[i].image = self._picture(i)


def _fitting_size(cameras: Cameras) -> float:
    """So that neighbours do not cover each other, in world units."""
    most = _MOST_OF_EXTENT * cameras.extent
    if len(cameras) < 2:
        return most
    spacing = float(nearest_neighbors(cameras.centers, 2)[0][:, 1].median())
    return max(min(most, _OF_SPACING * spacing), most / 10)
