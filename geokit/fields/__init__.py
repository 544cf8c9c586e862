"""Signals on space, stored as fields: images, distances, surfaces."""

from geokit.fields.evolution import evolve
from geokit.fields.evolved_field import EvolvedField
from geokit.fields.field import Field
from geokit.fields.gaussian_field import GaussianField
from geokit.fields.images import fit_image
from geokit.fields.local_cosine import LocalCosineField
from geokit.fields.physics import Solution, solve_pde
from geokit.fields.problems import Condition, Problem
from geokit.fields.simplex_fourier import simplex_contents, simplex_fourier, simplex_fourier_at
from geokit.fields.simplex_raster import simplex_raster
from geokit.fields.spectrum import spectrum_raster
from geokit.fields.storage import load_field, save_field

__all__ = [
    "Condition",
    "EvolvedField",
    "Field",
    "GaussianField",
    "LocalCosineField",
    "Problem",
    "Solution",
    "evolve",
    "fit_image",
    "load_field",
    "save_field",
    "simplex_contents",
    "simplex_fourier",
    "simplex_fourier_at",
    "simplex_raster",
    "solve_pde",
    "spectrum_raster",
]
