"""Gaussian processes for tangent vector fields on a mesh: known at some vertices, told at all, with what is uncertain.

The kernel is made of eigenfields of the connection Laplacian, with a Matern spectral density (R. Peach, M. Vinao-Carl,
N. Grossman, M. David, E. Mallas, D. Sharp, P. Malhotra, P. Vandergheynst, A. Gosztolai, Implicit Gaussian process
representation of vector fields over arbitrary latent manifolds, 2024; V. Borovitskiy, A. Terenin, P. Mostowsky,
M. Deisenroth, Matern Gaussian processes on Riemannian manifolds, 2020). Everything is float64.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from geokit.backend.checks import FLOATS, check_tensor
from geokit.errors import InvalidInput, NumericalFailure
from geokit.geometry.mesh import Mesh
from geokit.spectral.connection import connection_laplacian
from geokit.spectral.eigen import eigenbasis


@dataclass(frozen=True)
class TangentBasis:
    """The K smoothest tangent fields of a mesh of N vertices.

    eigenvalues: (K,) of the connection Laplacian, ascending. components: (2N, K), x and y in the frames of vertex 0,
    then of vertex 1, ...; orthonormal under the masses. frames: (N, 2, 3). area: of the mesh.
    """

    eigenvalues: Tensor
    components: Tensor
    frames: Tensor
    area: float

    def at(self, vertices: Tensor) -> Tensor:
        """(2M, K) the components at vertices (M,)."""
        return self.components.reshape(len(self.frames), 2, -1)[vertices].flatten(0, 1)


def tangent_basis(mesh: Mesh, count: int = 100) -> TangentBasis:
    """The `count` smoothest tangent fields. They come in pairs, of a field and the same turned by a right angle.

    Raises `InvalidInput` for meshes that are not oriented manifolds.
    """
    operator = connection_laplacian(mesh)
    found = eigenbasis(operator.laplacian, count)
    return TangentBasis(found.eigenvalues, found.eigenvectors, operator.frames, operator.laplacian.area / 2)


@dataclass(frozen=True)
class FieldPosterior:
    """What is known of a field. mean: (N, 3) tangent vectors. variance: (N,), of their squared length, expected."""

    mean: Tensor
    variance: Tensor


@dataclass(frozen=True)
class VectorFieldPrior:
    """A Gaussian process of tangent fields; its numbers are positive scalars and may carry gradients.

    variance: of each component, on average over the mesh. length: over which fields resemble themselves, in the unit of
    the mesh. noise: the variance of each component of what is observed. smoothness: nu, fields have nu derivatives.
    """

    basis: TangentBasis
    variance: Tensor
    length: Tensor
    noise: Tensor
    smoothness: float = 1.5

    def spectrum(self) -> Tensor:
        """(K,) variances of the eigenfields: (2 nu / length^2 + eigenvalue)^(-nu - 1), scaled to the variance."""
        rate = 2 * self.smoothness / self.length**2
        density = ((rate + self.basis.eigenvalues) / rate) ** (-self.smoothness - 1)
        return density * (2 * self.variance * self.basis.area / density.sum())

    def covariance(self, first: Tensor, second: Tensor) -> Tensor:
        """(2A, 2B) between the components at vertices (A,) and (B,)."""
        return (self.basis.at(first) * self.spectrum()) @ self.basis.at(second).T

    def log_marginal_likelihood(self, vertices: Tensor, vectors: Tensor) -> Tensor:
        """The logarithm of the density of observing vectors (M, 3) at vertices (M,). Differentiable by all numbers."""
        rows, values = self._observed(vertices, vectors)
        root = self._scaled(rows)
        factor = self._factor(root)
        reduced = torch.linalg.solve_triangular(factor, (root.T @ values / self.noise)[:, None], upper=False)[:, 0]
        fit = values.square().sum() / self.noise - reduced.square().sum()
        volume = 2 * factor.diagonal().log().sum() + len(values) * self.noise.log()
        return -(fit + volume + len(values) * math.log(2 * math.pi)) / 2

    def posterior(self, vertices: Tensor, vectors: Tensor) -> FieldPosterior:
        """The field given vectors (M, 3) at vertices (M,); only their tangent parts count."""
        rows, values = self._observed(vertices, vectors)
        root, everywhere = self._scaled(rows), self._scaled(self.basis.components)
        factor = self._factor(root)
        mean = everywhere @ torch.cholesky_solve((root.T @ values / self.noise)[:, None], factor)[:, 0]
        spread = torch.linalg.solve_triangular(factor, everywhere.T, upper=False).square().sum(0)
        in_space = torch.einsum("nc,ncd->nd", mean.reshape(-1, 2), self.basis.frames)
        return FieldPosterior(in_space, spread.reshape(-1, 2).sum(1))

    def sample(self, count: int, generator: torch.Generator | None = None) -> Tensor:
        """(count, N, 3) fields drawn from the process."""
        weights = torch.randn(len(self.basis.eigenvalues), count, generator=generator, dtype=torch.float64)
        drawn = (self._scaled(self.basis.components) @ weights).reshape(-1, 2, count)
        return torch.einsum("nck,ncd->knd", drawn, self.basis.frames)

    def _observed(self, vertices: Tensor, vectors: Tensor) -> tuple[Tensor, Tensor]:
        check_tensor("vertices", vertices, ("M",), torch.int64)
        check_tensor("vectors", vectors, (len(vertices), 3), FLOATS, finite=True)
        count = len(self.basis.frames)
        if len(vertices) and not 0 <= int(vertices.min()) <= int(vertices.max()) < count:
            raise InvalidInput(f"vertices name {int(vertices.min())} to {int(vertices.max())}; want 0 to {count - 1}")
        values = torch.einsum("md,mcd->mc", vectors.double(), self.basis.frames[vertices]).reshape(-1)
        return self.basis.at(vertices), values

    def _scaled(self, rows: Tensor) -> Tensor:
        """Rows times their transpose are covariances."""
        return rows * self.spectrum().sqrt()

    def _factor(self, root: Tensor) -> Tensor:
        """The Cholesky factor of the precision of the coefficients, each in units of its own prior deviation."""
        eye = torch.eye(root.shape[1], dtype=root.dtype)
        return torch.linalg.cholesky(eye + root.T @ root / self.noise)


def fit_vector_field(
    basis: TangentBasis, vertices: Tensor, vectors: Tensor, smoothness: float = 1.5
) -> VectorFieldPrior:
    """The process under which vectors (M, 3) at vertices (M,) are most likely: variance, length and noise are found.

    By L-BFGS on their logarithms. Raises `NumericalFailure` where the likelihood cannot be followed, and `InvalidInput`
    for vectors without a tangent part.
    """
    check_tensor("vectors", vectors, (len(vertices), 3), FLOATS, finite=True)
    values = torch.einsum("md,mcd->mc", vectors.double(), basis.frames[vertices])
    size = float(values.square().mean())
    if not size > 0:
        raise InvalidInput("none of the vectors has a tangent part: there is nothing to fit")
    start = torch.tensor([size, math.sqrt(basis.area) / 3, size / 100], dtype=torch.float64).log()
    logs = start.clone().requires_grad_()

    def prior() -> VectorFieldPrior:
        variance, length, noise = logs.exp().unbind()
        return VectorFieldPrior(basis, variance, length, noise + 1e-8 * size, smoothness)

    optimizer = torch.optim.LBFGS([logs], max_iter=60, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimizer.zero_grad()
        # far from what was given a number does not change the fit, and would drift: a wide prior on it
        value = (logs - start).square().sum() / 50 - prior().log_marginal_likelihood(vertices, vectors)
        value.backward()
        return value

    optimizer.step(loss)
    if not bool(torch.isfinite(logs).all()):
        raise NumericalFailure("the likelihood of the vectors has no maximum that could be followed; scale them")
    with torch.no_grad():
        return prior()
