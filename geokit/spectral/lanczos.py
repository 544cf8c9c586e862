"""Block Lanczos iterations with an inverse of a sparse matrix."""

from collections.abc import Callable

import torch
from torch import Tensor

BLOCK = 16  # vectors that are multiplied by the inverse together
_CHUNK = 4096  # columns of the basis that are combined at a time
_DEPENDENT = 1e-12  # share of a block's largest direction below which a direction is only rounding
_WELL = 1e-3  # share above which one pass makes a block orthonormal to rounding


class Krylov:
    """An orthonormal basis of the Krylov space of a symmetric operator, grown by blocks (Golub, Underwood 1977).

    A new block is made orthogonal to its predecessors and then, once more, to everything before it: what rounding
    lets in of eigenvectors already found goes while it is small, so no eigenvector is found twice.

    operator: (BLOCK, N) to the same. vectors: (most + BLOCK, N), of which `size` are the basis and the block after them
    is the next one. projected: (size, size), the operator in the basis. Results are the same for every number of
    threads.
    """

    def __init__(self, operator: Callable[[Tensor], Tensor], length: int, most: int) -> None:
        self._operator, self.most, self.size = operator, most, 0
        self.vectors = torch.empty(most + BLOCK, length, dtype=torch.float64)
        self._inner = self.vectors.new_zeros(most, most)
        self._coupling = self.vectors.new_zeros(BLOCK, BLOCK)  # of the last block of the basis with the next one
        self._near = 0  # where the vectors begin that the next product is far from orthogonal to
        self._random = torch.Generator().manual_seed(0)
        self.start_afresh()

    @property
    def next_block(self) -> Tensor:
        """(BLOCK, N) what the basis is to grow by."""
        return self.vectors[self.size : self.size + BLOCK]

    def start_afresh(self) -> None:
        """Go on from a random block: for copies of multiple eigenvalues that the basis cannot reach."""
        block, _ = self._orthogonal(self._noise(BLOCK), self.size)
        self._put(block)
        self._coupling.zero_()

    def grow(self) -> None:
        """One block more."""
        here, end = self.size, self.size + BLOCK
        block, products = self._orthogonal(self._operator(self.next_block), end)
        self._inner[:end, here:end] = products
        self._inner[here:end, :here] = products[:here].T
        self.size, self._near = end, here
        self._coupling = self._put(block)

    def ritz(self) -> tuple[Tensor, Tensor]:
        """The eigenvalues (size,) of the projected operator, ascending, and its eigenvectors as columns."""
        inner = self._inner[: self.size, : self.size]
        return torch.linalg.eigh((inner + inner.T) / 2)

    def left_over(self, inside: Tensor) -> Tensor:
        """(BLOCK, K) the part, in the next block, of what the operator makes of Ritz vectors (size, K)."""
        return self._coupling.T @ inside[-BLOCK:]

    def restart(self, theta: Tensor, inside: Tensor) -> None:
        """Keep only some Ritz vectors and the next block (thick restart: Wu, Simon 2000)."""
        kept = len(theta)
        for chunk in self.vectors.split(_CHUNK, dim=1):
            chunk[:kept], chunk[kept : kept + BLOCK] = (
                inside.T @ chunk[: self.size],
                chunk[self.size : self.size + BLOCK].clone(),
            )
        self._inner.zero_()
        self._inner.diagonal()[:kept] = theta
        self.size, self._near = kept, 0

    def combine(self, inside: Tensor) -> Tensor:
        """(N, K) the vectors with coordinates (size, K) in the basis."""
        result = self.vectors.new_empty(self.vectors.shape[1], inside.shape[1])
        for rows, chunk in zip(result.split(_CHUNK), self.vectors[: self.size].split(_CHUNK, dim=1)):
            torch.mm(chunk.T, inside, out=rows)
        return result

    def _noise(self, count: int) -> Tensor:
        # Through the operator once: what is rough in noise would only slow down the first steps.
        noise = torch.randn(BLOCK, self.vectors.shape[1], generator=self._random, dtype=torch.float64)
        return self._operator(noise)[:count]

    def _orthogonal(self, block: Tensor, end: int) -> tuple[Tensor, Tensor]:
        """The part of a block (B, N) orthogonal to the first `end` vectors, and (end, B) its products with these."""
        products = block.new_zeros(end, len(block))
        for first in (self._near, 0):
            basis = self.vectors[first:end]
            part = basis @ block.T
            block = torch.addmm(block, part.T, basis, alpha=-1)
            products[first:] += part
        return block, products

    def _put(self, block: Tensor) -> Tensor:
        """Make a block (BLOCK, N) orthonormal and put it after the basis; returns (BLOCK, BLOCK) its coordinates there.

        Directions that are only rounding, because the space is exhausted, are replaced by random ones.
        """
        coordinates = torch.eye(BLOCK, dtype=block.dtype)
        for _ in range(3):
            gram = block @ block.T
            scale = gram.diagonal().clamp_min(1e-300).rsqrt()
            shares, directions = torch.linalg.eigh(gram * scale[:, None] * scale)
            kept = shares > _DEPENDENT
            well = bool(shares[0] > _WELL)
            shares, directions = shares[kept].sqrt(), directions[:, kept]
            coordinates = coordinates @ (directions * shares / scale[:, None])
            block = ((directions / shares).T * scale) @ block
            missing = BLOCK - len(block)
            if missing:
                fresh, _ = self._orthogonal(self._noise(missing), self.size)
                fresh = torch.addmm(fresh, fresh @ block.T, block, alpha=-1)
                block = torch.cat([block, fresh])
                coordinates = torch.cat([coordinates, coordinates.new_zeros(BLOCK, missing)], dim=1)
            if well:
                break
        self.vectors[self.size : self.size + BLOCK] = block
        return coordinates
