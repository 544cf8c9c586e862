"""The picture of a tangent field found from few of its vectors, and the errors of three ways to do so.

    python scenes/spectral_pictures/vector_fields.py --mesh spot.obj --output docs/images

Spot is by Keenan Crane (CC0). A field is seen at one vertex in twenty, with noise of a tenth of its size, and told at
all others: by the nearest seen vector, by the mean of the nearest five weighted by 1 / distance^2, and by a Gaussian
process. Vectors of the first two are laid into the tangent plane. The field of the picture is random vectors that
diffused along the surface; the errors for the tangent part of a flow through space are printed too.
"""

import argparse
import math
from pathlib import Path

import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from geokit.geometry.framing import frame_camera
from geokit.geometry.mesh import Mesh
from geokit.geometry.neighbors import nearest_neighbors
from geokit.geometry.render_mesh import CLAY, render_mesh
from geokit.geometry.sampling import farthest_points
from geokit.io import load_mesh
from geokit.pipelines.colormap import viridis
from geokit.spectral.cholesky import Cholesky
from geokit.spectral.cleaning import clean
from geokit.spectral.connection import connection_laplacian
from geokit.spectral.vector_fields import FieldPosterior, TangentBasis, fit_vector_field, tangent_basis

SHARE, NOISE, FIELDS, ARROWS = 20, 0.1, 200, 420
STEP = 0.01  # of diffusion, squared diagonals of the bounding box
SIZE, STRIP = 460, 60
INK = (60, 64, 70)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mesh", type=Path, required=True, help="spot.obj, or another closed mesh")
    parser.add_argument("--output", type=Path, default=Path("docs/images"), help="folder of the picture")
    options = parser.parse_args()
    mesh = clean(load_mesh(options.mesh)).mesh
    basis = tangent_basis(mesh, FIELDS)
    print("a flow through space")
    compare(mesh, basis, flow(mesh))
    print("random vectors after diffusion")
    truth = diffused(mesh)
    seen, vectors, found, posterior, captions = compare(mesh, basis, truth)
    size = float(truth.square().sum(1).mean().sqrt())
    where = farthest_points(mesh.vertices, ARROWS)
    body = torch.tensor(CLAY, dtype=torch.float64).expand(len(truth), 3)
    panels = [picture(mesh, body, where, truth[where], truth[where], size)]
    panels.append(picture(mesh, body, seen, vectors, vectors, size))
    panels += [picture(mesh, body, where, field[where], truth[where], size) for field in found.values()]
    spread = (posterior.variance / posterior.variance.max()).sqrt()
    panels.append(picture(mesh, viridis(spread).double(), where[:0], truth[:0], truth[:0], size))
    captions = [
        "the field",
        f"seen at {len(seen)} of {len(truth):,} vertices",
        *captions,
        "where the process is unsure",
    ]
    save(sheet(panels, captions), options.output / "spectral_vector_fields.jpg")


