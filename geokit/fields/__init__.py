"""Signals on space, stored as fields: images, distances, surfaces."""

from geokit.fields.field import Field
from geokit.fields.simplex_fourier import simplex_contents, simplex_fourier, simplex_fourier_at
from geokit.fields.simplex_raster import simplex_raster
from geokit.fields.spectrum import spectrum_raster

__all__ = ["Field", "simplex_contents", "simplex_fourier", "simplex_fourier_at", "simplex_raster", "spectrum_raster"]
