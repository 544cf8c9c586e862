"""Signals on space, stored as fields: images, distances, surfaces."""

from geokit.fields.field import Field
from geokit.fields.fit_image import fit_image
from geokit.fields.local_cosine import LocalCosineField
from geokit.fields.storage import load_field, save_field

__all__ = ["Field", "LocalCosineField", "fit_image", "load_field", "save_field"]
