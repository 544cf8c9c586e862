"""ZoomOut: a functional map refined by growing it (Melzi et al. 2019)."""

from collections.abc import Callable, Iterable

import torch
from torch import Tensor

from geokit.backend.checks import check_tensor
from geokit.errors import InvalidInput
from geokit.spectral.conversions import check_functional_map, functional_map_of, point_to_point
from geokit.spectral.eigen import Eigenbasis
from geokit.spectral.nearest_rows import nearest_rows


def zoomout(
    functional_map: Tensor,
    basis1: Eigenbasis,
    basis2: Eigenbasis,
    *,
    stop: int,
    step: int = 1,
    samples: tuple[Tensor, Tensor] | None = None,
) -> tuple[Tensor, Tensor]:
    """C_12 (K2, K1) grown by `step` functions on both shapes to `stop`: the grown map and p2p_21 (N2,).

    samples: indices (S1,) and (S2,) of vertices of both shapes, say a thousand farthest points: all steps but the last
    match only these, which is nearly as good and many times faster (section 4.4 of the paper). Those of shape 1
    should be many: all of its vertices cost little. Those of shape 2 count by the area around them.
    Raises `InvalidInput` where a basis has too few functions.
    """
    check_functional_map("functional_map", functional_map, basis1, basis2)
    sizes = growing_sizes(functional_map.shape, stop, step)
    if stop > min(len(basis1), len(basis2)):
        raise InvalidInput(
            f"stop is {stop}, but the shapes have {len(basis1)} and {len(basis2)} eigenfunctions; compute more of them"
        )
    if samples is not None:
        rows1, rows2 = basis1.eigenvectors[samples[0]], basis2.eigenvectors[samples[1]]
        areas = sample_masses(basis2, samples[1])
        functional_map = zoomout_samples(functional_map[None], rows1, rows2, sizes, lambda *_: areas)[0][0]
        p2p = point_to_point(functional_map, basis1, basis2)
    else:
        for size2, size1 in sizes:
            p2p = point_to_point(functional_map, basis1, basis2)
            functional_map = functional_map_of(p2p, basis1.first(size1), basis2.first(size2))
        p2p = point_to_point(functional_map, basis1, basis2)
    return functional_map_of(p2p, basis1.first(stop), basis2.first(stop)), p2p


def sample_masses(basis: Eigenbasis, samples: Tensor) -> Tensor:
    """(S,) the mass of the vertices that are nearer to each sample (S,) than to others, as the functions tell."""
    rows = basis.eigenvectors
    nearest = nearest_rows(rows, rows[samples])
    return basis.masses.new_zeros(len(samples)).index_add(0, nearest, basis.masses)


def growing_sizes(start: Iterable[int], stop: int, step: int) -> list[tuple[int, int]]:
    """The sizes (K2, K1) of the maps after each step: both grow by `step` and end at `stop`."""
    size2, size1 = start
    check_positive = step > 0 and stop >= max(size2, size1)
    if not check_positive:
        raise InvalidInput(f"cannot grow a map of ({size2}, {size1}) by {step} to {stop}; want step > 0, stop >= both")
    sizes = []
    while min(size2, size1) < stop:
        size2, size1 = min(size2 + step, stop), min(size1 + step, stop)
        sizes.append((size2, size1))
    return sizes


def zoomout_samples(
    maps: Tensor,
    rows1: Tensor,
    rows2: Tensor,
    sizes: Iterable[tuple[int, int]],
    weigh: Callable[[Tensor, Tensor], Tensor] | None = None,
) -> tuple[Tensor, Tensor]:
    """B functional maps (B, K2, K1) grown at once on samples: the grown maps and the samples' matches (B, S2).

    rows1: (S1, K) values of the eigenfunctions of shape 1 at the points that may be matched to; rows2: (S2, K) those
    of shape 2 at its samples. sizes: (K2, K1) after each step; maps shrink too if they say so. weigh: called in every
    step with the matches (B, S2) int64, rows of rows1, and the present maps; returns weights >= 0 (B, S2) or (S2,) of
    the samples. The matches returned are those that the grown maps were fitted to.
    """
    check_tensor("maps", maps, ("B", "K2", "K1"))
    matches = match_samples(maps, rows1, rows2)
    for number, (size2, size1) in enumerate(sizes):
        if number:
            matches = match_samples(maps, rows1, rows2)
        weights = None if weigh is None else weigh(matches, maps)
        maps = fit_samples(matches, rows1[:, :size1], rows2[:, :size2], weights)
    return maps, matches


def match_samples(maps: Tensor, rows1: Tensor, rows2: Tensor) -> Tensor:
    """(B, S2) int64: for every map (B, K2, K1) and sample of shape 2 the row of rows1 C^T nearest to its rows2."""
    count2, count1 = maps.shape[1:]
    carried = rows1[:, :count1] @ maps.mT
    return torch.stack([nearest_rows(rows2[:, :count2], rows) for rows in carried])


def fit_samples(matches: Tensor, rows1: Tensor, rows2: Tensor, weights: Tensor | None = None) -> Tensor:
    """The maps (B, K2, K1) with the least sum over samples s of weights[s] |rows2[s] C - rows1[matches[s]]|^2.

    matches: (B, S2) rows of rows1 (S1, K1). rows2: (S2, K2). weights: (B, S2) or (S2,) >= 0. A little of the mean
    diagonal is added to the normal equations, so that fewer samples than functions are no failure.
    """
    weighted = rows2.T if weights is None else rows2.T * weights.unsqueeze(-2)
    normal = weighted @ rows2
    diagonal = normal.diagonal(dim1=-2, dim2=-1)
    normal = normal + torch.diag_embed((1e-9 * diagonal.mean(-1, keepdim=True)).expand_as(diagonal))
    return torch.cholesky_solve(weighted @ rows1[matches], torch.linalg.cholesky(normal))
