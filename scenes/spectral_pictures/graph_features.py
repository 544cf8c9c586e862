"""docs/images/spectral_graph_features.jpg: normals of a mesh guessed from some of them, by random walks.

    python -m scenes.spectral_pictures.graph_features --mesh spot.obj --output docs/images

spot.obj is the cow of Keenan Crane (CC0: https://www.cs.cmu.edu/~kmcrane/Projects/ModelRepository).
"""

import argparse
import time
from pathlib import Path

import torch
from torch import Tensor

from geokit.geometry.framing import frame_camera
from geokit.geometry.mesh import Mesh
from geokit.geometry.render_mesh import render_mesh
from geokit.io import load_mesh
from geokit.spectral.graph_features import (
    diffusion_series,
    estimate_kernel,
    kernel_regression,
    mesh_graph,
    normalized_adjacency,
    power_series_kernel,
)
from scenes.geometry_pictures import PAPER, labelled, save


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mesh", type=Path, required=True)
    parser.add_argument("--known", type=float, default=0.2, help="share of the vertices whose normals are given")
    parser.add_argument("--output", type=Path, default=Path("docs/images"))
    options = parser.parse_args()
    given = load_mesh(options.mesh).to(torch.float64)
    mesh = Mesh(given.vertices, given.faces)
    normals, graph = mesh.vertex_normals(), normalized_adjacency(mesh_graph(mesh))
    known = torch.rand(len(normals), generator=torch.Generator().manual_seed(0)) < options.known
    series = diffusion_series(6.0, 30)
    pictures = [draw(mesh, torch.where(known[:, None], normals, 0), ~known)]
    labels = [f"{100 * options.known:.0f} % of the normals"]
    for name in (4, 32, 256, "exact"):
        began = time.process_time()
        exact = isinstance(name, str)
        kernel = power_series_kernel(graph, series) if exact else estimate_kernel(graph, series, name, halt=0.1)
        guess = torch.nn.functional.normalize(kernel_regression(kernel, normals, known), dim=1)
        cosine = float((guess * normals).sum(1)[~known].mean())
        print(f"{name}: cosine {cosine:.4f}, {time.process_time() - began:.2f} s")
        pictures.append(draw(mesh, guess, guess.norm(dim=1) == 0))
        labels.append(f"{'exact kernel' if exact else f'{name} walks'}: cosine {cosine:.3f}")
    save(labelled(pictures, labels), options.output / "spectral_graph_features.jpg")


def draw(mesh: Mesh, normals: Tensor, unknown: Tensor) -> Tensor:
    """Coloured by normals, grey where there are none."""
    colors = torch.where(unknown[:, None], 0.6, 0.5 + 0.5 * normals)
    camera = frame_camera(mesh.to(torch.float32), (-0.8, 0.3, -1.0), width=330, height=330, margin=0.04)
    return render_mesh(
        mesh.replace(colors=colors).to(torch.float32), camera, supersample=3, background=PAPER, lighting=None
    ).image


if __name__ == "__main__":
    main()
