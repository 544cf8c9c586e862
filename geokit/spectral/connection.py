"""The Laplacian of tangent vector fields."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from geokit.backend.intrinsic_ops import edge_entries
from geokit.errors import InvalidInput
from geokit.geometry.mesh import Mesh
from geokit.geometry.sparse import SparseMatrix
from geokit.geometry.topology import HalfEdges, half_edges
from geokit.spectral.cotangent import corner_cotangents
from geokit.spectral.gradients import tangent_frames
from geokit.spectral.operator import Laplacian, positive_masses


@dataclass(frozen=True)
class ConnectionLaplacian:
    """The Laplacian of tangent fields on N vertices, by their components in a frame at each.

    laplacian: on 2N unknowns, components x and y of vertex 0, then those of vertex 1, ...; each vertex has its mass
    twice. It is the real form of a Hermitian matrix (N, N), so that eigenvalues come in pairs, of a field and the same
    turned by a right angle. frames: (N, 2, 3), the axes x and y; right-handed with the outward normal.
    """

    laplacian: Laplacian
    frames: Tensor

    def __len__(self) -> int:
        return len(self.frames)

    def vectors(self, components: Tensor) -> Tensor:
        """(N, ..., 3) vectors in space of components (2N, ...)."""
        return torch.einsum("nc...,ncd->n...d", components.reshape(len(self), 2, *components.shape[1:]), self.frames)

    def components(self, vectors: Tensor) -> Tensor:
        """(2N, ...) components of the tangent part of vectors (N, ..., 3)."""
        found = torch.einsum("n...d,ncd->nc...", vectors, self.frames)
        return found.reshape(2 * len(self), *vectors.shape[1:-1])


def connection_laplacian(mesh: Mesh, frames: Tensor | None = None) -> ConnectionLaplacian:
    """Differences of vectors along edges, after transport, with cotangent weights; float64.

    Around a vertex angles are stretched to add up to 2 pi; along an edge a vector keeps its angle with the edge
    (Knoeppel, Crane, Pinkall, Schroeder, Globally optimal direction fields, 2013; Sharp, Soliman, Crane, The vector
    heat method, 2019). At the rim they stay as they are, so that constant fields on flat patches are parallel.
    frames: (N, 2, 3) orthonormal, right-handed with the normals; without them they are chosen from the vertex normals.
    Positive semi-definite where the triangles are Delaunay, and nearly so elsewhere.
    Raises `InvalidInput` for meshes that are not oriented manifolds: `geokit.geometry.repair` makes them so.
    """
    double = mesh.to(torch.float64)
    if frames is None:
        frames = tangent_frames(double.vertex_normals())
    found = half_edges(mesh.faces)
    cotangents, doubled = corner_cotangents(double.corners)
    leaving, arriving = _angles(double, found, frames)
    # from target to origin: what lies along the edge there does so here
    turn = (leaving - arriving - math.pi).reshape(-1)
    half = cotangents.roll(1, dims=1).reshape(-1) / 2
    i, j = found.origins, found.targets
    i, j = found.origins, found.targets
    carried = half * torch.polar(torch.ones_like(turn), turn)
    count = len(mesh.vertices)
    # |v_i - r v_j|^2 times the weight, for each side of an edge
    offsets, columns, slots, diagonal = edge_entries(mesh.faces, count)
    places = torch.cat([diagonal[i], diagonal[j], slots[..., 0].reshape(-1), slots[..., 1].reshape(-1)])
    entries = torch.cat([half, half, -carried, -carried.conj()])
    sums = entries.new_zeros(len(columns)).index_add(0, places, entries)
    stiffness = real_form(offsets, columns, sums)
    masses = doubled.new_zeros(count).index_add(0, mesh.faces.T.reshape(-1), (doubled / 6).repeat(3))
    return ConnectionLaplacian(Laplacian(stiffness, positive_masses(masses).repeat_interleave(2)), frames)


def real_form(offsets: Tensor, columns: Tensor, values: Tensor) -> SparseMatrix:
    """The (2N, 2N) real matrix that acts on real and imaginary parts as a complex one (N, N) does on numbers.

    offsets: (N + 1,) where rows begin. columns: (E,) ascending in each row. values: (E,) complex.
    """
    lengths = offsets.diff()
    of_row = torch.repeat_interleave(lengths)
    entry = torch.arange(len(columns), device=columns.device)
    upper = 2 * (entry + offsets[of_row])  # row 2 i holds two entries for each of row i
    lower = upper + 2 * lengths[of_row]
    places = torch.stack([upper, upper + 1, lower, lower + 1], dim=1).reshape(-1)
    right = torch.stack([2 * columns, 2 * columns + 1] * 2, dim=1).reshape(-1)
    entries = torch.stack([values.real, -values.imag, values.imag, values.real], dim=1).reshape(-1)
    ends = torch.repeat_interleave(2 * lengths, 2).cumsum(0)
    return SparseMatrix(
        torch.cat([ends.new_zeros(1), ends]),
        torch.empty_like(right).index_copy(0, places, right),
        torch.empty_like(entries).index_copy(0, places, entries),
        2 * len(lengths),
    )


def _angles(mesh: Mesh, found: HalfEdges, frames: Tensor) -> tuple[Tensor, Tensor]:
    """Angles in the frames of the half-edges (3F,) at the vertex each leaves, and of the way back where it arrives."""
    corners = mesh.corners
    ahead, back = corners.roll(-1, 1) - corners, corners.roll(-2, 1) - corners
    angles = torch.atan2(torch.linalg.cross(ahead, back).norm(dim=2), (ahead * back).sum(2)).reshape(-1)
    number = torch.arange(len(found), device=corners.device)
    before = torch.where(number % 3 == 0, number + 2, number - 1)
    rim = found.twins < 0
    first = number.new_full((len(mesh.vertices),), len(found)).scatter_reduce(0, found.origins, number, "amin")
    first[found.origins[rim]] = number[rim]  # clockwise of it there is no face

    raw, total = torch.full_like(angles, -1), angles.new_ones(len(mesh.vertices))
    at = first[first < len(found)]
    turned = torch.zeros_like(angles[at])
    while len(at):  # all vertices at once, from face to face about each
        raw[at] = turned
        turned = turned + angles[at]
        following = found.twins[before[at]]
        total = total.index_put((found.origins[at],), turned)
        going = (following >= 0) & (raw[following] < 0)
        at, turned = following[going], turned[going]
    if bool((raw < 0).any()) or bool((rim & (found.faces_at_edge[found.edge_of] > 1)).any()):
        raise InvalidInput("tangent fields need an oriented manifold, and this mesh is none: geokit.geometry.repair it")

    stretch = 2 * math.pi / total
    stretch[found.origins[rim]] = 1
    # Seen in the tangent plane, edges leave at angles that differ from these by one turn, on average over the edges.
    x, y = torch.einsum("hd,had->ha", ahead.reshape(-1, 3), frames[found.origins]).unbind(1)
    apart = torch.polar(torch.ones_like(raw), torch.atan2(y, x) - raw * stretch[found.origins])
    offset = torch.zeros_like(total, dtype=apart.dtype).index_add(0, found.origins, apart).angle()
    leaving = raw * stretch[found.origins] + offset[found.origins]
    back_raw = torch.where(rim, total[found.targets], raw[found.twins])
    return leaving, back_raw * stretch[found.targets] + offset[found.targets]
