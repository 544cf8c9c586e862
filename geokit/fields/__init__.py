"""Signals on space, stored as fields: images, distances, surfaces."""

from geokit.fields.field import Field
from geokit.fields.surface import SurfaceField
from geokit.fields.surface_fit import fit_points, surface_from_points

__all__ = ["Field", "SurfaceField", "fit_points", "surface_from_points"]
