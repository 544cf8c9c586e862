"""Signals on space, stored as fields: images, distances, surfaces."""

from geokit.fields.field import Field

__all__ = ["Field"]
