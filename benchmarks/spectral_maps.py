"""Functional maps between the cat and the lion of pyFM's examples beside pyFM: fit, ZoomOut, precise map.

    python benchmarks/spectral_maps.py DATA_FOLDER

Both sides get pyFM's meshes; eigenfunctions are computed before the clock starts, by each side. Errors are mean heat
geodesics (potpourri3d) on the cat between where a lion's vertex goes and where the given map sends it, times 100 over
the root of the area. CPU seconds of one thread, each row in a process of its own.
"""

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from common import ROOT, in_own_process, peak_memory, print_table

START, STOP, STEP, ENERGIES, LANDMARKS = 35, 150, 5, 60, 5


def data_folder() -> Path:
    named = os.environ.get("GEOKIT_TEST_DATA")
    return Path(named) if named else ROOT.parent / "shared" / "data"


def timed(function: Callable[[], Any]) -> tuple[Any, float]:
    start = time.process_time()
    result = function()
    return result, time.process_time() - start


def errors(folder: Path, p2p: np.ndarray) -> float:
    import potpourri3d as pp3d

    from geokit.io.meshes import load_mesh

    cat = load_mesh(folder / "cat-00.off")
    truth = np.loadtxt(folder / "lion2cat").astype(int)
    solver = pp3d.MeshHeatMethodDistanceSolver(cat.vertices.double().numpy(), cat.faces.numpy())
    sources, which = np.unique(truth, return_inverse=True)
    distances = np.stack([solver.compute_distance(int(source)) for source in sources])
    return float(100 * distances[which, p2p].mean() / cat.area() ** 0.5)


def ours(folder: Path, what: str) -> dict[str, Any]:
    from geokit.geometry.sampling import farthest_points
    from geokit.io.meshes import load_mesh
    from geokit.spectral.conversions import functional_map_of
    from geokit.spectral.descriptors import wave_kernel_signature
    from geokit.spectral.functional_map import fit_functional_map
    from geokit.spectral.precise import precise_map
    from geokit.spectral.shape import prepare
    from geokit.spectral.zoomout import zoomout

    cat, lion = (prepare(load_mesh(folder / f"{name}-00.off"), 200) for name in ("cat", "lion"))
    columns = torch.from_numpy(np.loadtxt(folder / "landmarks.txt")).long()[:LANDMARKS].T
    truth = torch.from_numpy(np.loadtxt(folder / "lion2cat")).long()

    def start(size: int) -> Any:
        # Products with descriptors cost a little and halve what is wrong before ZoomOut.
        descriptors = [
            torch.cat([wave_kernel_signature(s.basis, 20), wave_kernel_signature(s.basis, 20, landmarks=at)], 1)
            for s, at in ((cat, columns[0]), (lion, columns[1]))
        ]
        bases = cat.basis.first(size), lion.basis.first(size)
        return fit_functional_map(*descriptors, *bases, laplacian_weight=1.0, product_weight=0.1)

    def grow(functional_map: Any, step: int, count: int) -> Any:
        samples = torch.arange(len(cat)), farthest_points(lion.mesh.vertices, count)
        return zoomout(functional_map, cat.basis, lion.basis, stop=STOP, step=step, samples=samples)[1]

    before = peak_memory()
    if what == "precise map, k = 50":
        functional_map = functional_map_of(truth, cat.basis.first(50), lion.basis.first(50))
        _, seconds = timed(lambda: precise_map(functional_map.T, lion.basis, cat.basis, lion.mesh.faces))
        return {"seconds": seconds, "error": None, "memory": peak_memory() - before}
    if what.startswith("ZoomOut"):
        functional_map = functional_map_of(truth, cat.basis.first(START), lion.basis.first(START))
        p2p, seconds = timed(lambda: grow(functional_map, STEP, 1000))
    elif what == "fit":
        functional_map, seconds = timed(lambda: start(START))
        return {"seconds": seconds, "error": None, "memory": peak_memory() - before}
    else:
        p2p, seconds = timed(lambda: grow(start(20), 10, 1000))
    return {"seconds": seconds, "error": errors(folder, p2p.numpy()), "memory": peak_memory() - before}


def pyfm(folder: Path, what: str) -> dict[str, Any]:
    from pyFM.functional import FunctionalMapping
    from pyFM.mesh import TriMesh
    from pyFM.refine import zoomout_refine
    from pyFM.spectral import mesh_FM_to_p2p_precise, p2p_to_FM

    cat, lion = (TriMesh(str(folder / f"{name}-00.off"), area_normalize=True) for name in ("cat", "lion"))
    for mesh in (cat, lion):
        mesh.process(k=200, intrinsic=True)
    columns = np.loadtxt(folder / "landmarks.txt").astype(int)[:LANDMARKS]
    truth = np.loadtxt(folder / "lion2cat").astype(int)
    full = cat.eigenvectors, lion.eigenvectors

    def start(size: int) -> Any:
        model = FunctionalMapping(cat, lion)
        model.preprocess(n_descr=ENERGIES * 2, descr_type="WKS", landmarks=columns, subsample_step=6)
        model.fit(K=(size, size))
        return model.FM_12

    def grow(functional_map: Any) -> Any:
        steps = (STOP - START) // STEP
        return zoomout_refine(functional_map, *full, nit=steps, step=STEP, A2=lion.A, return_p2p=True)[1]

    before = peak_memory()
    if what == "precise map, k = 50":
        functional_map = p2p_to_FM(truth, full[0][:, :50], full[1][:, :50], A2=lion.A)
        _, seconds = timed(lambda: mesh_FM_to_p2p_precise(functional_map.T, lion, cat, precompute_dmin=True))
        return {"seconds": seconds, "error": None, "memory": peak_memory() - before}
    if what.startswith("ZoomOut"):
        functional_map = p2p_to_FM(truth, full[0][:, :START], full[1][:, :START], A2=lion.A)
        p2p, seconds = timed(lambda: grow(functional_map))
    elif what == "fit":
        _, seconds = timed(lambda: start(START))
        return {"seconds": seconds, "error": None, "memory": peak_memory() - before}
    else:
        p2p, seconds = timed(lambda: grow(start(START)))
    return {"seconds": seconds, "error": errors(folder, p2p), "memory": peak_memory() - before}


def section() -> list[dict[str, Any]]:
    folder = data_folder() / "functional_maps" / "pyfm"
    rows = []
    for what in ("fit", "ZoomOut 35 to 150 from the truth", "5 landmarks, all", "precise map, k = 50"):
        mine, theirs = (in_own_process(side, folder, what) for side in (ours, pyfm))
        rows.append(
            {
                "case": what,
                "ours": mine["seconds"],
                "pyFM": theirs["seconds"],
                "pyFM / ours": theirs["seconds"] / mine["seconds"],
                "our error": mine["error"],
                "pyFM's error": theirs["error"],
                "our MB": mine["memory"],
                "pyFM's MB": theirs["memory"],
                "threads": 1,
            }
        )
    print_table("Functional maps between cat and lion, CPU seconds", rows)
    return rows


if __name__ == "__main__":
    if len(sys.argv) > 1:
        os.environ["GEOKIT_TEST_DATA"] = sys.argv[1]
    section()
