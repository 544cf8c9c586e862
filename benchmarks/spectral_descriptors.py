"""Descriptors, gradients, DiffusionNet, graph random features and the varifold distance.

`python benchmarks/spectral_descriptors.py` prints the table. The shape is FAUST's registration 000 from the data folder
(5,000 vertices); the peer of the signatures is pyFM, that of the exact kernel is scipy's matrix exponential. Medians of
CPU seconds of one thread; the largest difference is relative to the largest value.
"""

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from common import ROOT, in_own_process, measure, peak_memory, print_table

sys.path.insert(0, str(ROOT))  # benchmarks are run as scripts
THREADS = 1


def shape_of_faust() -> Any:
    from benchmarks.spectral_data import load_known
    from geokit.spectral.shape import prepare

    named = os.environ.get("GEOKIT_TEST_DATA")
    folder = Path(named) if named else ROOT.parent / "shared" / "data"
    return prepare(load_known(folder, "tr_reg_000").mesh, 128)


def row(case: str, ours: Callable[[], Any], peer: Callable[[], Any] | None = None, repeats: int = 5) -> dict[str, Any]:
    """One line of the table; without a peer its columns stay empty."""
    mine = measure(ours, repeats)
    theirs = measure(peer, repeats) if peer else None
    difference = None
    if peer:
        a, b = np.asarray(ours()), np.asarray(peer())
        difference = float(abs(a - b).max() / abs(b).max())
    return {
        "case": case,
        "ours": mine.cpu,
        "peer": theirs.cpu if theirs else "-",
        "ratio": theirs.cpu / mine.cpu if theirs else "-",
        "difference": difference if difference is not None else "-",
        "threads": THREADS,
        "memory": peak_memory(),
    }


def signatures() -> list[dict[str, Any]]:
    from pyFM.signatures import auto_HKS, auto_WKS

    from geokit.spectral.descriptors import heat_kernel_signature, wave_kernel_signature

    basis = shape_of_faust().basis
    given = basis.eigenvalues.numpy(), basis.eigenvectors.numpy()
    landmarks = torch.tensor([0, 1000, 2000, 3000, 4000])
    five = landmarks.numpy()
    rows = []
    for name, ours, peer in (("HKS", heat_kernel_signature, auto_HKS), ("WKS", wave_kernel_signature, auto_WKS)):
        rows.append(row(f"{name}, 100 values", lambda f=ours: f(basis, 100), lambda f=peer: f(*given, 100)))
        rows.append(
            row(
                f"{name}, 100 values, 5 landmarks",
                lambda f=ours: f(basis, 100, landmarks),
                lambda f=peer: f(*given, 100, landmarks=five),
            )
        )
    return rows


def networks() -> list[dict[str, Any]]:
    from geokit.spectral.diffusion_net import DiffusionNet, network_inputs, surface_operators
    from geokit.spectral.gradients import vertex_gradients
    from geokit.spectral.shot import shot

    shape = shape_of_faust()
    surface, inputs = surface_operators(shape, 128), network_inputs(shape, "wks")
    network = DiffusionNet(128, 256).eval()

    def training_step() -> None:
        network(inputs, surface).square().mean().backward()

    with torch.no_grad():
        rows = [
            row("SHOT, default radius", lambda: shot(shape), repeats=3),
            row("tangent gradients", lambda: vertex_gradients(shape.mesh)),
            row("DiffusionNet 4 x 128, forward", lambda: network(inputs, surface)),
        ]
    return [*rows, row("DiffusionNet 4 x 128, forward and backward", training_step)]


def others() -> list[dict[str, Any]]:
    from scipy.linalg import expm

    from geokit.spectral.graph_features import (
        diffusion_series,
        estimate_kernel,
        mesh_graph,
        normalized_adjacency,
        power_series_kernel,
    )
    from geokit.spectral.varifold import varifold_distance
    from tests.geometry.shapes import sphere

    shape, small = shape_of_faust(), normalized_adjacency(mesh_graph(sphere(3)))
    graph, series = normalized_adjacency(mesh_graph(shape.mesh)), diffusion_series(4.0, 30)
    matrix = 4.0 * (small.dense().numpy() - np.eye(small.width))
    moved = shape.mesh.replace(vertices=1.1 * shape.mesh.vertices)
    return [
        row("exact diffusion kernel, 642 vertices", lambda: power_series_kernel(small, series), lambda: expm(matrix)),
        row("graph features, 16 walks", lambda: estimate_kernel(graph, series), repeats=3),
        row("varifold distance, 64 directions", lambda: varifold_distance(moved, shape.mesh), repeats=3),
    ]


def section() -> list[dict[str, Any]]:
    return [line for part in (signatures, networks, others) for line in in_own_process(part, threads=THREADS)]


if __name__ == "__main__":
    print_table("Descriptors (CPU seconds)", section())
