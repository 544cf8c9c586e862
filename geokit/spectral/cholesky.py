"""Sparse symmetric positive definite systems, factored once and solved many times."""

from dataclasses import dataclass

from torch import Tensor

from geokit.backend import sparse_ops
from geokit.backend.checks import FLOATS, check_tensor
from geokit.errors import InvalidInput, NumericalFailure
from geokit.geometry.sparse import SparseMatrix

_ASYMMETRY = 1e-4  # of mirrored entries, relative to the largest one: more than the rounding of any sum


class Cholesky:
    """The factorization of a sparse symmetric positive definite matrix (N, N), float32 or float64.

    An approximate minimum degree order (Amestoy, Davis, Duff 1996) and a multifrontal factorization by supernodes
    (Duff, Reid 1983). Of the matrix its symmetric part (A + A^T) / 2 is taken. A Laplacian alone is singular: add a
    small multiple of the masses to its diagonal first.

    Raises `InvalidInput` where the matrix is not square, finite or symmetric, `NumericalFailure` where it is not
    positive definite.
    """

    def __init__(self, matrix: SparseMatrix) -> None:
        self._pattern = SymmetricPattern.of(matrix)
        self._entries = self._pattern.symmetric_part(matrix.values)
        self._plan = self._pattern.plan()
        arguments = self._pattern.offsets, self._pattern.columns, self._entries.detach(), self._plan
        self._values, self._signs, result = sparse_ops.factor(*arguments, definite=True)
        failed, pivot, _ = result.tolist()
        if failed >= 0:
            row = int(self._plan[0][int(failed)])
            raise NumericalFailure(
                f"the matrix is not positive definite: the pivot of row {row} of {len(self)} is {pivot:.3g}; "
                "add a small positive multiple of the masses (or of the identity) to its diagonal"
            )

    def __len__(self) -> int:
        return len(self._pattern.offsets) - 1

    def __repr__(self) -> str:
        return f"Cholesky({len(self):,} rows, {self.stored:,} entries of the factor, {self._values.dtype})"

    @property
    def stored(self) -> int:
        """How many entries of the factor are stored, with the zeros that make blocks of it full."""
        return len(self._values) - sparse_ops.PADDING

    def solve(self, right: Tensor) -> Tensor:
        """x with matrix x = right, for (N,) or (N, K) of the matrix's dtype.

        Many columns at once are much faster than one after another: the factor is read once for sixteen of them.
        Differentiable by `right` and by the values of the matrix. Raises `InvalidInput` for another shape or dtype.
        """
        vector = isinstance(right, Tensor) and right.dim() == 1
        check_tensor("right", right, (len(self),) if vector else (len(self), "K"), self._values.dtype)
        block = right[:, None] if vector else right
        pattern = self._pattern
        factored = pattern.rows, pattern.columns, self._plan, self._values, self._signs
        solution = sparse_ops.solve(self._entries, block, *factored)
        return solution[:, 0] if vector else solution


@dataclass(frozen=True)
class SymmetricPattern:
    """Where a symmetric matrix (N, N) has its E entries: offsets (N + 1,), rows, columns and twins (E,), all int64.

    twins: where the mirror image of each entry is stored.
    """

    offsets: Tensor
    rows: Tensor
    columns: Tensor
    twins: Tensor

    @staticmethod
    def of(matrix: SparseMatrix) -> "SymmetricPattern":
        """That of a matrix. Raises `InvalidInput` where it is not square or an entry has no mirror image."""
        height, width = matrix.shape
        if height != width:
            raise InvalidInput(f"the matrix must be square to be factored, got {height} x {width}")
        twins, odd = sparse_ops.twins(matrix.offsets, matrix.columns)
        if int(odd) >= 0:
            raise InvalidInput(
                f"the matrix must be symmetric, but row {int(odd)} has an entry without a mirror image; "
                "store both of a pair, or add the transposed matrix"
            )
        return SymmetricPattern(matrix.offsets, matrix.rows, matrix.columns, twins)

    def symmetric_part(self, values: Tensor) -> Tensor:
        """(values + their mirror images) / 2. Raises `InvalidInput` where they differ, or are not finite."""
        check_tensor("the values of the matrix", values, (len(self.columns),), FLOATS, finite=True)
        mirrored = values[self.twins]
        gap = (values.detach() - mirrored.detach()).abs()
        if len(gap) and float(gap.max()) > _ASYMMETRY * float(values.detach().abs().max()):
            at = int(gap.argmax())
            raise InvalidInput(
                f"the matrix must be symmetric, but its entries at {(int(self.rows[at]), int(self.columns[at]))} and "
                f"mirrored are {float(values[at]):.6g} and {float(mirrored[at]):.6g}"
            )
        return (values + mirrored) / 2

    def plan(self) -> list[Tensor]:
        """Where the entries of its factor are (cuda_ext/sparse/symbolic.h)."""
        return list(sparse_ops.analyze(self.offsets, self.columns))


class SignedFactor:
    """P A P^T = L D L^T, D of +-1, of a symmetric matrix with the given pattern whose leading minors are not zero.

    negative: how many eigenvalues of A are negative (Sylvester's law of inertia). There is no exchange of rows, so
    rounding may be large where a leading block is nearly singular. whole: False where a pivot was zero.
    """

    def __init__(self, pattern: SymmetricPattern, plan: list[Tensor], entries: Tensor) -> None:
        self._entries, self._arrays = entries, (pattern.rows, pattern.columns, plan)
        factored = sparse_ops.factor(pattern.offsets, pattern.columns, entries, plan, definite=False)
        self._values, self._signs, result = factored
        failed, _, negative = result.tolist()
        self.negative, self.whole = int(negative), failed < 0

    def solve(self, right: Tensor) -> Tensor:
        """(N, K) X with A X = right."""
        return sparse_ops.solve(self._entries, right, *self._arrays, self._values, self._signs)
