"""The look of one mesh on another: its texture, or its colours."""

import torch
from torch import Tensor

from geokit.geometry.distance import closest_points
from geokit.geometry.mesh import Mesh
from geokit.spectral.matching import Match

_STRETCH = 4.0  # times the usual: longer in the texture, a face lies across a seam


def transfer_texture(match: Match) -> Mesh | None:
    """Shape 2 with the texture of shape 1, or with its vertex colours where it has no texture; None without either.

    Every corner of shape 2 has the uv of the point of shape 1 that it goes to. A face whose corners come to lie on
    both sides of a seam takes the face of shape 1 under its middle, and continues that one's uv to its corners, so
    that nothing smears across the texture.
    """
    source, target, places = match.shape1.given, match.shape2.given, match.precise_21
    plain = target.replace(uv=None, texture=None, colors=None)
    if source.uv is None or source.texture is None:
        if source.colors is None:
            return None
        return plain.replace(colors=match.transfer(source.colors).clamp(0, 1).to(plain.vertices))
    source = source.to(torch.float64)
    assert source.uv is not None
    assert source.texture is not None
    weights = places.barycentrics.double()
    at_vertices = (weights[:, :, None] * source.uv[places.face_ids]).sum(1)
    uv = at_vertices[target.faces]
    points = places.interpolate(source.faces, source.vertices)[target.faces]  # (F, 3, 3)
    torn = _across_seam(uv, points, charts(source)[places.face_ids][target.faces], _scale(source))
    if bool(torn.any()):
        middles = closest_points(source, points[torn].mean(1)).face_ids
        uv[torn] = _continued(source, middles, points[torn])
    return plain.replace(uv=uv.to(plain.vertices), texture=source.texture.to(plain.vertices))


def charts(mesh: Mesh) -> Tensor:
    """(F,) int64, the connected part of the texture that each face of a mesh with uv lies in."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    assert mesh.uv is not None
    places = torch.unique(mesh.uv.reshape(-1, 2), dim=0, return_inverse=True)[1]
    # Corners are nodes beside the places that they share; the three of a face hang together.
    corner = torch.cat([mesh.faces.reshape(-1)[:, None], places.reshape(-1)[:, None]], 1)
    node = torch.unique(corner, dim=0, return_inverse=True)[1].reshape(-1, 3)
    rows, columns = node[:, [0, 1]].reshape(-1).numpy(), node[:, [1, 2]].reshape(-1).numpy()
    count = int(node.max()) + 1
    graph = coo_array((torch.ones(len(rows), dtype=torch.int8).numpy(), (rows, columns)), shape=(count, count))
    return torch.from_numpy(connected_components(graph, directed=False)[1]).long()[node[:, 0]]


def _scale(mesh: Mesh) -> float:
    """How long a unit of length is in the texture, usually."""
    assert mesh.uv is not None
    flat = mesh.uv[:, 1:] - mesh.uv[:, :1]
    area = float((flat[:, 0, 0] * flat[:, 1, 1] - flat[:, 0, 1] * flat[:, 1, 0]).abs().sum()) / 2
    return (area / max(mesh.area(), 1e-300)) ** 0.5


def _across_seam(uv: Tensor, points: Tensor, chart: Tensor, scale: float) -> Tensor:
    """(F,) bool, faces with corners in several charts, or further apart in the texture than they can be in one."""

    def perimeter(corners: Tensor) -> Tensor:
        return (corners - corners.roll(1, 1)).norm(dim=2).sum(1)

    several = (chart != chart[:, :1]).any(1)
    return several | (perimeter(uv) > _STRETCH * scale * perimeter(points) + 1e-9)


def _continued(mesh: Mesh, face_ids: Tensor, points: Tensor) -> Tensor:
    """(T, 3, 2) uv at points (T, 3, 3) of the planes of faces, as if these went on beyond their edges."""
    assert mesh.uv is not None
    corners, uv = mesh.corners[face_ids], mesh.uv[face_ids]
    sides, flat = corners[:, 1:] - corners[:, :1], uv[:, 1:] - uv[:, :1]
    weights = (points - corners[:, :1]) @ torch.linalg.pinv(sides)  # (T, 3, 2)
    return uv[:, :1] + weights @ flat
