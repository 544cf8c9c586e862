"""Linear maps between sums of tensors that commute with a group, found numerically, and projections onto them."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from geokit.equivariant.symmetries import Symmetry
from geokit.errors import InvalidInput

_RANK_TOLERANCE = 1e-8  # of singular values, relative to the largest
_LARGEST = 4096  # numbers in a map between two tensors, whose square is decomposed
_known: dict[tuple[object, int, int], Tensor] = {}


@dataclass(frozen=True)
class TensorSum:
    """A representation: counts[k] tensors of rank k on R^n, the scalars first, then the vectors, and so on.

    TensorSum((5, 2, 1)) on R^3 is 5 scalars, 2 vectors and a matrix, 5 + 2 * 3 + 9 numbers; a tensor of rank k turns
    by g on each of its k axes. Raises InvalidInput for negative counts.
    """

    counts: tuple[int, ...]
    n: int = 3

    def __post_init__(self) -> None:
        if not self.counts or min(self.counts) < 0 or self.n < 1:
            raise InvalidInput(f"a TensorSum has counts of at least 0 on R^n, n >= 1, got {self.counts} on R^{self.n}")

    @property
    def size(self) -> int:
        """How many numbers."""
        return sum(self.sizes)

    @property
    def sizes(self) -> list[int]:
        """How many numbers of each rank."""
        return [count * self.n**rank for rank, count in enumerate(self.counts)]

    @property
    def gated(self) -> "TensorSum":
        """The same with one scalar more for each tensor that is none, after the scalars: its gate."""
        return TensorSum((sum(self.counts), *self.counts[1:]), self.n)

    def act(self, element: Tensor, values: Tensor) -> Tensor:
        """Values (..., size) moved by an element (n, n) of a group: an action for `measure.equivariance_error`."""
        moved = []
        for rank, part in enumerate(values.split(self.sizes, -1)):
            tensors = part.unflatten(-1, (self.counts[rank], *[self.n] * rank)) if part.shape[-1] else part
            for axis in range(rank if part.shape[-1] else 0):
                tensors = torch.movedim(torch.movedim(tensors, -1 - axis, -1) @ element.to(values).mT, -1, -1 - axis)
            moved.append(tensors.flatten(values.dim() - 1) if part.shape[-1] else part)
        return torch.cat(moved, -1)


class Projector:
    """The orthogonal projection of matrices (out, in) and vectors (out,) onto those that a symmetry commutes with.

    P = Q Q^T, Q an orthonormal basis of equivariant maps of each pair of ranks (Finzi et al., "A Practical Method for
    Constructing Equivariant Multilayer Perceptrons for Arbitrary Matrix Groups", ICML 2021).
    """

    def __init__(self, symmetry: Symmetry, rep_in: TensorSum, rep_out: TensorSum) -> None:
        """Raises InvalidInput where symmetry and representations are of different dimensions, or ranks too high."""
        if not symmetry.n == rep_in.n == rep_out.n:
            raise InvalidInput(
                f"{symmetry.name} acts on R^{symmetry.n}, the representations are of tensors on R^{rep_in.n} and "
                f"R^{rep_out.n}: give the same n"
            )
        self.symmetry, self.rep_in, self.rep_out = symmetry, rep_in, rep_out
        self._bases: dict[tuple[int, int, torch.dtype, torch.device], Tensor] = {}

    @cached_property
    def dimension(self) -> int:
        """Of the space of equivariant matrices."""
        return sum(
            here * there * equivariant_maps(self.symmetry, i, o).shape[-1]
            for o, here in enumerate(self.rep_out.counts)
            for i, there in enumerate(self.rep_in.counts)
            if here and there
        )

    def weight(self, weight: Tensor, balanced: bool = False) -> Tensor:
        """The equivariant part of a matrix (out, in); `balanced`: blocks scaled by (numbers / dimension)^(1/2), which
        keeps the mean square of what independent random numbers give."""
        rows = []
        for o, block in enumerate(weight.split(self.rep_out.sizes, 0)):
            row = []
            for i, part in enumerate(block.split(self.rep_in.sizes, 1)):
                basis = self._basis(i, o, part)
                count = 0 if basis is None else basis.shape[1]
                if basis is None or not count:
                    row.append(torch.zeros_like(part))
                    continue
                found = self._rows(part, o, i) @ (basis @ basis.T)
                found = found * (len(basis) / count) ** 0.5 if balanced else found
                shape = (self.rep_out.counts[o], self.rep_in.counts[i], self.rep_out.n**o, self.rep_in.n**i)
                row.append(found.view(shape).transpose(1, 2).reshape(part.shape))
            rows.append(torch.cat(row, 1))
        return torch.cat(rows, 0)

    def bias(self, bias: Tensor) -> Tensor:
        """The invariant part of a vector (out,)."""
        return Projector(self.symmetry, TensorSum((1,), self.rep_in.n), self.rep_out).weight(bias[:, None])[:, 0]

    def equivariant_square(self, weight: Tensor) -> Tensor:
        """|P w|^2 of a matrix (out, in), without making P w: its coordinates in the basis are enough."""
        total = weight.new_zeros(())
        for o, block in enumerate(weight.split(self.rep_out.sizes, 0)):
            for i, part in enumerate(block.split(self.rep_in.sizes, 1)):
                basis = self._basis(i, o, part)
                if basis is not None and basis.shape[1]:
                    total = total + (self._rows(part, o, i) @ basis).square().sum()
        return total

    def _rows(self, block: Tensor, o: int, i: int) -> Tensor:
        """One row for each pair of tensors, (pairs, n^o n^i)."""
        shape = (self.rep_out.counts[o], self.rep_out.n**o, self.rep_in.counts[i], self.rep_in.n**i)
        return block.view(shape).transpose(1, 2).reshape(shape[0] * shape[2], shape[1] * shape[3])

    def _basis(self, i: int, o: int, block: Tensor) -> Tensor | None:
        """(n^o n^i, count) in the dtype of a block; None where this is empty."""
        if not block.numel():
            return None
        key = (i, o, block.dtype, block.device)
        if key not in self._bases:
            self._bases[key] = equivariant_maps(self.symmetry, i, o).flatten(0, 1).to(block)
        return self._bases[key]


def equivariant_maps(symmetry: Symmetry, rank_in: int, rank_out: int) -> Tensor:
    """An orthonormal basis (n^out, n^in, count) float64 of the maps W of tensors with W g = g W for all of a group.

    The null space of the constraints A W - W A of the generators A of the algebra and g W - W g of discrete elements
    g, by a singular value decomposition; remembered. Raises InvalidInput where a map has more than 4,096 numbers.
    """
    n = symmetry.n
    if n ** (rank_in + rank_out) > _LARGEST:
        raise InvalidInput(
            f"maps of tensors of rank {rank_in} to rank {rank_out} on R^{n} have {n ** (rank_in + rank_out):,} "
            f"numbers, at most {_LARGEST:,} are solved for: use tensors of lower rank"
        )
    key = (symmetry.key, rank_in, rank_out)
    if key not in _known:
        _known[key] = _null_space(_constraints(symmetry, rank_in, rank_out)).view(n**rank_out, n**rank_in, -1)
    return _known[key]


def _constraints(symmetry: Symmetry, rank_in: int, rank_out: int) -> Tensor:
    """(rows, n^out n^in) float64, acting on row-major W."""
    outer, inner = (torch.eye(symmetry.n**rank, dtype=torch.float64) for rank in (rank_out, rank_in))
    rows = [torch.zeros(1, len(outer) * len(inner), dtype=torch.float64)]
    for generator in symmetry.algebra:
        there, here = tensor_generator(generator, rank_out), tensor_generator(generator, rank_in)
        rows.append(torch.kron(there, inner) - torch.kron(outer, here.mT.contiguous()))
    for element in symmetry.discrete:
        there, here = tensor_power(element, rank_out), tensor_power(element, rank_in)
        rows.append(torch.kron(there, inner) - torch.kron(outer, here.mT.contiguous()))
    return torch.cat(rows)


def tensor_power(element: Tensor, rank: int) -> Tensor:
    """How an element (n, n) acts on tensors of a rank, (n^rank, n^rank)."""
    return _product([element] * rank, element)


def tensor_generator(generator: Tensor, rank: int) -> Tensor:
    """How an element (n, n) of the algebra acts on tensors of a rank, (n^rank, n^rank): on one axis at a time."""
    one = torch.eye(len(generator), dtype=generator.dtype)
    total = torch.zeros(len(generator) ** rank, len(generator) ** rank, dtype=generator.dtype)
    for axis in range(rank):
        total += _product([generator if k == axis else one for k in range(rank)], generator)
    return total


def _product(factors: Sequence[Tensor], like: Tensor) -> Tensor:
    result = torch.ones(1, 1, dtype=like.dtype)
    for factor in factors:
        result = torch.kron(result, factor)
    return result


def _null_space(constraints: Tensor) -> Tensor:
    """(columns, count) orthonormal."""
    # R of a QR has the same singular values as the constraints, without the rows' length of an SVD's U.
    small = torch.linalg.qr(constraints, mode="r")[1] if len(constraints) > constraints.shape[1] else constraints
    _, values, rows = torch.linalg.svd(small)
    rank = int((values > _RANK_TOLERANCE * max(1.0, float(values.max()))).sum())
    return rows[rank:].mT.contiguous()
