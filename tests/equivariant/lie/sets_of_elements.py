"""Sets of elements of a linear group of the plane: those made by hand, moved, or closed under quarter turns."""

import torch
from torch import Tensor

from geokit.equivariant.lie import LieGroup, SampleSet, sample_set

QUARTER = torch.tensor([[0.0, -1.0], [1.0, 0.0]], dtype=torch.float64)  # right goes down: clockwise on the screen


def set_of(group: LieGroup, elements: Tensor, weights: Tensor | None = None) -> SampleSet:
    """Elements (S, 2, 2) as a sample set, with weights (S,)."""
    x, k = group.decompose(elements)
    weights = elements.new_ones(len(elements)) if weights is None else weights.to(elements)
    return SampleSet(group, x, k, elements, group.inverse(elements), weights, elements.new_ones(()))


def moved_set(samples: SampleSet, a: Tensor) -> SampleSet:
    """The elements a g, with the weights of g."""
    return set_of(samples.group, a.to(samples.elements) @ samples.elements, samples.weights)


def closed_set(group: LieGroup, count: int, seed: int, spread: float = 0.2) -> SampleSet:
    """4 count elements with random weights; a quarter turn from the left moves each to the one `count` places on."""
    base = sample_set(
        group, count, spread=spread, generator=torch.Generator().manual_seed(seed), method="random", dtype=torch.float64
    )
    weights = 0.5 + torch.rand(count, generator=torch.Generator().manual_seed(seed + 1), dtype=torch.float64)
    turns = [torch.linalg.matrix_power(QUARTER, i) for i in range(4)]
    return set_of(group, torch.cat([turn @ base.elements for turn in turns]), weights.repeat(4))


def turned(images: Tensor) -> Tensor:
    """Images (..., H, W) moved by `QUARTER` about their middle."""
    return torch.rot90(images, -1, (-2, -1))
