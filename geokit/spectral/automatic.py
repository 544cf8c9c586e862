"""The map between two shapes without landmarks and without training: many starts, refined, scored, the best kept."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from geokit.errors import InvalidInput
from geokit.spectral.initial_maps import sign_patterns, tip_maps
from geokit.spectral.nearest_rows import first_largest, nearest_rows
from geokit.spectral.sampled import SampledShape, Samples, sample_shape
from geokit.spectral.score import Quality, assess, stretches_at
from geokit.spectral.shape import SpectralShape
from geokit.spectral.zoomout import zoomout_samples

_FROM_SIGNS = (7, 8, 9, 11, 13, 15, 17, 20, 23, 26, 30)
_FROM_TIPS = (12, 14, 16, 18, 20, 23, 26, 30)
_MIDDLE = (30, 36, 43, 51, 60)
_LATE = (68, 77, 88, 100)
_LAST = (67, 77, 88, 101, 116, 133, 150)
_LEADERS, _REALLY = 3, 0.06  # candidates of the last round, and the mean distance of maps that are really different
_KEPT = 8  # candidates for the second level
_ALIKE = 0.04  # mean distance of two maps that count as one, in units of the square root of the area
_RIDGE = 1e-2


@dataclass(frozen=True)
class AutomaticMap:
    """The map that was found between shape 1 (N1 vertices) and shape 2 (N2 vertices).

    p2p_21: (N2,) the vertex of shape 1 that each vertex of shape 2 goes to; p2p_12: (N1,) the other way.
    functional_map_12: (K, K) float64. confidence: in [0, 1], how far the best candidate is ahead of the best one that
    is really different. scores: of the candidates of the last round, the best first.
    orientation: the mean sign of the Jacobians, 1 where the map keeps orientation everywhere.
    """

    p2p_21: Tensor
    p2p_12: Tensor
    functional_map_12: Tensor
    confidence: float
    scores: Tensor
    orientation: float


@dataclass(frozen=True)
class _Maps:
    """B maps between samples both ways, and their functional maps (B, K, K)."""

    p2p_21: Tensor
    p2p_12: Tensor
    map_12: Tensor
    map_21: Tensor

    def take(self, chosen: Tensor | list[int]) -> "_Maps":
        return _Maps(self.p2p_21[chosen], self.p2p_12[chosen], self.map_12[chosen], self.map_21[chosen])


def automatic_map(shape1: SpectralShape, shape2: SpectralShape) -> AutomaticMap:
    """The best map found from signs of eigenfunctions and assignments of tips, some 3 s for shapes of 5,000 vertices.

    Some 96 candidates grow to 30 functions on 300 samples of each shape, the best 8 to 60 on 1,000, in every step both
    directions together and without samples around which the map turns the surface over. The best three that are really
    different, and what each makes with its like, are compared with 100 functions, and the winner is grown to 150.
    Raises `InvalidInput` if a shape has fewer than 8 eigenfunctions.
    """
    for number, shape in ((1, shape1), (2, shape2)):
        if len(shape.basis) < 8:
            raise InvalidInput(
                f"shape {number} has {len(shape.basis)} eigenfunctions, but a start needs at least 8: prepare it with "
                "count=200, or refine a mesh of so few vertices first"
            )
    return match_samples_of(sample_shape(shape1), sample_shape(shape2))


def match_samples_of(one: SampledShape, two: SampledShape) -> AutomaticMap:
    """As `automatic_map`, from shapes sampled before: collections sample every shape once."""
    most = min(one.rows.shape[1], two.rows.shape[1])
    starts = [_grow(one.coarse, two.coarse, *sign_patterns(one, two), _upto(_FROM_SIGNS, most))]
    tips = tip_maps(one, two)
    if tips is not None:
        starts.append(_grow(one.coarse, two.coarse, *tips, _upto(_FROM_TIPS, most)))
    maps = _join(starts)
    scores = _quality(one.coarse, two.coarse, maps).score(bends=0.3)
    kept = _different(scores, maps.p2p_21, one.coarse, _KEPT, _ALIKE)
    maps, coarse = maps.take(kept), scores[kept]
    p2p = _matches(one.fine, two.fine, maps.map_12, maps.map_21)
    maps = _grow(one.fine, two.fine, *p2p, _upto(_MIDDLE, most))
    quality = _quality(one.fine, two.fine, maps)
    scores = quality.score(bends=1) + coarse
    leaders = _different(scores, maps.p2p_21, one.fine, _LEADERS, _REALLY)
    maps = _join([maps.take(leaders), *(_blend(one, two, maps, quality, leader) for leader in leaders)])
    finer = _refine(one.fine, two.fine, maps, _upto(_LATE, most))
    quality = _quality(one.fine, two.fine, finer)
    scores = quality.score(bends=1, stiffness=2) + coarse[leaders].repeat(
        2
    )  # few functions cannot hide that a body is twisted
    order = scores.argsort(descending=True, stable=True)
    rivals = scores[one.fine.apart(finer.p2p_21[order[0]], finer.p2p_21).mean(1) > _REALLY]
    margin = float(scores[order[0]] - rivals.max()) if len(rivals) else 2.0
    p2p_21, p2p_12, map_12 = _finish(one, two, maps.take(order[:1]), _upto(_LAST, most))
    return AutomaticMap(
        p2p_21,
        p2p_12,
        map_12.double(),
        1 - math.exp(-max(margin, 0)),
        scores[order],
        float(quality.orientation[order[0]]),
    )


def _upto(sizes: Sequence[int], most: int) -> list[int]:
    return sorted({min(size, most) for size in sizes})


def _join(parts: list[_Maps]) -> _Maps:
    names = ("p2p_21", "p2p_12", "map_12", "map_21")
    return _Maps(*(torch.cat([getattr(part, name) for part in parts]) for name in names))


def _grow(one: Samples, two: Samples, p2p_21: Tensor, p2p_12: Tensor, sizes: Sequence[int]) -> _Maps:
    """Alternate fits of functional maps and matches of samples, with more functions each time."""
    weights_21, weights_12 = (s.areas.expand(len(p2p_21), -1) for s in (two, one))
    for size in sizes:
        map_12, map_21 = _fit(one.rows[:, :size], two.rows[:, :size], p2p_21, p2p_12, weights_21, weights_12)
        p2p_21, p2p_12 = _matches(one, two, map_12, map_21)
        weights_21 = two.areas * _kept(two, one, p2p_21, map_12)
        weights_12 = one.areas * _kept(one, two, p2p_12, map_21)
    return _Maps(p2p_21, p2p_12, map_12, map_21)


def _kept(here: Samples, there: Samples, p2p: Tensor, functional: Tensor) -> Tensor:
    """(B, S) in [0, 1]: the mean orientation around samples, none where their neighbourhood is turned over."""
    return (stretches_at(here, there, p2p, functional)[1] @ here.smoothing.T).clamp(min=0)


def _refine(one: Samples, two: Samples, maps: _Maps, sizes: Sequence[int]) -> _Maps:
    """Each direction by itself to more functions: fitted together they spoil the fine ones of unlike shapes."""
    both = [(size, size) for size in sizes]
    map_12, _ = zoomout_samples(maps.map_12, one.rows, two.rows, both, lambda matches, present: two.areas)
    map_21, _ = zoomout_samples(maps.map_21, two.rows, one.rows, both, lambda matches, present: one.areas)
    return _Maps(*_matches(one, two, map_12, map_21), map_12, map_21)


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


def _matches(one: Samples, two: Samples, map_12: Tensor, map_21: Tensor) -> tuple[Tensor, Tensor]:
    """p2p_21 (B, S2) and p2p_12 (B, S1): nearest rows in the adjoint convention of `point_to_point`."""
    size = map_12.shape[1]
    rows1, rows2 = one.rows[:, :size], two.rows[:, :size]
    found = []
    for queries, carried in ((rows2, rows1 @ map_12.mT), (rows1, rows2 @ map_21.mT)):
        half = carried.square().sum(2) / -2
        scores = torch.baddbmm(half.unsqueeze(1), queries.expand(len(carried), -1, -1), carried.mT)
        found.append(first_largest(scores))
    return found[0], found[1]


def _quality(one: Samples, two: Samples, maps: _Maps) -> Quality:
    return assess(one, two, maps.p2p_21, maps.p2p_12, maps.map_12, maps.map_21)


def _different(scores: Tensor, p2p: Tensor, one: Samples, most: int, alike: float) -> list[int]:
    """The best maps, leaving out those that are nearly one of the better."""
    kept: list[int] = []
    for candidate in scores.argsort(descending=True, stable=True).tolist():
        if len(kept) < most and all(float(one.apart(p2p[candidate], p2p[k]).mean()) > alike for k in kept):
            kept.append(candidate)
    return kept


def _blend(one: SampledShape, two: SampledShape, maps: _Maps, quality: Quality, leader: int) -> _Maps:
    """One map from a leader and all that mostly agree with it, every sample from where its neighbourhood fits best."""
    alike = (one.fine.apart(maps.p2p_21[leader], maps.p2p_21).mean(1) < _REALLY).nonzero()[:, 0]
    chosen_21 = (quality.distortion_21 + 1 - quality.orientation_21)[alike].argmin(0)
    chosen_12 = (quality.distortion_12 + 1 - quality.orientation_12)[alike].argmin(0)
    p2p_21 = maps.p2p_21[alike].gather(0, chosen_21[None])
    p2p_12 = maps.p2p_12[alike].gather(0, chosen_12[None])
    size = maps.map_12.shape[1]
    return _grow(one.fine, two.fine, p2p_21, p2p_12, [size * 2 // 3, size * 5 // 6, size])


def _finish(one: SampledShape, two: SampledShape, maps: _Maps, sizes: Sequence[int]) -> tuple[Tensor, Tensor, Tensor]:
    """The winner (a batch of one) with all functions: p2p_21 (N2,), p2p_12 (N1,) and the functional map.

    ZoomOut from the samples of shape 2 to all vertices of shape 1. One direction only: fitted together, the two spoil
    the fine functions of shapes that are not isometric (5.5 in place of 2.7 on cat and lion).
    """
    grown, _ = zoomout_samples(
        maps.map_12, one.rows, two.fine.rows, [(size, size) for size in sizes], lambda matches, present: two.fine.areas
    )
    size = grown.shape[1]
    rows1, rows2 = one.rows[:, :size], two.rows[:, :size]
    p2p = nearest_rows(rows2, rows1 @ grown[0].T)
    full = rows2.T @ (two.masses[:, None] * rows1[p2p])
    p2p = nearest_rows(rows2, rows1 @ full.T)
    full = rows2.T @ (two.masses[:, None] * rows1[p2p])
    return p2p, nearest_rows(rows1, rows2 @ full), full
