"""How good is a map, without knowing the true one?"""

from dataclasses import dataclass

import torch
from torch import Tensor

from geokit.spectral.orientation import jacobians, stretches
from geokit.spectral.sampled import Samples


@dataclass(frozen=True)
class Quality:
    """What tells good maps from bad ones, (B,) each, means of both directions by area.

    distortion: the mean |log| of singular values of the Jacobians, 0 for isometries. coverage: the part of the area
    that is hit. orientation: the mean sign of the Jacobians, 1 where all keep it, -1 for a mirrored map.
    evenness: the mean sign of their neighbourhood means. bends: (B, scales) correlations of how the surfaces bulge.
    signature: the mean difference of wave kernel signatures over their mean. cycle: the mean distance of samples to
    where they come back after both directions. bending: how far surroundings are from rotated copies of each other
    (see `bending`).
    distortion_21, distortion_12: (B, S) at the samples, smoothed; orientation_21, orientation_12 likewise.
    """

    distortion: Tensor
    coverage: Tensor
    orientation: Tensor
    evenness: Tensor
    bends: Tensor
    signature: Tensor
    cycle: Tensor
    bending: Tensor
    distortion_21: Tensor
    distortion_12: Tensor
    orientation_21: Tensor
    orientation_12: Tensor

    def score(self, bends: float, stiffness: float = 0) -> Tensor:
        """(B,) the higher the better. Logarithms, so that parts weigh by their ratios.

        bends, stiffness: the weights of how the surfaces bulge, and of bending, which only fine maps can tell.
        """
        steady = self.orientation.clamp(min=0.02).log() + self.evenness.clamp(min=0.02).log()
        alike = -self.signature.clamp(min=1e-3).log() - (self.cycle + 0.01).log()
        shape = -self.distortion.clamp(min=1e-3).log() + 3 * self.coverage.log() + steady / 2 + alike
        total = shape - bends * (1 - self.bends).clamp(min=0.01).log().sum(1)
        total = total - stiffness * self.bending.clamp(min=1e-3).log()
        return torch.nan_to_num(total, nan=-1e9, posinf=-1e9, neginf=-1e9)


def assess(one: Samples, two: Samples, p2p_21: Tensor, p2p_12: Tensor, map_12: Tensor, map_21: Tensor) -> Quality:
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
                here.apart(back.gather(1, p2p), torch.arange(len(here))) @ here.areas,
                bending(here, there, p2p),
                distortion @ here.smoothing.T,
                smooth,
            )
        )
    (*totals, distortion_21, smooth_21), (*others, distortion_12, smooth_12) = parts
    names = ("distortion", "coverage", "orientation", "evenness", "bends", "signature", "cycle", "bending")
    means = {name: (a + b) / 2 for name, a, b in zip(names, totals, others, strict=True)}
    return Quality(
        **means,
        distortion_21=distortion_21,
        distortion_12=distortion_12,
        orientation_21=smooth_21,
        orientation_12=smooth_12,
    )


def bending(here: Samples, there: Samples, p2p: Tensor) -> Tensor:
    """(B,) what of the surroundings of samples no rotation takes to their images, 0 where limbs move rigidly.

    A limb that is exchanged with another has its front at the back or is mirrored: no rotation (without reflection)
    takes it there, although distances along the surface hardly tell. Kabsch's residual relative to the spreads.
    """
    weights, (centers, images) = here.surroundings, (here.places, there.places[p2p])
    products = (centers[:, :, None] * images[:, :, None, :]).flatten(2)
    means, image_means = weights @ centers, weights @ images
    mixed = (weights @ products).unflatten(2, (3, 3)) - means[:, :, None] * image_means[:, :, None, :]
    spread = (weights @ centers.square() - means.square()).sum(1)
    image_spread = (weights @ images.square() - image_means.square()).sum(2)
    values = torch.linalg.svdvals(mixed)
    overlap = values[..., 0] + values[..., 1] + torch.linalg.det(mixed).sign() * values[..., 2]
    total = spread + image_spread
    cells = here.areas.new_zeros(len(weights)).index_add(0, here.nearest, here.areas)
    return ((total - 2 * overlap) / total.clamp(min=1e-12)).clamp(min=0) @ cells


def stretches_at(here: Samples, there: Samples, p2p: Tensor, functional: Tensor) -> tuple[Tensor, Tensor]:
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
