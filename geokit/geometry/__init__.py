"""Shapes as plain dataclasses of tensors, and what is computed on them."""

from geokit.geometry.cameras import Cameras, look_at
from geokit.geometry.point_cloud import PointCloud
from geokit.geometry.splats import Splats

__all__ = ["Cameras", "PointCloud", "Splats", "look_at"]
