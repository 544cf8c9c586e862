"""A map fitted to descriptors, and refined."""

from dataclasses import dataclass

from torch import Tensor

from geokit.geometry.sampling import farthest_points
from geokit.spectral.conversions import functional_map_of, point_to_point
from geokit.spectral.descriptors import wave_energies, wave_kernel_signature
from geokit.spectral.functional_map import fit_functional_map
from geokit.spectral.shape import SpectralShape
from geokit.spectral.zoomout import zoomout

_FIRST, _STEP, _SAMPLES, _WEIGHT = 15, 5, 1000, 10.0
_ENERGIES = 40


@dataclass(frozen=True)
class FoundMap:
    """A map between two `SpectralShape`s, both ways; confidence in [0, 1]."""

    p2p_12: Tensor
    p2p_21: Tensor
    functional_map: Tensor
    functional_map_21: Tensor
    confidence: float


def landmark_map(shape1: SpectralShape, shape2: SpectralShape, landmarks: Tensor | None) -> FoundMap:
    """The map that carries waves around the landmarks (L, 2) of one shape to those of the other, refined.

    Without landmarks the waves at every vertex are compared, which cannot tell left from right.
    """
    basis1, basis2 = shape1.basis, shape2.basis
    most = min(len(basis1), len(basis2))
    first = min(_FIRST, most)
    energies, width = wave_energies(basis1, _ENERGIES)
    columns = (None, None) if landmarks is None else landmarks.unbind(1)
    descriptors = [
        wave_kernel_signature(basis, landmarks=at, energies=energies, width=width)
        for basis, at in zip((basis1, basis2), columns)
    ]
    bases = basis1.first(first), basis2.first(first)
    start = fit_functional_map(descriptors[0], descriptors[1], *bases, laplacian_weight=_WEIGHT)
    samples1, samples2 = (farthest_points(s.mesh.vertices, min(_SAMPLES, len(s))) for s in (shape1, shape2))
    functional_map, p2p_21 = zoomout(start, basis1, basis2, stop=most, step=_STEP, samples=(samples1, samples2))
    p2p_12 = point_to_point(functional_map.T, basis2, basis1)
    back = functional_map_of(p2p_12, basis2.first(most), basis1.first(most))
    return FoundMap(p2p_12, p2p_21, functional_map, back, 1.0)
