"""The distance and a short way along a mesh between two places on its faces."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from geokit.geometry import Mesh

_PARTS = np.linspace(0, 1, 9)[:, None]  # of an edge: where a way can cross it
_SWEEPS = 200
Weights = tuple[float, float, float] | None


@dataclass(frozen=True)
class SurfaceWay:
    """length: of the way, in the mesh's unit. places: (M, 3) from end to end. normals: (M, 3), unit, of the surface."""

    length: float
    places: NDArray[np.float64]
    normals: NDArray[np.float64]


def surface_way(mesh: Mesh, faces: tuple[int, int], weights: tuple[Weights, Weights]) -> SurfaceWay | None:
    """A short way along a mesh of float64 from one place to another; None where no way leads.

    faces, weights: on which face and where on it the two places are. The way follows the steepest descent of the
    distance by fast marching from edge to edge and is then pulled tight; on fine meshes it is the shortest but for some
    thousandths.
    """
    ends = [torch.tensor(w or (1 / 3, 1 / 3, 1 / 3), dtype=torch.float64) for w in weights]
    places = [(w @ mesh.corners[face]).numpy() for w, face in zip(ends, faces)]
    normals = mesh.face_normals()[list(faces)].numpy()
    if faces[0] == faces[1]:
        return SurfaceWay(float(np.linalg.norm(places[1] - places[0])), np.stack(places), normals)
    from geokit.spectral.geodesics import SurfacePoints, geodesic_distances  # when a way is asked for

    source = SurfacePoints(torch.tensor(faces[:1]), ends[0][None])
    distances = geodesic_distances(mesh, source)
    along = _inside_face(mesh.corners[faces[1]], distances[mesh.faces[faces[1]]], ends[1])
    if not np.isfinite(along):
        return None
    inner, edges, arrived = _descent(mesh, distances, faces, places[1])
    way = _tightened(np.stack([places[1], *inner, places[0]]), mesh.vertices.numpy()[edges])
    between = _interpolated(way[1:-1], mesh.vertices.numpy()[edges], mesh.vertex_normals().numpy()[edges])
    length = float(np.linalg.norm(np.diff(way, axis=0), axis=1).sum())
    turned = np.concatenate([normals[1:], between, normals[:1]])[::-1].copy()
    return SurfaceWay(length if arrived else along, way[::-1].copy(), turned)


def _inside_face(corners: Tensor, distances: Tensor, weights: Tensor) -> float:
    """The distance at a place in a face, from those of its corners: exact where all come from one point of a plane."""
    apart = (corners[:, None] - corners[None]).square().sum(-1)
    square = weights @ distances.square() - (weights[:, None] * weights[None] * apart).sum() / 2
    return float(square.clamp_min(0).sqrt())


def _on_edges(a: NDArray[np.float64], b: NDArray[np.float64], length: NDArray[np.float64]) -> NDArray[np.float64]:
    """(..., P) the distances at the parts of edges with distances a and b (...) at their ends; as `_inside_face`."""
    part = _PARTS[:, 0]
    square = a[..., None] ** 2 * (1 - part) + b[..., None] ** 2 * part - part * (1 - part) * length[..., None] ** 2
    return np.sqrt(np.maximum(square, 0))


def _descent(
    mesh: Mesh, distances: Tensor, faces: tuple[int, int], at: NDArray[np.float64]
) -> tuple[list[NDArray[np.float64]], NDArray[np.int64], bool]:
    """From a place in the second face step by step to the place on an edge around that makes the rest of the way the
    shortest: these places, the vertices (M, 2) of their edges, and whether the first face was reached."""
    corners, values, vertices = mesh.faces.numpy(), distances.numpy(), mesh.vertices.numpy()
    order = np.argsort(corners.reshape(-1), kind="stable") // 3
    starts = np.concatenate([[0], np.cumsum(np.bincount(corners.reshape(-1), minlength=len(vertices)))])
    value, around = np.inf, np.array([faces[1]])
    edges: list[tuple[int, int]] = []
    way: list[NDArray[np.float64]] = []
    while faces[0] not in around:
        i, j = corners[around], np.roll(corners[around], -1, axis=1)
        spots = vertices[i][:, :, None] * (1 - _PARTS) + vertices[j][:, :, None] * _PARTS
        left = _on_edges(values[i], values[j], np.linalg.norm(vertices[i] - vertices[j], axis=-1))
        cost = np.linalg.norm(spots - at, axis=-1) + left
        cost = np.where(np.isfinite(left) & (left < value), cost, np.inf)
        face, side, part = np.unravel_index(int(np.argmin(cost)), cost.shape)
        if not np.isfinite(cost[face, side, part]):
            break  # distances that have a pit of their own: the rest is drawn straight
        at, value = spots[face, side, part], left[face, side, part]
        edges.append((int(i[face, side]), int(j[face, side])))
        ends = edges[-1] if 0 < part < len(_PARTS) - 1 else (edges[-1][0 if part == 0 else 1],)
        fans = [order[starts[v] : starts[v + 1]] for v in ends]
        around = fans[0] if len(fans) == 1 else np.intersect1d(fans[0], fans[1])
        way.append(at)
    return way, np.array(edges, np.int64).reshape(-1, 2), faces[0] in around


def _tightened(way: NDArray[np.float64], edges: NDArray[np.float64]) -> NDArray[np.float64]:
    """(M, 3) with the inner places moved along their edges (M - 2, 2, 3) until no move makes the way shorter.

    Unfolded about its edge, the way from the place before to the place after is a line; it crosses where the distances
    from the edge divide the distance of the feet.
    """
    start, along = edges[:, 0], edges[:, 1] - edges[:, 0]
    length = np.maximum((along * along).sum(1), 1e-300)
    way = way.copy()
    for sweep in range(_SWEEPS):
        chosen = np.arange(1 + sweep % 2, len(way) - 1, 2)
        a, d, n = start[chosen - 1], along[chosen - 1], length[chosen - 1]
        foot, height = [], []
        for other in (way[chosen - 1], way[chosen + 1]):
            foot.append(((other - a) * d).sum(1) / n)
            height.append(np.linalg.norm(other - a - foot[-1][:, None] * d, axis=1))
        part = height[0] / np.maximum(height[0] + height[1], 1e-300)
        way[chosen] = a + np.clip(foot[0] + part * (foot[1] - foot[0]), 0, 1)[:, None] * d
    return way


def _interpolated(
    places: NDArray[np.float64], edges: NDArray[np.float64], normals: NDArray[np.float64]
) -> NDArray[np.float64]:
    """(M, 3) unit normals at places (M, 3) on edges (M, 2, 3) whose ends have normals (M, 2, 3)."""
    along = edges[:, 1] - edges[:, 0]
    part = ((places - edges[:, 0]) * along).sum(1) / np.maximum((along * along).sum(1), 1e-300)
    mixed = normals[:, 0] * (1 - part[:, None]) + normals[:, 1] * part[:, None]
    return mixed / np.maximum(np.linalg.norm(mixed, axis=1, keepdims=True), 1e-300)
