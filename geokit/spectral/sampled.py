"""A shape seen from farthest-point samples: all that the automatic search compares, computed once for a shape."""

from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor

from geokit.geometry.neighbors import nearest_neighbors
from geokit.geometry.sampling import farthest_points
from geokit.spectral.descriptors import wave_kernel_signature
from geokit.spectral.gradients import vertex_gradients
from geokit.spectral.shape import SpectralShape
from geokit.spectral.tips import Tips, edge_distances, find_tips

COARSE, FINE = 300, 1000  # samples of the two levels of the search
FUNCTIONS = 60  # whose gradients are kept
_BEND_TIMES = (0.0005, 0.002, 0.008)  # of diffusion, in units of the shape's area: some 2, 4 and 9 % of its size
SURROUNDING = 0.15  # radius, in units of the square root of the area, of what bends little when a shape moves
_SIGNATURE = 60  # energies of the wave kernel signature


@dataclass(frozen=True)
class Samples:
    """S samples of a shape of unit area, float32.

    vertices: (S,) their indices. places: (S, 3). areas: (S,) area nearest to each, sum 1. rows: (S, K) eigenfunctions.
    gradients: (S, 2, FUNCTIONS) of them in right-handed frames. bends: (S, B) in (-1, 1), positive where the surface
    bulges and negative where it is hollow, at B scales. signature: (S, E) wave kernel. eigenvalues: (K,). nearest:
    (S,) the coarse sample nearest to each. distances: (COARSE, COARSE) along the edges between the coarse samples.
    """

    vertices: Tensor
    places: Tensor
    areas: Tensor
    rows: Tensor
    gradients: Tensor
    bends: Tensor
    signature: Tensor
    eigenvalues: Tensor
    nearest: Tensor
    distances: Tensor

    def __len__(self) -> int:
        return len(self.vertices)

    def apart(self, first: Tensor, second: Tensor) -> Tensor:
        """Distances between samples, taken between the coarse samples next to them."""
        return self.distances[self.nearest[first], self.nearest[second]]

    @cached_property
    def smoothing(self) -> Tensor:
        """(S, S), rows of sum 1: the mean over the area that heat reaches from a sample before it meets others."""
        time = 1.2 / len(self)
        kernel = (self.rows * torch.exp(-time * self.eigenvalues)) @ self.rows.T
        kernel = kernel.clamp(min=0) * self.areas
        return kernel / kernel.sum(1, keepdim=True).clamp(min=1e-12)

    @cached_property
    def surroundings(self) -> Tensor:
        """(COARSE, S), rows of sum 1: how much each sample belongs to the surroundings of each coarse one."""
        near = torch.exp(-(self.distances[:, self.nearest] / SURROUNDING).square()) * self.areas
        return near / near.sum(1, keepdim=True)


@dataclass(frozen=True)
class SampledShape:
    """The two levels of a shape and its tips.

    rows: (N, K) all eigenfunctions, float32. masses: (N,) of sum 1. tip_distances: (T, COARSE) to the coarse samples,
    tip_gradients: (COARSE, 2, T) their gradients there.
    """

    coarse: Samples
    fine: Samples
    rows: Tensor
    masses: Tensor
    tips: Tips
    tip_distances: Tensor
    tip_gradients: Tensor


def sample_shape(shape: SpectralShape) -> SampledShape:
    """Samples, distances and tips of a shape (some 0.5 s for 5,000 vertices)."""
    basis, count = shape.basis, len(shape)
    vertices = farthest_points(shape.mesh.vertices, min(FINE, count))
    gradients = vertex_gradients(shape.mesh)
    functions = basis.eigenvectors[:, :FUNCTIONS]
    coarse = vertices[:COARSE]
    distances = edge_distances(shape.mesh, coarse)
    areas = _areas(distances.argmin(0), basis.masses, len(coarse))
    tips = find_tips(shape.mesh, areas.double() @ distances, vertices)
    slopes = gradients(torch.cat((functions, tips.distances.T), dim=1))[vertices].mT.float()
    bends, signature = _bends(shape), wave_kernel_signature(basis, _SIGNATURE)[vertices].float()
    nearest = nearest_neighbors(shape.mesh.vertices[vertices], 1, shape.mesh.vertices)[1][:, 0]
    fine = Samples(
        vertices,
        shape.mesh.vertices[vertices].float(),
        _areas(nearest, basis.masses, len(vertices)),
        basis.eigenvectors[vertices].float(),
        slopes[:, :, : functions.shape[1]].contiguous(),
        bends[vertices],
        signature,
        basis.eigenvalues.float(),
        distances[:, vertices].argmin(0),
        distances[:, coarse].float(),
    )
    few = slice(len(coarse))
    first = replace(
        fine,
        vertices=coarse,
        places=fine.places[few],
        areas=areas,
        rows=fine.rows[few],
        gradients=fine.gradients[few],
        bends=fine.bends[few],
        signature=signature[few],
        nearest=torch.arange(len(coarse)),
    )
    masses = (basis.masses / basis.masses.sum()).float()
    return SampledShape(
        first,
        fine,
        basis.eigenvectors.float(),
        masses,
        tips,
        tips.distances[:, coarse].float(),
        slopes[few, :, functions.shape[1] :],
    )


def _areas(nearest: Tensor, masses: Tensor, count: int) -> Tensor:
    areas = masses.new_zeros(count).index_add(0, nearest, masses)
    return (areas / areas.sum()).float()


def _bends(shape: SpectralShape) -> Tensor:
    """(N, B) float32: how far each vertex lies outside of the surface that diffusion makes, squashed by the median.

    The sign of mean curvature at a scale, without the large values at fingers and tails that would drown the rest: it
    is what tells the front of a body from its back.
    """
    basis, vertices = shape.basis, shape.mesh.vertices
    coefficients = basis.project(vertices)
    bends = []
    for time in _BEND_TIMES:
        smooth = basis.synthesize(torch.exp(-time * basis.eigenvalues)[:, None] * coefficients)
        heights = ((vertices - smooth) * shape.normals).sum(1)
        bends.append(torch.tanh(heights / heights.abs().median().clamp(min=1e-12)))
    return torch.stack(bends, dim=1).float()
