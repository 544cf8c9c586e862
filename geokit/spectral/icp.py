"""Functional maps refined at their size: iterative closest points among the eigenfunctions."""

import torch
from torch import Tensor

from geokit.errors import InvalidInput
from geokit.spectral.conversions import check_functional_map, functional_map_of, point_to_point
from geokit.spectral.eigen import Eigenbasis


def spectral_icp(
    functional_map: Tensor, basis1: Eigenbasis, basis2: Eigenbasis, *, iterations: int = 10
) -> tuple[Tensor, Tensor]:
    """C_12 (K2, K1), the nearest one with orthonormal columns (or rows) in every iteration, and p2p_21 (N2,).

    Nearest rows and best orthogonal maps in turn (Ovsjanikov et al. 2012, section 6.2), until the matches stay.
    Suits isometric shapes; elsewhere `zoomout` is better.
    """
    check_functional_map("functional_map", functional_map, basis1, basis2)
    if iterations < 1:
        raise InvalidInput(f"iterations must be at least 1, got {iterations}")
    size2, size1 = functional_map.shape
    previous = None
    for _ in range(iterations):
        p2p = point_to_point(functional_map, basis1, basis2)
        if previous is not None and torch.equal(p2p, previous):
            break
        u, _, vt = torch.linalg.svd(
            functional_map_of(p2p, basis1.first(size1), basis2.first(size2)), full_matrices=False
        )
        functional_map, previous = u @ vt, p2p
    return functional_map, point_to_point(functional_map, basis1, basis2)
