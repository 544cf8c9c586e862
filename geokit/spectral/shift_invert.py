"""The smallest eigenpairs of a large sparse problem S x = lambda M x, and the proof that none is missing."""

import math
import warnings
from collections.abc import Callable

import torch
from torch import Tensor

from geokit.backend import sparse_ops
from geokit.errors import NumericalFailure
from geokit.geometry.sparse import SparseMatrix
from geokit.spectral.cholesky import SignedFactor, SymmetricPattern
from geokit.spectral.lanczos import BLOCK, Krylov

TOLERANCE = 1e-8  # of relative residuals
_AIM = 0.3 * TOLERANCE  # of those that are estimated before the functions are formed
_LOW, _GOAL, _HIGH = 0.4, 0.65, 0.95  # share of the eigenvalues below the shift: least, best, most
_FEWEST = 12  # eigenvalues that these are shares of, at least
_TRIES = 8  # at a shift with that share
_RESTARTS = 12
_AFRESH = 8  # random blocks, to find what is missing
_TIED = 1e-9  # eigenvalues this near to each other, relative to the largest, are copies of one
_SMALLEST_GAP = 1e-7  # between eigenvalues, relative to the largest, that a count can tell apart

Progress = Callable[[int, int], None]  # called with the pairs that have converged and those wanted


def relative_residuals(stiffness: SparseMatrix, masses: Tensor, eigenvalues: Tensor, functions: Tensor) -> Tensor:
    """(K,) |S x - lambda M x| / |M x| relative to the largest of the eigenvalues, at least to 1 / area."""
    squares = sparse_ops.residual_squares(
        stiffness.offsets, stiffness.columns, stiffness.values, masses, eigenvalues, functions
    )
    return (squares[0] / squares[1].clamp_min(1e-300)).sqrt() / eigenvalue_scale(eigenvalues, masses)


def eigenvalue_scale(eigenvalues: Tensor, masses: Tensor) -> float:
    """What residuals are relative to: the last eigenvalue, at least 1 / area."""
    return max(float(eigenvalues[-1]), 1 / float(masses.sum()))


