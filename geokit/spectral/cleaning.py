"""Any mesh made ready for operators, every given vertex accounted for."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from geokit.errors import InvalidInput
from geokit.geometry.mesh import Mesh
from geokit.geometry.neighbors import nearest_neighbors
from geokit.geometry.normals import estimate_normals
from geokit.geometry.point_cloud import PointCloud
from geokit.geometry.repair import same_places, without_flat
from geokit.geometry.topology import HalfEdges, half_edges, submesh
from geokit.geometry.topology import connected_components as pieces_of
from geokit.geometry.winding import agreeing_orientation


@dataclass(frozen=True)
class Cleaned:
    """A mesh whose vertices are all used, its faces with areas, each once, and looking to one side where that exists.

    mesh: float64, N vertices, its bounding box of diagonal one, the mean of the used vertices at the origin.
    scale: what the given lengths were multiplied by. given: (V,) int64, for every given vertex the one of `mesh` that
    stands for it. origins: (N,) int64, for every vertex of `mesh` a given one at its place. report: a sentence on each
    thing that was done or found.
    """

    mesh: Mesh
    scale: float
    given: Tensor
    origins: Tensor
    report: tuple[str, ...]


def clean(mesh: Mesh) -> Cleaned:
    """The mesh without what operators cannot use. Its faces may still meet by threes at an edge, or leave holes.

    Vertices at the same place become one; faces that name a vertex twice, have no area or repeat another go (a face
    without area whose corners are apart is flipped away, so that nothing tears); vertices that no face uses are left
    out, and their nearest neighbours stand for them; faces that look to the other side than their neighbours are
    turned over, and closed pieces look outward. Raises `InvalidInput` where no face with an area is left.
    """
    given = mesh.vertices.detach().cpu().double()
    used = np.unique(mesh.faces.cpu().numpy())
    own = given[used]  # what no face uses may lie anywhere
    span = float((own.amax(0) - own.amin(0)).norm()) if len(mesh) else 0.0
    if not span > 0:
        raise InvalidInput(f"a shape needs faces with an area, got {mesh}; for points give a PointCloud")
    unit = Mesh((given - own.mean(0)) / span, mesh.faces.cpu())
    same = same_places(unit, 0.0)
    merged = len(used) - len(np.unique(same[used]))
    places, faces = unit.vertices.numpy(), same[unit.faces.numpy()]

    flat, (faces, _) = without_flat(places, faces, np.arange(faces.size).reshape(faces.shape))
    once = _first_of_each(faces, len(places))
    repeated, faces = len(faces) - len(once), faces[once]
    if not len(faces):
        raise InvalidInput(f"none of the {len(mesh):,} faces has an area; want a surface")
    found = half_edges(torch.from_numpy(faces))
    turned = _turned(places, faces, found)
    if turned.any():
        faces = np.where(turned[:, None], faces[:, ::-1], faces)
        found = half_edges(torch.from_numpy(faces))

    kept = np.unique(faces)
    stands = np.full(len(places), -1)
    stands[kept] = np.arange(len(kept))
    stands = stands[same]
    lost = np.flatnonzero(stands < 0)
    if len(lost):
        stands[lost] = nearest_neighbors(torch.from_numpy(places[kept]), 1, torch.from_numpy(places[lost]))[1][:, 0]
    cleaned = submesh(Mesh(unit.vertices, torch.from_numpy(faces)), torch.arange(len(faces)))
    report = [
        sentence
        for number, sentence in (
            (merged, f"{merged:,} vertices lie where another one does: each place is one vertex"),
            (flat, f"{flat:,} faces without an area were taken away, or flipped into faces with one"),
            (repeated, f"{repeated:,} faces repeat another one and were left out"),
            (
                turned.sum(),
                f"{turned.sum():,} faces were turned over, to look to the side of their neighbours, or outward",
            ),
            (len(lost), f"{len(lost):,} vertices belong to no face: the nearest that does stands for each"),
        )
        if number
    ]
    told = (*report, *_remarks(cleaned, found))
    return Cleaned(cleaned, 1 / span, torch.from_numpy(stands), torch.from_numpy(kept), told)


def clean_points(cloud: PointCloud) -> Cleaned:
    """The places of a cloud, each once, with outward normals; a mesh without faces.

    Raises `InvalidInput` for fewer than four places.
    """
    given = cloud.points.detach().cpu().double()
    span = float((given.amax(0) - given.amin(0)).norm()) if len(given) else 0.0
    if not span > 0:
        raise InvalidInput(f"a shape needs points at four places or more, got {cloud}")
    unit = Mesh((given - given.mean(0)) / span, torch.zeros(0, 3, dtype=torch.int64))
    same = same_places(unit, 0.0)
    kept, stands = (torch.from_numpy(array) for array in np.unique(same, return_inverse=True))
    if len(kept) < 4:
        raise InvalidInput(f"a shape needs points at four places or more, got {len(kept)}")
    points = unit.vertices[kept]
    normals = cloud.normals
    normals = estimate_normals(PointCloud(points)).normals if normals is None else normals.double()[kept]
    merged = len(given) - len(kept)
    report = (f"{merged:,} points lie where another one does: each place is one point",) if merged else ()
    return Cleaned(Mesh(points, unit.faces, normals=normals), 1 / span, stands.reshape(-1), kept, report)


def _first_of_each(faces: np.ndarray, vertices: int) -> np.ndarray:
    """The numbers of the faces that do not repeat an earlier one, ascending."""
    low, middle, high = np.sort(faces, axis=1).T
    pairs = np.unique(low * vertices + middle, return_inverse=True)[1]  # numbered anew: three would not fit 64 bits
    return np.sort(np.unique(pairs * vertices + high, return_index=True)[1])


def _turned(places: np.ndarray, faces: np.ndarray, found: HalfEdges) -> np.ndarray:
    """(F,) bool, the faces to turn over."""
    mesh = Mesh(torch.from_numpy(places), torch.from_numpy(faces))
    if not bool(_disagreeing(found).any()):
        piece = pieces_of(mesh)[mesh.faces[:, 0]]
        sizes = torch.bincount(piece).clamp_min(1).double()
        centers = torch.stack([torch.bincount(piece, w) for w in mesh.corners.mean(1).unbind(1)], 1) / sizes[:, None]
        a, b, c = (mesh.corners - centers[piece][:, None]).unbind(1)
        volumes = torch.bincount(piece, (a * torch.linalg.cross(b, c)).sum(1))
        if float(volumes.min()) >= 0:
            return np.zeros(len(faces), dtype=bool)
    return agreeing_orientation(places, faces)


def _disagreeing(found: HalfEdges) -> Tensor:
    """(E,) bool, edges of two faces that run along it in the same direction."""
    paired = torch.zeros_like(found.faces_at_edge).index_add(0, found.edge_of, (found.twins >= 0).long())
    return (found.faces_at_edge == 2) & (paired == 0)


def _remarks(mesh: Mesh, found: HalfEdges) -> list[str]:
    """What operators work with, but who reads their results should know; found: the half-edges of the mesh."""
    pieces, disagreeing = len(pieces_of(mesh).unique()), int(_disagreeing(found).sum())
    crowded, rim = (int(number.sum()) for number in (found.faces_at_edge > 2, found.faces_at_edge == 1))
    return [
        sentence
        for told, sentence in (
            (pieces > 1, f"there are {pieces:,} separate pieces: nothing passes between them"),
            (rim, f"the surface is open along {rim:,} edges: nothing flows across them"),
            (crowded, f"{crowded:,} edges have more than two faces: the surface branches there"),
            (disagreeing, f"the faces at {disagreeing:,} edges cannot be made to look to one side: there is only one"),
        )
        if told
    ]
