"""DiffusionNet: a network on surfaces whose only communication between vertices is diffusion and gradients.

Sharp, Attaiki, Crane and Ovsjanikov, "DiffusionNet: Discretization Agnostic Learning on Surfaces", ACM TOG 2022.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from geokit.backend.checks import FLOATS, check_tensor
from geokit.errors import InvalidInput
from geokit.geometry.sparse import SparseMatrix
from geokit.spectral.descriptors import heat_kernel_signature, unit_norms, wave_kernel_signature
from geokit.spectral.gradients import vertex_gradients
from geokit.spectral.shape import SpectralShape

_LEAST_TIME = 1e-8
INPUTS = ("xyz", "hks", "wks")
OUTPUTS = ("vertices", "faces", "mean")


@dataclass(frozen=True)
class SurfaceOperators:
    """What a DiffusionNet needs of a surface of N vertices, all of one float dtype.

    masses: (N,). eigenvalues: (K,), eigenvectors: (N, K). x, y: (N, N), components of gradients in tangent frames that
    are right-handed with the outward normal. faces: (F, 3) int64.
    """

    masses: Tensor
    eigenvalues: Tensor
    eigenvectors: Tensor
    x: SparseMatrix
    y: SparseMatrix
    faces: Tensor

    def __len__(self) -> int:
        return len(self.masses)

    def to(self, target: torch.device | torch.dtype | str) -> "SurfaceOperators":
        """On another device or with another float dtype; indices stay int64."""
        faces = self.faces if isinstance(target, torch.dtype) else self.faces.to(target)
        masses, eigenvalues, eigenvectors = (t.to(target) for t in (self.masses, self.eigenvalues, self.eigenvectors))
        return SurfaceOperators(masses, eigenvalues, eigenvectors, self.x.to(target), self.y.to(target), faces)


def surface_operators(shape: SpectralShape, count: int = 128, dtype: torch.dtype = torch.float32) -> SurfaceOperators:
    """The operators of a prepared shape, with its first `count` eigenpairs (all, where it has fewer)."""
    basis, gradients = shape.basis.first(count), vertex_gradients(shape.mesh)
    x, y, faces = gradients.x, gradients.y, shape.mesh.faces
    return SurfaceOperators(basis.masses, basis.eigenvalues, basis.eigenvectors, x, y, faces).to(dtype)


def network_inputs(
    shape: SpectralShape, kind: str = "wks", count: int | None = None, dtype: torch.dtype = torch.float32
) -> Tensor:
    """(N, C) features to start from: "wks" or "hks" with `count` channels (128, 16), or "xyz" with three.

    Signatures come from the first 128 eigenpairs, each scaled to unit norm; they do not change when the shape moves or
    is bent without stretching. Places do. Raises `InvalidInput` for another kind.
    """
    if kind not in INPUTS:
        raise InvalidInput(f"inputs of a network are one of {', '.join(INPUTS)}, got {kind!r}")
    if kind == "xyz":
        return shape.mesh.vertices.to(dtype)
    basis = shape.basis.first(128)
    wave = kind == "wks"
    signature = wave_kernel_signature(basis, count or 128) if wave else heat_kernel_signature(basis, count or 16)
    return unit_norms(signature, basis.masses).to(dtype)


class LearnedDiffusion(nn.Module):
    """Diffusion of every channel for a time of its own, in the eigenbasis. times: (C,) learned, kept positive."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.times = nn.Parameter(torch.zeros(channels))

    def forward(self, features: Tensor, surface: SurfaceOperators) -> Tensor:
        """(N, C) from (N, C)."""
        # A time that left the positive half still feels its gradient, so it can come back.
        times = self.times + (self.times.clamp_min(_LEAST_TIME) - self.times).detach()
        coefficients = surface.eigenvectors.T @ (surface.masses[:, None] * features)
        return surface.eigenvectors @ (torch.exp(-surface.eigenvalues[:, None] * times) * coefficients)


class GradientFeatures(nn.Module):
    """Inner products of every channel's gradient with learned turned and scaled sums of the others', within (-1, 1).

    Gradients are complex numbers g = x + i y in each tangent plane, and the sums are A g with a complex matrix A, so
    that the result does not depend on how the planes' axes are turned. legacy: the imaginary part of A g with the
    factors exchanged, re(A) x + im(A) y instead of re(A) y + im(A) x, as some published weights were trained; then it
    does depend.
    """

    def __init__(self, channels: int, legacy: bool = False) -> None:
        super().__init__()
        self.real = nn.Linear(channels, channels, bias=False)
        self.imaginary = nn.Linear(channels, channels, bias=False)
        self.legacy = legacy

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        """(N, C) of the components of gradients, (N, C) each."""
        real = self.real(x) - self.imaginary(y)
        first, second = (x, y) if self.legacy else (y, x)
        return torch.tanh(x * real + y * (self.real(first) + self.imaginary(second)))


class DiffusionBlock(nn.Module):
    """Diffusion, gradient features and a pointwise network of both and the input, added to the input."""

    def __init__(self, width: int, hidden: Sequence[int], dropout: float, legacy: bool) -> None:
        super().__init__()
        self.diffusion = LearnedDiffusion(width)
        self.gradient = GradientFeatures(width, legacy)
        sizes = [3 * width, *hidden, width]
        layers: list[nn.Module] = []
        for number, (before, after) in enumerate(itertools.pairwise(sizes)):
            layers += [nn.ReLU(), nn.Dropout(dropout)] if number else []
            layers.append(nn.Linear(before, after))
        self.mlp = nn.Sequential(*layers)

    def forward(self, features: Tensor, surface: SurfaceOperators) -> Tensor:
        """(N, C) from (N, C)."""
        diffused = self.diffusion(features, surface)
        bent = self.gradient(surface.x @ diffused, surface.y @ diffused)
        return features + self.mlp(torch.cat((features, diffused, bent), dim=1))


class DiffusionNet(nn.Module):
    """Features on one surface to features on it.

    in_channels, out_channels: of the input and the output. width: channels inside. blocks: how many. hidden: sizes of
    the pointwise networks' inner layers, (width, width) if not given. outputs: "vertices" (N, D), "faces" (F, D) means
    of their corners, or "mean" (D,) over the surface by area. legacy: see `GradientFeatures`.
    Raises `InvalidInput` for other outputs; calls do for features that do not fit the surface.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        width: int = 128,
        blocks: int = 4,
        *,
        hidden: Sequence[int] | None = None,
        dropout: float = 0.5,
        outputs: str = "vertices",
        legacy: bool = False,
    ) -> None:
        super().__init__()
        if outputs not in OUTPUTS:
            raise InvalidInput(f"outputs of a DiffusionNet are at one of {', '.join(OUTPUTS)}, got {outputs!r}")
        self.outputs = outputs
        self.first = nn.Linear(in_channels, width)
        inner = (width, width) if hidden is None else hidden
        self.blocks = nn.ModuleList(DiffusionBlock(width, inner, dropout, legacy) for _ in range(blocks))
        self.last = nn.Linear(width, out_channels)

    def forward(self, features: Tensor, surface: SurfaceOperators) -> Tensor:
        """(N, D), (F, D) or (D,) of features (N, C) on a surface of N vertices."""
        check_tensor("features", features, (len(surface), self.first.in_features), FLOATS)
        values = self.first(features)
        for block in self.blocks:
            values = block(values, surface)
        values = self.last(values)
        if self.outputs == "faces":
            return values[surface.faces].mean(1)
        if self.outputs == "mean":
            return (surface.masses @ values) / surface.masses.sum()
        return values