class ShiftInvert:
    """Lanczos iterations with (S - shift M)^-1 for the `count` smallest eigenpairs (Ericsson, Ruhe 1980).

    With the shift inside the wanted part of the spectrum, found by counting the eigenvalues below it, they take about
    a third fewer steps than with a shift below it. masses: >= 0; where a mass is zero the function follows from its
    neighbours, and is zero if it has none. At the end the eigenvalues below the largest found are counted by
    Sylvester's law of inertia; if there are more, the iterations go on from random blocks until none is missing.
    """

    def __init__(self, stiffness: SparseMatrix, masses: Tensor, count: int, progress: Progress | None = None) -> None:
        self._stiffness, self._masses, self._count, self._progress = stiffness, masses, count, progress
        self._pattern = SymmetricPattern.of(stiffness)
        self._entries = self._pattern.symmetric_part(stiffness.values)
        self._plan = self._pattern.plan()
        self._on_diagonal = self._pattern.rows == self._pattern.columns
        filled = torch.zeros_like(masses).index_add(0, self._pattern.rows, self._entries.abs())
        self._added = torch.where(
            (filled == 0) & (masses == 0), 1.0, 0.0
        )  # to rows of nothing, so that they do no harm
        self._roots = masses.sqrt()
        self._shift, self._factor = self._place_shift()

    def solve(self) -> tuple[Tensor, Tensor, Tensor]:
        """(K,) eigenvalues, ascending, (N, K) functions, orthonormal under the masses, and (K,) relative residuals.

        Warns where rounding keeps residuals above `TOLERANCE` or leaves in doubt whether an eigenvalue is missing.
        Raises `NumericalFailure` where they do not converge.
        """
        for aim in (_AIM, 0.01 * _AIM):  # estimates are sharp but for functions that live on unusually small masses
            eigenvalues, functions = self._iterate(aim)
            residuals = relative_residuals(self._stiffness, self._masses, eigenvalues, functions)
            if float(residuals.max()) <= TOLERANCE:
                break
        else:
            warnings.warn(
                f"rounding keeps residuals at {float(residuals.max()):.1e}, above {TOLERANCE:.0e}: "
                "the shape has triangles of very different size",
                stacklevel=3,
            )
        return eigenvalues, functions, residuals

    def _iterate(self, aim: float) -> tuple[Tensor, Tensor]:
        """Eigenvalues and functions to estimated residuals of `aim`."""
        most = min(max(3 * self._count, self._count + 24 * BLOCK), int((self._masses > 0).sum()) - 2 * BLOCK)
        krylov, afresh = Krylov(self._operator, len(self._masses)), 0
        checked = 2 * self._count + 4 * BLOCK
        for _ in range(_RESTARTS):
            while krylov.size + BLOCK <= most:
                krylov.grow()
                if krylov.size < min(checked, most - BLOCK + 1):
                    continue
                eigenvalues, theta, inside, worst = self._estimate(krylov)
                if worst > aim:
                    blocks = math.floor(0.8 * min(math.log10(worst / aim), 8))  # a decade is about a block at the end
                    checked = krylov.size + BLOCK * max(1, blocks)
                elif not self._is_one_missing(eigenvalues):
                    return eigenvalues[: self._count], self._functions(krylov, theta, inside)
                elif afresh < _AFRESH:
                    krylov.start_afresh()
                    checked, afresh = krylov.size + 4 * BLOCK, afresh + 1
                else:
                    warnings.warn(
                        f"more than {self._count} eigenvalues seem to lie below {float(eigenvalues[-1]):.6g}, but no "
                        "more are found: one of those given may not be among the smallest",
                        stacklevel=4,
                    )
                    return eigenvalues[: self._count], self._functions(krylov, theta, inside)
            theta, inside = krylov.ritz()
            kept = self._wanted(theta)[1][: -(-self._count // BLOCK) * BLOCK + 4 * BLOCK]
            krylov.restart(theta[kept], inside[:, kept])
        raise NumericalFailure(
            f"the {self._count} smallest eigenpairs of {len(self._masses)} vertices did not converge: the "
            f"residual is {worst:.1e} after {_RESTARTS} restarts, wanted {aim:.0e}; the mesh may need repair"
        )

    def _factored(self, shift: float) -> SignedFactor:
        diagonal = self._added - shift * self._masses
        entries = self._entries + torch.where(self._on_diagonal, diagonal[self._pattern.rows], 0.0)
        return SignedFactor(self._pattern, self._plan, entries)

    def _place_shift(self) -> tuple[float, SignedFactor]:
        """A shift below which a good part of the eigenvalues lies; below all of them where there is none such."""
        area, wanted = float(self._masses.sum()), max(self._count, _FEWEST)
        shift, low, high = _GOAL * 4 * math.pi * wanted / area, 0.0, math.inf  # Weyl's law on surfaces
        for _ in range(_TRIES):
            factor = self._factored(shift)
            share = factor.negative / wanted
            if factor.whole and _LOW <= share <= _HIGH:
                return shift, factor
            low, high = (shift, high) if share < _GOAL else (low, shift)
            guess = shift * min(max(_GOAL / max(share, 1e-9), 0.1), 10)
            shift = guess if low < guess < high else (low + high) / 2
        for shift in (1e-2 / area, 1 / area, 100 / area):
            factor = self._factored(-shift)
            if factor.whole and factor.negative == 0:
                return -shift, factor
        raise NumericalFailure(
            f"the stiffness is not positive semi-definite: {factor.negative} of {len(self._masses)} eigenvalues are "
            f"below {-shift:.3g}; take the robust Laplacian, whose weights are not negative"
        )

    def _operator(self, block: Tensor) -> Tensor:
        """M^1/2 (S - shift M)^-1 M^1/2 on rows."""
        return self._factor.solve((block * self._roots).T).T * self._roots

    def _wanted(self, theta: Tensor) -> tuple[Tensor, Tensor]:
        """Eigenvalues shift + 1 / theta, ascending, and which theta they come from.

        A theta between zero and that of eigenvalue zero is of none: it is still moving, and comes last.
        """
        eigenvalues = self._shift + 1 / theta
        return torch.where(eigenvalues >= -1e-6 * abs(self._shift), eigenvalues, math.inf).sort()

    def _estimate(self, krylov: Krylov) -> tuple[Tensor, Tensor, Tensor, float]:
        """The smallest Ritz values and one more; theta and coordinates of all but that; their worst residual."""
        theta, inside = krylov.ritz()
        eigenvalues, order = self._wanted(theta)
        eigenvalues = eigenvalues.clamp_min(0)
        scale = eigenvalue_scale(eigenvalues[: self._count], self._masses)
        if not math.isfinite(scale):
            return eigenvalues, theta, inside, math.inf
        # With r left over by the operator, (S - lambda M) x = (shift M - S) M^-1/2 r / theta.
        block = torch.where(self._masses > 0, krylov.next_block / self._roots, 0.0).T.contiguous()
        rough = self._stiffness @ block - self._shift * self._masses[:, None] * block
        rough = torch.where(self._masses[:, None] > 0, rough, 0.0)
        gram = rough.T @ rough
        # The last value wanted may be a multiple one of which not all is wanted. Of these copies, some of which have
        # converged and some not, the solver of the small problem gives any mixture: take apart those that have.
        chosen = order[: int((eigenvalues <= eigenvalues[self._count - 1] + _TIED * scale).sum())]
        theta, inside = theta[chosen], inside[:, chosen]
        first = int((eigenvalues < eigenvalues[self._count - 1] - _TIED * scale).sum())
        if len(chosen) > self._count:
            part = krylov.left_over(inside[:, first:])
            best = torch.linalg.eigh(part.T @ gram @ part)[1][:, : self._count - first]
            theta = torch.cat([theta[:first], best.square().T @ theta[first:]])
            inside = torch.cat([inside[:, :first], inside[:, first:] @ best], dim=1)
        part = krylov.left_over(inside)
        sizes = (part * (gram @ part)).sum(0).clamp_min(0).sqrt() / theta.abs()
        usual = float((self._masses.square().sum() / self._masses.sum()).sqrt())  # |M x| of a function of |x|_M = 1
        residuals = sizes / usual / scale
        if self._progress:
            self._progress(int((residuals <= _AIM).sum()), self._count)
        return eigenvalues[: self._count + 1], theta, inside, float(residuals.max())

    def _is_one_missing(self, eigenvalues: Tensor) -> bool:
        """Whether more eigenvalues lie below the last gap than were found there. The last one given is beyond those."""
        values = eigenvalues.tolist()
        least = _SMALLEST_GAP * eigenvalue_scale(eigenvalues[:-1], self._masses)
        for below in range(self._count, 0, -1):
            gap = min(values[below], 2 * values[below - 1] + 1e3 * least) - values[below - 1]
            if gap > least:  # the value after the gap may itself be too large still
                factor = self._factored(values[below - 1] + 0.1 * gap)
                return factor.whole and factor.negative > below
        return False

    def _functions(self, krylov: Krylov, theta: Tensor, inside: Tensor) -> Tensor:
        """(N, K) M^-1/2 of the Ritz vectors; the basis is used up."""
        functions = krylov.into_combinations(inside)
        empty = self._masses == 0
        if not bool(empty.any()):
            return functions.div_(self._roots[:, None])
        solved = self._factor.solve(functions * self._roots[:, None]) / theta
        return torch.where(empty[:, None], solved, functions / self._roots[:, None])
