"""What every method of geodesic distance offers: from one source, from several, between all pairs of vertices."""

from abc import ABC, abstractmethod
from collections.abc import Callable

import torch
from torch import Tensor

from geokit.backend.checks import FLOATS
from geokit.errors import InvalidInput
from geokit.geometry.mesh import Mesh
from geokit.spectral.geodesics_sources import Seeds, Sources, seeds_of

MOST_BYTES = 8 * 2**30  # of a matrix of all pairs
_TILE = 1024


class Geodesics(ABC):
    """Distances along the surface of one mesh, prepared once and asked often. In the mesh's unit of length, float64.

    Computed on the CPU; the distances are where the mesh is. A vertex that no path reaches from a source, being in
    another piece of the mesh, has the distance inf. Distances carry no gradient.
    """

    columns = 512  # sources that are worked on at once in `all_pairs`

    def __init__(self, mesh: Mesh) -> None:
        if not isinstance(mesh, Mesh):
            raise InvalidInput(f"geodesic distances need a Mesh, got {type(mesh).__name__}")
        if not len(mesh):
            raise InvalidInput("geodesic distances need a mesh with faces, got none")
        self.device, self.mesh = mesh.vertices.device, mesh.to("cpu")

    def __len__(self) -> int:
        return len(self.mesh.vertices)

    @abstractmethod
    def _rows(self, seeds: Seeds, dtype: torch.dtype) -> Tensor:
        """(K, N) distances from K sets of seeds; inf where nothing leads."""

    def distances(self, sources: Sources) -> Tensor:
        """(N,) the distance of every vertex to the nearest source.

        sources: a vertex, several vertices (S,), or `SurfacePoints`. Raises `InvalidInput` for sources that the mesh
        does not have.
        """
        return self._nearest(seeds_of(self.mesh, sources)).to(self.device)

    def _nearest(self, seeds: Seeds) -> Tensor:
        return self._rows(seeds.together(), torch.float64)[0]

    def distances_each(self, sources: Sources, dtype: torch.dtype = torch.float64) -> Tensor:
        """(N, S) the distance of every vertex to each source. Sources and errors as in `distances`."""
        seeds = seeds_of(self.mesh, sources)
        order = nearby_order(seeds.places)
        return self._rows(seeds.take(order), dtype)[torch.argsort(order)].T.to(self.device)

    def all_pairs(
        self,
        dtype: torch.dtype = torch.float32,
        most_bytes: int = MOST_BYTES,
        progress: Callable[[int, int], None] | None = None,
    ) -> Tensor:
        """(N, N) the distances between all vertices, symmetric, zero on the diagonal.

        progress: called with how many of how many sources are done. Raises `InvalidInput` where the matrix would take
        more than `most_bytes`.
        """
        if dtype not in FLOATS:
            raise InvalidInput(f"dtype must be float32 or float64, got {str(dtype).removeprefix('torch.')}")
        count = len(self)
        size = count * count * dtype.itemsize
        if size > most_bytes:
            raise InvalidInput(
                f"all pairs of {count:,} vertices take {size / 2**30:,.1f} GiB, more than the "
                f"{most_bytes / 2**30:,.1f} GiB allowed; "
                "ask for some sources with distances_each, simplify the mesh, or pass a larger most_bytes"
            )
        seeds = seeds_of(self.mesh, torch.arange(count))
        order = nearby_order(seeds.places)
        pairs = torch.empty(count, count, dtype=dtype)
        for first in range(0, count, self.columns):
            some = order[first : first + self.columns]
            pairs[some] = self._rows(seeds.take(some), dtype)
            if progress is not None:
                progress(first + len(some), count)
        _symmetrize(pairs, self._combine)
        return pairs.fill_diagonal_(0).to(self.device)

    def _combine(self, there: Tensor, back: Tensor) -> Tensor:
        """The better of the distances a to b and b to a."""
        return (there + back) / 2


def _symmetrize(pairs: Tensor, combine: Callable[[Tensor, Tensor], Tensor]) -> None:
    """In place, tile by tile, so that both tiles lie in the cache."""
    for i in range(0, len(pairs), _TILE):
        for j in range(i, len(pairs), _TILE):
            upper, lower = pairs[i : i + _TILE, j : j + _TILE], pairs[j : j + _TILE, i : i + _TILE]
            both = combine(upper, lower.T)
            upper.copy_(both), lower.copy_(both.T)


def nearby_order(places: Tensor, group: int = 16) -> Tensor:
    """An order of places (K, 3) in which each run of `group` lies together: halved across its longest side."""
    order = torch.arange(len(places))
    pieces = [(0, len(places))]
    while pieces:
        first, last = pieces.pop()
        if last - first <= group:
            continue
        some = order[first:last]
        here = places[some]
        axis = int((here.amax(0) - here.amin(0)).argmax())
        order[first:last] = some[here[:, axis].argsort(stable=True)]
        middle = first + max(round((last - first) / (2 * group)), 1) * group
        pieces += [(first, middle), (middle, last)]
    return order
