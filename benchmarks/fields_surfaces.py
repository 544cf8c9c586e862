"""Surfaces from points: spline fields against screened Poisson reconstruction, on samples of real meshes.

    python benchmarks/fields_surfaces.py [MESH ...]

Needs the test data (GEOKIT_TEST_DATA, or shared/data beside the repository) and Open3D. One setting, the default, for
all. Poisson is Open3D's alone at the given depth, on the same normals.
"""

import sys
from typing import Any

import torch
from common import in_own_process, peak_memory, print_table, save
from geometry_surfaces import MESHES as SURFACES
from geometry_surfaces import POINTS, cloud_of, open3d_cloud, timed

MESHES = SURFACES | {"spot": "spot.obj", "koala": "koala.obj"}
SURFACES.update(MESHES)
CASES = {  # noise in diagonals, true normals, depth of Poisson
    "clean": (0.0, True, 9),
    "0.25 % noise": (0.0025, True, 7),
    "1 % noise": (0.01, True, 6),
    "0.25 %, normals estimated": (0.0025, False, 7),
}
SIZES = (100_000, 300_000, 1_000_000)


def row(name: str, noise: float, normals: bool, depth: int | None) -> dict[str, Any]:
    """Ours without a depth, Poisson's with one."""
    import numpy as np

    from geokit.fields import surface_from_points
    from geokit.geometry.mesh import Mesh
    from geokit.geometry.metrics import compare_surfaces
    from geokit.geometry.normals import estimate_normals

    mesh, cloud, _ = cloud_of(name, noise, normals)

    def theirs() -> Mesh:
        o3d, given = open3d_cloud(cloud if normals else estimate_normals(cloud))
        made, _ = o3d.geometry.TriangleMesh.create_from_point_cloud_poisson(given, depth=depth, n_threads=1)
        faces = torch.from_numpy(np.asarray(made.triangles).astype(np.int64))
        return Mesh(torch.from_numpy(np.asarray(made.vertices).copy()), faces)

    made, seconds = timed(theirs if depth else lambda: surface_from_points(cloud))
    found = compare_surfaces(made, mesh)
    return {
        "chamfer 1e-4": found.chamfer / mesh.extent * 1e4,
        "F": found.f_score,
        "normals": found.normal_consistency,
        "faces": len(made),
        "CPU s": seconds,
    }


def size_row(count: int) -> dict[str, Any]:
    """Time and memory of many points of the armadillo."""
    from geometry_surfaces import DATA

    from geokit.fields import fit_points
    from geokit.geometry.surface_sampling import sample_surface
    from geokit.io.meshes import load_mesh

    cloud = sample_surface(load_mesh(DATA / MESHES["armadillo"]), count)
    before = peak_memory()
    field, fitted = timed(lambda: fit_points(cloud))
    mesh, meshed = timed(field.mesh)
    return {
        "points": count,
        "fit CPU s": fitted,
        "mesh CPU s": meshed,
        "faces": len(mesh),
        "MB": peak_memory() - before,
    }


def section(names: tuple[str, ...] = tuple(MESHES)) -> dict[str, list[dict[str, Any]]]:
    """The rows of both tables."""
    rows = []
    for name in names:
        cases = {"scan": (0.0, False, 8)} if name.endswith("scan") else CASES
        for label, (noise, normals, depth) in cases.items():
            for method in (None, depth):
                found = in_own_process(row, name, noise, normals, method)
                rows.append({"mesh": name, "data": label, "method": f"Poisson {method}" if method else "ours"} | found)
    print_table(
        "surfaces from points", rows, f"{POINTS:,} points; chamfer and F at 0.5 %: of the diagonal, to the surface"
    )
    sizes = [in_own_process(size_row, count) for count in SIZES]
    print_table("many points of the armadillo", sizes, "MB: what the peak of the process rose by")
    return {"surfaces": rows, "sizes": sizes}


if __name__ == "__main__":
    print(save("fields", "surfaces", section(tuple(sys.argv[1:]) or tuple(MESHES))))
