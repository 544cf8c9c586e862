"""Distances along a surface: by heat, by fast marching, along edges, exactly."""

from typing import Literal, get_args

import torch
from torch import Tensor

from geokit.backend.optional import optional
from geokit.errors import InvalidInput
from geokit.geometry.mesh import Mesh
from geokit.spectral.geodesics_base import Geodesics
from geokit.spectral.geodesics_heat import HeatGeodesics
from geokit.spectral.geodesics_marching import MarchingGeodesics
from geokit.spectral.geodesics_sources import Seeds, Sources, SurfacePoints

__all__ = [
    "EdgeGeodesics",
    "ExactGeodesics",
    "Geodesics",
    "HeatGeodesics",
    "MarchingGeodesics",
    "Method",
    "SurfacePoints",
    "geodesic_distances",
    "geodesics",
]

Method = Literal["fast_marching", "heat", "dijkstra", "exact"]


class EdgeGeodesics(Geodesics):
    """The shortest ways along edges (Dijkstra 1959, by scipy): upper bounds, some 5 % too long on triangle meshes."""

    def __init__(self, mesh: Mesh) -> None:
        super().__init__(mesh)
        from scipy.sparse import csr_array

        count = len(mesh.vertices)
        places = mesh.vertices.detach().double().cpu()
        i, j = mesh.faces.cpu().reshape(-1), mesh.faces.cpu().roll(-1, 1).reshape(-1)
        low, high = torch.minimum(i, j), torch.maximum(i, j)
        keys = torch.unique(low * count + high)
        i, j = keys // count, keys % count
        # Zero would mean no edge: one of no length becomes the smallest there is.
        lengths = (places[i] - places[j]).norm(dim=1).clamp(min=torch.finfo(torch.float64).tiny)
        self._graph = csr_array((lengths.numpy(), (i.numpy(), j.numpy())), shape=(count, count))

    def _rows(self, seeds: Seeds, dtype: torch.dtype) -> Tensor:
        from scipy.sparse.csgraph import dijkstra

        vertices, slot = torch.unique(seeds.vertices, return_inverse=True)
        found = torch.from_numpy(dijkstra(self._graph, directed=False, indices=vertices.numpy()))
        rows = torch.empty(len(seeds), len(self), dtype=torch.float64)
        for row, member in enumerate(zip(seeds.offsets.tolist(), seeds.offsets[1:].tolist())):
            here = slice(*member)
            rows[row] = (found[slot[here]] + seeds.starts[here, None]).amin(0)
        return rows.to(dtype)


class ExactGeodesics(Geodesics):
    """Exact distances on the triangles (Mitchell, Mount and Papadimitriou 1987, by libigl), from vertices only.

    Some 0.3 s a source on 5,000 vertices. Raises `MissingDependency` without the package libigl, which is not one of
    geokit's own extras' (Mozilla Public License 2).
    """

    def __init__(self, mesh: Mesh) -> None:
        super().__init__(mesh)
        self._igl = optional("igl", "exact geodesic distance", None)

    def _rows(self, seeds: Seeds, dtype: torch.dtype) -> Tensor:
        import numpy as np

        if bool((seeds.starts > 0).any()):
            raise InvalidInput("exact distances start at vertices only, got points inside faces; use 'fast_marching'")
        vertices, faces = self.mesh.vertices.detach().double().cpu().numpy(), self.mesh.faces.cpu().numpy()
        none, everywhere = np.zeros(0, np.int64), np.arange(len(vertices))
        rows = [
            self._igl.exact_geodesic(vertices, faces, seeds.vertices[first:last].numpy(), none, everywhere, none)
            for first, last in zip(seeds.offsets.tolist(), seeds.offsets[1:].tolist())
        ]
        found = torch.from_numpy(np.stack(rows))
        return torch.where(found < 1e100, found, torch.inf).to(dtype)


_CLASSES = {
    "fast_marching": MarchingGeodesics,
    "heat": HeatGeodesics,
    "dijkstra": EdgeGeodesics,
    "exact": ExactGeodesics,
}


def geodesics(mesh: Mesh, method: Method = "fast_marching") -> Geodesics:
    """The mesh prepared for distances by a method; `Geodesics` says what it answers. Raises `InvalidInput`."""
    if method not in _CLASSES:
        raise InvalidInput(f"method must be one of {', '.join(get_args(Method))}, got {method!r}")
    return _CLASSES[method](mesh)


def geodesic_distances(mesh: Mesh, sources: Sources, method: Method = "fast_marching") -> Tensor:
    """(N,) the distance of every vertex to the nearest source along the surface, float64, in the mesh's unit.

    sources: a vertex, several, or `SurfacePoints`. inf where no path leads; without gradients. For more than one
    question make the class of the method once: `MarchingGeodesics`, `HeatGeodesics`, `EdgeGeodesics` (Dijkstra),
    `ExactGeodesics`. Raises `InvalidInput` for sources that the mesh does not have and for another method.
    """
    return geodesics(mesh, method).distances(sources)
