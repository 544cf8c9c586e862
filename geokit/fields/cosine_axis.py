"""Local cosines along one axis: smooth windows that overlap, orthonormal on the samples of a signal."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

TILE = 16  # samples that a tile is wide, about


@dataclass(frozen=True)
class CosineAxis:
    """n samples at 0.5, 1.5, ... n - 0.5, cut into tiles; a tile of width w has w functions, windowed cosines.

    Tile t reaches over its borders, half of the narrower neighbour's width, and falls there as sin(pi/2 q), q the
    quintic step: twice continuously differentiable. Its cosines are even about the left border and odd about the right
    one, so that functions of neighbours cancel and all n functions are orthonormal on the samples (Coifman and Meyer
    1991; Malvar 1990). The first and the last tile have no window at the ends, and the last is even there too: near
    them the signal goes on as its mirror image.
    """

    size: int
    borders: tuple[int, ...]

    @staticmethod
    def cut(size: int, tile: int = TILE) -> "CosineAxis":
        """Tiles about `tile` samples wide that differ by at most one sample."""
        count = max(round(size / tile), 1)
        return CosineAxis(size, tuple(t * size // count for t in range(count + 1)))

    @property
    def tiles(self) -> int:
        """How many tiles there are."""
        return len(self.borders) - 1

    @property
    def widest(self) -> int:
        """The largest number of functions that a tile has."""
        return max(b - a for a, b in zip(self.borders, self.borders[1:]))

    def widths(self) -> Tensor:
        """The number of functions of every tile, (tiles,) int64."""
        return torch.tensor(self.borders).diff()

    def functions(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The two tiles whose functions reach x (N,), (N, 2) int64, and those functions at x, (N, 2, widest).

        Differentiable in x. Of tiles that are narrower, what stands after their width is meaningless.
        """
        borders = torch.tensor(self.borders, dtype=x.dtype, device=x.device)
        own = (torch.searchsorted(borders, x.detach().contiguous(), right=True) - 1).clamp(0, self.tiles - 1)
        middle = (borders[own] + borders[own + 1]) / 2
        other = own + torch.where(x < middle, -1, 1)
        inside = (other >= 0) & (other < self.tiles)
        other = torch.where(inside, other, own)
        found = torch.stack([self._of_tile(own, x), self._of_tile(other, x) * inside[:, None]], 1)
        return torch.stack([own, other], 1), found

    def _of_tile(self, tile: Tensor, x: Tensor) -> Tensor:
        borders = torch.tensor(self.borders, dtype=x.dtype, device=x.device)
        widths = borders.diff()
        reach = torch.minimum(widths[1:], widths[:-1]) / 2
        left, width, last = borders[tile], widths[tile], tile == self.tiles - 1
        window = torch.ones_like(x)
        if self.tiles > 1:
            rising = _rise((x - left) / reach[(tile - 1).clamp(min=0)])
            falling = _rise((left + width - x) / reach[tile.clamp(max=self.tiles - 2)])
            window = torch.where(tile == 0, 1.0, rising) * torch.where(last, 1.0, falling)
        k = torch.arange(self.widest, dtype=x.dtype, device=x.device)
        phase = (k + torch.where(last, 0.0, 0.5)[:, None]) * ((x - left) / width)[:, None]
        scale = ((2 - (last[:, None] & (k == 0)).to(x)) / width[:, None]).sqrt()
        return window[:, None] * scale * (math.pi * phase).cos()

    def analyse(self, samples: Tensor) -> Tensor:
        """The coefficients (tiles, widest, ...) of samples (n, ...): their inner products with the functions."""
        out = samples.new_zeros(self.tiles, self.widest, *samples.shape[1:])
        for tile in range(self.tiles):
            begin, matrix = self.samples_of(tile)
            part = samples[begin : begin + len(matrix)].reshape(len(matrix), -1)
            out[tile, : matrix.shape[1]] = (matrix.to(samples).T @ part).reshape(-1, *samples.shape[1:])
        return out

    def synthesise(self, coefficients: Tensor, x: Tensor, first: int = 0) -> Tensor:
        """The sum of the functions with coefficients (tiles, widest, ...), at ascending x (m,): (m, ...).

        first: the tile that the coefficients begin with, where they are those of all tiles that reach the x.
        """
        where, functions = self.functions(x)
        pairs, sizes = torch.unique_consecutive(where - first, dim=0, return_counts=True)
        parts = [
            part.flatten(1) @ coefficients[pair].reshape(part[0].numel(), -1)
            for pair, part in zip(pairs, functions.split(sizes.tolist()))
        ]
        return torch.cat(parts).reshape(len(x), *coefficients.shape[2:])

    def samples_of(self, tile: int) -> tuple[int, Tensor]:
        """The first sample that a tile reaches, and its functions at all that it reaches, (samples, width) float64."""
        a, b = self.borders[tile : tile + 2]
        begin, end = max(a - (b - a), 0), min(b + (b - a), self.size)
        x = torch.arange(begin, end, dtype=torch.float64) + 0.5
        return begin, self._of_tile(torch.full((len(x),), tile), x)[:, : b - a]


def _rise(u: Tensor) -> Tensor:
    """From 0 at u = -1 to 1 at u = 1; its square and that of its mirror image sum to one."""
    t = ((u + 1) / 2).clamp(0, 1)
    return (math.pi / 2 * t**3 * (10 - 15 * t + 6 * t**2)).sin()
