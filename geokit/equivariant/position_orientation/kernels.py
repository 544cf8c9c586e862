"""Kernels of the spatial convolution: functions of a displacement r and an orientation o that only depend on their
invariants.

Both give what the fused operator wants: profiles (E, O, P) that belong to edges and orientations, and for each layer
weights (K, P, C) that belong to rows of edges, for k[e, o, c] = sum_p profiles[e, o, p] weights[rows[e], p, c].
"""

from itertools import combinations_with_replacement

import torch
from torch import Tensor, nn

from geokit.equivariant.position_orientation.graph import Graph
from geokit.equivariant.position_orientation.harmonics import odd_zonal, zonal
from geokit.equivariant.position_orientation.invariants import length, quarter_turn, separable_invariants
from geokit.equivariant.position_orientation.radial import RadialEmbedding

Kernel = tuple[Tensor, list[Tensor]]


class HarmonicKernel(nn.Module):
    """k(r, o) = sum_l Z_l(r . o) g_l(|r|): zonal polynomials of the angle, a network of the distance.

    Where a network of (r . o, |r x o|) costs a row for every edge *and orientation*, this one costs a row for every
    distance. Both directions between two nodes share it, since Z_l(-r . o) = (-1)^l Z_l(r . o), and so do all self
    loops; layers share all but the last linear map. In the plane under SE(2) the odd harmonics sin(l angle) join. The
    polynomials are homogeneous in r / sqrt(|r|^2 + length^2): the kernel is smooth at r = 0, where a direction is
    not.
    """

    def __init__(
        self,
        embedding: RadialEmbedding,
        group: str,
        degree: int,
        channels: int,
        layers: int,
        hidden: int,
        neighbors: float,
    ) -> None:
        super().__init__()
        self.embedding, self.group, self.degree = embedding, group, degree
        self.profiles_count = degree + 1 + (degree if self._signed else 0)
        self.channels = channels
        self.network = nn.Sequential(
            nn.Linear(embedding.features, hidden), nn.SiLU(), nn.Linear(hidden, hidden), nn.SiLU()
        )
        self.out = nn.Parameter(torch.randn(layers, hidden, self.profiles_count * channels))
        calibrate(self, self.out, neighbors)

    @property
    def _signed(self) -> bool:
        return self.embedding.dim == 2 and self.group == "SE"

    def profiles(self, displacements: Tensor, orientations: Tensor) -> Tensor:
        """(E, O, P) of displacements (E, n) and orientations (O, n), or (E, O, n) where each edge has its own."""
        squared = (displacements**2).sum(-1, keepdim=True)
        reach = squared + self.embedding.length**2
        scaled = displacements * reach.rsqrt()
        squared = squared / reach
        cosine = _dots(scaled, orientations)
        scale = torch.arange(self.degree + 1, dtype=cosine.dtype, device=cosine.device).mul(2).add(1).sqrt()
        values = zonal(self.embedding.dim, self.degree, cosine, squared) * scale
        if not self._signed:
            return values
        odd = odd_zonal(self.degree, cosine, _dots(scaled, quarter_turn(orientations)), squared)
        return torch.cat([values, odd * scale[1:]], -1)

    def weights(self, distances: Tensor, edge_scalars: Tensor | None) -> list[Tensor]:
        """(K, P, C) for each layer, of distances (K,) and scalars (K, S) of the edges."""
        features = self.network(self.embedding(distances, edge_scalars)) * self.embedding.window(distances)[:, None]
        return [(features @ out).view(-1, self.profiles_count, self.channels) for out in self.out]

    def forward(self, displacements: Tensor, orientations: Tensor, graph: Graph, edge_scalars: Tensor | None) -> Kernel:
        """Profiles and weights of a graph's edges."""
        some = graph.representatives
        scalars = None if edge_scalars is None else edge_scalars[some]
        return self.profiles(displacements, orientations), self.weights(length(displacements[some]), scalars)


class PolynomialKernel(nn.Module):
    """The kernel of the paper: a network of the monomials of (r . o, |r - (r . o) o|) up to degree 3, one row for
    every edge and orientation; the layers differ by a linear map of its last features only (Bekkers et al. 2024,
    appendix)."""

    def __init__(
        self,
        embedding: RadialEmbedding,
        group: str,
        degree: int,
        channels: int,
        layers: int,
        hidden: int,
        neighbors: float,
    ) -> None:
        super().__init__()
        self.embedding, self.group = embedding, group
        self.monomials = [m for d in range(1, degree + 1) for m in combinations_with_replacement(range(2), d)]
        inputs = len(self.monomials) + embedding.edge_scalars
        self.network = nn.Sequential(nn.Linear(inputs, channels), nn.GELU(), nn.Linear(channels, hidden), nn.GELU())
        self.out = nn.Parameter(torch.randn(layers, 1, hidden, channels))
        calibrate(self, self.out, neighbors)

    def profiles(self, displacements: Tensor, orientations: Tensor, edge_scalars: Tensor | None = None) -> Tensor:
        """(E, O, hidden)."""
        r = displacements[:, None].expand(-1, orientations.shape[-2], -1)
        numbers = separable_invariants(r / self.embedding.length, orientations.expand_as(r), self.group)
        powers = torch.stack([numbers[..., list(m)].prod(-1) for m in self.monomials], -1)
        if edge_scalars is not None:
            powers = torch.cat([powers, edge_scalars[:, None].expand(-1, powers.shape[1], -1)], -1)
        return self.network(powers) * self.embedding.window(length(displacements))[:, None, None]

    def weights(self, distances: Tensor, edge_scalars: Tensor | None) -> list[Tensor]:
        """(1, hidden, C) for each layer, the same for all edges."""
        return list(self.out)

    def forward(self, displacements: Tensor, orientations: Tensor, graph: Graph, edge_scalars: Tensor | None) -> Kernel:
        """Profiles and weights of a graph whose edges all share one row."""
        return self.profiles(displacements, orientations, edge_scalars), list(self.out)


KERNELS: dict[str, type[HarmonicKernel] | type[PolynomialKernel]] = {
    "harmonic": HarmonicKernel,
    "polynomial": PolynomialKernel,
}


@torch.no_grad()
def calibrate(kernel: HarmonicKernel | PolynomialKernel, weight: Tensor, neighbors: float) -> None:
    """Scales `weight` so that a sum over `neighbors` displacements of about the typical length keeps the size of
    features.

    At construction, from displacements drawn with a fixed seed: the first forward pass is like every other.
    """
    embedding, generator = kernel.embedding, torch.Generator().manual_seed(0)
    sample = torch.randn(256, embedding.dim, generator=generator)
    sample = (
        sample / sample.norm(dim=1, keepdim=True) * embedding.length * (0.5 + torch.rand(256, 1, generator=generator))
    )
    scalars = torch.randn(256, embedding.edge_scalars, generator=generator) if embedding.edge_scalars else None
    orientation = torch.eye(embedding.dim)[:1]
    if isinstance(kernel, HarmonicKernel):
        profiles = kernel.profiles(sample, orientation)
    else:
        profiles = kernel.profiles(sample, orientation, scalars)
    weights = torch.stack(kernel.weights(length(sample), scalars)).expand(-1, 256, -1, -1)
    values = torch.einsum("eop,lepc->leoc", profiles, weights)
    weight /= values.square().mean().sqrt() * neighbors**0.5


def _dots(vectors: Tensor, orientations: Tensor) -> Tensor:
    """(E, O) of vectors (E, n) and orientations (O, n) or (E, O, n)."""
    if orientations.ndim == 2:
        return vectors @ orientations.T
    return (orientations @ vectors[..., None])[..., 0]
