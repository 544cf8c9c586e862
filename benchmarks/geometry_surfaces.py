"""Normals and surfaces from points against Open3D, on samples of real meshes.

    python benchmarks/geometry_surfaces.py [MESH ...]

Needs the test data (GEOKIT_TEST_DATA, or shared/data beside the repository) and Open3D.
"""

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from common import in_own_process, peak_memory, print_table

DATA = Path(os.environ.get("GEOKIT_TEST_DATA", Path(__file__).resolve().parents[2] / "shared" / "data")) / "meshes"
MESHES = {
    "bunny": "stanford-bunny.obj",
    "armadillo": "armadillo.obj",
    "igea": "igea.ply",
    "rocker-arm": "rocker-arm.obj",
    "fandisk": "fandisk.obj",
    "part 1 scan": "abc_00011084_mesh.ply",
    "part 2 scan": "abc_00016513_mesh.ply",
}
POINTS, NOISE = 100_000, 0.0025  # of the diagonal


def cloud_of(name: str, noise: float, normals: bool) -> tuple[Any, Any, Any]:
    """The mesh, points on it with true normals or none, and the true normals. Scans bring their own noise."""
    import numpy as np

    from geokit.geometry.distance import closest_points
    from geokit.geometry.point_cloud import PointCloud
    from geokit.geometry.surface_sampling import sample_surface
    from geokit.io.meshes import load_mesh

    mesh = load_mesh(DATA / MESHES[name]).to(torch.float64)
    if name.endswith("scan"):
        file = MESHES[name].replace("_mesh.ply", "_scanpts.npy")
        points = torch.from_numpy(np.load(DATA / file)).double()
        truth = mesh.face_normals()[closest_points(mesh, points).face_ids]
    else:
        sampled = sample_surface(mesh, POINTS)
        truth = sampled.normals
        shift = torch.randn(sampled.points.shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
        points = sampled.points + noise * mesh.extent * shift
    return mesh, PointCloud(points, normals=truth if normals else None), truth


def timed(function: Callable[[], Any]) -> tuple[Any, float]:
    start = time.process_time()
    return function(), time.process_time() - start


def open3d_cloud(cloud: Any) -> Any:
    from geokit.backend.optional import open3d

    o3d = open3d("the benchmark")
    given = o3d.geometry.PointCloud()
    given.points = o3d.utility.Vector3dVector(cloud.points.numpy())
    if cloud.normals is not None:
        given.normals = o3d.utility.Vector3dVector(cloud.normals.numpy())
    return o3d, given


def normals_row(name: str, noise: float, peer: bool) -> dict[str, Any]:
    import numpy as np

    from geokit.geometry.normals import estimate_normals

    _, cloud, truth = cloud_of(name, noise, False)
    if peer:
        o3d, given = open3d_cloud(cloud)
    before = peak_memory()

    def theirs() -> torch.Tensor:
        given.estimate_normals(o3d.geometry.KDTreeSearchParamKNN(17))
        given.orient_normals_consistent_tangent_plane(16)
        found = torch.from_numpy(np.asarray(given.normals).copy())
        return found if float((found * truth).sum(1).mean()) > 0 else -found  # it promises no side

    found, seconds = timed(theirs if peer else lambda: estimate_normals(cloud).normals)
    cosines = (found * truth).sum(1)
    return {
        "right side %": 100 * float((cosines > 0).double().mean()),
        "error degrees": float(torch.rad2deg(cosines.abs().clamp(0, 1).acos()).mean()),
        "CPU s": seconds,
        "MB": peak_memory() - before,
    }


def surface_row(name: str, noise: float, normals: bool, depth: int | None, peer: bool) -> dict[str, Any]:
    import numpy as np

    from geokit.geometry.mesh import Mesh
    from geokit.geometry.metrics import compare_surfaces
    from geokit.geometry.poisson import poisson_surface

    mesh, cloud, _ = cloud_of(name, noise, normals)

    def theirs() -> Mesh:
        o3d, given = open3d_cloud(cloud)
        if not normals:
            given.estimate_normals(o3d.geometry.KDTreeSearchParamKNN(17))
            given.orient_normals_consistent_tangent_plane(16)
        made, _ = o3d.geometry.TriangleMesh.create_from_point_cloud_poisson(given, depth=depth or 8, n_threads=1)
        faces = torch.from_numpy(np.asarray(made.triangles).astype(np.int64))
        return Mesh(torch.from_numpy(np.asarray(made.vertices).copy()), faces)

    made, seconds = timed(theirs if peer else lambda: poisson_surface(cloud, depth))
    found = compare_surfaces(made, mesh)
    return {
        "chamfer 1e-4": found.chamfer / mesh.extent * 1e4,
        "F": found.f_score,
        "normals": found.normal_consistency,
        "faces": len(made),
        "CPU s": seconds,
    }


def beside(case: dict[str, Any], function: Callable[..., dict[str, Any]], *arguments: Any) -> dict[str, Any]:
    """One row: ours and Open3D's figures, each from a process of its own with one thread."""
    row = dict(case)
    ours = in_own_process(function, *arguments, False)
    theirs = in_own_process(function, *arguments, True)
    for key in ours:
        row |= {key: ours[key], f"{key} (Open3D)": theirs[key]}
    return row


def normals(names: tuple[str, ...]) -> list[dict[str, Any]]:
    """Normals estimated and oriented from positions alone."""
    cases = [(name, noise) for name in names for noise in ((0.0,) if name.endswith("scan") else (0.0, NOISE))]
    return [beside({"case": name, "noise": noise}, normals_row, name, noise) for name, noise in cases]


def surfaces(names: tuple[str, ...]) -> list[dict[str, Any]]:
    """Screened Poisson: true normals at depth 8, then everything from positions alone with our own choice of depth."""
    rows = []
    for name in names:
        scan = name.endswith("scan")
        cases = [(0.0, False, None)] if scan else [(0.0, True, 8), (NOISE, True, 8), (NOISE, False, None)]
        for noise, normals, depth in cases:
            case = {"case": name, "noise": noise, "normals given": normals, "depth": depth or "auto/8"}
            rows.append(beside(case, surface_row, name, noise, normals, depth))
    return rows


def section(names: tuple[str, ...] = tuple(MESHES)) -> dict[str, list[dict[str, Any]]]:
    """The rows of both tables, each printed as soon as it is whole."""
    found = {"normals": normals(names)}
    print_table("normals, estimated and oriented", found["normals"], "MB: what the peak of the process rose by")
    found["surfaces"] = surfaces(names)
    note = "chamfer and F at 0.5 %: of the diagonal, point to surface"
    print_table("surfaces from points", found["surfaces"], note)
    return found


if __name__ == "__main__":
    section(tuple(sys.argv[1:]) or tuple(MESHES))
