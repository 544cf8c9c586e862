"""Reading and writing of big files beside Open3D and trimesh: seconds of the wall clock, files warm in the cache.

    python benchmarks/geometry_files.py

The files are made in a temporary folder: 5 M coloured points (binary .ply), and a height field of 500,000 vertices and
998,000 triangles, once with triangles and quadrilaterals mixed. Readers take turns, so that a busy machine treats them
alike; medians. Open3D's point readers are both timed and the faster one is the peer.
"""

import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from common import print_table

from geokit.errors import MissingDependency
from geokit.geometry import PointCloud
from geokit.geometry.mesh import Mesh
from geokit.io.meshes import load_mesh, save_mesh
from geokit.io.point_clouds import load_points, save_points

POINTS, COLUMNS, ROWS, TURNS = 5_000_000, 1000, 500, 3


def section() -> list[dict[str, Any]]:
    """One row a file: median seconds of each reader, and how many times faster geokit is than the best peer."""
    torch.set_num_threads(1)
    peers = _peers()
    rows = []
    with tempfile.TemporaryDirectory() as name:
        for case, path, ours in _files(Path(name)):
            times = _in_turns({"geokit": ours, **{peer: read(path) for peer, read in peers.items()}})
            best = min((t for reader, t in times.items() if reader != "geokit" and t is not None), default=None)
            row: dict[str, Any] = {"case": case, "megabytes": path.stat().st_size / 1e6, **times}
            rows.append(row | {"times faster": None if best is None else best / (times["geokit"] or 1)})
            path.unlink()
    print_table("Files", rows, "seconds, one thread asked for; Open3D uses its own threads")
    return rows


def _in_turns(readers: dict[str, Callable[[], object] | None]) -> dict[str, float | None]:
    found: dict[str, list[float]] = {name: [] for name, read in readers.items() if read}
    for turn in range(TURNS + 1):
        for name in list(found):
            read = readers[name]
            assert read is not None
            start = time.perf_counter()
            try:
                read()
            except ValueError as error:  # a peer that cannot read the file has no figure
                print(f"  {name}: {error}", file=sys.stderr)
                del found[name]
                continue
            if turn:
                found[name].append(time.perf_counter() - start)
    return {name: statistics.median(found[name]) if name in found else None for name in readers}


def _peers() -> dict[str, Callable[[Path], Callable[[], object] | None]]:
    """For each peer what reads a file, None for files that it does not read."""
    found: dict[str, Callable[[Path], Callable[[], object] | None]] = {}
    try:
        from geokit.backend.optional import open3d

        o3d = open3d("the comparison")
        o3d.utility.set_verbosity_level(o3d.utility.VerbosityLevel.Error)

        def legacy(path: Path) -> Callable[[], object]:
            read = o3d.io.read_point_cloud if "points" in path.name else o3d.io.read_triangle_mesh
            return lambda: read(str(path))

        def tensors(path: Path) -> Callable[[], object]:
            read = o3d.t.io.read_point_cloud if "points" in path.name else o3d.t.io.read_triangle_mesh
            return lambda: read(str(path))

        found |= {"Open3D": legacy, "Open3D tensors": tensors}
    except MissingDependency as error:
        print(f"without Open3D: {error}")
    try:
        import trimesh

        found["trimesh"] = lambda path: lambda: trimesh.load(path, process=False)
    except ImportError:
        print("without trimesh")
    return found


def _files(folder: Path) -> list[tuple[str, Path, Callable[[], object]]]:
    g = torch.Generator().manual_seed(0)
    cloud = PointCloud(torch.randn(POINTS, 3, generator=g), torch.rand(POINTS, 3, generator=g))
    made: list[tuple[str, Path, Callable[[], object]]] = []

    def add(case: str, name: str, read: Callable[[Path], object]) -> Path:
        path = folder / name
        made.append((case, path, lambda: read(path)))
        return path

    save_points(add("5 M points, .ply binary", "points.ply", load_points), cloud)
    field = height_field()
    lines = _ascii_ply(field)
    add("1 M triangles, .ply ascii", "text.ply", load_mesh).write_bytes(lines)
    save_mesh(add("1 M triangles, .ply binary", "mesh.ply", load_mesh), field)
    add("748 k polygons of 3 and 4, .ply binary", "mixed.ply", load_mesh).write_bytes(_mixed_ply(field))
    save_mesh(add("1 M triangles, .obj", "mesh.obj", load_mesh), field)
    save_mesh(add("1 M triangles, .stl binary", "mesh.stl", load_mesh), field)
    save_mesh(add("1 M triangles, .off", "mesh.off", load_mesh), field)
    save_mesh(add("1 M triangles, .glb", "mesh.glb", load_mesh), field)
    return made


def height_field() -> Mesh:
    """Hills on a grid, with floats that are no round numbers."""
    y, x = torch.meshgrid(torch.linspace(0, 5, ROWS), torch.linspace(0, 10, COLUMNS), indexing="ij")
    vertices = torch.stack([x, y, (3 * x).sin() * (2 * y).cos() / 7], dim=-1).reshape(-1, 3)
    ids = torch.arange(ROWS * COLUMNS).reshape(ROWS, COLUMNS)
    a, b, c, d = (part.reshape(-1) for part in (ids[:-1, :-1], ids[:-1, 1:], ids[1:, 1:], ids[1:, :-1]))
    return Mesh(vertices, torch.cat([torch.stack([a, b, c], 1), torch.stack([a, c, d], 1)]))


def _ascii_ply(mesh: Mesh) -> bytes:
    head = ["ply", "format ascii 1.0", f"element vertex {len(mesh.vertices)}"]
    head += [f"property float {n}" for n in "xyz"]
    head += [f"element face {len(mesh)}", "property list uchar int vertex_indices", "end_header"]
    rows = [f"{x:.7g} {y:.7g} {z:.7g}" for x, y, z in mesh.vertices.tolist()]
    rows += [f"3 {a} {b} {c}" for a, b, c in mesh.faces.tolist()]
    return "\n".join([*head, *rows, ""]).encode()


def _mixed_ply(mesh: Mesh) -> bytes:
    """Every second square of the grid stays whole: rows of the file alternate between 3, 3 and 4 corners."""
    half = len(mesh) // 2
    first, second = mesh.faces[:half].numpy(), mesh.faces[half:].numpy()
    kind = np.dtype([("n", "u1"), ("a", "<i4", 3), ("m", "u1"), ("b", "<i4", 3), ("k", "u1"), ("c", "<i4", 4)])
    count = half // 2
    rows = np.empty(count, kind)
    rows["n"], rows["m"], rows["k"] = 3, 3, 4
    rows["a"], rows["b"] = first[0 : 2 * count : 2], second[0 : 2 * count : 2]
    rows["c"] = np.concatenate([first[1 : 2 * count : 2], second[1 : 2 * count : 2, 2:]], axis=1)
    head = ["ply", "format binary_little_endian 1.0", f"element vertex {len(mesh.vertices)}"]
    head += [f"property float {n}" for n in "xyz"]
    head += [f"element face {3 * count}", "property list uchar int vertex_indices", "end_header"]
    return ("\n".join(head) + "\n").encode() + mesh.vertices.numpy().astype("<f4").tobytes() + rows.tobytes()


if __name__ == "__main__":
    section()
