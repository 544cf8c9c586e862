"""Spectral geometry and functional maps: Laplacians, eigenfunctions, geodesics, correspondence between shapes."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from geokit.spectral.automatic import automatic_map
    from geokit.spectral.bijective import bijective_zoomout
    from geokit.spectral.boundary import boundary_vertices, dirichlet, harmonic
    from geokit.spectral.cholesky import Cholesky
    from geokit.spectral.connection import connection_laplacian
    from geokit.spectral.conversions import functional_map_of, point_to_point
    from geokit.spectral.cotangent import cotangent_laplacian
    from geokit.spectral.curvature import gaussian_curvature, mean_curvature
    from geokit.spectral.descriptors import heat_kernel_signature, wave_kernel_signature
    from geokit.spectral.diffusion_net import DiffusionNet
    from geokit.spectral.eigen import Eigenbasis, eigenbasis
    from geokit.spectral.evaluation import geodesic_error
    from geokit.spectral.functional_map import fit_functional_map
    from geokit.spectral.geodesics import MarchingGeodesics, geodesic_distances
    from geokit.spectral.gradients import vertex_gradients
    from geokit.spectral.matching import Match, match
    from geokit.spectral.operator import Laplacian
    from geokit.spectral.partial import match_partial
    from geokit.spectral.precise import precise_map
    from geokit.spectral.shape import SpectralShape, prepare
    from geokit.spectral.soft_maps import sinkhorn_map, soft_map
    from geokit.spectral.varifold import varifold_distance
    from geokit.spectral.vector_fields import fit_vector_field, tangent_basis

# Not here: functions with the name of their own module (laplacian, refine, shot, zoomout, ...).
_HOMES = {
    "Cholesky": "cholesky",
    "DiffusionNet": "diffusion_net",
    "Eigenbasis": "eigen",
    "Laplacian": "operator",
    "MarchingGeodesics": "geodesics",
    "Match": "matching",
    "SpectralShape": "shape",
    "automatic_map": "automatic",
    "bijective_zoomout": "bijective",
    "boundary_vertices": "boundary",
    "connection_laplacian": "connection",
    "cotangent_laplacian": "cotangent",
    "dirichlet": "boundary",
    "eigenbasis": "eigen",
    "fit_functional_map": "functional_map",
    "fit_vector_field": "vector_fields",
    "functional_map_of": "conversions",
    "gaussian_curvature": "curvature",
    "geodesic_distances": "geodesics",
    "geodesic_error": "evaluation",
    "harmonic": "boundary",
    "heat_kernel_signature": "descriptors",
    "match": "matching",
    "match_partial": "partial",
    "mean_curvature": "curvature",
    "point_to_point": "conversions",
    "precise_map": "precise",
    "prepare": "shape",
    "sinkhorn_map": "soft_maps",
    "soft_map": "soft_maps",
    "tangent_basis": "vector_fields",
    "varifold_distance": "varifold",
    "vertex_gradients": "gradients",
    "wave_kernel_signature": "descriptors",
}

__all__ = [
    "Cholesky",
    "DiffusionNet",
    "Eigenbasis",
    "Laplacian",
    "MarchingGeodesics",
    "Match",
    "SpectralShape",
    "automatic_map",
    "bijective_zoomout",
    "boundary_vertices",
    "connection_laplacian",
    "cotangent_laplacian",
    "dirichlet",
    "eigenbasis",
    "fit_functional_map",
    "fit_vector_field",
    "functional_map_of",
    "gaussian_curvature",
    "geodesic_distances",
    "geodesic_error",
    "harmonic",
    "heat_kernel_signature",
    "match",
    "match_partial",
    "mean_curvature",
    "point_to_point",
    "precise_map",
    "prepare",
    "sinkhorn_map",
    "soft_map",
    "tangent_basis",
    "varifold_distance",
    "vertex_gradients",
    "wave_kernel_signature",
]


def __getattr__(name: str) -> Any:
    """Import a public name at its first use, so that `import geokit.spectral` loads nothing."""
    if name not in _HOMES:
        raise AttributeError(f"module 'geokit.spectral' has no attribute {name!r}")
    return getattr(import_module(f"geokit.spectral.{_HOMES[name]}"), name)