def compare(
    mesh: Mesh, basis: TangentBasis, truth: Tensor
) -> tuple[Tensor, Tensor, dict[str, Tensor], FieldPosterior, list[str]]:
    """What is seen of a field, three fields told from it, and their errors at the other vertices, printed."""
    generator = torch.Generator().manual_seed(0)
    seen = farthest_points(mesh.vertices, len(mesh.vertices) // SHARE)
    size = truth.square().sum(1).mean().sqrt()
    noise = torch.randn(len(seen), 3, generator=generator, dtype=torch.float64) * NOISE * size
    vectors = tangent(mesh, truth[seen] + noise, seen)
    process = fit_vector_field(basis, seen, vectors)
    posterior = process.posterior(seen, vectors)
    found = {
        "nearest": near_vectors(mesh, seen, vectors, 1),
        "nearest five": near_vectors(mesh, seen, vectors, 5),
        "Gaussian process": posterior.mean,
    }
    hidden = torch.ones(len(truth), dtype=torch.bool)
    hidden[seen] = False
    captions = []
    for name, field in found.items():
        error = float((field - truth)[hidden].square().sum(1).mean().sqrt() / size)
        mean, median = angles(field[hidden], truth[hidden])
        print(f"  {name}: RMSE {100 * error:.1f} % of the field, angle {mean:.1f} degrees (median {median:.1f})")
        captions.append(f"{name}: {100 * error:.0f} % off, {mean:.0f} degrees")
    print(f"  found: length {float(process.length):.3f}, noise {float(process.noise.sqrt() / size):.3f} of the field")
    return seen, vectors, found, posterior, captions


def diffused(mesh: Mesh) -> Tensor:
    """(N, 3) independent random vectors after two implicit steps of diffusion, in which they keep to the surface."""
    operator = connection_laplacian(mesh)
    masses = operator.laplacian.masses
    stiffness = operator.laplacian.stiffness
    step = Cholesky(stiffness.replace(values=STEP * stiffness.values).add_diagonal(masses))
    field = torch.randn(len(masses), generator=torch.Generator().manual_seed(1), dtype=torch.float64) / masses.sqrt()
    for _ in range(2):
        field = step.solve(masses * field)
    return operator.vectors(field)


def flow(mesh: Mesh) -> Tensor:
    """(N, 3) the tangent part of a flow in space: around an axis, and along it in waves."""
    x, y, z = (7 * mesh.vertices).unbind(1)
    return tangent(mesh, torch.stack((z + y.sin(), (0.8 * x).cos() + 0.5 * z.sin(), -x + (0.8 * y).cos()), 1))


def tangent(mesh: Mesh, vectors: Tensor, at: Tensor | None = None) -> Tensor:
    """The parts of vectors (M, 3) in the tangent planes of vertices `at` (M,), or of all."""
    normals = mesh.vertex_normals() if at is None else mesh.vertex_normals()[at]
    return vectors - normals * (normals * vectors).sum(1, keepdim=True)


def near_vectors(mesh: Mesh, seen: Tensor, vectors: Tensor, count: int) -> Tensor:
    distances, near = nearest_neighbors(mesh.vertices[seen], count, mesh.vertices)
    weights = 1 / distances.square().clamp_min(1e-12)
    return tangent(mesh, (vectors[near] * (weights / weights.sum(1, keepdim=True))[:, :, None]).sum(1))


def angles(field: Tensor, truth: Tensor) -> tuple[float, float]:
    """Degrees between vectors (M, 3), in the mean and in the median."""
    found = torch.atan2(torch.linalg.cross(field, truth).norm(dim=1), (field * truth).sum(1)) * (180 / math.pi)
    return float(found.mean()), float(found.median())


def picture(mesh: Mesh, colors: Tensor, where: Tensor, vectors: Tensor, truth: Tensor, size: float) -> Tensor:
    """The mesh with arrows, blue where they agree with the truth and orange from 45 degrees."""
    camera = frame_camera(mesh, (0.9, 0.35, 1.0), width=SIZE, height=SIZE, margin=0.02)
    parts = [(mesh.vertices, mesh.faces, colors)]
    if len(where):
        angle = torch.atan2(torch.linalg.cross(vectors, truth).norm(dim=1), (vectors * truth).sum(1))
        wrong = (angle / (math.pi / 4)).clamp(0, 1)[:, None]
        blue, orange = (torch.tensor(c, dtype=torch.float64) for c in ((0.13, 0.32, 0.62), (0.93, 0.42, 0.10)))
        tints = blue + wrong * (orange - blue)
        parts.append(cones(mesh.vertices[where], vectors / size, mesh.vertex_normals()[where], tints))
    starts = [0]
    for places, _, _ in parts:
        starts.append(starts[-1] + len(places))
    joined = Mesh(
        torch.cat([places for places, _, _ in parts]).float(),
        torch.cat([faces + start for (_, faces, _), start in zip(parts, starts)]),
        colors=torch.cat([tint for _, _, tint in parts]).float(),
    )
    return render_mesh(joined, camera, supersample=3).image


def cones(places: Tensor, vectors: Tensor, normals: Tensor, tints: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Thin cones along vectors, a little above their places, as long as the vectors in proportion, up to twice one."""
    lengths = vectors.norm(dim=1, keepdim=True)
    long = 0.045 * lengths.clamp(max=2)
    along = vectors / lengths.clamp_min(1e-12)
    across = torch.linalg.cross(normals, along)
    middle = places + 0.006 * normals
    turn = torch.arange(6, dtype=torch.float64) * (math.pi / 3)
    radius = 0.18 * long
    rim = (middle - long * along / 2)[:, None] + radius[:, None] * (
        turn.cos()[:, None] * across[:, None] + turn.sin()[:, None] * normals[:, None]
    )
    corners = torch.cat([rim, (middle + long * along / 2)[:, None]], dim=1)
    ring = torch.tensor([[i, (i + 1) % 6, 6] for i in range(6)] + [[0, i + 1, i] for i in range(1, 5)])
    faces = ring + 7 * torch.arange(len(places))[:, None, None]
    return corners.reshape(-1, 3), faces.reshape(-1, 3), tints.repeat_interleave(7, 0)


def sheet(panels: list[Tensor], captions: list[str]) -> Image.Image:
    """Two rows of three pictures, each over its caption."""
    whole = Image.new("RGB", (3 * SIZE, 2 * (SIZE + STRIP)), (255, 255, 255))
    draw, font = ImageDraw.Draw(whole), ImageFont.load_default(19)
    for number, (panel, caption) in enumerate(zip(panels, captions)):
        left, top = number % 3 * SIZE, number // 3 * (SIZE + STRIP)
        whole.paste(Image.fromarray((panel.clamp(0, 1) * 255).round().byte().numpy()), (left, top))
        draw.text((left + SIZE / 2, top + SIZE + STRIP * 0.3), caption, INK, font, anchor="mm")
    return whole


def save(whole: Image.Image, path: Path) -> None:
    """As JPEG, as good as 190 kB allow."""
    path.parent.mkdir(parents=True, exist_ok=True)
    for quality in range(90, 40, -5):
        whole.save(path, quality=quality, optimize=True)
        if path.stat().st_size <= 190_000:
            break
    print(f"{path}: {path.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
