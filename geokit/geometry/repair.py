"""Broken meshes made into manifolds, with a report of what was done."""

from dataclasses import dataclass

import numpy as np
import torch
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

from geokit.errors import InvalidInput
from geokit.geometry.hole_filling import fill_hole
from geokit.geometry.mesh import Mesh
from geokit.geometry.neighbors import radius_neighbors
from geokit.geometry.topology import boundary_loops
from geokit.geometry.winding import agreeing_orientation, face_pairs

_FLAT = 1e-7  # height of a face over its longest side, below which it has no area
_FLIPS = 4  # rounds in which flat faces are flipped away


@dataclass(frozen=True)
class Repair:
    """What `repair` did: numbers of vertices, faces or holes."""

    merged_vertices: int
    unreferenced_vertices: int
    degenerate_faces: int
    duplicate_faces: int
    nonmanifold_faces: int
    """Faces removed because three or more met at an edge."""
    split_vertices: int
    """Vertices added where pieces touched at a vertex or an edge."""
    flipped_faces: int
    filled_holes: int
    added_faces: int

    def __str__(self) -> str:
        done = [f"{value:,} {name.replace('_', ' ')}" for name, value in vars(self).items() if value]
        return ", ".join(done) or "nothing to repair"


def repair(mesh: Mesh, merge: float = 0.0, largest_hole: int = 100) -> tuple[Mesh, Repair]:
    """An oriented manifold as close to `mesh` as can be, and what was done.

    In this order: vertices within `merge` of each other (0: at the same place) become one; faces that use a vertex
    twice, have no area or repeat another go; where three or more faces meet at an edge, the smallest connected pieces
    go until pairs are left; pieces that touch at a vertex or an edge are separated; neighbouring faces are made to
    agree and closed pieces to look outward (into a cavity where they bound one); holes of up to `largest_hole` edges
    are closed by triangulations of least area (Barequet and Sharir 1995), except where that would double an open
    sheet; vertices without faces go. Colours and texture places stay; normals are computed anew where there were any.

    Larger holes stay open, and a surface with one side only (a Moebius strip) keeps edges whose faces disagree.
    Raises `InvalidInput` for a negative or infinite `merge` and a negative `largest_hole`.
    """
    if not 0 <= merge < float("inf") or largest_hole < 0:
        raise InvalidInput(f"merge and largest_hole must not be negative, got {merge} and {largest_hole}")
    places = mesh.vertices.detach().cpu().double().numpy()
    faces = mesh.faces.cpu().numpy()
    corners = np.arange(faces.size).reshape(faces.shape)  # the corner of the given mesh, for places in the texture

    used = np.unique(faces)
    same = same_places(mesh, merge)
    merged = len(used) - len(np.unique(same[used]))
    faces = same[faces]

    flat, (faces, corners) = without_flat(places, faces, corners)
    kept = np.unique(np.sort(faces, axis=1), axis=0, return_index=True)[1]
    duplicates, kept = len(faces) - len(kept), np.sort(kept)
    faces, corners = faces[kept], corners[kept]
    patches, kept = _without_excess(places, faces)
    excess = len(faces) - len(kept)
    faces, corners = faces[kept], corners[kept]

    before = len(np.unique(faces))
    faces, origins = _separated(faces, patches)
    split = len(origins) - before
    flips = agreeing_orientation(places[origins], faces)
    faces[flips], corners[flips] = faces[flips][:, ::-1], corners[flips][:, ::-1]

    holes, patch = _holes(places[origins], faces, largest_hole)
    at = dict(zip(faces.reshape(-1).tolist(), corners.reshape(-1).tolist()))
    filling = np.array([[at[v] for v in face] for face in patch.tolist()], dtype=np.int64).reshape(-1, 3)
    faces, corners = np.concatenate([faces, patch]), np.concatenate([corners, filling])
    more, (faces, corners) = without_flat(places[origins], faces, corners)

    report = Repair(
        merged, len(places) - len(used), flat + more, duplicates, excess, split, int(flips.sum()), holes, len(patch)
    )
    left, faces = np.unique(faces, return_inverse=True)
    chosen = torch.from_numpy(origins[left]).to(mesh.faces.device)
    at_corners = torch.from_numpy(corners.reshape(-1)).to(mesh.faces.device)
    fixed = Mesh(
        mesh.vertices[chosen],
        torch.from_numpy(faces.reshape(-1, 3)).to(mesh.faces.device),
        colors=None if mesh.colors is None else mesh.colors[chosen],
        uv=None if mesh.uv is None else mesh.uv.reshape(-1, 2)[at_corners].reshape(-1, 3, 2),
        texture=mesh.texture,
    )
    return (fixed.replace(normals=fixed.vertex_normals()) if mesh.normals is not None else fixed), report


