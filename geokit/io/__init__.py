"""Files to geometry and back: meshes, points, splats, captures, photographs and checkpoints."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from geokit.io.capture import Capture, load_capture
    from geokit.io.checkpoints import load_checkpoint, save_checkpoint
    from geokit.io.meshes import load_mesh, save_mesh
    from geokit.io.photographs import load_photograph, save_picture
    from geokit.io.point_clouds import load_points, save_points
    from geokit.io.point_files import load_point_ply, save_point_ply
    from geokit.io.shapes import load_shape
    from geokit.io.splat_files import load_splats, save_splats

_HOMES = {
    "Capture": "capture",
    "load_capture": "capture",
    "load_checkpoint": "checkpoints",
    "save_checkpoint": "checkpoints",
    "load_mesh": "meshes",
    "save_mesh": "meshes",
    "load_points": "point_clouds",
    "save_points": "point_clouds",
    "load_shape": "shapes",
    "load_photograph": "photographs",
    "save_picture": "photographs",
    "load_point_ply": "point_files",
    "save_point_ply": "point_files",
    "load_splats": "splat_files",
    "save_splats": "splat_files",
}

__all__ = [
    "Capture",
    "load_capture",
    "load_checkpoint",
    "load_mesh",
    "load_photograph",
    "load_point_ply",
    "load_points",
    "load_shape",
    "load_splats",
    "save_checkpoint",
    "save_mesh",
    "save_picture",
    "save_point_ply",
    "save_points",
    "save_splats",
]


def __getattr__(name: str) -> Any:
    """Import a public name at its first use, so that `import geokit.io` loads no reader."""
    if name not in _HOMES:
        raise AttributeError(f"module 'geokit.io' has no attribute {name!r}")
    return getattr(import_module(f"geokit.io.{_HOMES[name]}"), name)
