"""How triangles hang together: half-edges, boundaries, components, Euler characteristic.

Half-edge 3 f + c of face f runs from its corner c to its corner c + 1 (mod 3). Two half-edges are twins when they run
along the same edge in opposite directions and nothing else uses that edge.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from geokit.backend.checks import check_tensor
from geokit.errors import InvalidInput
from geokit.geometry.mesh import Mesh


@dataclass(frozen=True)
class HalfEdges:
    """The 3F half-edges of F faces.

    origins, targets: (3F,) int64, the vertices a half-edge leaves and reaches. edges: (E, 2) int64, every edge once,
    the lower vertex first, sorted. edge_of: (3F,) int64, the edge a half-edge lies on. faces_at_edge: (E,) int64, how
    many half-edges lie on an edge: 1 at a boundary, 2 inside, more where the surface is not a manifold.
    twins: (3F,) int64, -1 where there is none. `len` is 3F.
    """

    origins: Tensor
    targets: Tensor
    edges: Tensor
    edge_of: Tensor
    faces_at_edge: Tensor
    twins: Tensor

    def __len__(self) -> int:
        return len(self.origins)

    def next(self, half_edges: Tensor) -> Tensor:
        """The following half-edges around the same faces."""
        return torch.where(half_edges % 3 == 2, half_edges - 2, half_edges + 1)


def half_edges(faces: Tensor) -> HalfEdges:
    """The half-edges of faces (F, 3) int64. Raises `InvalidInput` for another shape or dtype."""
    check_tensor("faces", faces, ("F", 3), torch.int64)
    origins, targets = faces.reshape(-1), faces.roll(-1, dims=1).reshape(-1)
    low, high = torch.minimum(origins, targets), torch.maximum(origins, targets)
    span = int(faces.max()) + 1 if len(faces) else 1
    keys, edge_of, counts = torch.unique(low * span + high, return_inverse=True, return_counts=True)
    edges = torch.stack((keys // span, keys % span), dim=1)
    order = torch.argsort(edge_of, stable=True)
    first = order[(counts.cumsum(0) - counts)[counts == 2]]
    second = order[(counts.cumsum(0) - counts)[counts == 2] + 1]
    opposite = origins[first] == targets[second]
    twins = torch.full_like(origins, -1)
    twins[first[opposite]], twins[second[opposite]] = second[opposite], first[opposite]
    return HalfEdges(origins, targets, edges, edge_of, counts, twins)


def boundary_loops(faces: Tensor | HalfEdges) -> list[Tensor]:
    """The closed rims of a surface, each the (L,) int64 vertices along the faces' own direction, longest first.

    At a vertex where several rims touch, each loop stays with its own fan of faces.
    """
    mesh = faces if isinstance(faces, HalfEdges) else half_edges(faces)
    rim = (mesh.faces_at_edge[mesh.edge_of] == 1).nonzero()[:, 0]
    following = mesh.next(rim)  # turn about the target, from face to face, until a rim is met
    while True:
        inner = mesh.twins[following] >= 0
        if not bool(inner.any()):
            break
        following = torch.where(inner, mesh.next(mesh.twins[following]), following)
    successor = dict(zip(rim.tolist(), following.tolist()))
    origins = mesh.origins.tolist()
    loops, seen = [], set()
    for start in successor:
        loop, at = [], start
        while at in successor and at not in seen:
            seen.add(at)
            loop.append(origins[at])
            at = successor[at]
        if loop:
            loops.append(torch.tensor(loop, dtype=torch.int64, device=mesh.origins.device))
    return sorted(loops, key=len, reverse=True)


def connected_components(mesh: Mesh) -> Tensor:
    """(V,) int64, the number of the connected piece each vertex belongs to, from 0, in order of first appearance.

    Pieces are joined by edges; a vertex that no face uses is a piece of its own.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components as label

    count = len(mesh.vertices)
    origins, targets = mesh.faces.reshape(-1).cpu().numpy(), mesh.faces.roll(-1, dims=1).reshape(-1).cpu().numpy()
    graph = coo_array((torch.ones(len(origins), dtype=torch.int8).numpy(), (origins, targets)), shape=(count, count))
    return torch.from_numpy(label(graph, directed=False)[1]).to(mesh.faces)


def euler_characteristic(mesh: Mesh) -> int:
    """V - E + F over the vertices that faces use: 2 for a sphere, 0 for a torus, 1 for a disc."""
    return topology(mesh).euler_characteristic


