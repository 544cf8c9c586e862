"""Signals on space, stored as fields: images, distances, surfaces."""

from geokit.fields.distance_field import DistanceField
from geokit.fields.encodings import Coordinates, Encoding, FourierFeatures
from geokit.fields.evolution import evolve
from geokit.fields.evolved_field import EvolvedField
from geokit.fields.field import Field
from geokit.fields.fit_network import NetworkFit, fit_network, image_samples, squared_error
from geokit.fields.fit_sdf import fit_sdf
from geokit.fields.fourier import FourierField
from geokit.fields.frequency import choose_frequency
from geokit.fields.gaussian_field import GaussianField
from geokit.fields.grid import GridEncoding, cells_of, grid_cells
from geokit.fields.grid_field import GridField
from geokit.fields.hybrid import HybridField
from geokit.fields.images import fit_image
from geokit.fields.kernels import RadialKernels
from geokit.fields.local_cosine import LocalCosineField
from geokit.fields.perceptron import Perceptron
from geokit.fields.physics import Solution, solve_pde
from geokit.fields.problems import Condition, Problem
from geokit.fields.radial import RadialEncoding, RadialField
from geokit.fields.resolutions import adaptive_resolutions
from geokit.fields.simplex_fourier import simplex_contents, simplex_fourier, simplex_fourier_at
from geokit.fields.simplex_raster import simplex_raster
from geokit.fields.siren import SirenField
from geokit.fields.spectrum import spectrum_raster
from geokit.fields.storage import load_field, save_field
from geokit.fields.surface import SurfaceField
from geokit.fields.surface_fit import fit_points, surface_from_points

__all__ = [
    "Condition",
    "Coordinates",
    "DistanceField",
    "Encoding",
    "EvolvedField",
    "Field",
    "FourierFeatures",
    "FourierField",
    "GaussianField",
    "GridEncoding",
    "GridField",
    "HybridField",
    "LocalCosineField",
    "NetworkFit",
    "Perceptron",
    "Problem",
    "RadialEncoding",
    "RadialField",
    "RadialKernels",
    "SirenField",
    "Solution",
    "SurfaceField",
    "adaptive_resolutions",
    "cells_of",
    "choose_frequency",
    "evolve",
    "fit_image",
    "fit_network",
    "fit_points",
    "fit_sdf",
    "grid_cells",
    "image_samples",
    "load_field",
    "save_field",
    "simplex_contents",
    "simplex_fourier",
    "simplex_fourier_at",
    "simplex_raster",
    "solve_pde",
    "spectrum_raster",
    "squared_error",
    "surface_from_points",
]
