"""Signals on space, stored as fields: images, distances, surfaces."""

from geokit.fields.encodings import Coordinates, Encoding, FourierFeatures
from geokit.fields.field import Field
from geokit.fields.fit_network import NetworkFit, fit_network, image_samples, squared_error
from geokit.fields.fourier import FourierField
from geokit.fields.frequency import choose_frequency
from geokit.fields.grid import GridEncoding, cells_of, grid_cells
from geokit.fields.grid_field import GridField
from geokit.fields.hybrid import HybridField
from geokit.fields.perceptron import Perceptron
from geokit.fields.resolutions import adaptive_resolutions
from geokit.fields.siren import SirenField

__all__ = [
    "Coordinates",
    "Encoding",
    "Field",
    "FourierFeatures",
    "FourierField",
    "GridEncoding",
    "GridField",
    "HybridField",
    "NetworkFit",
    "Perceptron",
    "SirenField",
    "adaptive_resolutions",
    "cells_of",
    "choose_frequency",
    "fit_network",
    "grid_cells",
    "image_samples",
    "squared_error",
]
