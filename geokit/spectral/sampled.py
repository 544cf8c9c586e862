"""A shape seen from farthest-point samples: all that the automatic search compares, computed once for a shape."""

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from geokit.geometry.sampling import farthest_points
from geokit.spectral.descriptors import wave_kernel_signature
from geokit.spectral.gradients import vertex_gradients
from geokit.spectral.heights import heights
from geokit.spectral.shape import SpectralShape
from geokit.spectral.tips import Tips, edge_distances, find_tips

SAMPLES, TIP_SAMPLES = 300, 1000  # of the shape, and those among which its tips are looked for
FUNCTIONS = 60  # whose gradients are kept
_SIGNATURE = 60  # energies of the wave kernel signature


@dataclass(frozen=True)
class SampledShape:
    """S samples of a shape of unit area, and its T tips; float32.

    shape: what was sampled. vertices: (S,) indices of the samples. areas: (S,) area nearest to each, sum 1. rows:
    (S, K) eigenfunctions. gradients: (S, 2, FUNCTIONS) of them in right-handed frames. bends: (S, B) in (-1, 1),
    positive where the surface bulges and negative where it is hollow, at B scales. signature: (S, E) wave kernel.
    eigenvalues: (K,). distances: (S, S) along the edges. tip_distances: (T, S) to the tips, tip_gradients: (S, 2, T)
    of them.
    """

    shape: SpectralShape
    vertices: Tensor
    areas: Tensor
    rows: Tensor
    gradients: Tensor
    bends: Tensor
    signature: Tensor
    eigenvalues: Tensor
    distances: Tensor
    tips: Tips
    tip_distances: Tensor
    tip_gradients: Tensor

    def __len__(self) -> int:
        return len(self.vertices)

    @cached_property
    def smoothing(self) -> Tensor:
        """(S, S), rows of sum 1: the mean over the area that heat reaches from a sample before it meets others."""
        time = 1.2 / len(self)
        kernel = (self.rows * torch.exp(-time * self.eigenvalues)) @ self.rows.T
        kernel = kernel.clamp(min=0) * self.areas
        return kernel / kernel.sum(1, keepdim=True).clamp(min=1e-12)


def sample_shape(shape: SpectralShape) -> SampledShape:
    """Samples, distances and tips of a shape (some 0.4 s for 5,000 vertices)."""
    basis, count = shape.basis, len(shape)
    many = farthest_points(shape.mesh.vertices, min(TIP_SAMPLES, count))
    vertices = many[:SAMPLES]
    distances = edge_distances(shape.mesh, vertices)
    masses = basis.masses
    areas = masses.new_zeros(len(vertices)).index_add(0, distances.argmin(0), masses)
    areas = areas / areas.sum()
    tips = find_tips(shape.mesh, areas @ distances, many)
    functions = basis.eigenvectors[:, :FUNCTIONS]
    values = torch.cat((functions, tips.distances.T), dim=1)
    slopes = vertex_gradients(shape.mesh)(values)[vertices].mT.float()
    return SampledShape(
        shape=shape,
        vertices=vertices,
        areas=areas.float(),
        rows=basis.eigenvectors[vertices].float(),
        gradients=slopes[:, :, : functions.shape[1]].contiguous(),
        bends=heights(shape)[vertices],
        signature=wave_kernel_signature(basis, _SIGNATURE)[vertices].float(),
        eigenvalues=basis.eigenvalues.float(),
        distances=distances[:, vertices].float(),
        tips=tips,
        tip_distances=tips.distances[:, vertices].float(),
        tip_gradients=slopes[:, :, functions.shape[1] :],
    )
