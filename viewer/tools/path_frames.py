"""The views that a flight goes through, and its line in the scene."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from geokit.errors import InvalidInput
from geokit.geometry import Cameras
from geokit.geometry.camera_path import in_picture, keys_of, path_cameras
from geokit.pipelines.camera_files import named_cameras

if TYPE_CHECKING:
    from ..viewer import Viewer

_NAME = "/.camera path"
_COLOR = (110, 70, 190)
_MOST = 500  # views that a file may hold
_FRUSTUM = 0.12  # in view units
_FINE = 24  # steps of the line between two views


class PathViews:
    """An ordered list of views, each one camera of the world."""

    def __init__(self) -> None:
        self.views: list[Cameras] = []

    def __len__(self) -> int:
        return len(self.views)

    def keys(self, width: int, height: int) -> Cameras:
        """All views for pictures of one size in pixels; `InvalidInput` without any."""
        if not self.views:
            raise InvalidInput("the path has no views yet; add some")
        return in_picture(
            Cameras(
                torch.cat([view.world_to_camera for view in self.views]),
                torch.cat([view.K for view in self.views]),
                tuple(view.sizes[0] for view in self.views),
            ),
            width,
            height,
        )

    def frames(self, size: tuple[int, int], seconds: float, fps: float, loop: bool) -> Cameras:
        """About seconds x fps cameras from view to view for pictures of a size (width, height); the views are among
        them."""
        keys = self.keys(*size)
        legs = len(keys) if loop else len(keys) - 1
        return path_cameras(keys, max(1, round(seconds * fps / max(legs, 1))), loop)

    def move(self, index: int, by: int) -> int:
        """Bring a view earlier (by = -1) or later (1); returns its number after that."""
        other = min(max(index + by, 0), len(self.views) - 1)
        self.views.insert(other, self.views.pop(index))
        return other

    def load(self, path: Path) -> None:
        """Take the views of a file of cameras; those of a path that was saved, or all cameras of another."""
        cameras = keys_of(named_cameras(path, None))
        if len(cameras) > _MOST:
            raise InvalidInput(f"{path} holds {len(cameras)} cameras; a path takes up to {_MOST}")
        self.views = [cameras[i] for i in range(len(cameras))]

    def draw(self, viewer: Viewer, loop: bool) -> list[Any]:
        """A frustum for every view and the line of the flight; returns the nodes."""
        frame, scene = viewer.frame, viewer.server.scene
        nodes: list[Any] = []
        if frame is None:
            return nodes
        for i, view in enumerate(self.views):
            wxyz, position = frame.pose_to_view(view.world_to_camera[0])
            (width, height), focal = view.sizes[0], float(view.K[0, 1, 1])
            nodes.append(
                scene.add_camera_frustum(
                    f"{_NAME}/{i}", 2 * float(np.arctan(height / 2 / focal)), width / height, scale=_FRUSTUM,
                    color=_COLOR, thickness=2.0, thickness_units="screen", wxyz=wxyz, position=position,
                )
            )  # fmt: skip
        if len(self.views) > 1:
            path = path_cameras(self.keys(*self.views[0].sizes[0]), _FINE, loop)
            places = frame.to_view(path.centers)
            places = np.concatenate([places, places[:1]]) if loop else places
            lines = np.stack([places[:-1], places[1:]], 1)
            nodes.append(
                scene.add_line_segments(f"{_NAME}/line", lines, _COLOR, thickness=2.0, thickness_units="screen")
            )
        return nodes
