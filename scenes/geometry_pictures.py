"""The pictures of docs/geometry.md, made by geokit's own rasterizer.

    python scenes/geometry_pictures.py --bunny stanford-bunny.obj --output docs/images
    geokit mesh out/still_life --output still_life.ply && python scenes/geometry_pictures.py --still-life still_life.ply

The bunny is that of the Stanford Computer Graphics Laboratory (The Stanford 3D Scanning Repository). It is not part of
this repository; the pictures of it are made from a copy that you have.
"""

import argparse
import math
from pathlib import Path

import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor
from torch.nn.functional import avg_pool2d, normalize

from geokit.geometry.cameras import Cameras
from geokit.geometry.framing import frame_camera
from geokit.geometry.mesh import Mesh
from geokit.geometry.rasterize import antialias, rasterize
from geokit.geometry.render_mesh import Lighting, RenderedMesh, render_mesh
from geokit.geometry.render_points import render_points
from geokit.geometry.silhouettes import mesh_edges
from geokit.geometry.surface_sampling import sample_surface
from geokit.io import load_capture, load_mesh
from geokit.pipelines.colormap import viridis

PAPER = (1.0, 1.0, 1.0)
BLUE, ORANGE, INK = (0.33, 0.52, 0.75), (0.90, 0.49, 0.20), (60, 64, 70)
LARGEST_FILE = 150_000  # bytes


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bunny", type=Path, help="the Stanford bunny, in any format that geokit reads")
    parser.add_argument(
        "--still-life", type=Path, help="the mesh that geokit mesh made of the reconstructed still life"
    )
    parser.add_argument("--output", type=Path, default=Path("docs/images"), help="folder of the pictures")
    options = parser.parse_args()
    if options.bunny:
        mesh = upright(load_mesh(options.bunny))
        for name, draw in (("render", buffers), ("pose", pose), ("sampling", samples)):
            save(draw(mesh), options.output / f"geometry_{name}.jpg")
    if options.still_life:
        save(fused(load_mesh(options.still_life)), options.output / "geometry_fusion.jpg")


def upright(mesh: Mesh) -> Mesh:
    """float32, in a box about the origin of diagonal 1."""
    low, high = mesh.vertices.amin(0), mesh.vertices.amax(0)
    return Mesh(((mesh.vertices - (low + high) / 2) / (high - low).norm()).float(), mesh.faces)


# ------------------------------------------------------------------------------------------------------------- panels


def fused(mesh: Mesh) -> Image.Image:
    """The mesh of the still life through one of its own cameras, with its colours and as clay."""
    camera = load_capture(Path(__file__).parent / "still_life").cameras[24].scaled(1.5)
    pictures = (mesh, mesh.replace(colors=None))
    panels = [
        render_mesh(m, camera, background=PAPER, lighting=None if i == 0 else Lighting()).image
        for i, m in enumerate(pictures)
    ]
    return labelled(panels, ["colours", "clay"])


def buffers(mesh: Mesh) -> Image.Image:
    """One picture and what is known at its pixels."""
    camera = frame_camera(mesh, (0.35, 0.3, 1.0), width=400, height=400, margin=0.04)
    lit = render_mesh(mesh, camera, supersample=3, background=PAPER)
    large = camera.resized([(1200, 1200)])
    fine = render_mesh(mesh, large, supersample=1)
    view = large.world_to_camera[0, :3, :3].float()
    seen = (fine.face_ids >= 0)[..., None]
    towards = (fine.normals @ view.T) * torch.tensor([1.0, -1, -1])
    normals = torch.where(seen, 0.5 + 0.5 * towards, 1.0)
    depth = fine.depth
    low, high = depth[seen[..., 0]].min(), depth.max()
    near = torch.where(seen, viridis(1 - (depth - low) / (high - low)), 1.0)
    faces = close_up(mesh, camera)
    panels = [lit.image, shrunk(normals, 3), shrunk(near, 3), faces]
    return labelled(panels, ["picture", "normals", "depth", "faces and their edges"])


def close_up(mesh: Mesh, camera: Cameras) -> Tensor:
    """The head, four times as near, with the edges of the faces."""
    K = camera.K.clone()
    K[:, :2, :2] *= 4
    K[:, 0, 2], K[:, 1, 2] = 580.0, 520.0
    return render_mesh(
        mesh, Cameras(camera.world_to_camera, K, camera.sizes), supersample=3, flat=True, wireframe=0.9
    ).image