def same_places(mesh: Mesh, merge: float) -> np.ndarray:
    """(V,) for every vertex the first of those that it is one with."""
    vertices = mesh.vertices.detach().cpu()
    count = len(vertices)
    if merge and count > 1:
        offsets, near, _ = radius_neighbors(vertices, merge)
        graph = csr_array((np.ones(len(near), dtype=np.int8), near.numpy(), offsets.numpy()), shape=(count, count))
        group = connected_components(graph, directed=False)[1]
    else:
        group = np.unique(vertices.numpy() + 0.0, axis=0, return_inverse=True)[1].reshape(-1)  # -0 is 0
    return np.unique(group, return_index=True)[1][group] if count else group


def without_flat(places: np.ndarray, faces: np.ndarray, corners: np.ndarray) -> tuple[int, tuple[np.ndarray, ...]]:
    """Faces with an area, and how many were without.

    Where the middle one of three vertices in a line is no corner of the face beyond, that face is cut in two at it: the
    two faces exchange their common edge, so that no crack opens.
    """
    distinct = (faces != np.roll(faces, 1, axis=1)).all(1)
    faces, corners, gone = faces[distinct].copy(), corners[distinct].copy(), int((~distinct).sum())
    for _ in range(_FLIPS):
        sides = np.linalg.norm(places[np.roll(faces, -1, axis=1)] - places[faces], axis=2)
        longest = sides.argmax(1)
        edges = places[faces[:, 1:]] - places[faces[:, :1]]
        areas = np.linalg.norm(np.cross(edges[:, 0], edges[:, 1]), axis=1)
        flat = np.flatnonzero(areas <= _FLAT * sides.max(1, initial=0) ** 2)
        if not len(flat):
            return gone, (faces, corners)
        beyond: dict[tuple[int, int], list[tuple[int, int]]] = {}
        touched = set(np.unique(faces[flat]).tolist())
        for f in np.flatnonzero(np.isin(faces, list(touched)).sum(1) >= 2).tolist():
            for c in range(3):
                key = tuple(sorted((int(faces[f, c]), int(faces[f, (c + 1) % 3]))))
                beyond.setdefault(key, []).append((f, c))  # type: ignore[arg-type]
        busy: set[int] = set()
        remove = np.zeros(len(faces), dtype=bool)
        for f in flat.tolist():
            c = int(longest[f])
            a, b, middle = (int(faces[f, (c + s) % 3]) for s in range(3))
            others = [pair for pair in beyond.get((min(a, b), max(a, b)), []) if pair[0] != f]
            if f in busy or (others and others[0][0] in busy):
                continue  # in the next round
            busy.add(f)
            if len(others) != 1:
                remove[f] = True
                continue
            g, d = others[0]
            busy.add(g)
            far = int(faces[g, (d + 2) % 3])
            if far == middle:
                remove[[f, g]] = True
                continue
            start, end = int(faces[g, d]), int(faces[g, (d + 1) % 3])
            corner, uv = int(corners[f, (c + 2) % 3]), corners[g].copy()
            faces[g], corners[g] = (start, middle, far), (uv[d], corner, uv[(d + 2) % 3])
            faces[f], corners[f] = (middle, end, far), (corner, uv[(d + 1) % 3], uv[(d + 2) % 3])
            gone += 1
        gone += int(remove.sum())
        faces, corners = faces[~remove], corners[~remove]
    return gone, (faces, corners)


