"""docs/images/spectral_flow_matching.jpg: a density on a mesh, samples of it, and samples of a flow fitted to those.

    python -m scenes.spectral_pictures.flow_matching --mesh spot.obj --output docs/images

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
from geokit.geometry.surface_sampling import sample_places, values_at
from geokit.io import load_mesh
from geokit.pipelines.colormap import viridis
from geokit.spectral.eigen import eigenbasis
from geokit.spectral.flow_matching import FlowMesh, fit_flow
from geokit.spectral.laplacian import laplacian
from geokit.spectral.spectral_distances import spectral_embedding
from scenes.geometry_pictures import PAPER, labelled, save

SHOWN = 3000  # samples in each picture


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mesh", type=Path, required=True)
    parser.add_argument("--function", type=int, default=10, help="eigenfunction whose positive part is the density")
    parser.add_argument("--output", type=Path, default=Path("docs/images"))
    options = parser.parse_args()
    given = load_mesh(options.mesh).to(torch.float64)
    mesh = Mesh(given.vertices, given.faces)
    basis = eigenbasis(laplacian(mesh), 100)
    density = basis.eigenvectors[:, options.function].clamp(min=0)
    samples, _ = sampled(mesh, density, 10_000)
    began = time.process_time()
    flow = fit_flow(FlowMesh(mesh, spectral_embedding(basis, "commute")), samples)
    print(f"fitted in {time.process_time() - began:.1f} s")
    held_out, truth = sampled(mesh, density, 500, seed=1)
    print(f"mean log-likelihood {float(flow.log_likelihood(held_out, 50).mean()):.3f}, truth {float(truth.mean()):.3f}")
    grey = torch.full_like(mesh.vertices, 0.82)
    pictures = [
        draw(mesh, viridis((density / density.max()).float()).double()),
        draw(mesh, grey, samples[:SHOWN]),
        draw(mesh, grey, flow.sample(SHOWN)),
    ]
    labels = ["density", "samples given", "samples of the flow"]
    save(labelled(pictures, labels), options.output / "spectral_flow_matching.jpg")


def sampled(mesh: Mesh, density: Tensor, count: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Places (count, 3) of a density given at vertices, and the logarithm of the density there, per area."""
    face_ids, barycentrics = sample_places(mesh, 20 * max(count, 10_000), seed)
    weights = values_at(mesh, density[:, None], face_ids, barycentrics)[:, 0]
    kept = torch.multinomial(weights, count, generator=torch.Generator().manual_seed(seed + 100))
    places = values_at(mesh, mesh.vertices, face_ids[kept], barycentrics[kept])
    return places, (weights[kept] / weights.mean() / mesh.area()).log()


def draw(mesh: Mesh, colors: Tensor, places: Tensor | None = None) -> Tensor:
    """The mesh in colours, with dots at places."""
    camera = frame_camera(mesh.to(torch.float32), (-0.8, 0.3, -1.0), width=400, height=400, margin=0.04)
    if places is not None:
        size = 0.006 * float(mesh.extent)
        corners = torch.tensor([[1.0, 0, 0], [-1, 0, 0], [0, 1, 0], [0, -1, 0], [0, 0, 1], [0, 0, -1]]) * size
        faces = torch.tensor([[0, 2, 4], [2, 1, 4], [1, 3, 4], [3, 0, 4], [2, 0, 5], [1, 2, 5], [3, 1, 5], [0, 3, 5]])
        dots = (places[:, None] + corners.to(places)).reshape(-1, 3)
        dot_faces = (faces + 6 * torch.arange(len(places))[:, None, None]).reshape(-1, 3) + len(mesh.vertices)
        red = torch.tensor([0.75, 0.1, 0.1], dtype=colors.dtype).expand(len(dots), 3)
        mesh = Mesh(torch.cat([mesh.vertices, dots]), torch.cat([mesh.faces, dot_faces]))
        colors = torch.cat([colors, red])
    shown = mesh.replace(colors=colors).to(torch.float32)
    return render_mesh(shown, camera, supersample=3, background=PAPER).image


if __name__ == "__main__":
    main()
