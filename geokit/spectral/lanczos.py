"""Block Lanczos iterations with an inverse of a sparse matrix."""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

BLOCK = 16  # vectors that are multiplied by the inverse together
_SEGMENT = 4 * BLOCK  # vectors in one piece of memory
_CHUNK = 4096  # columns of the basis that are combined at a time
_DEPENDENT = 1e-8  # share of a direction of a block below which its Gram matrix is not exact enough
_WELL = 1e-3  # share above which one pass makes a block orthonormal to rounding


class Krylov:
    """An orthonormal basis of the Krylov space of a symmetric operator, grown by blocks (Golub, Underwood 1977).

    A new block is made orthogonal to its predecessors and then, once more, to everything before it: what rounding
    lets in of eigenvectors already found goes while it is small, so no eigenvector is found twice.

    operator: (BLOCK, N) to the same. size: vectors of the basis; the block after them is the next one. Vectors are
    kept in segments, so that memory is taken and given back as needed.
    """

    def __init__(self, operator: Callable[[Tensor], Tensor], length: int) -> None:
        self._operator, self._length, self.size = operator, length, 0
        self._segments: list[Tensor] = []  # (_SEGMENT, N) each
        self._inner = torch.zeros(0, 0, dtype=torch.float64)  # the operator in the basis
        self._coupling = self._inner.new_zeros(BLOCK, BLOCK)  # of the last block of the basis with the next one
        self._near = 0  # where the vectors begin that the next product is far from orthogonal to
        self._random = torch.Generator().manual_seed(0)
        self.start_afresh()

    @property
    def next_block(self) -> Tensor:
        """(BLOCK, N) what the basis is to grow by."""
        number, row = divmod(self.size, _SEGMENT)
        if number == len(self._segments):
            self._segments.append(self._inner.new_empty(_SEGMENT, self._length))
        return self._segments[number][row : row + BLOCK]

    def start_afresh(self) -> None:
        """Go on from a random block: for copies of multiple eigenvalues that the basis cannot reach."""
        block, _ = self._orthogonal(self._noise(BLOCK), self.size)
        self._put(block)
        self._coupling.zero_()

    def grow(self) -> None:
        """One block more."""
        here, end = self.size, self.size + BLOCK
        block, products = self._orthogonal(self._operator(self.next_block), end)
        inner = self._inner.new_zeros(end, end)
        inner[:here, :here] = self._inner
        inner[:, here:end] = products
        inner[here:end, :here] = products[:here].T
        self._inner, self.size, self._near = inner, end, here
        self._coupling = self._put(block)

    def ritz(self) -> tuple[Tensor, Tensor]:
        """The eigenvalues (size,) of the projected operator, ascending, and its eigenvectors as columns."""
        return torch.linalg.eigh((self._inner + self._inner.T) / 2)

    def left_over(self, inside: Tensor) -> Tensor:
        """(BLOCK, K) the part, in the next block, of what the operator makes of Ritz vectors (size, K)."""
        return self._coupling.T @ inside[-BLOCK:]

    def restart(self, theta: Tensor, inside: Tensor) -> None:
        """Keep only a multiple of BLOCK of Ritz vectors, and the next block (thick restart: Wu, Simon 2000)."""
        block = self.next_block.clone()
        self._combine(inside)
        self._inner, self.size, self._near = theta.diag(), len(theta), 0
        self.next_block.copy_(block)

    def into_combinations(self, inside: Tensor) -> Tensor:
        """(N, K) the vectors with coordinates (size, K) in the basis, in whose memory they are made: it is used up."""
        self._combine(inside)
        count = inside.shape[1]
        del self._segments[-(-count // _SEGMENT) :]
        result = self._inner.new_empty(self._length, count)
        for number, segment in enumerate(self._segments):
            columns = result[:, number * _SEGMENT : (number + 1) * _SEGMENT]
            columns.copy_(segment[: columns.shape[1]].T)
        return result

    def _combine(self, inside: Tensor) -> None:
        """Replace the first vectors by those with coordinates (size, K) in the basis."""
        for first in range(0, self._length, _CHUNK):
            some = slice(first, first + _CHUNK)
            basis = torch.cat([segment[:, some] for segment in self._segments])[: self.size]
            for segment, rows in zip(self._segments, (inside.T @ basis).split(_SEGMENT)):
                segment[: len(rows), some] = rows

    def _spans(self, first: int, end: int) -> Iterator[tuple[slice, Tensor]]:
        """The vectors `first` to `end` segment by segment, and which of them these are."""
        for number, segment in enumerate(self._segments[: -(-end // _SEGMENT)]):
            start = number * _SEGMENT
            low, high = max(first - start, 0), min(end - start, _SEGMENT)
            if low < high:
                yield slice(start + low, start + high), segment[low:high]

    def _noise(self, count: int) -> Tensor:
        # Through the operator once: what is rough in noise would only slow down the first steps.
        noise = torch.randn(BLOCK, self._length, generator=self._random, dtype=torch.float64)
        return self._operator(noise)[:count]

    def _orthogonal(self, block: Tensor, end: int) -> tuple[Tensor, Tensor]:
        """The part of a block (B, N) orthogonal to the first `end` vectors, and (end, B) its products with these."""
        products = block.new_zeros(end, len(block))
        for first in (self._near, 0):
            transposed = block.T.contiguous()
            for span, basis in self._spans(first, end):
                products_here = basis @ transposed
                products[span] += products_here
                block = torch.addmm(block, products_here.T, basis, alpha=-1)
        return block, products

    def _put(self, block: Tensor) -> Tensor:
        """Put a block (BLOCK, N), made orthonormal, after the basis; returns (BLOCK, BLOCK) its coordinates there."""
        coordinates = torch.eye(BLOCK, dtype=block.dtype)
        for _ in range(3):
            gram = block @ block.T
            scale = gram.diagonal().clamp_min(1e-300).rsqrt()
            shares, directions = torch.linalg.eigh(gram * scale[:, None] * scale)
            if float(shares[0]) < _DEPENDENT:
                block, inner = self._put_dependent(block)
                coordinates = coordinates @ inner
                break
            roots = shares.sqrt()
            coordinates = coordinates @ (directions * roots / scale[:, None])
            block = ((directions / roots).T * scale) @ block
            if float(shares[0]) > _WELL:
                break
        self.next_block.copy_(block)
        return coordinates

    def _put_dependent(self, block: Tensor) -> tuple[Tensor, Tensor]:
        """The same for a block that is nearly dependent, because the space is exhausted in some direction.

        Directions that turn out to be only rounding are replaced by random ones.
        """
        directions, first = torch.linalg.qr(block.T)
        again, _ = self._orthogonal(directions.T.contiguous(), self.size)
        directions, second = torch.linalg.qr(again.T)
        strong = second.diagonal().abs() > _WELL
        coordinates = (second @ first).T[:, strong]
        missing = BLOCK - int(strong.sum())
        if missing:
            fresh, _ = self._orthogonal(self._noise(missing), self.size)
            directions, third = torch.linalg.qr(torch.cat([directions[:, strong], fresh.T], dim=1))
            directions = directions * third.diagonal().sign()
            coordinates = torch.cat([coordinates, coordinates.new_zeros(BLOCK, missing)], dim=1)
        return directions.T.contiguous(), coordinates
