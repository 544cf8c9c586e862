"""The smoothest eigenfunctions of a Laplacian."""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from geokit.spectral.laplacian import Laplacian


@dataclass(frozen=True)
class Eigenbasis:
    """The K smallest eigenpairs of a Laplacian on N vertices: stiffness phi = lambda masses phi.

    eigenvalues: (K,) ascending, >= 0. eigenvectors: (N, K), orthonormal under the masses. masses: (N,).
    residuals: (K,), |stiffness phi - lambda masses phi| / |masses phi| relative to the largest eigenvalue.
    """

    eigenvalues: Tensor
    eigenvectors: Tensor
    masses: Tensor
    residuals: Tensor

    def __len__(self) -> int:
        return len(self.eigenvalues)

    def first(self, count: int) -> "Eigenbasis":
        """The `count` smoothest of them."""
        return replace(
            self,
            eigenvalues=self.eigenvalues[:count],
            eigenvectors=self.eigenvectors[:, :count],
            residuals=self.residuals[:count],
        )

    def project(self, values: Tensor) -> Tensor:
        """Coefficients (K, ...) of functions on the vertices (N, ...)."""
        return self.eigenvectors.T @ (self.masses.reshape(-1, *[1] * (values.dim() - 1)) * values)

    def synthesize(self, coefficients: Tensor) -> Tensor:
        """Functions (N, ...) of coefficients (K, ...)."""
        return self.eigenvectors @ coefficients


def eigenbasis(laplacian: Laplacian, count: int) -> Eigenbasis:
    """The `count` smallest eigenpairs."""
    from scipy.sparse import diags_array
    from scipy.sparse.linalg import eigsh

    stiffness, masses = laplacian.stiffness.to_scipy().tocsc(), diags_array(laplacian.masses.numpy()).tocsc()
    values, vectors = eigsh(stiffness, count, masses, sigma=-1e-8 / laplacian.area)
    residuals = torch.from_numpy(abs(stiffness @ vectors - masses @ vectors * values).max(0))
    vectors = torch.from_numpy(vectors)
    return Eigenbasis(torch.from_numpy(values).clamp(min=0), vectors, laplacian.masses, residuals)
