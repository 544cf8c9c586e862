"""Signals on space, stored as fields: images, distances, surfaces."""

from geokit.fields.field import Field
from geokit.fields.kernels import RadialKernels
from geokit.fields.radial import RadialEncoding, RadialField

__all__ = ["Field", "RadialEncoding", "RadialField", "RadialKernels"]
