"""Geodesic distances beside potpourri3d (heat), scipy (Dijkstra) and libigl (exact).

`python benchmarks/spectral_geodesics.py` prints a table: all pairs of 5,000 vertices. CPU
seconds of one thread, each row in a process of its own. Errors are relative, against exact distances from 24 vertices.
"""

import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from common import in_own_process, peak_memory, print_table
from spectral_data import load_known

DATA = Path(os.environ.get("GEOKIT_TEST_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))
SHAPES = ("tr_reg_000", "cat0")
SOURCES = 24


def clock(function: Callable[[], Any]) -> tuple[float, Any]:
    began = time.process_time()
    found = function()
    return time.process_time() - began, found


def contenders() -> dict[str, Callable[[Any], tuple[float, np.ndarray]]]:
    """By name, functions of a mesh: seconds for all pairs, and the matrix."""

    def ours(kind: str) -> Callable[[Any], tuple[float, np.ndarray]]:
        def run(mesh: Any) -> tuple[float, np.ndarray]:
            from geokit.spectral.geodesics import HeatGeodesics, MarchingGeodesics

            made = {"marching": MarchingGeodesics, "heat": HeatGeodesics}[kind]
            made(mesh).distances_each(range(16))
            seconds, found = clock(lambda: made(mesh).all_pairs())
            return seconds, found.numpy()

        return run

    def potpourri(mesh: Any) -> tuple[float, np.ndarray]:
        import potpourri3d

        def run() -> np.ndarray:
            solver = potpourri3d.MeshHeatMethodDistanceSolver(mesh.vertices.numpy(), mesh.faces.numpy())
            return np.stack([solver.compute_distance(i) for i in range(len(mesh.vertices))])

        return clock(run)

    def scipy(mesh: Any) -> tuple[float, np.ndarray]:
        from geokit.spectral.geodesics import EdgeGeodesics

        solver = EdgeGeodesics(mesh)
        return clock(lambda: solver.all_pairs().numpy())

    return {"marching": ours("marching"), "heat": ours("heat"), "potpourri3d heat": potpourri, "scipy Dijkstra": scipy}


def exact_distances(name: str) -> tuple[np.ndarray, np.ndarray, float]:
    """Sources, (S, N) exact distances, and CPU seconds a source."""
    import igl

    mesh = load_known(DATA, name).mesh
    vertices, faces = mesh.vertices.numpy(), mesh.faces.numpy()
    sources = np.random.default_rng(0).choice(len(vertices), SOURCES, replace=False)
    none, everywhere = np.zeros(0, np.int64), np.arange(len(vertices))
    seconds, rows = clock(
        lambda: [igl.exact_geodesic(vertices, faces, np.array([s]), none, everywhere, none) for s in sources]
    )
    return sources, np.stack(rows), seconds / SOURCES


def all_pairs_row(name: str, how: str, truth: Path) -> tuple[float, float, float, float]:
    """CPU seconds, peak memory in MB, mean relative error and bias in per cent."""
    torch.set_num_threads(1)
    with np.load(truth) as arrays:
        sources, exact = arrays["sources"], arrays["exact"]
    mesh = load_known(DATA, name).mesh
    before = peak_memory()
    seconds, pairs = contenders()[how](mesh)
    away = exact > 0
    relative = (pairs[sources][away] - exact[away]) / exact[away]
    return seconds, peak_memory() - before, float(abs(relative).mean() * 100), float(relative.mean() * 100)


def all_pairs() -> list[dict[str, Any]]:
    rows = []
    for name in SHAPES:
        sources, exact, exact_seconds = in_own_process(exact_distances, name)
        with tempfile.TemporaryDirectory() as folder:
            truth = Path(folder) / "exact.npz"
            np.savez(truth, sources=sources, exact=exact)
            found = {how: in_own_process(all_pairs_row, name, how, truth) for how in contenders()}
        for how, (seconds, memory, error, bias) in found.items():
            rows.append(
                {
                    "case": f"all pairs, {name}",
                    "method": how,
                    "CPU s": seconds,
                    "potpourri3d / this": found["potpourri3d heat"][0] / seconds,
                    "mean error %": error,
                    "bias %": bias,
                    "MB": memory,
                    "threads": 1,
                }
            )
        whole = exact_seconds * exact.shape[1]
        rows.append(
            {
                "case": f"all pairs, {name}",
                "method": f"libigl exact (from {SOURCES} sources)",
                "CPU s": whole,
                "potpourri3d / this": found["potpourri3d heat"][0] / whole,
                "mean error %": 0.0,
                "bias %": 0.0,
                "MB": None,
                "threads": 1,
            }
        )
    return rows


def section() -> list[dict[str, Any]]:
    """The rows of the table, printed."""
    rows = all_pairs()
    print_table("Geodesic distances between all pairs of vertices (CPU seconds)", rows)
    return rows


if __name__ == "__main__":
    section()
