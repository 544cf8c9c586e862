"""Which of many doubtful pairs of points agree on one rigid motion.

Second-order spatial compatibility (Chen, Sun, Yang and Tao, "SC2-PCR", CVPR 2022): two pairs are compatible when a
motion could hold both, that is when their points are equally far apart; how many others are compatible with both
tells right pairs from chance far better than compatibility alone. Everything is a few matrix products: no sampling,
the same answer every time.
"""

import torch
from torch import Tensor

from geokit.geometry.alignment import umeyama


def hypotheses(
    source: Tensor, target: Tensor, source_normals: Tensor, target_normals: Tensor, tolerance: float, seeds: int = 200
) -> Tensor:
    """(H, 4, 4) motions that many of the pairs source[i] -> target[i] (C, 3) agree on, the best supported first.

    Normals (C, 3) may have either sign. `tolerance` is how far a right pair may be off, in the unit of the points.
    """
    apart, goal = torch.cdist(source, source), torch.cdist(target, target)
    same = (apart - goal).abs() < tolerance
    # Points close together are as far apart under any motion that brings one of them home.
    same &= torch.minimum(apart, goal) > 2 * tolerance
    angles = (source_normals @ source_normals.T).abs() - (target_normals @ target_normals.T).abs()
    same &= angles.abs() < 0.35
    compatible = same.float()
    second = compatible * (compatible @ compatible)
    leaders = second.sum(1).argsort(descending=True, stable=True)[:seeds]
    chosen = second[leaders].topk(min(30, len(source)), dim=1)
    members = torch.cat([leaders[:, None], chosen.indices], dim=1)
    weights = torch.cat([torch.ones(len(leaders), 1), (chosen.values > 0).float()], dim=1).to(source)
    matrices = umeyama(source[members], target[members], weights, scale=False).matrix
    for _ in range(2):
        support = _support(matrices, source, target, tolerance)
        matrices = umeyama(source, target, support + 1e-9, scale=False).matrix
    votes = _support(matrices, source, target, tolerance).sum(1)
    return matrices[votes.argsort(descending=True, stable=True)]


def _support(matrices: Tensor, source: Tensor, target: Tensor, tolerance: float) -> Tensor:
    """(H, C) how well each motion explains each pair: 1 exactly, 0 from the tolerance on."""
    moved = source @ matrices[:, :3, :3].mT + matrices[:, None, :3, 3]
    return (1 - (moved - target).square().sum(-1) / tolerance**2).clamp_min(0)


def distinct(matrices: Tensor, corners: Tensor, apart: float, most: int) -> Tensor:
    """The first `most` of motions (H, 4, 4) that move some of the `corners` (P, 3) by more than `apart` differently."""
    moved = corners @ matrices[:, :3, :3].mT + matrices[:, None, :3, 3]
    kept: list[int] = []
    for number in range(len(matrices)):
        if all(float((moved[number] - moved[other]).norm(dim=1).max()) > apart for other in kept):
            kept.append(number)
            if len(kept) == most:
                break
    return matrices[kept]
