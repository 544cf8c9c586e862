"""Laplacians of graphs: of edges with weights, whatever their ends are."""

import torch
from torch import Tensor

from geokit.backend.checks import FLOATS, check_one_device, check_tensor
from geokit.errors import InvalidInput
from geokit.geometry.neighbors import nearest_neighbors
from geokit.geometry.sparse import SparseMatrix
from geokit.spectral.operator import Laplacian


def graph_laplacian(edges: Tensor, count: int, weights: Tensor | None = None, normalized: bool = False) -> Laplacian:
    """D - W with a mass of one a vertex, or, normalised, with the degrees as masses (eigenvalues then within [0, 2]).

    edges: (E, 2) int64, undirected, each once; loops count for nothing. weights: (E,) positive, one each by default.
    The eigenvalues of the normalised one are those of 1 - D^-1/2 W D^-1/2, its eigenvectors D^-1/2 times their
    eigenvectors (F. Chung, Spectral graph theory, 1997). Differentiable by the weights.
    """
    check_tensor("edges", edges, ("E", 2), torch.int64)
    check_one_device(edges=edges, weights=weights)
    if len(edges) and not 0 <= int(edges.min()) <= int(edges.max()) < count:
        raise InvalidInput(f"edges name {int(edges.min())} to {int(edges.max())}; want 0 to {count - 1}")
    if weights is None:
        weights = torch.ones(len(edges), dtype=torch.float64, device=edges.device)
    check_tensor("weights", weights, (len(edges),), FLOATS, finite=True)
    weights = torch.where(edges[:, 0] == edges[:, 1], 0, weights.double())
    if len(weights) and float(weights.detach().min()) < 0:
        raise InvalidInput(f"weights must not be negative, got {float(weights.detach().min()):g}")
    i, j = edges.unbind(1)
    degrees = weights.new_zeros(count).index_add(0, torch.cat([i, j]), weights.repeat(2))
    own = torch.arange(count, device=edges.device)
    stiffness = SparseMatrix.from_triplets(
        torch.cat([i, j, own]), torch.cat([j, i, own]), torch.cat([-weights, -weights, degrees]), (count, count)
    )
    if not normalized:
        return Laplacian(stiffness, torch.ones_like(degrees))
    return Laplacian(stiffness, torch.where(degrees > 0, degrees, 1))


def neighbor_graph(points: Tensor, k: int = 10, bandwidth: float | None = None) -> tuple[Tensor, Tensor]:
    """Edges (E, 2), lower index first, to the k nearest others of every point (N, 3), and weights exp(-(d / h)^2 / 2).

    bandwidth: h, in the unit of the points; by default the median distance to the k-th neighbour. The weights (E,) are
    float64 and differentiable by the points.
    """
    distances, near = nearest_neighbors(points.double(), k)
    rows = torch.arange(len(points), device=points.device)[:, None].expand_as(near)
    pairs = torch.stack([torch.minimum(rows, near), torch.maximum(rows, near)], dim=2).reshape(-1, 2)
    keys, slot = torch.unique(pairs[:, 0] * len(points) + pairs[:, 1], return_inverse=True)
    first = torch.empty_like(keys).scatter_(0, slot.flip(0), torch.arange(len(slot), device=slot.device).flip(0))
    width = float(distances[:, -1].detach().median()) if bandwidth is None else bandwidth
    if not width > 0:
        raise InvalidInput(f"bandwidth must be positive, got {width:g}; points may coincide: give one, or a greater k")
    edges = torch.stack([keys // len(points), keys % len(points)], dim=1)
    return edges, (-(distances.reshape(-1)[first] / width).square() / 2).exp()
