"""What a mesh or a cloud of points is like: size, surface, spacing, and what is wrong with it."""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from geokit.geometry import PointCloud
from geokit.geometry.bounds import bounds
from geokit.geometry.mesh import Mesh
from geokit.geometry.neighbors import PointTree
from geokit.geometry.topology import topology
from geokit.io.formats import format_of, unit_of

_SPACINGS = 20_000  # points whose nearest neighbour is looked for
_FLAT = 1e-12  # of the squared extent: the area below which a face has none


def mesh_facts(path: Path, mesh: Mesh, messages: list[str]) -> dict[str, Any]:
    """Plain values for JSON. Vertices at the same place count as one for everything about the surface.

    messages: what the reader had to say; with what is found here they become `problems`.
    """
    joined, duplicates = join_places(mesh)
    found = topology(joined)
    unused = topology(mesh).unreferenced if duplicates else found.unreferenced
    flat = int((mesh.face_areas() <= _FLAT * mesh.extent**2).sum()) if len(mesh) else 0
    closed = found.watertight
    volume = mesh.volume() if closed else None
    facts: dict[str, Any] = {
        "kind": "mesh",
        "format": format_of(path),
        "vertices": len(mesh.vertices),
        "faces": len(mesh),
        "edges": found.edges,
        **_size(path, mesh.vertices),
        "watertight": closed,
        "manifold": found.manifold,
        "oriented": found.oriented,
        "boundary_loops": found.boundary_loops,
        "components": found.components,
        "euler_characteristic": found.euler_characteristic,
        "genus": found.genus,
        "area": mesh.area(),
        "volume": volume,
        "edge_length": _middle_edge(mesh),
        "normals": mesh.normals is not None,
        "colors": mesh.colors is not None,
        "uv": mesh.uv is not None,
        "texture": None if mesh.texture is None else [mesh.texture.shape[1], mesh.texture.shape[0]],
    }
    counts = {
        "duplicate_vertices": duplicates,
        "unreferenced_vertices": unused,
        "degenerate_faces": max(flat, found.degenerate_faces),
        "duplicate_faces": found.duplicate_faces,
        "flipped_edges": found.flipped_edges,
        "nonmanifold_edges": found.nonmanifold_edges,
        "nonmanifold_vertices": found.nonmanifold_vertices,
        "boundary_edges": found.boundary_edges,
    }
    inside_out = ["the faces look inward (the volume is negative)"] if volume is not None and volume < 0 else []
    problems = messages + [text.format(counts[name]) for name, text in _PROBLEMS.items() if counts[name]] + inside_out
    return facts | counts | {"problems": problems}


_PROBLEMS = {
    "duplicate_vertices": "vertices at the place of another one: {:,} (they count as joined here)",
    "unreferenced_vertices": "vertices that no face uses: {:,}",
    "degenerate_faces": "faces without area: {:,}",
    "duplicate_faces": "faces that are there twice: {:,}",
    "flipped_edges": "edges whose faces look to opposite sides: {:,}",
    "nonmanifold_edges": "edges with more than two faces: {:,}",
    "nonmanifold_vertices": "vertices where surfaces only touch: {:,}",
}


def cloud_facts(path: Path, cloud: PointCloud, messages: list[str], scalars: list[str]) -> dict[str, Any]:
    """Plain values for JSON. scalars: what the file holds beside places, colours and normals."""
    duplicates = len(cloud) - distinct_places(cloud.points)[0]
    problems = [*messages, *([f"points at the place of another one: {duplicates:,}"] if duplicates else [])]
    return {
        "kind": "points",
        "format": format_of(path),
        "points": len(cloud),
        "precision": str(cloud.points.dtype).removeprefix("torch."),
        **_size(path, cloud.points),
        "spacing": _spacing(cloud.points),
        "normals": cloud.normals is not None,
        "colors": cloud.colors is not None,
        "scalars": scalars,
        "duplicate_points": duplicates,
        "problems": problems,
    }


def _size(path: Path, points: Tensor) -> dict[str, Any]:
    box = bounds(points.double())
    size = [high - low for low, high in zip(*box)] if box else None
    return {"bounds": box, "size": size, "unit": unit_of(path), "bytes": path.stat().st_size}


def distinct_places(points: Tensor) -> tuple[int, Tensor]:
    """How many different places there are among points (N, 3), and the number of its place for each (N,)."""
    if not len(points):
        return 0, torch.zeros(0, dtype=torch.int64)
    order = torch.arange(len(points))
    for axis in (2, 1, 0):
        order = order[torch.argsort(points[order, axis], stable=True)]
    ordered = points[order]
    new = torch.ones(len(points), dtype=torch.int64)
    new[1:] = (ordered[1:] != ordered[:-1]).any(1).long()
    numbers = torch.empty_like(order)
    numbers[order] = new.cumsum(0) - 1
    return int(new.sum()), numbers


def join_places(mesh: Mesh) -> tuple[Mesh, int]:
    """The bare mesh with vertices at the same place joined, and how many that were."""
    count, numbers = distinct_places(mesh.vertices)
    duplicates = len(mesh.vertices) - count
    if not duplicates:
        return mesh, 0
    places = mesh.vertices.new_empty(count, 3)
    places[numbers] = mesh.vertices
    return Mesh(places, numbers[mesh.faces]), duplicates


def _middle_edge(mesh: Mesh) -> float | None:
    if not len(mesh):
        return None
    return float((mesh.corners - mesh.corners.roll(1, 1)).norm(dim=2).flatten().median())


def _spacing(points: Tensor) -> float | None:
    """The median distance from a point to the next, of as many as take no time."""
    if len(points) < 2:
        return None
    chosen = points[:: -(-len(points) // _SPACINGS)]
    return float(PointTree(points).nearest(2, chosen)[0][:, 1].median())
