"""docs/images/spectral_varifold.jpg: one body deformed to another without correspondence, by two losses.

    python -m scenes.spectral_pictures.varifold --bodies FOLDER --output docs/images

FOLDER holds human_human_man.obj and human_human_woman.obj (Max Planck Society e.V. via SMPL, adapted by Oded Stein,
CC BY 4.0: https://github.com/odedstein/meshes). Their vertices correspond, which only the errors that are printed use.
"""

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from geokit.geometry.framing import frame_camera
from geokit.geometry.mesh import Mesh
from geokit.geometry.neighbors import nearest_neighbors
from geokit.geometry.render_mesh import render_mesh
from geokit.geometry.sparse import SparseMatrix
from geokit.geometry.topology import half_edges
from geokit.io import load_mesh
from geokit.pipelines.colormap import viridis
from geokit.spectral.cholesky import Cholesky
from geokit.spectral.varifold import varifold_distance
from scenes.geometry_pictures import PAPER, labelled, save


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bodies", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=250)
    parser.add_argument("--output", type=Path, default=Path("docs/images"))
    options = parser.parse_args()
    man, woman = (load_mesh(options.bodies / f"human_human_{name}.obj").to(torch.float64) for name in ("man", "woman"))
    height = float((woman.vertices.amax(0) - woman.vertices.amin(0)).max())
    start, target = (Mesh((m.vertices - m.vertices.mean(0)) / height, m.faces) for m in (man, woman))
    found = [("man", start)]
    for name, loss in (("varifold", varifold), ("Chamfer", chamfer)):
        began = time.process_time()
        found.append((name, deform(start, lambda mesh, step, loss=loss: loss(mesh, target, step), options.steps)))
        print(f"{name}: {time.process_time() - began:.1f} s", flush=True)
    pictures, labels = [], []
    for name, mesh in found:
        error = (mesh.vertices - target.vertices).norm(dim=1)
        normals = (mesh.face_normals() * target.face_normals()).sum(1).clamp(-1, 1).acos().rad2deg().mean()
        label = f"{name}: {100 * float(error.mean()):.2f} % off"
        worst = 100 * float(error.max())
        print(f"{label} of the height, worst {worst:.1f} %, normals {float(normals):.1f} degrees off")
        pictures.append(draw(mesh, target, viridis((error / 0.04).clamp(0, 1).float()).double()))
        labels.append(label)
    pictures.append(draw(target, target, None))
    save(labelled(pictures, [*labels, "woman, the target"]), options.output / "spectral_varifold.jpg")


def varifold(mesh: Mesh, target: Mesh, step: int) -> Tensor:
    """With new directions in every step."""
    return varifold_distance(mesh, target, directions=16, normal_length=0.1, seed=step)


def chamfer(mesh: Mesh, target: Mesh, step: int) -> Tensor:
    """Mean squared distances to the nearest vertex, both ways."""
    there = nearest_neighbors(target.vertices, 1, mesh.vertices)[0]
    back = nearest_neighbors(mesh.vertices, 1, target.vertices)[0]
    return there.square().mean() + back.square().mean()


def deform(start: Mesh, loss: Callable[[Mesh, int], Tensor], steps: int, stiffness: float = 30.0) -> Mesh:
    """Adam over u where the vertices are (1 + stiffness L)^-1 u, so that steps are smooth (Nicolet et al. 2021)."""
    edges, count = half_edges(start.faces).edges, len(start.vertices)
    rows, columns = torch.cat((edges, edges.flip(1))).unbind(1)
    graph = SparseMatrix.from_triplets(rows, columns, torch.full((len(rows),), -stiffness).double(), (count, count))
    system = graph.add_diagonal(1 - graph @ torch.ones(count).double())
    factor = Cholesky(system)
    u = (system @ start.vertices).requires_grad_()
    optimizer = torch.optim.Adam([u], lr=0.01)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps, 1e-4)
    for step in range(steps):
        optimizer.zero_grad()
        loss(Mesh(factor.solve(u), start.faces), step).backward()
        optimizer.step()
        schedule.step()
    return Mesh(factor.solve(u.detach()), start.faces)


def draw(mesh: Mesh, frame: Mesh, colors: Tensor | None) -> Tensor:
    """From the same side as `frame`."""
    camera = frame_camera(frame.to(torch.float32), (0.5, 0.15, 1.0), width=430, height=430, margin=0.05)
    coloured = mesh.replace(colors=colors).to(torch.float32)
    return render_mesh(coloured, camera, supersample=3, background=PAPER).image


if __name__ == "__main__":
    main()
