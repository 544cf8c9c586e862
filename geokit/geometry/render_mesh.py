"""Pictures of meshes: shaded, textured, anti-aliased, differentiable. What the documents' pictures are made with."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, normalize

from geokit.errors import InvalidInput
from geokit.geometry.cameras import Cameras
from geokit.geometry.mesh import Mesh
from geokit.geometry.rasterize import Fragments, antialias, interpolate, rasterize
from geokit.geometry.shading import Lighting, linear_from_srgb, shade, srgb_from_linear
from geokit.geometry.silhouettes import mesh_edges
from geokit.geometry.surface_sampling import look_up

__all__ = ["Fragments", "Lighting", "RenderedMesh", "antialias", "interpolate", "rasterize", "render_mesh"]

CLAY = (0.80, 0.79, 0.77)  # sRGB of surfaces that bring no colour


@dataclass(frozen=True)
class RenderedMesh:
    """A picture of a mesh and what is known at each pixel.

    image: (H, W, 3) sRGB in [0, 1] over the background. alpha: (H, W), the share of each pixel that the mesh covers.
    At the pixels' centres: depth (H, W), the camera's z in the mesh's unit, 0 where nothing is seen; normals (H, W, 3),
    unit, in world axes, 0 where nothing is seen; face_ids (H, W) int64, -1 where nothing is seen.
    """

    image: Tensor
    alpha: Tensor
    depth: Tensor
    normals: Tensor
    face_ids: Tensor

    def __repr__(self) -> str:
        height, width = self.alpha.shape
        return f"RenderedMesh({width}x{height} pixels, {float(self.alpha.detach().mean()):.0%} covered)"


def render_mesh(
    mesh: Mesh,
    camera: Cameras,
    *,
    color: Sequence[float] = CLAY,
    background: Sequence[float] = (1.0, 1.0, 1.0),
    lighting: Lighting | None = Lighting(),  # noqa: B008 (frozen)
    flat: bool = False,
    wireframe: float = 0.0,
    supersample: int = 2,
    near: float = 1e-6,
    cull_back_faces: bool = False,
) -> RenderedMesh:
    """A picture of a mesh through one camera.

    Surfaces have the mesh's texture, or else the colours of its vertices, or else `color`; all colours are sRGB in
    [0, 1]. lighting: None shows these colours unlit. flat: every face with one normal, instead of normals that change
    smoothly between the vertices. wireframe: width in pixels of the edges drawn over the surface, 0 for none.
    supersample: pixels are averages of this many by this many, in linear light; silhouettes are smoothed besides.
    near, cull_back_faces: as in `rasterize`. Differentiable by everything the mesh holds and by the camera's pose.

    Raises `InvalidInput` unless there is exactly one camera, and for a supersample below 1.
    """
    if supersample < 1:
        raise InvalidInput(f"supersample must be at least 1, got {supersample}")
    options = {"near": near, "cull_back_faces": cull_back_faces}
    fragments = rasterize(mesh, camera, **options)  # type: ignore[arg-type]
    width, height = camera.sizes[0]
    fine = fragments
    if supersample > 1:
        larger = camera.resized([(width * supersample, height * supersample)])
        fine = rasterize(mesh, larger, **options)  # type: ignore[arg-type]
    rotation = camera.world_to_camera[0, :3, :3].to(mesh.vertices)
    albedo = linear_from_srgb(surface_colors(mesh, fine, color))
    light = albedo
    if lighting is not None:
        light = shade(albedo, surface_normals(mesh, fine, flat) @ rotation.T, towards_camera(fine), lighting)
    if wireframe > 0:
        ink = edge_ink(fine, wireframe * supersample)[..., None]
        light = light * (1 - 0.85 * ink)
    seen = fine.seen[..., None].to(light.dtype)
    backdrop = linear_from_srgb(light.new_tensor(tuple(background)))
    # Seen surfaces are blended with each other, the background only by the covered share.
    layers = torch.cat([light * seen + backdrop * (1 - seen), seen], -1)
    layers = antialias(layers, fine, mesh_edges(mesh.faces))
    layers = avg_pool2d(layers.permute(2, 0, 1)[None], supersample)[0].permute(1, 2, 0)
    return RenderedMesh(
        srgb_from_linear(layers[..., :3]),
        layers[..., 3].clamp(0, 1),
        fragments.depth,
        surface_normals(mesh, fragments, flat),
        fragments.face_ids,
    )


def surface_colors(mesh: Mesh, fragments: Fragments, color: Sequence[float] = CLAY) -> Tensor:
    """(H, W, 3) sRGB colours of what each pixel sees: texture, else colours of the vertices, else `color`."""
    plain = mesh.vertices.new_tensor(tuple(color)).expand(*fragments.depth.shape, 3)
    if mesh.uv is not None and mesh.texture is not None:
        values = look_up(mesh.texture, interpolate(mesh.uv, fragments).flatten(0, 1)).unflatten(
            0, fragments.depth.shape
        )
        opacity = values[..., 3:] if values.shape[-1] == 4 else 1.0
        return values[..., :3] * opacity + plain * (1 - opacity)
    return plain if mesh.colors is None else interpolate(mesh.colors, fragments)


def surface_normals(mesh: Mesh, fragments: Fragments, flat: bool = False) -> Tensor:
    """(H, W, 3) unit normals in world axes of what each pixel sees, 0 where nothing is seen.

    Of the mesh's vertices, or of its faces if `flat`. Smooth normals that are zero fall back on the face's.
    """
    seen = fragments.seen[..., None]
    if flat:
        return (
            torch.where(seen, mesh.face_normals()[fragments.face_ids.clamp_min(0)], 0.0)
            if len(mesh)
            else torch.zeros_like(fragments.barycentrics)
        )
    at_vertices = mesh.vertex_normals() if mesh.normals is None else mesh.normals
    return normalize(interpolate(at_vertices, fragments), dim=-1)


def towards_camera(fragments: Fragments) -> Tensor:
    """(H, W, 3) unit vectors in camera space from what each pixel sees to the camera."""
    height, width = fragments.depth.shape
    fx, fy, cx, cy = fragments.intrinsics.unbind()
    columns, rows = (torch.arange(n, device=fragments.depth.device) for n in (width, height))
    x = (columns.to(fragments.depth) + 0.5 - cx) / fx
    y = (rows.to(fragments.depth) + 0.5 - cy) / fy
    rays = torch.stack(
        [x.expand(height, width), y[:, None].expand(height, width), torch.ones_like(fragments.depth)], -1
    )
    return -normalize(rays, dim=-1)


def edge_ink(fragments: Fragments, width: float) -> Tensor:
    """(H, W) how much of each pixel lies on an edge of the face that it sees, for edges `width` pixels wide."""
    fx, fy, cx, cy = fragments.intrinsics.unbind()
    points = fragments.points
    z = points[:, 2].clamp_min(fragments.near)
    flat = torch.stack([fx * points[:, 0] / z + cx, fy * points[:, 1] / z + cy], -1)
    corners = flat[fragments.faces[fragments.face_ids.clamp_min(0)]]  # (H, W, 3, 2)
    sides = corners.roll(-1, 2) - corners.roll(1, 2)  # opposite each corner
    doubled = (sides[..., 0, 0] * sides[..., 1, 1] - sides[..., 0, 1] * sides[..., 1, 0]).abs()
    heights = doubled[..., None] / sides.norm(dim=-1).clamp_min(1e-9)
    distance = (fragments.barycentrics * heights).amin(-1)
    return torch.where(fragments.seen, (width / 2 + 0.5 - distance).clamp(0, 1), 0.0)
