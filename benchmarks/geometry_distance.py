"""Distances to a mesh of 100k faces: closest points, signs, winding numbers and rays, a million queries each.

    python benchmarks/geometry_distance.py [--queries 1000000]      about three minutes

Peers: Open3D's RaycastingScene (Embree), point-cloud-utils (Embree), libigl and trimesh, where they are installed.
On one thread figures are CPU seconds, so that a peer's own thread pool is counted; on two they are wall-clock
seconds of the two that can be told their number of threads. What a slow peer does in part is scaled up to all queries.
"""

import argparse
import os
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from common import ROOT, in_own_process, measure, print_table

from geokit.backend.optional import open3d, optional
from geokit.geometry.distance import Bvh, closest_points, ray_cast, signed_distance, winding_number
from geokit.geometry.mesh import Mesh
from geokit.geometry.metrics import compare_surfaces
from geokit.io.meshes import load_mesh

QUERIES, FEW = 1_000_000, 20_000  # a slow peer gets the few
PLACES = ("box", "near")


def test_data() -> Path:
    return Path(os.environ.get("GEOKIT_TEST_DATA", ROOT.parent / "shared" / "data")) / "meshes"


def koala() -> Mesh:
    """The mesh of 99,994 faces, in float32."""
    mesh = load_mesh(test_data() / "koala.obj")
    return Mesh(mesh.vertices.float(), mesh.faces)


def queries_at(mesh: Mesh, where: str, count: int) -> torch.Tensor:
    """Uniform in the bounding box, or within about 1 % of the diagonal of the surface."""
    g = torch.Generator().manual_seed(0)
    if where == "box":
        low, high = mesh.vertices.amin(0), mesh.vertices.amax(0)
        return low + (high - low) * torch.rand(count, 3, generator=g)
    face = torch.randint(len(mesh), (count,), generator=g)
    return mesh.corners[face].mean(1) + 0.01 * mesh.extent * torch.randn(count, 3, generator=g)


def scene(mesh: Mesh, threads: int) -> tuple[Any, Callable[[torch.Tensor], Any]]:
    """Open3D's scene of the mesh, and its tensor type."""
    o3d = open3d("the benchmark")
    held = o3d.t.geometry.RaycastingScene(nthreads=threads)
    held.add_triangles(o3d.core.Tensor(mesh.vertices.numpy()), o3d.core.Tensor(mesh.faces.numpy().astype(np.uint32)))
    return held, lambda tensor: o3d.core.Tensor(tensor.numpy())


def closest_row(where: str, count: int, threads: int) -> dict[str, Any]:
    mesh = koala()
    queries, few = queries_at(mesh, where, count), queries_at(mesh, where, min(FEW, count))
    clock = "cpu" if threads == 1 else "wall"
    tree = Bvh(mesh)
    ours = getattr(measure(lambda: closest_points(tree, queries), 5), clock)
    held, theirs = scene(mesh, threads)
    given = theirs(queries)
    peer = getattr(measure(lambda: held.compute_closest_points(given, nthreads=threads), 1, 0), clock)
    distances = torch.from_numpy((held.compute_closest_points(theirs(few), nthreads=threads)["points"]).numpy()) - few
    row = {
        "queries": where, "threads": threads, "geokit (s)": ours, "Open3D (s)": peer, "Open3D / geokit": peer / ours,
        "largest difference": float((closest_points(tree, few).distances - distances.norm(dim=1)).abs().max()),
    }  # fmt: skip
    vertices, faces, places = mesh.vertices.numpy(), mesh.faces.numpy(), few.numpy()
    slow: dict[str, Callable[[], object]] = {}
    if find_spec("point_cloud_utils"):
        pcu = optional("point_cloud_utils", "the benchmark", "test")
        slow["point-cloud-utils"] = lambda: pcu.closest_points_on_mesh(places, vertices, faces)
    if find_spec("igl"):
        igl = optional("igl", "the benchmark", "test")
        wide = vertices.astype(np.float64)
        slow["libigl"] = lambda: igl.point_mesh_squared_distance(places.astype(np.float64), wide, faces)
    if find_spec("rtree"):
        trimesh = optional("trimesh", "the benchmark", "test")
        held_mesh = trimesh.Trimesh(vertices, faces, process=False)
        slow["trimesh"] = lambda: trimesh.proximity.closest_point(held_mesh, places[:2000])
    for name in ("point-cloud-utils", "libigl", "trimesh"):
        share = 2000 if name == "trimesh" else len(few)
        known = threads == 1 and name in slow
        row[f"{name} (s)"] = measure(slow[name], 1, 1).cpu * count / share if known else None
    return row


def winding_row(where: str, count: int, beta: float) -> dict[str, Any]:
    mesh = koala()
    queries = queries_at(mesh, where, count)
    tree = Bvh(mesh)
    exact = winding_number(tree, queries[:2000], exact=True)
    row = {
        "queries": where, "beta": beta, "geokit (s)": measure(lambda: winding_number(tree, queries, beta), 3).cpu,
        "largest error": float((winding_number(tree, queries[:2000], beta) - exact).abs().max()),
        "libigl (s)": None, "its largest error": None,
    }  # fmt: skip
    if find_spec("igl"):
        igl = optional("igl", "the benchmark", "test")
        vertices, faces = mesh.vertices.double().numpy(), mesh.faces.numpy()
        places = queries[: 5 * FEW].double().numpy()
        found = igl.fast_winding_number(vertices, faces, places[:2000])
        theirs = measure(lambda: igl.fast_winding_number(vertices, faces, places), 1, 0)
        row["libigl (s)"] = theirs.cpu * count / len(places)
        row["its largest error"] = float(np.abs(found - exact.numpy()).max())
    return row


