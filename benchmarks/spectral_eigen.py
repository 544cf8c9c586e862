"""Eigenbases beside pyFM, scipy and robust_laplacian, and the sparse Cholesky factorization beside SuperLU.

CPU seconds of one thread, the Laplacian's construction included; every contender runs in a process of its own, so that
memory, the largest resident size, is its own too (that of ours includes torch). "residual" is the largest
|S x - lambda M x| / |M x| relative to the largest eigenvalue, measured alike for all. "ratio" is peer / ours.
Needs the test data (GEOKIT_TEST_DATA, or shared/data beside the repository).
"""

import argparse
import os
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from common import ROOT, in_own_process, measure, peak_memory, print_table

DATA = Path(os.environ.get("GEOKIT_TEST_DATA") or ROOT.parent / "shared" / "data")
MESHES = {
    "lion": "functional_maps/pyfm/lion-00.off",
    "bunny": "meshes/stanford-bunny.obj",
    "armadillo": "meshes/armadillo.obj",
    "igea": "meshes/igea.ply",
}
COUNTS = (50, 100, 200)
PEERS = ("pyFM", "robust_laplacian + eigsh")


def arrays(name: str) -> tuple[np.ndarray, np.ndarray]:
    """Vertices and faces without vertices that no face uses."""
    from geokit.geometry.topology import submesh
    from geokit.io.meshes import load_mesh

    mesh = load_mesh(DATA / MESHES[name])
    used = submesh(mesh, torch.arange(len(mesh)))
    return used.vertices.double().numpy(), used.faces.numpy()


def residual(stiffness: Any, masses: Any, values: np.ndarray, vectors: np.ndarray) -> float:
    """The largest, of scipy's matrices."""
    worst = 0.0
    for value, vector in zip(values, vectors.T):
        weighted = masses @ vector
        worst = max(worst, float(np.linalg.norm(stiffness @ vector - value * weighted) / np.linalg.norm(weighted)))
    return worst / float(values[-1])


def solved(contender: str, name: str, count: int) -> tuple[float, float, float, list[float]]:
    """CPU seconds, largest resident size in MB, residual and eigenvalues."""
    vertices, faces = arrays(name)
    start = time.process_time()
    if contender == "geokit":
        from scipy.sparse import diags_array

        from geokit.geometry.mesh import Mesh
        from geokit.spectral.cotangent import cotangent_laplacian
        from geokit.spectral.eigen import eigenbasis

        mesh = Mesh(torch.from_numpy(vertices), torch.from_numpy(faces))
        eigenbasis(cotangent_laplacian(Mesh(*map(torch.from_numpy, arrays("lion")))), 2)  # first calls, as imports,
        start = time.process_time()  # do not count on either side
        laplacian = cotangent_laplacian(mesh)
        basis = eigenbasis(laplacian, count)
        seconds, memory = time.process_time() - start, peak_memory()
        stiffness, masses = laplacian.stiffness.to_scipy(), diags_array(laplacian.masses.numpy())
        found = stiffness, masses, basis.eigenvalues.numpy(), basis.eigenvectors.numpy()
    elif contender == "pyFM":
        from pyFM.mesh import TriMesh

        start = time.process_time()
        mesh = TriMesh(vertices, faces, area_normalize=False, center=False)
        mesh.process(k=count, intrinsic=False, verbose=False)
        seconds, memory = time.process_time() - start, peak_memory()
        found = mesh.W, mesh.A, mesh.eigenvalues, mesh.eigenvectors
    else:
        import robust_laplacian
        from scipy.sparse.linalg import eigsh

        start = time.process_time()
        stiffness, masses = robust_laplacian.mesh_laplacian(vertices, faces)
        values, vectors = eigsh(stiffness, count, masses, sigma=-1e-8)
        seconds, memory = time.process_time() - start, peak_memory()
        found = stiffness, masses, values, vectors
    return seconds, memory, residual(*found), found[2].tolist()


def eigen_rows(names: tuple[str, ...], counts: tuple[int, ...]) -> list[dict[str, Any]]:
    rows = []
    for name in names:
        for count in counts:
            seconds, memory, worst, values = in_own_process(solved, "geokit", name, count)
            for peer in PEERS:
                theirs, their_memory, their_worst, their_values = in_own_process(solved, peer, name, count)
                same = np.allclose(their_values[1:], values[1:], rtol=1e-5) if peer == "pyFM" else None
                rows.append(
                    {
                        "case": f"{name}, {count} pairs",
                        "peer": peer,
                        "ours, s": seconds,
                        "peer, s": theirs,
                        "ratio": theirs / seconds,
                        "threads": 1,
                        "ours, MB": memory,
                        "peer, MB": their_memory,
                        "our residual": f"{worst:.0e}",
                        "peer's": f"{their_worst:.0e}",
                        "same values": same,
                    }
                )
    return rows


def factor_row(name: str) -> dict[str, Any]:
    """Factoring a Laplacian with a thousandth of its masses, and solving for 64 right-hand sides."""
    from scipy.sparse.linalg import splu

    from geokit.geometry.mesh import Mesh
    from geokit.spectral.cholesky import Cholesky
    from geokit.spectral.cotangent import cotangent_laplacian

    laplacian = cotangent_laplacian(Mesh(*map(torch.from_numpy, arrays(name))))
    matrix = laplacian.stiffness.add_diagonal(laplacian.masses * (1e-3 / laplacian.area))
    right = torch.randn(len(laplacian), 64, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    columns, array = matrix.to_scipy().tocsc(), right.numpy()
    options = {"permc_spec": "MMD_AT_PLUS_A", "options": {"SymmetricMode": True}, "diag_pivot_thresh": 0}
    factor, peer = Cholesky(matrix), splu(columns, **options)
    gap = float(np.abs(peer.solve(array) - factor.solve(right).numpy()).max() / np.abs(peer.solve(array)).max())
    light, light_right = Cholesky(matrix.to(torch.float32)), right.float()
    ours, theirs = measure(lambda: Cholesky(matrix), 3).cpu, measure(lambda: splu(columns, **options), 1, 0).cpu
    solve, their_solve = measure(lambda: factor.solve(right), 3).cpu, measure(lambda: peer.solve(array), 1, 0).cpu
    return {
        "case": f"{name}, {len(laplacian):,} rows",
        "peer": "SuperLU (MMD)",
        "factor, s": ours,
        "peer, s": theirs,
        "ratio": theirs / ours,
        "solve, ms": 1e3 * solve / 64,
        "peer, ms": 1e3 * their_solve / 64,
        "ratio ": their_solve / solve,
        "float32, ms": 1e3 * measure(lambda: light.solve(light_right), 3).cpu / 64,
        "entries of L": factor.stored,
        "peer's": peer.L.nnz,
        "threads": 1,
        "memory, MB": peak_memory(),
        "difference": f"{gap:.0e}",
    }


def section(names: tuple[str, ...] = tuple(MESHES), counts: tuple[int, ...] = COUNTS) -> list[dict[str, Any]]:
    """The rows of both tables, each printed as soon as it is whole."""
    rows = eigen_rows(names, counts)
    print_table("Eigenpairs of the cotangent Laplacian (CPU seconds, with its construction)", rows)
    factors = [in_own_process(factor_row, name) for name in names]
    print_table("Factorization of a Laplacian, and solves a right-hand side of 64", factors)
    return rows + factors


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--meshes", nargs="+", choices=MESHES, default=list(MESHES))
    parser.add_argument("--counts", nargs="+", type=int, default=list(COUNTS))
    options = parser.parse_args()
    section(tuple(options.meshes), tuple(options.counts))
