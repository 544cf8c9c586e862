"""A map from a few vertices that are known to correspond."""

from torch import Tensor

from geokit.geometry.sampling import farthest_points
from geokit.spectral.descriptors import wave_energies, wave_kernel_signature
from geokit.spectral.functional_map import fit_functional_map
from geokit.spectral.shape import SpectralShape
from geokit.spectral.zoomout import zoomout

_MOST, _FIRST, _STEP, _SAMPLES, _WEIGHT = 150, 15, 5, 1000, 10.0
_ENERGIES = 40


def landmark_map(shape1: SpectralShape, shape2: SpectralShape, landmarks: Tensor) -> Tensor:
    """p2p_21 (N2,) of the map that carries waves around the landmarks (L, 2) of one shape to those of the other."""
    basis1, basis2 = shape1.basis, shape2.basis
    most = min(_MOST, len(basis1), len(basis2))
    first = min(_FIRST, most)
    energies, width = wave_energies(basis1, _ENERGIES)
    descriptors = [
        wave_kernel_signature(basis, landmarks=at, energies=energies, width=width)
        for basis, at in zip((basis1, basis2), landmarks.unbind(1))
    ]
    bases = basis1.first(first), basis2.first(first)
    start = fit_functional_map(descriptors[0], descriptors[1], *bases, laplacian_weight=_WEIGHT)
    samples1, samples2 = (farthest_points(s.mesh.vertices, min(_SAMPLES, len(s))) for s in (shape1, shape2))
    return zoomout(start, basis1, basis2, stop=most, step=_STEP, samples=(samples1, samples2))[1]
