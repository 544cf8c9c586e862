"""Message passing on R^n x S^(n-1): `PositionOrientationNet`, its grids of orientations, its graphs and its parts."""

from geokit.equivariant.position_orientation.choices import EQUIVARIANCE
from geokit.equivariant.position_orientation.graph import Graph, complete_edges, nearest_edges, radius_edges
from geokit.equivariant.position_orientation.invariants import pair_invariants, separable_invariants
from geokit.equivariant.position_orientation.nbody import NBodyNet
from geokit.equivariant.position_orientation.network import PositionOrientationNet
from geokit.equivariant.position_orientation.orientations import (
    OrientationGrid,
    circle,
    fibonacci,
    grid,
    product,
    repulsion,
)

__all__ = [
    "EQUIVARIANCE",
    "Graph",
    "NBodyNet",
    "OrientationGrid",
    "PositionOrientationNet",
    "circle",
    "complete_edges",
    "fibonacci",
    "grid",
    "nearest_edges",
    "pair_invariants",
    "product",
    "radius_edges",
    "repulsion",
    "separable_invariants",
]
