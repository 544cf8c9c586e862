"""Each plain piece of a scene as a picture by geokit's own renderers, with coverage and depth to put them together."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import max_pool2d

from geokit.geometry import Cameras, Mesh, PointCloud
from geokit.geometry.render_mesh import Lighting, RenderedMesh, render_mesh
from geokit.geometry.render_points import render_points
from geokit.geometry.shading import linear_from_srgb, srgb_from_linear
from geokit.geometry.topology import half_edges
from geokit.splatting import render

from .drawables import Drawable, Points, Segments, SplatCloud, Triangles

_BLACK = (0.0, 0.0, 0.0)
_THINNEST = 0.35  # pixels: the radius of a point that is far away
_NEAR = 1e-4  # of the distance to the farther end: where a line behind the camera is cut


@dataclass(frozen=True)
class Piece:
    """color: (H, W, 3) sRGB times alpha, of bright splats beyond 1. alpha: (H, W).

    depth: (H, W) the camera's z in world units, inf where alpha is 0.
    """

    color: Tensor
    alpha: Tensor
    depth: Tensor

    def rows(self, first: int, count: int) -> Piece:
        """Some rows of the picture."""
        part = slice(first, first + count)
        return Piece(self.color[part], self.alpha[part], self.depth[part])


def render_piece(drawable: Drawable, camera: Cameras) -> Piece | None:
    """The picture of one piece through one camera; None of nothing."""
    # All is drawn relative to the camera, in float32: coordinates of a map keep their digits.
    center = camera.centers[0]
    pose = camera.world_to_camera.clone()
    pose[:, :3, 3] = 0
    local = Cameras(pose, camera.K, camera.sizes, camera.names)
    if isinstance(drawable, SplatCloud):
        return _splats(drawable, local, center) if len(drawable.splats) else None
    if isinstance(drawable, Triangles):
        return _triangles(drawable, local, center) if len(drawable.faces) else None
    if isinstance(drawable, Points):
        return _points(drawable, local, center) if len(drawable.points) else None
    return _segments(drawable, local, center) if len(drawable.ends) else None


def _splats(cloud: SplatCloud, camera: Cameras, center: Tensor) -> Piece:
    """On the splats' device; the picture comes back to the CPU."""
    splats = cloud.splats.map(torch.Tensor.detach)
    device = splats.means.device
    splats = splats.replace(means=(splats.means.double() - center.to(device)).to(splats.means))
    # Scenes that are small in their own unit must not vanish in front of the camera.
    near = min(0.01, 0.02 * float(splats.means.norm(dim=1).median()))
    seen = render(splats, camera.to(device), depth=True, antialiased=cloud.antialiased, near=near)
    assert seen.depth is not None
    assert seen.median_depth is not None
    depth = torch.where(seen.median_depth > 0, seen.median_depth, seen.depth)
    there = seen.alpha > 0
    shown = seen.image, seen.alpha, torch.where(there, depth, torch.inf)
    return Piece(*(t.float().cpu() for t in shown))


def _triangles(triangles: Triangles, camera: Cameras, center: Tensor) -> Piece:
    if triangles.shading == "wireframe":
        edges = half_edges(torch.from_numpy(triangles.faces)).edges.numpy()
        colors = triangles.colors[edges].mean(1)
        return _segments(Segments(triangles.vertices[edges], colors, 1.0), camera, center)
    textured = triangles.texture is not None and triangles.uv is not None
    mesh = Mesh(
        _relative(triangles.vertices, center),
        torch.from_numpy(triangles.faces),
        None if triangles.normals is None else _tensor(triangles.normals),
        None if textured else _tensor(triangles.colors),
        _tensor(triangles.uv) if textured else None,  # type: ignore[arg-type]
        _tensor(triangles.texture) if textured else None,  # type: ignore[arg-type]
    )
    lighting = None if triangles.shading == "unlit" else Lighting()
    seen = render_mesh(mesh, camera, background=_BLACK, lighting=lighting, flat=triangles.shading == "flat")
    return _surface(seen, triangles.opacity)


def _points(points: Points, camera: Cameras, center: Tensor) -> Piece:
    cloud = PointCloud(_relative(points.points, center), _tensor(points.colors))
    depth = cloud.points.double() @ camera.world_to_camera[0, 2, :3]
    radius = points.size / 2 * camera.K[0, 0, 0] / depth.clamp_min(1e-9)
    radius = radius.clamp_min(_THINNEST).to(cloud.points)
    return _surface(render_points(cloud, camera, radius, background=_BLACK, lighting=None))


def _segments(segments: Segments, camera: Cameras, center: Tensor) -> Piece:
    """Lines as strips that face the camera."""
    ends = (torch.from_numpy(np.ascontiguousarray(segments.ends)).double() - center) @ camera.world_to_camera[
        0, :3, :3
    ].T
    near = _NEAR * ends[..., 2].amax(1, keepdim=True)
    kept = near[:, 0] > 0
    ends, near, colors = ends[kept], near[kept], _tensor(segments.colors)[kept]
    focal = torch.stack([camera.K[0, 0, 0], camera.K[0, 1, 1]])
    other = ends.flip(1)
    part = ((near - ends[..., 2]) / (other[..., 2] - ends[..., 2])).nan_to_num(0).clamp(0, 1)[..., None]
    ends = torch.where((ends[..., 2] < near)[..., None], ends + part * (other - ends), ends)
    pixels = ends[..., :2] / ends[..., 2:] * focal
    along = torch.nn.functional.normalize(pixels[:, 1] - pixels[:, 0], dim=1)
    across = torch.stack([-along[:, 1], along[:, 0]], 1)[:, None] * (segments.width / 2) / focal * ends[..., 2:]
    aside = torch.cat([across, torch.zeros_like(across[..., :1])], -1)
    left, right = ends - aside, ends + aside
    strips = torch.stack([left[:, 0], right[:, 0], right[:, 1], left[:, 1]], 1)
    first = 4 * torch.arange(len(strips))[:, None]
    faces = torch.cat([first + torch.tensor([[0, 1, 2]]), first + torch.tensor([[0, 2, 3]])])
    mesh = Mesh(strips.reshape(-1, 3).float(), faces, colors=colors.repeat_interleave(4, 0))
    upright = Cameras(torch.eye(4, dtype=torch.float64)[None], camera.K, camera.sizes, camera.names)
    return _surface(render_mesh(mesh, upright, background=_BLACK, lighting=None))


def _surface(seen: RenderedMesh, opacity: float = 1.0) -> Piece:
    """Rendered over black in linear light: its own colours, and depth also where only the rim of a pixel is covered."""
    own = linear_from_srgb(seen.image) / seen.alpha.clamp_min(1e-4)[..., None]
    alpha = seen.alpha * opacity
    color = srgb_from_linear(own.clamp(0, 1)) * alpha[..., None]
    depth = torch.where(seen.depth > 0, seen.depth, torch.inf)
    around = -max_pool2d(-depth[None, None], 3, 1, 1)[0, 0]
    depth = torch.where(torch.isinf(depth) & (alpha > 0), around, depth)
    return Piece(color.float(), alpha.float(), depth.float())


def _relative(points: NDArray[np.float64], center: Tensor) -> Tensor:
    return (torch.from_numpy(np.ascontiguousarray(points)).double() - center.cpu()).float()


def _tensor(values: NDArray[np.float64]) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(values)).float()