def _without_excess(places: np.ndarray, faces: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Patches (F,) and numbers of the faces to keep, so that at every edge each patch has no more than two faces.

    A patch is what hangs together across edges of two faces. At an edge of more it may pass (with two faces) or end
    (with one); patches that end there go, the smallest first.
    """
    kept = np.arange(len(faces))
    areas = np.linalg.norm(
        np.cross(places[faces[:, 1]] - places[faces[:, 0]], places[faces[:, 2]] - places[faces[:, 0]]), axis=1
    )
    while True:
        first, second, edge_of, counts = face_pairs(faces[kept])
        graph = csr_array((np.ones(len(first), dtype=np.int8), (first // 3, second // 3)), shape=(len(kept),) * 2)
        number, patch = connected_components(graph, directed=False)
        crowded = np.flatnonzero(counts[edge_of] > 2)
        if not len(crowded):
            return patch, kept
        meeting, times = np.unique(np.stack([edge_of[crowded], patch[crowded // 3]]), axis=1, return_counts=True)
        ending = np.unique(meeting[1][times != 2])
        if not len(ending):
            return patch, kept
        sizes = np.bincount(patch, areas[kept], number)
        kept = kept[patch != ending[sizes[ending].argmin()]]


def _separated(faces: np.ndarray, patches: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Faces whose vertices have one fan each, and for each of these vertices (V',) the one it was."""
    if not len(faces):
        return faces, np.zeros(0, dtype=np.int64)
    first, second, edge_of, counts = face_pairs(faces)
    crowded = np.flatnonzero(counts[edge_of] > 2)
    order = crowded[np.lexsort((patches[crowded // 3], edge_of[crowded]))]  # the two faces of a patch, side by side
    first, second = np.concatenate([first, order[0::2]]), np.concatenate([second, order[1::2]])
    origins = faces.reshape(-1)

    def following(h: np.ndarray) -> np.ndarray:
        return np.where(h % 3 == 2, h - 2, h + 1)

    alike = origins[first] == origins[second]
    start, end = np.where(alike, second, following(second)), np.where(alike, following(second), second)
    rows, columns = np.concatenate([first, following(first)]), np.concatenate([start, end])
    graph = csr_array((np.ones(len(rows), dtype=np.int8), (rows, columns)), shape=(len(origins),) * 2)
    fans = connected_components(graph, directed=False)[1]
    return fans.reshape(-1, 3).astype(np.int64), origins[np.unique(fans, return_index=True)[1]]


def _holes(places: np.ndarray, faces: np.ndarray, largest: int) -> tuple[int, np.ndarray]:
    """How many holes were closed, and the faces (P, 3) that close them."""
    if not len(faces) or not largest:
        return 0, np.zeros((0, 3), dtype=np.int64)
    graph = csr_array(
        (np.ones(faces.size, dtype=np.int8), (faces.reshape(-1), np.roll(faces, -1, axis=1).reshape(-1))),
        shape=(len(places),) * 2,
    )
    number, piece = connected_components(graph, directed=False)
    crosses = np.cross(places[faces[:, 1]] - places[faces[:, 0]], places[faces[:, 2]] - places[faces[:, 0]])
    areas = np.bincount(piece[faces[:, 0]], np.linalg.norm(crosses, axis=1) / 2, number)
    neighbors = (graph + graph.T).tocsr()
    filled, patches = 0, []
    for loop in boundary_loops(torch.from_numpy(faces)):
        ring = loop.numpy()[::-1]
        if not 3 <= len(ring) <= largest or len(np.unique(ring)) < len(ring):
            continue
        patch, area = fill_hole(places[ring], neighbors[ring][:, ring].toarray() > 0)
        if patch is not None and area < 0.9 * areas[piece[ring[0]]]:
            filled += 1
            patches.append(ring[patch])
    return filled, np.concatenate(patches) if patches else np.zeros((0, 3), dtype=np.int64)
