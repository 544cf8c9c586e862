"""The plain pieces that every picture of a scene is made of: what layers give to pages that need no server."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from geokit.geometry import Splats

Shading = Literal["smooth", "flat", "unlit", "wireframe"]


@dataclass(frozen=True)
class Triangles:
    """vertices: (V, 3) in the world. faces: (F, 3). colors: (V, 3) sRGB in [0, 1]. normals: (V, 3).

    With a texture (H, W, 3 or 4), sRGB in [0, 1], first row on top, and uv (F, 3, 2), (0, 0) its lower left, these
    replace the colours.
    """

    vertices: NDArray[np.float64]
    faces: NDArray[np.int64]
    colors: NDArray[np.float64]
    normals: NDArray[np.float64] | None = None
    uv: NDArray[np.float64] | None = None
    texture: NDArray[np.float64] | None = None
    shading: Shading = "smooth"
    opacity: float = 1.0


@dataclass(frozen=True)
class Points:
    """points: (N, 3) in the world. colors: (N, 3) sRGB in [0, 1]. size: the diameter in world units."""

    points: NDArray[np.float64]
    colors: NDArray[np.float64]
    size: float


@dataclass(frozen=True)
class Segments:
    """ends: (N, 2, 3) in the world. colors: (N, 3) sRGB in [0, 1]. width: in pixels."""

    ends: NDArray[np.float64]
    colors: NDArray[np.float64]
    width: float = 1.5


@dataclass(frozen=True)
class SplatCloud:
    """Splats as geokit renders them, harmonics and waves included."""

    splats: Splats
    antialiased: bool = False


Drawable = Triangles | Points | Segments | SplatCloud
