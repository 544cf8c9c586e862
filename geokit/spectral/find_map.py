"""The map between two shapes: from landmarks or without, refined."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

from torch import Tensor

from geokit.spectral.automatic import automatic_map
from geokit.spectral.conversions import functional_map_of
from geokit.spectral.elastic import ElasticMatcher
from geokit.spectral.landmark_map import landmark_map
from geokit.spectral.match_quality import MapMeasures, measure
from geokit.spectral.shape import SpectralShape

_MOST = 150  # eigenfunctions
_FEWEST = 8  # that the search without landmarks asks for
_ORIENTED = 0.8  # maps that keep less of the surface outside have a part exchanged with its mirror image
_NEAR = 0.1  # how far a landmark may end up from its partner, in units of the square root of the area


@dataclass(frozen=True)
class FoundMap:
    """A map between two `SpectralShape`s, both ways; confidence in [0, 1]; warnings, sentences."""

    p2p_12: Tensor
    p2p_21: Tensor
    functional_map: Tensor
    functional_map_21: Tensor
    measures: MapMeasures
    confidence: float
    warnings: tuple[str, ...] = ()


def find_map(
    shape1: SpectralShape, shape2: SpectralShape, landmarks: Tensor | None, say: Callable[[str], None]
) -> FoundMap:
    """The best map. landmarks: (L, 2) int64 or None. say: told what is being done.

    With landmarks the map that is built from them is taken; where it turns a part inside out, which happens with few
    of them, or misses them, the one found without them is taken if it agrees with them better.
    """
    if landmarks is None:
        say("looking for the best of many maps")
        return _automatic(shape1, shape2)
    say("matching from landmarks")
    count = min(_MOST, len(shape1.basis), len(shape2.basis))
    refined = ElasticMatcher(shape1, shape2, count).refine(landmark_map(shape1, shape2, landmarks))
    found = _measured(shape1, shape2, *refined)
    apart = _apart(shape1, landmarks, found)
    if count >= _FEWEST and (found.measures.orientation < _ORIENTED or apart > _NEAR):
        say("looking for a map that fits the landmarks better")
        other = _automatic(shape1, shape2)
        other_apart = _apart(shape1, landmarks, other)
        if other_apart < _NEAR and other.measures.orientation > found.measures.orientation:
            found, apart = other, other_apart
    sure = min(max((found.measures.orientation - 0.5) / (_ORIENTED - 0.5), 0), 1) * math.exp(-max(apart / _NEAR - 1, 0))
    warnings = found.warnings
    if apart > _NEAR:
        warnings += (f"landmarks end up {100 * apart:.0f} % of the size of shape 1 from their partners, on average",)
    return replace(found, confidence=sure, warnings=warnings)


def _automatic(shape1: SpectralShape, shape2: SpectralShape) -> FoundMap:
    found = automatic_map(shape1, shape2, count=_MOST)
    return _measured(shape1, shape2, found.functional_map_12, found.p2p_21, found.p2p_12, found.confidence)


def _measured(
    shape1: SpectralShape,
    shape2: SpectralShape,
    functional_map: Tensor,
    p2p_21: Tensor,
    p2p_12: Tensor,
    confidence: float = 1.0,
) -> FoundMap:
    """A map, its way back, and what it is like."""
    bases = (shape.basis.first(count) for shape, count in zip((shape2, shape1), functional_map.shape))
    measures = measure(shape1, shape2, p2p_12, p2p_21, functional_map)
    back = functional_map_of(p2p_12, *bases)
    warnings = []
    if measures.orientation < 0.5:
        warnings.append("most of the surface is turned inside out: this is a mirror image of the correspondence")
    elif measures.orientation < _ORIENTED:
        warnings.append(f"{1 - measures.orientation:.0%} of the surface is turned inside out")
    if min(measures.coverage_1, measures.coverage_2) < 0.8:
        warnings.append("parts of one shape have no counterpart: one of them may be a part of the other")
    return FoundMap(p2p_12, p2p_21, functional_map, back, measures, confidence, tuple(warnings))


def _apart(shape1: SpectralShape, landmarks: Tensor, found: FoundMap) -> float:
    """Mean distance on shape 1 between landmarks and where their partners go."""
    places = shape1.mesh.vertices
    return float((places[landmarks[:, 0]] - places[found.p2p_21[landmarks[:, 1]]]).norm(dim=1).mean())
