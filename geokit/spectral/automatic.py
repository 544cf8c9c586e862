"""The map between two shapes without landmarks and without training: many starts, the likeliest bent to fit."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from geokit.errors import InvalidInput
from geokit.spectral.elastic import PULLS, CoarseFit, ElasticMatcher
from geokit.spectral.initial_maps import sign_patterns, tip_maps
from geokit.spectral.nearest_rows import first_largest
from geokit.spectral.sampled import SampledShape, sample_shape
from geokit.spectral.score import Quality, assess, stretches_at
from geokit.spectral.shape import SpectralShape

_FROM_SIGNS = (7, 8, 9, 11, 13, 15, 17, 20, 23, 26, 30)
_FROM_TIPS = (12, 14, 16, 18, 20, 23, 26, 30)
_ALIKE = 0.02  # mean distance of two maps that count as one, in units of the square root of the area
_REALLY = 0.06  # and of two maps of which only one can be true
_KIND = 4  # maps of one kind that are tried
_TRIED = 14  # maps that shape 2 is bent by
_STEPS = (2, 8, len(PULLS))  # of bending, before the first choice, before the second one, in all
_GOING = (3, 2)  # maps that are left after each choice
_HOPELESS = 1.3  # how many times the least misfit one has that is not tried for the sake of variety
_RIDGE = 1e-2


@dataclass(frozen=True)
class AutomaticMap:
    """The map that was found between shape 1 (N1 vertices) and shape 2 (N2 vertices).

    p2p_21: (N2,) the vertex of shape 1 that each vertex of shape 2 goes to; p2p_12: (N1,) the other way.
    functional_map_12: (K, K) float64. misfit: see `CoarseFit`. ahead: how many times larger it was for the best map
    that is really different, infinity where there was none. confidence: in [0, 1], of both.
    """

    p2p_21: Tensor
    p2p_12: Tensor
    functional_map_12: Tensor
    confidence: float
    misfit: float
    ahead: float


@dataclass(frozen=True)
class _Maps:
    """B maps between samples both ways, and their functional maps (B, K, K)."""

    p2p_21: Tensor
    p2p_12: Tensor
    map_12: Tensor
    map_21: Tensor

    def take(self, chosen: Tensor | list[int]) -> "_Maps":
        return _Maps(self.p2p_21[chosen], self.p2p_12[chosen], self.map_12[chosen], self.map_21[chosen])


def automatic_map(shape1: SpectralShape, shape2: SpectralShape, *, count: int = 150) -> AutomaticMap:
    """The best map found from signs of eigenfunctions and assignments of tips, some 3 s for shapes of 5,000 vertices.

    Some 96 candidates grow to 30 functions on 300 samples of each shape, in every step both directions together and
    without samples around which the map turns the surface over. By the 14 likeliest ones that differ shape 2 is bent
    onto shape 1 (`ElasticMatcher`); those that fit badly are given up on the way, and the one that fits best is made
    fine, with `count` functions or as many as there are. Raises `InvalidInput` if a shape has fewer than 8
    eigenfunctions.
    """
    for number, shape in ((1, shape1), (2, shape2)):
        if len(shape.basis) < 8:
            raise InvalidInput(
                f"shape {number} has {len(shape.basis)} eigenfunctions, but a start needs at least 8: prepare it with "
                "count=200, or refine a mesh of so few vertices first"
            )
    return match_samples_of(sample_shape(shape1), sample_shape(shape2), count=count)


def match_samples_of(one: SampledShape, two: SampledShape, *, count: int = 150) -> AutomaticMap:
    """As `automatic_map`, from shapes sampled before: collections sample every shape once."""
    maps = candidates(one, two)
    scores = _quality(one, two, maps).score()
    maps = maps.take(_different(scores, maps.p2p_21, one, _TRIED))
    matcher = ElasticMatcher(one.shape, two.shape, min(count, one.rows.shape[1], two.rows.shape[1]))
    fits = _bent(matcher, [matcher.begin_by(found) for found in maps.map_12], _STEPS[0])
    going = _foremost(matcher, fits, _GOING[0])
    # The best one also goes on as it is: now and then growing makes a map worse.
    grown = _bent(matcher, [*(matcher.grow(fit) for fit in going), going[0]], _STEPS[1])
    last = _foremost(matcher, grown, _GOING[1])
    ends = _bent(matcher, last, _STEPS[2])
    behind = [(fit, fit.misfit / fits[0].misfit) for fit in fits if fit not in going]
    behind += [(fit, fit.misfit / grown[0].misfit) for fit in grown if fit not in last]
    behind += [(fit, fit.misfit / ends[0].misfit) for fit in ends]
    best = ends[0]
    ahead = min((times for fit, times in behind if matcher.apart(fit, best) > _REALLY), default=math.inf)
    functional_map, p2p_21, p2p_12 = matcher.fine(best)
    return AutomaticMap(p2p_21, p2p_12, functional_map, _confidence(best.misfit, ahead), best.misfit, ahead)


def _bent(matcher: ElasticMatcher, fits: list[CoarseFit], steps: int) -> list[CoarseFit]:
    """The fits after so many steps in all, the best first."""
    return sorted((matcher.bend(fit, steps) for fit in fits), key=lambda fit: fit.misfit)


def _foremost(matcher: ElasticMatcher, fits: list[CoarseFit], most: int) -> list[CoarseFit]:
    """So many fits of those given, the best first: no more than half of them of one kind, but for hopeless others.

    Few steps hardly tell a body from its mirror image, and all of the best fits may be wrong in the same way.
    """
    chosen: list[CoarseFit] = []
    left: list[CoarseFit] = []
    for fit in fits:
        alike = sum(matcher.apart(fit, other) < _REALLY for other in chosen)
        hopeless = fit.misfit > _HOPELESS * fits[0].misfit
        (left if hopeless or alike >= (most + 1) // 2 else chosen).append(fit)
    return (chosen[:most] + left)[:most]


def candidates(one: SampledShape, two: SampledShape) -> _Maps:
    """Some 96 maps between the samples, grown to 30 functions."""
    most = min(one.rows.shape[1], two.rows.shape[1])
    maps = _grow(one, two, *sign_patterns(one, two), _upto(_FROM_SIGNS, most))
    tips = tip_maps(one, two)
    return maps if tips is None else _join([maps, _grow(one, two, *tips, _upto(_FROM_TIPS, most))])


def _confidence(misfit: float, ahead: float) -> float:
    """0 where the best rival fits as well, 0.63 where its misfit is a tenth larger; less above misfits of 400.

    Poses of one person or animal have misfits of 200 to 400, and the larger ones go with larger errors.
    """
    near = 1 / (1 + math.exp(min((misfit - 400) / 50, 50)))
    return (1 - math.exp(-10 * max(ahead - 1, 0))) * (0.3 + 0.7 * near)


def _upto(sizes: Sequence[int], most: int) -> list[int]:
    return sorted({min(size, most) for size in sizes})


def _join(parts: list[_Maps]) -> _Maps:
    names = ("p2p_21", "p2p_12", "map_12", "map_21")
    return _Maps(*(torch.cat([getattr(part, name) for part in parts]) for name in names))


def _grow(one: SampledShape, two: SampledShape, p2p_21: Tensor, p2p_12: Tensor, sizes: Sequence[int]) -> _Maps:
    """Alternate fits of functional maps and matches of samples, with more functions each time."""
    weights_21, weights_12 = (s.areas.expand(len(p2p_21), -1) for s in (two, one))
    for size in sizes:
        map_12, map_21 = _fit(one.rows[:, :size], two.rows[:, :size], p2p_21, p2p_12, weights_21, weights_12)
        p2p_21, p2p_12 = _matches(one, two, map_12, map_21)
        weights_21 = two.areas * _kept(two, one, p2p_21, map_12)
        weights_12 = one.areas * _kept(one, two, p2p_12, map_21)
    return _Maps(p2p_21, p2p_12, map_12, map_21)


def _kept(here: SampledShape, there: SampledShape, p2p: Tensor, functional: Tensor) -> Tensor:
    """(B, S) in [0, 1]: the mean orientation around samples, none where their neighbourhood is turned over."""
    return (stretches_at(here, there, p2p, functional)[1] @ here.smoothing.T).clamp(min=0)


def _fit(
    rows1: Tensor, rows2: Tensor, p2p_21: Tensor, p2p_12: Tensor, w_21: Tensor, w_12: Tensor
) -> tuple[Tensor, ...]:
    """Functional maps (B, K, K) both ways with the least squared error over the matches of both directions."""
    images1, images2 = rows1[p2p_21], rows2[p2p_12]
    weighted2, weighted1 = rows2.T * w_21.unsqueeze(1), rows1.T * w_12.unsqueeze(1)
    normal2 = weighted2 @ rows2 + (images2 * w_12.unsqueeze(2)).mT @ images2
    normal1 = weighted1 @ rows1 + (images1 * w_21.unsqueeze(2)).mT @ images1
    mixed = weighted2 @ images1 + (weighted1 @ images2).mT
    ridge = _RIDGE * torch.eye(rows1.shape[1])
    map_12 = torch.cholesky_solve(mixed, torch.linalg.cholesky(normal2 + ridge))
    map_21 = torch.cholesky_solve(mixed.mT.contiguous(), torch.linalg.cholesky(normal1 + ridge))
    return map_12, map_21


def _matches(one: SampledShape, two: SampledShape, map_12: Tensor, map_21: Tensor) -> tuple[Tensor, Tensor]:
    """p2p_21 (B, S2) and p2p_12 (B, S1): nearest rows in the adjoint convention of `point_to_point`."""
    size = map_12.shape[1]
    rows1, rows2 = one.rows[:, :size], two.rows[:, :size]
    found = []
    for queries, carried in ((rows2, rows1 @ map_12.mT), (rows1, rows2 @ map_21.mT)):
        half = carried.square().sum(2) / -2
        scores = torch.baddbmm(half.unsqueeze(1), queries.expand(len(carried), -1, -1), carried.mT)
        found.append(first_largest(scores))
    return found[0], found[1]


def _quality(one: SampledShape, two: SampledShape, maps: _Maps) -> Quality:
    return assess(one, two, maps.p2p_21, maps.p2p_12, maps.map_12, maps.map_21)


def _different(scores: Tensor, p2p: Tensor, one: SampledShape, most: int) -> list[int]:
    """The best maps, without those that are nearly one of the better, and of each kind only a few."""
    kept: list[int] = []
    for candidate in scores.argsort(descending=True, stable=True).tolist():
        apart = one.distances[p2p[candidate], p2p[kept]].mean(1)
        if len(kept) < most and bool((apart > _ALIKE).all()) and int((apart < _REALLY).sum()) < _KIND:
            kept.append(candidate)
    return kept
