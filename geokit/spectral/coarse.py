"""A coarse mesh whose vertices are some of a dense one's: dense shapes are matched through it."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from geokit.errors import InvalidInput
from geokit.geometry.mesh import Mesh
from geokit.geometry.neighbors import nearest_neighbors
from geokit.geometry.sampling import farthest_points


@dataclass(frozen=True)
class CoarseMesh:
    """A mesh of S vertices chosen among the V of a dense one.

    mesh: the coarse mesh. samples: (S,) int64, the dense vertex that each of its vertices is. cell: (V,) int64, the
    coarse vertex nearest to every dense one: along the edges, or in space where no edges lead to one.
    """

    mesh: Mesh
    samples: Tensor
    cell: Tensor


def coarse_mesh(mesh: Mesh, count: int) -> CoarseMesh:
    """About `count` vertices spread evenly, joined as the cells around them touch.

    The vertices are farthest-point samples; every dense vertex belongs to the nearest of them along the edges, and a
    dense face at which three cells meet becomes a coarse face, so that orientation, rims and handles wider than a cell
    stay (the dual of a geodesic Voronoi diagram; Peyre and Cohen 2006, "Geodesic remeshing using front propagation").
    Samples whose cells have no face, closed around a thin part, are left out; the next ones take their vertices.
    Raises `InvalidInput` where nothing of the surface is left.
    """
    samples = farthest_points(mesh.vertices.detach(), min(count, len(mesh.vertices)))
    graph = edge_graph(mesh)
    cell = _cells(graph, mesh.vertices, samples)
    faces = _meeting(cell[mesh.faces])
    used = torch.unique(faces)
    if not len(used):
        raise InvalidInput(f"a coarse mesh of {count} vertices keeps no face of {mesh!r}; take more vertices")
    if len(used) < len(samples):
        samples = samples[used]
        cell = _cells(graph, mesh.vertices, samples)
        renumbered = torch.full((int(used.max()) + 1,), -1)
        renumbered[used] = torch.arange(len(used))
        faces = renumbered[faces]
    return CoarseMesh(Mesh(mesh.vertices[samples], faces), samples, cell)


def edge_graph(mesh: Mesh) -> Any:
    """scipy.sparse.csr_array (V, V), the lengths of the edges of faces, both ways."""
    from scipy.sparse import csr_array

    i, j = mesh.faces.reshape(-1), mesh.faces.roll(-1, dims=1).reshape(-1)
    count = len(mesh.vertices)
    keys = torch.unique(torch.minimum(i, j) * count + torch.maximum(i, j))
    i, j = keys // count, keys % count
    # An edge of no length would not be an edge to scipy.
    length = (mesh.vertices[i] - mesh.vertices[j]).detach().double().norm(dim=1).clamp(min=1e-300)
    rows, columns, lengths = torch.cat([i, j]).numpy(), torch.cat([j, i]).numpy(), length.repeat(2).numpy()
    return csr_array((lengths, (rows, columns)), shape=(count, count))


def _cells(graph: Any, places: Tensor, samples: Tensor) -> Tensor:
    """(V,) the number of the nearest sample."""
    from scipy.sparse.csgraph import dijkstra

    _, _, source = dijkstra(graph, indices=samples.numpy(), min_only=True, return_predecessors=True)
    source = torch.from_numpy(source.astype("int64"))
    number = torch.zeros(len(places), dtype=torch.int64)
    number[samples] = torch.arange(len(samples))
    cell = number[source.clamp(min=0)]
    beyond = (source < 0).nonzero()[:, 0]
    if len(beyond):
        cell[beyond] = nearest_neighbors(places[samples].detach(), 1, places[beyond].detach())[1][:, 0]
    return cell


def _meeting(cells: Tensor) -> Tensor:
    """(C, 3) the triples of different cells at faces (F, 3), each once, beginning with the smallest."""
    a, b, c = cells.unbind(1)
    cells = cells[(a != b) & (b != c) & (c != a)]
    turned = (cells.argmin(dim=1, keepdim=True) + torch.arange(3)) % 3  # keeps the sense of rotation
    return torch.unique(cells.gather(1, turned), dim=0)
