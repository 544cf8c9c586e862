"""First guesses of the map between two shapes, many at once: signs of the smoothest functions, and tips."""

import itertools

import torch
from torch import Tensor

from geokit.spectral.sampled import SampledShape
from geokit.spectral.tips import assign_tips

SIGNS = 6  # eigenfunctions whose signs are tried
ASSIGNMENTS = 16
_SIGNATURE, _BENDS, _TURNS = 0.13, 0.1, 0.4  # weights of descriptors beside distances to tips


def sign_patterns(shape1: SampledShape, shape2: SampledShape) -> tuple[Tensor, Tensor]:
    """p2p_21 (B, S2) and p2p_12 (B, S1) between samples: each varying function k goes to plus or minus k.

    All patterns of the first `SIGNS` functions: exact for isometric shapes whose first eigenvalues are apart.
    """
    few = 1 + min(SIGNS, shape1.rows.shape[1] - 1, shape2.rows.shape[1] - 1)
    patterns = torch.tensor([(1.0, *signs) for signs in itertools.product((1.0, -1.0), repeat=few - 1)])
    rows1, rows2 = shape1.rows[:, :few], shape2.rows[:, :few]
    apart = torch.cdist(rows2 * patterns[:, None], rows1.expand(len(patterns), -1, -1))
    return apart.argmin(2), apart.argmin(1)


def tip_maps(shape1: SampledShape, shape2: SampledShape) -> tuple[Tensor, Tensor] | None:
    """The same from assignments of tips, two of each; None where the shapes have too few tips.

    Samples go to those with like distances to the assigned tips and like descriptors: the wave kernel, the bends, and,
    in the second of each two, the signed products n . (grad d_i x grad d_j) of distances to tips, which tell left
    from right where distances do not.
    """
    mean = shape1.signature.mean(0) + shape2.signature.mean(0)
    scale = _SIGNATURE * 2 / mean / mean.numel() ** 0.5
    found = []
    for pairs in assign_tips(shape1.tips, shape2.tips, ASSIGNMENTS):
        chosen = [list(side) for side in zip(*pairs, strict=True)]
        plain, turned = [], []
        for shape, tips in ((shape1, chosen[0]), (shape2, chosen[1])):
            distances = shape.tip_distances[tips].T * 2 / len(tips) ** 0.5
            parts = torch.cat((distances, shape.signature * scale, shape.bends * _BENDS), dim=1)
            plain.append(parts)
            turned.append(torch.cat((parts, _turns(shape, tips)), dim=1))
        for parts1, parts2 in (plain, turned):
            apart = torch.cdist(parts2, parts1)
            found.append((apart.argmin(1), apart.argmin(0)))
    if not found:
        return None
    return torch.stack([pair[0] for pair in found]), torch.stack([pair[1] for pair in found])


def _turns(shape: SampledShape, tips: list[int]) -> Tensor:
    """(S, P) for every two tips, the sine of the angle from the way to one to the way to the other, smoothed."""
    first, second = zip(*itertools.combinations(range(len(tips)), 2), strict=True)
    x, y = shape.tip_gradients[:, :, tips].unbind(1)
    sines = x[:, first] * y[:, second] - y[:, first] * x[:, second]
    return shape.smoothing @ sines * _TURNS / len(first) ** 0.5
