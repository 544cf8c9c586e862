"""The distance and a short way along a mesh between two places on its faces."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from geokit.geometry import Mesh
from geokit.spectral.geodesics import SurfacePoints, geodesic_distances

_PARTS = np.linspace(0, 1, 9)[:, None]  # of an edge: where a way can cross it
Weights = tuple[float, float, float] | None


def surface_way(
    mesh: Mesh, faces: tuple[int, int], weights: tuple[Weights, Weights]
) -> tuple[float, NDArray[np.float64]] | None:
    """(distance, (M, 3) places from the one to the other) along a mesh of float64; None where no way leads.

    faces, weights: on which face and where on it the two places are. The distance is that of fast marching,
    interpolated in the second face. The way follows the steepest descent of the distance from vertices and edges across faces.
    """
    ends = [torch.tensor(w or (1 / 3, 1 / 3, 1 / 3), dtype=torch.float64) for w in weights]
    places = [w @ mesh.corners[face] for w, face in zip(ends, faces)]
    if faces[0] == faces[1]:
        return float((places[1] - places[0]).norm()), torch.stack(places).numpy()
    source = SurfacePoints(torch.tensor(faces[:1]), ends[0][None])
    distances = geodesic_distances(mesh, source)
    along = float(ends[1] @ distances[mesh.faces[faces[1]]])
    if not np.isfinite(along):
        return None
    along = max(along, float((places[1] - places[0]).norm()))
    way = _descent(mesh, distances, faces, places)
    return along, way


def _descent(mesh: Mesh, distances: Tensor, faces: tuple[int, int], places: list[Tensor]) -> NDArray[np.float64]:
    """Step by step to the place on an edge around that makes the rest of the way the shortest."""
    corners, values = mesh.faces.numpy(), distances.numpy()
    vertices = mesh.vertices.numpy()
    order = np.argsort(corners.reshape(-1), kind="stable") // 3
    starts = np.concatenate([[0], np.cumsum(np.bincount(corners.reshape(-1), minlength=len(vertices)))])
    at, value, around = places[1].numpy(), np.inf, np.array([faces[1]])
    way = [at]
    while faces[0] not in around:
        i, j = corners[around], np.roll(corners[around], -1, axis=1)
        spots = vertices[i][:, :, None] * (1 - _PARTS) + vertices[j][:, :, None] * _PARTS
        left = values[i][:, :, None] * (1 - _PARTS[:, 0]) + values[j][:, :, None] * _PARTS[:, 0]
        cost = np.linalg.norm(spots - at, axis=-1) + left
        cost = np.where(np.isfinite(left) & (left < value), cost, np.inf)
        face, side, part = np.unravel_index(int(np.argmin(cost)), cost.shape)
        if not np.isfinite(cost[face, side, part]):
            break  # distances that have a pit of their own: the rest is drawn straight
        at, value = spots[face, side, part], left[face, side, part]
        ends = {int(i[face, side]), int(j[face, side])}
        ends = ends if 0 < part < len(_PARTS) - 1 else {int((i if part == 0 else j)[face, side])}
        fans = [order[starts[v] : starts[v + 1]] for v in ends]
        around = fans[0] if len(fans) == 1 else np.intersect1d(*fans)
        way.append(at)
    return np.stack([*way, places[0].numpy()])[::-1].copy()
