"""Shapes, cameras and motions that the tests of silhouettes share."""

import math
from functools import cache
from pathlib import Path

import torch
from torch import Tensor

from geokit.geometry.cameras import Cameras, look_at
from geokit.geometry.mesh import Mesh
from geokit.geometry.rasterize import antialias, rasterize
from geokit.geometry.silhouettes import mesh_edges


def unit(vertices: Tensor) -> Tensor:
    """Moved and scaled so that the bounding box has its middle at the origin and a diagonal of 1."""
    low, high = vertices.amin(0), vertices.amax(0)
    return (vertices - (low + high) / 2) / (high - low).norm()


def triangle() -> Mesh:
    corners = torch.tensor([[-0.6, -0.5, 0.1], [0.7, -0.3, -0.2], [0.1, 0.6, 0.3]], dtype=torch.float64)
    return Mesh(corners, torch.tensor([[0, 1, 2]]))


def sphere() -> Mesh:
    import trimesh

    ball = trimesh.creation.icosphere(3)
    return Mesh(0.5 * torch.from_numpy(ball.vertices).double(), torch.from_numpy(ball.faces).long())


@cache
def bunny(data_folder: Path, kept: float = 1.0) -> Mesh:
    """The Stanford bunny as float64, of unit diagonal, with this share of its faces."""
    import trimesh

    mesh = trimesh.load(data_folder / "meshes" / "stanford-bunny.obj", process=False)
    vertices, faces = mesh.vertices, mesh.faces
    if kept < 1:
        import fast_simplification

        vertices, faces = fast_simplification.simplify(vertices.astype("float32"), faces.astype("int32"), 1 - kept)
    return Mesh(unit(torch.from_numpy(vertices).double()), torch.from_numpy(faces).long())


def camera(width: int, height: int) -> Cameras:
    pose = look_at(torch.tensor([[0.3, 0.5, 2.2]]), torch.zeros(3), torch.tensor([0.0, 1.0, 0.0]))
    K = torch.tensor([[[1.1 * width, 0, width / 2 + 0.3], [0, 1.1 * width, height / 2 - 0.2], [0, 0, 1]]])
    return Cameras(pose, K, ((width, height),))


def turn(w: Tensor) -> Tensor:
    """The rotation about w by |w| radians, differentiable."""
    zero = torch.zeros_like(w[0])
    return torch.matrix_exp(torch.stack([zero, -w[2], w[1], w[2], zero, -w[0], -w[1], w[0], zero]).reshape(3, 3))


def moved(vertices: Tensor, motion: Tensor) -> Tensor:
    """Turned by motion[:3], shifted by motion[3:6], scaled by exp(motion[6]) if there is a seventh."""
    turned = vertices @ turn(motion[:3]).T + motion[3:6]
    return turned * motion[6].exp() if len(motion) > 6 else turned


def mask(mesh: Mesh, vertices: Tensor, view: Cameras) -> Tensor:
    """(H, W) the share of each pixel that the mesh covers, with gradients."""
    fragments = rasterize((vertices, mesh.faces), view)
    return antialias(fragments.seen.to(vertices.dtype), fragments, _edges(mesh))


def supersampled_mask(mesh: Mesh, vertices: Tensor, view: Cameras, by: int) -> Tensor:
    """(H, W) the share of by x by samples of each pixel that see the mesh."""
    with torch.no_grad():
        fine = rasterize((vertices, mesh.faces), view.scaled(by)).seen.to(vertices.dtype)
    return torch.nn.functional.avg_pool2d(fine[None, None], by)[0, 0]


def _edges(mesh: Mesh) -> Tensor:
    key = id(mesh.faces)
    if key not in _KNOWN:
        _KNOWN[key] = (mesh.faces, mesh_edges(mesh.faces))
    return _KNOWN[key][1]


_KNOWN: dict[int, tuple[Tensor, Tensor]] = {}


def pyramid_loss(difference: Tensor, levels: int = 5) -> Tensor:
    """Mean squares of a picture's difference and of its averages over 2, 4, ... pixels: wide valleys for a descent."""
    level, total = difference[None, None], difference.new_zeros(())
    for _ in range(levels):
        total = total + level.square().mean()
        level = torch.nn.functional.avg_pool2d(level, 2)
    return total


def recovered_pose(mesh: Mesh, target: Tensor, view: Cameras, start: Tensor, steps: int = 120) -> list[Tensor]:
    """The motions (6,) on the way from `start` to the one whose mask is the target, by Adam."""
    motion = start.clone().requires_grad_()
    rates = torch.tensor([0.04] * 3 + [0.015] * 3).to(start)
    scaled = (start / rates).requires_grad_()
    optimizer = torch.optim.Adam([scaled], lr=1.0, betas=(0.8, 0.95))
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps, 0.01)
    path = []
    for _ in range(steps):
        motion = scaled * rates
        path.append(motion.detach().clone())
        optimizer.zero_grad()
        pyramid_loss(mask(mesh, moved(mesh.vertices, motion), view) - target).backward()
        optimizer.step()
        schedule.step()
    return [*path, (scaled * rates).detach()]


def degrees(motion: Tensor) -> float:
    return math.degrees(float(motion[:3].norm()))
