"""How far points are from a mesh: closest points, signed distances, winding numbers, rays."""

import math
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from geokit.backend import distance_ops as ops
from geokit.backend.checks import check_tensor
from geokit.errors import InvalidInput
from geokit.geometry.mesh import Mesh

MOST_FACES = 2**28  # places in the tree are 32-bit integers


@dataclass(frozen=True)
class ClosestPoints:
    """The places of a mesh nearest to Q queries.

    points: (Q, 3). distances: (Q,), at least 0. face_ids: (Q,) int64. barycentrics: (Q, 3) weights of the face's
    corners, at least 0 and of sum 1; a corner that plays no part has exactly 0.
    """

    points: Tensor
    distances: Tensor
    face_ids: Tensor
    barycentrics: Tensor

    def __len__(self) -> int:
        return len(self.distances)


@dataclass(frozen=True)
class RayHits:
    """Where R rays first meet a mesh: `t` (R,) in lengths of the direction, inf without a hit; face_ids (R,) int64, -1
    without a hit; barycentrics (R, 3), the weights of the face's corners, 0 without a hit."""

    t: Tensor
    face_ids: Tensor
    barycentrics: Tensor

    def __len__(self) -> int:
        return len(self.t)


class Bvh:
    """A tree over the triangles of a mesh, made once and asked often.

    Every function here takes one in place of a mesh. It holds a copy of the corners, so vertices that moved need
    another; gradients flow to the vertices of the mesh it was made from. It is made on the CPU, and lives and answers
    on the device of the mesh, whatever that of the queries.
    Raises `InvalidInput` for a mesh without faces.
    """

    def __init__(self, mesh: Mesh) -> None:
        if not isinstance(mesh, Mesh):
            raise InvalidInput(f"a Bvh is made from a Mesh, got {type(mesh).__name__}")
        if not 0 < len(mesh) <= MOST_FACES:
            raise InvalidInput(f"a Bvh needs a mesh of 1 to {MOST_FACES:,} faces, got one of {len(mesh):,}")
        self.mesh = mesh
        self.scale = _scale_to_one(mesh.vertices)
        self.boxes, self.children, self.triangles, self.face_ids = ops.build(
            mesh.vertices.detach(), mesh.faces, self.scale
        )

    def __len__(self) -> int:
        return len(self.mesh)

    def __repr__(self) -> str:
        return f"Bvh({len(self.boxes):,} nodes and {len(self.triangles):,} leaves over {self.mesh!r})"

    @property
    def device(self) -> torch.device:
        """Where the tree is and answers: the device of the mesh."""
        return self.mesh.vertices.device

    @cached_property
    def moments(self) -> Tensor:
        """(N, 23, 8) moments of every child's area vectors, made when a winding number is first asked for."""
        return ops.moments(*self.tree)

    @property
    def tree(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Boxes, children, triangles and face ids, as `geokit.backend.distance_ops` takes them."""
        return self.boxes, self.children, self.triangles, self.face_ids


def _scale_to_one(vertices: Tensor) -> float:
    """The power of two that makes the largest coordinate about 1, so that squares neither overflow nor vanish."""
    largest = float(vertices.detach().abs().max())
    return 2.0 ** -min(max(math.frexp(largest)[1], -100), 100) if largest > 0 else 1.0


def closest_points(mesh: Mesh | Bvh, queries: Tensor) -> ClosestPoints:
    """The place on the surface nearest to every query (Q, 3), in the mesh's dtype.

    Exact, triangles without area included (they are segments or points); of faces at equal distance the one of lower
    index, up to rounding. Points, distances and barycentrics are differentiable by the queries and the mesh's
    vertices; at a distance of zero the distance has no direction and its gradient is zero.
    Raises `InvalidInput` for other shapes or dtypes, for queries that are not finite and for a mesh without faces.
    """
    tree = _tree_of(mesh)
    _check_places("queries", queries, tree)
    mesh = tree.mesh
    found = ops.closest_points(queries.to(tree.device), mesh.vertices, mesh.faces, *tree.tree, tree.scale)
    return ClosestPoints(*(t.to(queries.device) for t in found))


def winding_number(mesh: Mesh | Bvh, queries: Tensor, beta: float = 2.3, exact: bool = False) -> Tensor:
    """(Q,) how often the surface winds around every query (Q, 3): the solid angle of its faces over 4 pi.

    For a closed mesh whose faces look outward it is 1 inside and 0 outside; for one with holes it changes smoothly
    across them, and 1/2 is the boundary that it suggests (Jacobson, Kavan and Sorkine-Hornung, "Robust Inside-Outside
    Segmentation using Generalized Winding Numbers", 2013). A subtree further away than `beta` times its radius is
    replaced by its moments up to second order (Barill et al., "Fast Winding Numbers for Soups and Clouds", 2018):
    errors stay below some 0.005 at beta = 2, 0.001 at 3, and shrink with its cube. `exact` sums every face: O(Q F).
    Without a gradient.
    Raises `InvalidInput` for other shapes or dtypes and for beta below 1.
    """
    tree = _tree_of(mesh)
    _check_places("queries", queries, tree)
    if not beta >= 1:
        raise InvalidInput(f"beta must be at least 1, so that a query lies outside what is approximated, got {beta}")
    beta = math.inf if exact else float(beta)
    places = queries.to(tree.device)
    return ops.winding_number(places, *tree.tree, tree.moments, tree.scale, beta).to(queries.device)


def signed_distance(mesh: Mesh | Bvh, queries: Tensor, beta: float = 2.3) -> Tensor:
    """(Q,) the distance of every query (Q, 3) to the surface, negative where the winding number is above 1/2.

    The sign is right for meshes with holes, where counting the crossings of a ray is not; faces must look outward.
    It is differentiable as the distance of `closest_points` is, with the sign held fixed. Raises as `closest_points`
    does.
    """
    tree = _tree_of(mesh)
    distances = closest_points(tree, queries).distances
    return torch.where(winding_number(tree, queries, beta) > 0.5, -distances, distances)


def ray_cast(mesh: Mesh | Bvh, origins: Tensor, directions: Tensor) -> RayHits:
    """The first place where every ray origin + t direction, t >= 0, meets the surface, from either side.

    origins (R, 3) and directions (R, 3), of any length but zero (such a ray hits nothing). A ray through an edge
    hits one of the faces that share it. `t` is differentiable by origins, directions and the mesh's vertices;
    barycentrics are not.
    Raises `InvalidInput` for other shapes or dtypes and for values that are not finite.
    """
    tree = _tree_of(mesh)
    _check_places("origins", origins, tree)
    check_tensor("directions", directions, tuple(origins.shape), origins.dtype, finite=True)
    mesh, rays = tree.mesh, (origins.to(tree.device), directions.to(tree.device))
    found = ops.ray_cast(*rays, mesh.vertices, mesh.faces, *tree.tree, tree.scale)
    return RayHits(*(t.to(origins.device) for t in found))


def _tree_of(mesh: Mesh | Bvh) -> Bvh:
    return mesh if isinstance(mesh, Bvh) else Bvh(mesh)


def _check_places(name: str, places: Tensor, tree: Bvh) -> None:
    check_tensor(name, places, ("Q", 3), tree.mesh.vertices.dtype, finite=True)
    if len(places) >= 2**31:
        raise InvalidInput(f"{name} must be fewer than 2^31, got {len(places):,}; pass them in pieces")
