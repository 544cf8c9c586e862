"""Pairs of vertices that are known to correspond."""

import torch
from torch import Tensor

from geokit.backend.checks import check_tensor
from geokit.errors import InvalidInput


def checked_landmarks(landmarks: Tensor, count1: int, count2: int) -> Tensor:
    """The pairs (L, 2) int64, each once: column 0 vertices of shape 1, column 1 those of shape 2.

    Raises `InvalidInput` for other shapes or dtypes, no pair at all, vertices out of range, and a vertex with two
    different partners.
    """
    check_tensor("landmarks", landmarks, ("L", 2), torch.int64)
    if not len(landmarks):
        raise InvalidInput("landmarks hold no pair of vertices; give at least one, or leave them out")
    for column, count in enumerate((count1, count2)):
        numbers = landmarks[:, column]
        wrong = ((numbers < 0) | (numbers >= count)).nonzero()[:, 0]
        if len(wrong):
            row = int(wrong[0])
            raise InvalidInput(
                f"landmark {row + 1} names vertex {int(numbers[row])} of shape {column + 1}, which has {count:,} "
                f"vertices, numbered from 0 to {count - 1}; correct it"
            )
    pairs = torch.unique(landmarks, dim=0)
    for column in range(2):
        vertices, counts = torch.unique(pairs[:, column], return_counts=True)
        if len(vertices) < len(pairs):
            vertex = int(vertices[counts > 1][0])
            partners = " and ".join(map(str, pairs[pairs[:, column] == vertex][:2, 1 - column].tolist()))
            raise InvalidInput(
                f"landmarks pair vertex {vertex} of shape {column + 1} with both {partners} of shape {2 - column}; "
                "keep one of them"
            )
    return pairs
