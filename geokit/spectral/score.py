"""How good is a map, without knowing the true one?"""

from dataclasses import dataclass

import torch
from torch import Tensor

from geokit.spectral.orientation import jacobians, stretches
from geokit.spectral.sampled import SampledShape

_BENDS = 0.3  # the weight of how the surfaces bulge


@dataclass(frozen=True)
class Quality:
    """What tells good maps from bad ones, (B,) each, means of both directions by area.

    distortion: the mean |log| of singular values of the Jacobians, 0 for isometries. coverage: the part of the area
    that is hit. orientation: the mean sign of the Jacobians, 1 where all keep it, -1 for a mirrored map.
    evenness: the mean sign of their neighbourhood means. bends: (B, scales) correlations of how the surfaces bulge.
    signature: the mean difference of wave kernel signatures over their mean. cycle: the mean distance of samples to
    where they come back after both directions.
    """

    distortion: Tensor
    coverage: Tensor
    orientation: Tensor
    evenness: Tensor
    bends: Tensor
    signature: Tensor
    cycle: Tensor

    def score(self) -> Tensor:
        """(B,) the higher the better. Logarithms, so that parts weigh by their ratios."""
        steady = self.orientation.clamp(min=0.02).log() + self.evenness.clamp(min=0.02).log()
        alike = -self.signature.clamp(min=1e-3).log() - (self.cycle + 0.01).log()
        shape = -self.distortion.clamp(min=1e-3).log() + 3 * self.coverage.log() + steady / 2 + alike
        total = shape - _BENDS * (1 - self.bends).clamp(min=0.01).log().sum(1)
        return torch.nan_to_num(total, nan=-1e9, posinf=-1e9, neginf=-1e9)


def assess(
    one: SampledShape, two: SampledShape, p2p_21: Tensor, p2p_12: Tensor, map_12: Tensor, map_21: Tensor
) -> Quality:
    """The quality of B maps: p2p_21 (B, S2), p2p_12 (B, S1) between samples, functional maps (B, K, K) both ways."""
    mean = one.signature.mean(0) + two.signature.mean(0)
    parts = []
    for here, there, p2p, back, functional in (
        (two, one, p2p_21, p2p_12, map_12),
        (one, two, p2p_12, p2p_21, map_21),
    ):
        distortion, sign = stretches_at(here, there, p2p, functional)
        smooth = sign @ here.smoothing.T
        hit = torch.zeros(len(p2p), len(there)).scatter_add_(1, p2p, here.areas.expand(len(p2p), -1))
        parts.append(
            (
                distortion @ here.areas,
                torch.minimum(hit, 2 * there.areas).sum(1),
                sign @ here.areas,
                smooth.sign() @ here.areas,
                _correlations(here.bends.expand(len(p2p), -1, -1), there.bends[p2p], here.areas),
                ((here.signature - there.signature[p2p]).abs() / mean).mean(2) @ here.areas,
                here.distances[back.gather(1, p2p), torch.arange(len(here))] @ here.areas,
            )
        )
    names = ("distortion", "coverage", "orientation", "evenness", "bends", "signature", "cycle")
    return Quality(**{name: (a + b) / 2 for name, a, b in zip(names, *parts, strict=True)})


def stretches_at(here: SampledShape, there: SampledShape, p2p: Tensor, functional: Tensor) -> tuple[Tensor, Tensor]:
    """Distortion and orientation (B, S) at the samples of one shape, of maps p2p (B, S) to those of the other."""
    count = min(functional.shape[1], here.gradients.shape[2], there.gradients.shape[2])
    images = there.gradients[:, :, :count][p2p]
    return stretches(jacobians(functional[:, :count, :count], here.gradients[:, :, :count], images))


def _correlations(a: Tensor, b: Tensor, areas: Tensor) -> Tensor:
    """(B, D) of (B, S, D) over the samples."""
    weights = areas[:, None]
    a, b = (x - (weights * x).sum(1, keepdim=True) for x in (a, b))
    squares = (weights * a * a).sum(1) * (weights * b * b).sum(1)
    return (weights * a * b).sum(1) / squares.sqrt().clamp(min=1e-12)
