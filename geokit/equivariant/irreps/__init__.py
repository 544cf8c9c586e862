"""Irreps of rotations as functions on the sphere: harmonics, products of functions, and networks of them.

Conventions: coefficients are (..., C, (L + 1)^2), of degree 0 to L, in e3nn's order, axes and "component"
normalization (see `harmonics`); `to_e3nn` and `from_e3nn` change the layout alone. Everything takes and gives plain
tensors, float32 and float64, can be compiled and exported, and differentiated twice.
"""

from geokit.equivariant.irreps.antisymmetric import bracket_product
from geokit.equivariant.irreps.concentric import ConcentricConvolution, ConcentricNetwork, ConcentricSpheres
from geokit.equivariant.irreps.gaunt import GauntProduct, gaunt_product
from geokit.equivariant.irreps.grid_signals import GridSignals
from geokit.equivariant.irreps.harmonics import degrees_of, spherical_harmonics
from geokit.equivariant.irreps.icosphere import Icosphere, icosphere
from geokit.equivariant.irreps.layout import e3nn_irreps, from_e3nn, to_e3nn
from geokit.equivariant.irreps.location_encoder import LocationEncoder, directions_of
from geokit.equivariant.irreps.product_cost import fastest_route, route_costs
from geokit.equivariant.irreps.quadrature import gauss_legendre, lebedev
from geokit.equivariant.irreps.self_product import SelfProduct

__all__ = [
    "ConcentricConvolution",
    "ConcentricNetwork",
    "ConcentricSpheres",
    "GauntProduct",
    "GridSignals",
    "Icosphere",
    "LocationEncoder",
    "SelfProduct",
    "bracket_product",
    "degrees_of",
    "directions_of",
    "e3nn_irreps",
    "fastest_route",
    "from_e3nn",
    "gaunt_product",
    "gauss_legendre",
    "icosphere",
    "lebedev",
    "route_costs",
    "spherical_harmonics",
    "to_e3nn",
]
