"""The smoothest eigenfunctions of a Laplacian."""

from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from geokit.backend.checks import check_one_device, check_tensor
from geokit.errors import InvalidInput
from geokit.geometry.sparse import SparseMatrix
from geokit.spectral.lanczos import BLOCK
from geokit.spectral.operator import Laplacian
from geokit.spectral.shift_invert import Progress, ShiftInvert, relative_residuals

_NOTHING = 1e-7  # of the mean mass: what a vertex without neighbours may have and still not be a part of the shape


@dataclass(frozen=True)
class Eigenbasis:
    """The K smallest eigenpairs of a Laplacian on N vertices: stiffness phi = lambda masses phi.

    eigenvalues: (K,) ascending, >= 0. eigenvectors: (N, K), orthonormal under the masses; of each the entry of the
    largest size, the first of equal ones, is positive. masses: (N,). residuals: (K,), |stiffness phi - lambda masses
    phi| / |masses phi| relative to the largest eigenvalue (at least to 1 / area): the same at every scale.
    """

    eigenvalues: Tensor
    eigenvectors: Tensor
    masses: Tensor
    residuals: Tensor

    def __len__(self) -> int:
        return len(self.eigenvalues)

    def __repr__(self) -> str:
        count, size = len(self), len(self.masses)
        largest, worst = (float(t.detach().max()) if count else 0 for t in (self.eigenvalues, self.residuals))
        return f"Eigenbasis({count} of {size:,} vertices, eigenvalues to {largest:.6g}, residuals to {worst:.1e})"

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
        check_one_device(masses=self.masses, values=values)
        weighted = self.masses.reshape(-1, *[1] * (values.dim() - 1)) * values
        return self.eigenvectors.T @ weighted

    def synthesize(self, coefficients: Tensor) -> Tensor:
        """Functions (N, ...) of coefficients (K, ...)."""
        return self.eigenvectors @ coefficients


def eigenbasis(
    laplacian: Laplacian, count: int, *, cache: Path | bool | None = None, progress: Progress | None = None
) -> Eigenbasis:
    """The `count` smallest eigenpairs, float64, to relative residuals of 1e-8 or, usually, much below.

    Block Lanczos iterations with a sparse factorization (`geokit.spectral.shift_invert`), the dense solver where
    `count` is a large part of the vertices. That none is missing, of multiple eigenvalues too, is checked by counting.
    Every component of the shape has its own constant function of eigenvalue zero. Vertices without neighbours and
    without mass (below 1e-7 of the mean) are no components: all eigenvectors vanish there. The result does not
    depend on chance; between numbers of threads it differs by rounding. The eigenvalues are differentiable by the
    stiffness (symmetric changes) and the masses as long as they are simple; the eigenvectors are not differentiable.

    cache: a folder of results to look in first and to add to, or True for the usual one (`geokit.spectral.cache`).
    progress: called with the numbers of pairs that have converged and that are wanted.

    Raises `InvalidInput` for a `count` below 1 or above the number of vertices with mass, and for masses or a
    stiffness that cannot be (negative, not finite, not symmetric), `NumericalFailure` where iterations do not converge.
    """
    stiffness, masses = laplacian.stiffness, laplacian.masses
    check_tensor("the masses", masses, (stiffness.shape[0],), finite=True)
    plain = stiffness.replace(values=stiffness.values.detach().double())
    weights = _without_isolated(plain, masses.detach().double())
    most = int((weights > 0).sum())
    if not 1 <= count <= most:
        raise InvalidInput(f"count must be 1 to {most}, the number of vertices with mass, got {count}")
    if cache:
        from geokit.spectral.cache import EigenCache

        store = EigenCache(None if cache is True else cache)
        found = store.load(plain, weights, count)
        if found is None:
            found = _solve(plain, weights, count, progress)
            store.save(plain, weights, found)
    else:
        found = _solve(plain, weights, count, progress)
    values, vectors, residuals = found
    return Eigenbasis(_differentiable(laplacian, values, vectors), vectors, masses.detach().double(), residuals)


def _without_isolated(stiffness: SparseMatrix, masses: Tensor) -> Tensor:
    """The masses, zero for vertices of an empty row and almost no mass."""
    if bool((masses < 0).any()):
        raise InvalidInput(
            f"masses must not be negative, but that of vertex {int(masses.argmin())} is {masses.min():.3g}"
        )
    filled = torch.zeros_like(masses).index_add(0, stiffness.rows, stiffness.values.abs())
    return torch.where((filled == 0) & (masses <= _NOTHING * masses.mean()), 0.0, masses)


def _solve(
    stiffness: SparseMatrix, masses: Tensor, count: int, progress: Progress | None
) -> tuple[Tensor, Tensor, Tensor]:
    if int((masses > 0).sum()) <= 1.5 * count + 26 * BLOCK:
        values, vectors = _dense(stiffness, masses, count)
        residuals = relative_residuals(stiffness, masses, values, vectors)
    else:
        values, vectors, residuals = ShiftInvert(stiffness, masses, count, progress).solve()
    for some in vectors.split(BLOCK, dim=1):
        sizes = some.abs()
        first = (
            (sizes >= (1 - 1e-6) * sizes.amax(0)).to(torch.uint8).argmax(0)
        )  # of symmetric functions' equal extremes
        some.mul_(torch.where(some.gather(0, first[None]) < 0, -1.0, 1.0))
    return values, vectors, residuals


def _dense(stiffness: SparseMatrix, masses: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """By the dense solver. Vertices without mass are eliminated first: their functions have the least energy."""
    full, heavy = stiffness.dense(), masses > 0
    full = (full + full.T) / 2
    roots = masses[heavy].sqrt()
    inner, across = full[heavy][:, heavy], full[~heavy][:, heavy]
    follow = -torch.linalg.lstsq(full[~heavy][:, ~heavy], across, driver="gelsd").solution if len(across) else across
    values, rotated = torch.linalg.eigh((inner + across.T @ follow) / roots[:, None] / roots)
    vectors = full.new_empty(len(masses), count)
    vectors[heavy] = rotated[:, :count] / roots[:, None]
    vectors[~heavy] = follow @ vectors[heavy]
    return values[:count].clamp_min(0), vectors


def _differentiable(laplacian: Laplacian, values: Tensor, vectors: Tensor) -> Tensor:
    """The eigenvalues with d lambda = phi^T (dS - lambda dM) phi (Rayleigh 1877)."""
    stiffness, masses = laplacian.stiffness, laplacian.masses
    if not (stiffness.values.requires_grad or masses.requires_grad):
        return values
    energies = torch.stack(
        [(phi[stiffness.rows] * phi[stiffness.columns]) @ stiffness.values.double() for phi in vectors.T]
    )
    first_order = energies - values * (vectors.square().T @ masses.double())
    return values + (first_order - first_order.detach())