def rays_row(where: str, count: int, threads: int) -> dict[str, Any]:
    mesh = koala()
    origins = queries_at(mesh, where, count)
    g = torch.Generator().manual_seed(1)
    directions = torch.nn.functional.normalize(torch.randn(count, 3, generator=g), dim=1)
    clock = "cpu" if threads == 1 else "wall"
    tree = Bvh(mesh)
    held, theirs = scene(mesh, threads)
    rays = theirs(torch.cat([origins, directions], 1))
    ours = getattr(measure(lambda: ray_cast(tree, origins, directions), 5), clock)
    peer = getattr(measure(lambda: held.cast_rays(rays, nthreads=threads), 5), clock)
    missed = torch.from_numpy(held.cast_rays(rays)["t_hit"].numpy()).isinf()
    same = missed == ray_cast(tree, origins, directions).t.isinf()
    return {
        "rays from": where, "threads": threads, "geokit (s)": ours, "Open3D (s)": peer, "Open3D / geokit": peer / ours,
        "hit by one alone": int((~same).sum()),
    }  # fmt: skip


def signs_row(name: str, count: int) -> dict[str, Any]:
    """Signs inside and outside a mesh with holes, against the sign of the mesh without them."""
    if name == "koala without 1 % of its faces":
        whole = koala()
        kept = torch.rand(len(whole), generator=torch.Generator().manual_seed(3)) > 0.01
        cut = whole.replace(faces=whole.faces[kept])
    else:
        cut = load_mesh(test_data() / "stanford-bunny.obj")
        cut = Mesh(cut.vertices.float(), cut.faces)
        from geokit.geometry.topology import boundary_loops

        fans = []
        vertices = [cut.vertices]
        for loop in boundary_loops(cut.faces):
            middle = len(cut.vertices) + len(fans)
            vertices.append(cut.vertices[loop].mean(0, keepdim=True))
            fans.append(torch.stack([loop.roll(-1), loop, torch.full_like(loop, middle)], 1))
        whole = Mesh(torch.cat(vertices), torch.cat([cut.faces, *fans]))
    queries = queries_at(cut, "box", count)
    truth = winding_number(whole, queries, exact=False, beta=4.0) > 0.5
    inside = signed_distance(cut, queries) < 0
    held, theirs = scene(cut, 1)
    parity = torch.from_numpy(held.compute_signed_distance(theirs(queries), nthreads=1).numpy()) < 0
    return {
        "mesh": name, "queries": count, "wrong signs, geokit": int((inside != truth).sum()),
        "wrong signs, Open3D": int((parity != truth).sum()), "inside": int(truth.sum()),
    }  # fmt: skip


def other_row() -> dict[str, Any]:
    mesh = koala()
    tree = Bvh(mesh)
    queries = queries_at(mesh, "box", 100_000)
    moved = mesh.replace(vertices=mesh.vertices + 0.01)
    given = np.zeros((1, 3), dtype=np.float32)
    o3d = open3d("the benchmark")

    def build_theirs() -> None:
        scene(mesh, 1)[0].compute_distance(o3d.core.Tensor(given))

    return {
        "build (s)": measure(lambda: Bvh(mesh)).cpu,
        "build, Open3D (s)": measure(build_theirs, 3).cpu,
        "signed distance of 100k (s)": measure(lambda: signed_distance(tree, queries), 3).cpu,
        "compare two meshes, 100k samples (s)": measure(lambda: compare_surfaces(mesh, moved), 3).cpu,
    }


def section(count: int = QUERIES) -> list[dict[str, Any]]:
    """One row a case of closest points; prints all tables."""
    rows = [in_own_process(closest_row, where, count, t, threads=t) for t in (1, 2) for where in PLACES]
    print_table(f"closest points on {len(koala()):,} faces, {count:,} queries", rows, "one thread: CPU s; two: wall s")
    rays = [in_own_process(rays_row, where, count, t, threads=t) for t in (1, 2) for where in PLACES]
    print_table(f"first hits of {count:,} rays in random directions", rays)
    winding = [in_own_process(winding_row, where, count, beta) for where in PLACES for beta in (2.0, 3.0)]
    print_table(f"winding numbers of {count:,} queries, CPU s on one thread", winding)
    cut = ("koala without 1 % of its faces", "stanford-bunny")
    signs = [in_own_process(signs_row, name, 100_000) for name in cut]
    truth = "truth: the mesh before it was cut, or with its holes filled"
    print_table("signs of the distance to meshes with holes", signs, truth)
    other = [in_own_process(other_row)]
    print_table("one thread, CPU s", other)
    return [*rows, *rays, *winding, *signs, *other]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--queries", type=int, default=QUERIES)
    section(parser.parse_args().queries)
