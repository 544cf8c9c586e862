"""Shapes as plain dataclasses of tensors, and what is computed on them."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from geokit.geometry.cameras import Cameras, look_at
from geokit.geometry.mesh import Mesh
from geokit.geometry.point_cloud import PointCloud
from geokit.geometry.splats import Splats

if TYPE_CHECKING:
    from geokit.geometry.alignment import kabsch, umeyama
    from geokit.geometry.batches import MeshBatch, PointBatch
    from geokit.geometry.distance import Bvh, closest_points, ray_cast, signed_distance, winding_number
    from geokit.geometry.framing import frame_camera
    from geokit.geometry.fusion import fuse_depth
    from geokit.geometry.level_sets import marching_cubes
    from geokit.geometry.metrics import compare_surfaces
    from geokit.geometry.neighbors import PointTree, nearest_neighbors, radius_neighbors
    from geokit.geometry.normals import estimate_normals
    from geokit.geometry.poisson import poisson_surface
    from geokit.geometry.rasterize import antialias, interpolate
    from geokit.geometry.registration import register
    from geokit.geometry.sampling import farthest_points, voxel_downsample
    from geokit.geometry.surface_sampling import sample_surface
    from geokit.geometry.topology import boundary_loops, connected_components, half_edges, largest_component
    from geokit.geometry.transforms import normalize_to_unit, transform

# Not here: functions with the name of their own module (icp, rasterize, render_mesh, repair, simplify, topology, ...).
_HOMES = {
    "Bvh": "distance",
    "MeshBatch": "batches",
    "PointBatch": "batches",
    "PointTree": "neighbors",
    "antialias": "rasterize",
    "boundary_loops": "topology",
    "closest_points": "distance",
    "compare_surfaces": "metrics",
    "connected_components": "topology",
    "estimate_normals": "normals",
    "farthest_points": "sampling",
    "frame_camera": "framing",
    "fuse_depth": "fusion",
    "half_edges": "topology",
    "interpolate": "rasterize",
    "kabsch": "alignment",
    "largest_component": "topology",
    "marching_cubes": "level_sets",
    "nearest_neighbors": "neighbors",
    "normalize_to_unit": "transforms",
    "poisson_surface": "poisson",
    "radius_neighbors": "neighbors",
    "ray_cast": "distance",
    "register": "registration",
    "sample_surface": "surface_sampling",
    "signed_distance": "distance",
    "transform": "transforms",
    "umeyama": "alignment",
    "voxel_downsample": "sampling",
    "winding_number": "distance",
}

__all__ = [
    "Bvh",
    "Cameras",
    "Mesh",
    "MeshBatch",
    "PointBatch",
    "PointCloud",
    "PointTree",
    "Splats",
    "antialias",
    "boundary_loops",
    "closest_points",
    "compare_surfaces",
    "connected_components",
    "estimate_normals",
    "farthest_points",
    "frame_camera",
    "fuse_depth",
    "half_edges",
    "interpolate",
    "kabsch",
    "largest_component",
    "look_at",
    "marching_cubes",
    "nearest_neighbors",
    "normalize_to_unit",
    "poisson_surface",
    "radius_neighbors",
    "ray_cast",
    "register",
    "sample_surface",
    "signed_distance",
    "transform",
    "umeyama",
    "voxel_downsample",
    "winding_number",
]


def __getattr__(name: str) -> Any:
    """Import a public name at its first use, so that `import geokit.geometry` loads the classes alone."""
    if name not in _HOMES:
        raise AttributeError(f"module 'geokit.geometry' has no attribute {name!r}")
    return getattr(import_module(f"geokit.geometry.{_HOMES[name]}"), name)
