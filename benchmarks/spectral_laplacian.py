"""Building Laplacians beside robust_laplacian, potpourri3d and libigl: CPU seconds of one thread, and agreement.

Needs the test data (GEOKIT_TEST_DATA, or shared/data beside the repository). Vertices that no face uses are left out.
"""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from common import ROOT, in_own_process, measure, peak_memory, print_table
from scipy.sparse import csc_matrix

from geokit.geometry.mesh import Mesh
from geokit.geometry.point_cloud import PointCloud
from geokit.geometry.topology import submesh
from geokit.io.meshes import load_mesh
from geokit.spectral.connection import connection_laplacian
from geokit.spectral.laplacian import Laplacian, cotangent_laplacian, point_laplacian, robust_laplacian

DATA = Path(os.environ.get("GEOKIT_TEST_DATA") or ROOT.parent / "shared" / "data")
MESHES = {
    "lion": "functional_maps/pyfm/lion-00.off",
    "bunny": "meshes/stanford-bunny.obj",
    "armadillo": "meshes/armadillo.obj",
    "igea": "meshes/igea.ply",
}
PEERS = {
    "cotangent": "libigl",
    "robust": "robust_laplacian",
    "points": "robust_laplacian",
    "connection": "potpourri3d",
}


def ours(kind: str, mesh: Mesh) -> Laplacian:
    if kind == "points":
        return point_laplacian(PointCloud(mesh.vertices))
    if kind == "connection":
        return connection_laplacian(mesh).laplacian
    return {"cotangent": cotangent_laplacian, "robust": robust_laplacian}[kind](mesh)


def peer(kind: str, vertices: np.ndarray, faces: np.ndarray) -> Any:
    """Its stiffness matrix, complex for tangent fields."""
    if kind == "cotangent":
        import igl

        igl.massmatrix(vertices, faces, igl.MASSMATRIX_TYPE_BARYCENTRIC)
        return -igl.cotmatrix(vertices, faces)
    if kind == "connection":
        import potpourri3d

        solver = potpourri3d.MeshVectorHeatSolver(vertices, faces, use_intrinsic_delaunay=False)
        return solver.get_connection_laplacian()
    import robust_laplacian as package

    return (
        package.mesh_laplacian(vertices, faces)[0] if kind == "robust" else package.point_cloud_laplacian(vertices)[0]
    )


def difference(kind: str, found: Laplacian, theirs: Any) -> float | None:
    """Largest difference of an entry; None where the definitions differ (other triangulations of points, frames)."""
    matrix: Any = csc_matrix(found.stiffness.to_scipy())
    if kind == "points":
        return None
    if kind == "connection":  # in other frames only the sizes are the same
        return float(abs(abs(matrix[0::2, 0::2] + 1j * matrix[1::2, 0::2]) - abs(csc_matrix(theirs))).max())
    return float(abs(matrix - csc_matrix(theirs)).max())


def clock(function: Callable[[], Any], cost: int) -> float:
    return measure(function, repeats=5 if cost < 10_000 else 3).cpu


def row(kind: str, name: str) -> dict[str, Any]:
    mesh = load_mesh(DATA / MESHES[name]).to(torch.float64)
    mesh = submesh(mesh, torch.arange(len(mesh)))
    vertices, faces, size = mesh.vertices.numpy(), mesh.faces.numpy(), len(mesh.vertices)
    seconds = clock(lambda: ours(kind, mesh), size)
    memory = peak_memory()
    theirs = clock(lambda: peer(kind, vertices, faces), size)
    return {
        "case": f"{kind}, {name}",
        "vertices": size,
        "threads": 1,
        "ours": seconds,
        "peer": theirs,
        "peer / ours": theirs / seconds,
        "package": PEERS[kind],
        "difference": difference(kind, ours(kind, mesh), peer(kind, vertices, faces)),
        "MB": memory,
    }


def section() -> list[dict[str, Any]]:
    """One row a kind and shape, printed when all are there."""
    rows = [in_own_process(row, kind, name) for kind in PEERS for name in MESHES]
    print_table("Building Laplacians (CPU seconds of one thread)", rows)
    return rows


if __name__ == "__main__":
    section()
