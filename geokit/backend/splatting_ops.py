"""The splat kernels as torch operators: one native kernel forward and one backward each, shapes checked once."""

from geokit.backend.harmonics_ops import spherical_harmonics
from geokit.backend.projection_ops import project
from geokit.backend.rasterize_ops import ALPHA_MIN, rasterize
from geokit.backend.tile_ops import TILE, count_pairs, forget_binning, tile_intersections

__all__ = [
    "ALPHA_MIN",
    "TILE",
    "count_pairs",
    "forget_binning",
    "project",
    "rasterize",
    "spherical_harmonics",
    "tile_intersections",
]
