"""Lines in the browser."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from geokit.geometry.shading import linear_from_srgb

from .drawables import Segments
from .frame import ViewFrame

if TYPE_CHECKING:
    import viser


def add_lines(scene: viser.SceneApi, name: str, segments: Segments, frame: ViewFrame) -> viser.LineSegmentsHandle:
    """A node of line segments in their own colours. viser takes colours of lines as linear light, in bytes."""
    colors = linear_from_srgb(torch.from_numpy(np.asarray(segments.colors, np.float64))).numpy()
    ends = frame.to_view(segments.ends)
    return scene.add_line_segments(
        name, ends, np.repeat(colors[:, None], 2, 1), thickness=segments.width, thickness_units="screen"
    )