def pose(mesh: Mesh, steps: int = 60) -> Image.Image:
    """A pose found from a silhouette alone: the target's outline and the shape on its way there."""
    camera = frame_camera(mesh, (0.6, 0.4, 1.0), width=128, height=128, margin=0.16)
    edges = mesh_edges(mesh.faces)
    wanted = covered(mesh.vertices, mesh, camera, edges)
    start = torch.cat(
        [math.radians(28) * normalize(torch.tensor([0.3, 1.0, -0.5]), dim=0), torch.tensor([0.08, -0.05, 0.06])]
    )
    rates = torch.tensor([0.04] * 3 + [0.015] * 3)
    scaled = (start / rates).requires_grad_()
    optimizer = torch.optim.Adam([scaled], lr=1.0, betas=(0.8, 0.95))
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps, 0.01)
    shown, labels = [], []
    large = camera.resized([(400, 400)])
    outline = covered(mesh.vertices, mesh, camera.resized([(1200, 1200)]), edges)
    for step in range(steps + 1):
        motion = scaled * rates
        if step in (0, 5, 12, steps):
            angle = math.degrees(float(motion[:3].detach().norm()))
            shown.append(overlay(render_mesh(moved(mesh, motion.detach()), large, supersample=3, color=BLUE), outline))
            labels.append(f"step {step}: {angle:.{1 if angle > 1 else 2}f}° off")
        difference = (covered(moved(mesh, motion).vertices, mesh, camera, edges) - wanted)[None, None]
        loss = sum(avg_pool2d(difference, 2**level).square().mean() for level in range(5))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    return labelled(shown, labels)


def moved(mesh: Mesh, motion: Tensor) -> Mesh:
    """Turned about motion[:3] by its length in radians, then shifted by motion[3:]."""
    x, y, z = motion[:3].unbind()
    zero = torch.zeros_like(x)
    turn = torch.matrix_exp(torch.stack([zero, -z, y, z, zero, -x, -y, x, zero]).reshape(3, 3))
    return mesh.replace(vertices=mesh.vertices @ turn.T + motion[3:])


def covered(vertices: Tensor, mesh: Mesh, camera: Cameras, edges: Tensor) -> Tensor:
    """(H, W) the share of each pixel that the shape covers, with gradients."""
    fragments = rasterize((vertices, mesh.faces), camera)
    return antialias(fragments.seen.float(), fragments, edges)


def overlay(picture: RenderedMesh, mask: Tensor, width: int = 9) -> Tensor:
    """The picture with the outline of a mask three times its size drawn around."""
    grown, cut = (torch.nn.functional.max_pool2d(m[None, None], width, 1, width // 2)[0, 0] for m in (mask, 1 - mask))
    line = avg_pool2d((grown * cut).clamp(0, 1)[None, None], 3)[0, 0, ..., None]
    return picture.image * (1 - line) + torch.tensor(ORANGE) * line


def samples(mesh: Mesh, count: int = 2500) -> Image.Image:
    """The same number of points on the surface, independent of each other and spread evenly."""
    camera = frame_camera(mesh, (0.35, 0.3, 1.0), width=600, height=560, margin=0.03)
    body = render_mesh(mesh, camera, supersample=3, color=(0.93, 0.93, 0.94))
    fine = render_mesh(mesh, camera.resized([(1800, 1680)]), supersample=1)
    panels = []
    for even in (False, True):
        cloud = sample_surface(mesh, count, seed=1, low_discrepancy=even)
        dots = render_points(visible(cloud, fine, camera), camera, 3.0, color=BLUE, supersample=3, background=PAPER)
        share = dots.alpha[..., None]
        panels.append(body.image * (1 - share) + (dots.image - (1 - share)).clamp(0, 1))
    return labelled(panels, [f"{count:,} independent samples", f"{count:,} samples, low discrepancy"])


def visible(cloud, picture: RenderedMesh, camera: Cameras):  # type: ignore[no-untyped-def]
    """The points of the surface that the camera sees, moved a little towards it."""
    pose, K = camera.world_to_camera[0].float(), camera.resized([picture.depth.shape[::-1]]).K[0].float()
    points = cloud.points @ pose[:3, :3].T + pose[:3, 3]
    pixel = (points @ K.T)[:, :2] / points[:, 2:]
    x, y = pixel.floor().long().unbind(1)
    depth = picture.depth[y.clamp(0, picture.depth.shape[0] - 1), x.clamp(0, picture.depth.shape[1] - 1)]
    return cloud[(depth > 0) & (points[:, 2] < depth + 0.006)].replace(normals=None)


# ------------------------------------------------------------------------------------------------------------ drawing


def shrunk(image: Tensor, by: int) -> Tensor:
    return avg_pool2d(image.permute(2, 0, 1)[None], by)[0].permute(1, 2, 0)


def labelled(panels: list[Tensor], labels: list[str], strip: int = 36) -> Image.Image:
    """Pictures side by side, each over its label."""
    rows = torch.cat(panels, 1).clamp(0, 1)
    height, width = rows.shape[:2]
    sheet = Image.new("RGB", (width, height + strip), tuple(round(255 * c) for c in PAPER))
    sheet.paste(Image.fromarray((rows * 255).round().byte().numpy()), (0, 0))
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(19)
    for number, label in enumerate(labels):
        draw.text(((number + 0.5) * width / len(panels), height + strip * 0.4), label, INK, font, anchor="mm")
    return sheet


def save(picture: Image.Image, path: Path) -> None:
    """As JPEG, as good as the largest size of a file allows."""
    path.parent.mkdir(parents=True, exist_ok=True)
    for quality in range(92, 40, -4):
        picture.save(path, quality=quality, optimize=True)
        if path.stat().st_size <= LARGEST_FILE:
            break
    print(f"{path}: {picture.size[0]} x {picture.size[1]}, {path.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