@dataclass(frozen=True)
class Topology:
    """What `topology` found. Counts leave out vertices that no face uses, which `unreferenced` counts."""

    vertices: int
    edges: int
    faces: int
    components: int
    boundary_edges: int
    boundary_loops: int
    nonmanifold_edges: int
    """Edges of three or more faces."""
    nonmanifold_vertices: int
    """Vertices whose faces form more than one fan."""
    flipped_edges: int
    """Edges that two faces run along in the same direction: neighbours that look to opposite sides."""
    degenerate_faces: int
    """Faces that name a vertex twice."""
    duplicate_faces: int
    """Faces with the same three vertices as an earlier one."""
    unreferenced: int

    @property
    def euler_characteristic(self) -> int:
        """V - E + F."""
        return self.vertices - self.edges + self.faces

    @property
    def manifold(self) -> bool:
        """Every edge in at most two faces, every vertex with one fan, consistently oriented or not."""
        return not (self.nonmanifold_edges or self.nonmanifold_vertices or self.degenerate_faces)

    @property
    def oriented(self) -> bool:
        """Whether neighbouring faces agree on which side is outside."""
        return self.flipped_edges == 0 and self.nonmanifold_edges == 0

    @property
    def watertight(self) -> bool:
        """Whether every edge joins exactly two faces of agreeing orientation: an inside exists."""
        return self.faces > 0 and self.boundary_edges == 0 and self.oriented

    @property
    def genus(self) -> int | None:
        """Number of handles, summed over the pieces, of a closed oriented manifold; None for others."""
        if not (self.watertight and self.manifold):
            return None
        return self.components - self.euler_characteristic // 2


def topology(mesh: Mesh) -> Topology:
    """Counts that say what kind of surface `mesh` is, all by indices: vertices at the same place are not the same."""
    found = half_edges(mesh.faces)
    used = torch.zeros(len(mesh.vertices), dtype=torch.bool, device=mesh.faces.device)
    used[mesh.faces.reshape(-1)] = True
    pairs = (found.faces_at_edge == 2) & (found.edges[:, 0] != found.edges[:, 1])
    paired = torch.zeros_like(found.faces_at_edge).index_add(0, found.edge_of, (found.twins >= 0).long())
    labels = connected_components(mesh)[used]
    ordered = mesh.faces.sort(dim=1).values
    same = (ordered[:, 0] == ordered[:, 1]) | (ordered[:, 1] == ordered[:, 2])
    return Topology(
        vertices=int(used.sum()),
        edges=len(found.edges),
        faces=len(mesh),
        components=len(labels.unique()),
        boundary_edges=int((found.faces_at_edge == 1).sum()),
        boundary_loops=len(boundary_loops(found)),
        nonmanifold_edges=int((found.faces_at_edge > 2).sum()),
        nonmanifold_vertices=_vertices_of_several_fans(found, len(mesh.vertices)),
        flipped_edges=int((pairs & (paired == 0)).sum()),
        degenerate_faces=int(same.sum()),
        duplicate_faces=len(ordered) - len(ordered.unique(dim=0)) if len(ordered) else 0,
        unreferenced=int((~used).sum()),
    )


def _vertices_of_several_fans(mesh: HalfEdges, vertices: int) -> int:
    """How many vertices have corners that cannot be walked to from each other across shared edges."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components as label

    if not len(mesh):
        return 0
    # A corner is the half-edge that leaves it. Across an edge of two faces, whatever their orientation, the corners at
    # either end belong to one fan.
    order = torch.argsort(mesh.edge_of, stable=True)
    starts = (mesh.faces_at_edge.cumsum(0) - mesh.faces_at_edge)[mesh.faces_at_edge == 2]
    first, second = order[starts], order[starts + 1]
    twisted = mesh.origins[first] == mesh.origins[second]
    across = torch.where(twisted, second, mesh.next(second))  # the corner of the other face at the same vertex
    beyond = torch.where(twisted, mesh.next(second), second)
    rows = torch.cat((first, mesh.next(first))).cpu().numpy()
    columns = torch.cat((across, beyond)).cpu().numpy()
    graph = coo_array((torch.ones(len(rows), dtype=torch.int8).numpy(), (rows, columns)), shape=(len(mesh), len(mesh)))
    fans = torch.from_numpy(label(graph, directed=False)[1]).to(mesh.origins)
    pairs = torch.unique(mesh.origins * (int(fans.max()) + 1) + fans)
    per_vertex = torch.bincount(pairs // (int(fans.max()) + 1), minlength=vertices)
    return int((per_vertex > 1).sum())


def largest_component(mesh: Mesh) -> Mesh:
    """The connected piece with the most faces, without the other vertices. Raises `InvalidInput` without faces."""
    if not len(mesh):
        raise InvalidInput("largest_component needs a mesh with faces, got none")
    labels = connected_components(mesh)[mesh.faces[:, 0]]
    return submesh(mesh, labels == labels.bincount().argmax())


def submesh(mesh: Mesh, keep: Tensor) -> Mesh:
    """The faces that `keep` ((F,) bool, or int64 face numbers) selects, with only the vertices they use."""
    faces = mesh.faces[keep]
    there = torch.zeros(len(mesh.vertices), dtype=torch.bool, device=faces.device)
    there[faces.reshape(-1)] = True
    used, number = there.nonzero()[:, 0], there.cumsum(0) - 1
    at_vertices = {
        name: None if t is None else t[used] for name, t in (("normals", mesh.normals), ("colors", mesh.colors))
    }
    uv = None if mesh.uv is None else mesh.uv[keep]
    return Mesh(mesh.vertices[used], number[faces], **at_vertices, uv=uv, texture=mesh.texture)
