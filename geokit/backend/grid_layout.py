"""Which row of a table belongs to which site of which lattice: grids of several resolutions, dense or hashed."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from geokit.errors import InvalidInput

BASES = ("linear", "smoothstep", "spline")  # in the order of the native layer
PRIMES = (1, 2654435761, 805459861)
_WORD = 1 << 32


@dataclass(frozen=True)
class GridLayout:
    """Levels of cells that divide the box [0, 1]^d, d = 2 or 3, and the rows of one table that they are stored in.

    cells[l][k]: how many cells level l has along axis k. rows[l]: how many rows of the table it has: as many as it has
    sites, or fewer, and then the sites are hashed. basis: "linear" has its sites at the corners of cells, and so has
    "smoothstep", 3 t^2 - 2 t^3, whose first derivatives are continuous but zero at the sites; "spline" is the quadratic
    B-spline, with sites in the middle of cells and one beyond either end. shift turns every level's rows, so that
    several uses of one table meet in other rows.

    Source: Mueller et al. 2022, "Instant neural graphics primitives", section 3: a level is dense where its sites
    fit, else row = (xor of site_k prime_k) mod rows with their primes.
    """

    cells: tuple[tuple[int, ...], ...]
    rows: tuple[int, ...]
    basis: str = "linear"
    shift: int = 0
    numbers: tuple[int, ...] = field(
        init=False, repr=False, compare=False
    )  # what the native layer is told, see `parts`

    def __post_init__(self) -> None:
        if self.basis not in BASES:
            raise InvalidInput(f"basis must be one of {', '.join(BASES)}, got {self.basis!r}")
        if not self.cells or len(self.cells) != len(self.rows):
            raise InvalidInput(f"there must be rows for every level, got {len(self.rows)} for {len(self.cells)} levels")
        if len({len(c) for c in self.cells}) != 1 or self.dimension not in (2, 3):
            raise InvalidInput("every level must have cells along 2 axes, or every level along 3")
        if not all(1 <= n <= 1 << 24 for c in self.cells for n in c):
            raise InvalidInput("a level must have 1 to 2^24 cells along every axis")
        if not all(1 <= r < 1 << 31 for r in self.rows):
            raise InvalidInput(f"a level must have 1 to 2^31 rows, got {min(self.rows)} to {max(self.rows)}")
        told, first = [], 0
        for cells, rows in zip(self.cells, self.rows):
            told += [first, rows, int(rows < sites(cells, self.basis)), self.shift, *cells]
            first += rows
        object.__setattr__(self, "numbers", tuple(told))

    @classmethod
    def of(cls, cells: Sequence[Sequence[int]], table: int, basis: str = "linear") -> "GridLayout":
        """Levels of at most `table` rows each: dense where all sites fit, hashed where not."""
        if table < 1:
            raise InvalidInput(f"a level's table must have at least one row, got {table}")
        whole = tuple(tuple(int(n) for n in c) for c in cells)
        return cls(whole, tuple(min(sites(c, basis), table) for c in whole), basis)

    @property
    def dimension(self) -> int:
        """d."""
        return len(self.cells[0])

    @property
    def table_rows(self) -> int:
        """Rows of the table of all levels."""
        return sum(self.rows)

    def shifted(self, shift: int) -> "GridLayout":
        """The same levels with every site's row turned by `shift` places."""
        return replace(self, shift=shift % _WORD)


def sites(cells: Sequence[int], basis: str) -> int:
    """How many sites the lattice of a level has."""
    return math.prod(n + (2 if basis == "spline" else 1) for n in cells)


def lattice_rows(
    site: Sequence[Tensor], cells: Sequence[int], rows: int, hashed: bool, shift: int, basis: str
) -> Tensor:
    """Rows, of a level's own, of sites given by their int64 coordinates along each axis."""
    key, stride = torch.zeros_like(site[0]), 1
    for k, (at, n) in enumerate(zip(site, cells)):
        if hashed:
            key = key ^ (at * PRIMES[k] % _WORD)
        else:
            key = key + at * stride
            stride = stride * (n + (2 if basis == "spline" else 1)) % _WORD
    return (key + shift) % _WORD % rows


def axis_weights(t: Tensor, cells: int, basis: str) -> list[list[Tensor]]:
    """Weights of the sites along an axis at t of a cell, by the order of their derivative (0, 1, 2) and by the site."""
    one = torch.ones_like(t)
    if basis == "spline":
        order0 = [(1 - t) ** 2 / 2, 0.5 + t * (1 - t), t**2 / 2]
        order1, order2 = [t - 1, 1 - 2 * t, t], [one, -2 * one, one]
    elif basis == "smoothstep":
        s, ds, dds = t**2 * (3 - 2 * t), 6 * t * (1 - t), 6 - 12 * t
        order0, order1, order2 = [1 - s, s], [-ds, ds], [-dds, dds]
    else:
        order0, order1, order2 = [1 - t, t], [-one, one], [0 * one, 0 * one]
    return [order0, [cells * w for w in order1], [cells**2 * w for w in order2]]


def parts(numbers: Sequence[int], dimension: int) -> Iterator[tuple[int, int, bool, int, list[int]]]:
    """First row, rows, whether hashed, shift and cells of each level, from `GridLayout.numbers`."""
    for at in range(0, len(numbers), 4 + dimension):
        first, rows, hashed, shift, *cells = numbers[at : at + 4 + dimension]
        yield first, rows, bool(hashed), shift, cells
