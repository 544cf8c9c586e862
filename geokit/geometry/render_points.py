"""Pictures of point clouds: every point a small disc in front of what lies behind it."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, normalize

from geokit.errors import InvalidInput
from geokit.geometry.cameras import Cameras
from geokit.geometry.point_cloud import PointCloud
from geokit.geometry.rasterize import interpolate, rasterize
from geokit.geometry.render_mesh import CLAY, RenderedMesh, towards_camera
from geokit.geometry.shading import Lighting, linear_from_srgb, shade, srgb_from_linear

SIDES = 8  # of the polygon that stands for a disc


def render_points(
    cloud: PointCloud,
    camera: Cameras,
    radius: float | Tensor = 2.0,
    *,
    color: Sequence[float] = CLAY,
    background: Sequence[float] = (1.0, 1.0, 1.0),
    lighting: Lighting | None = Lighting(),  # noqa: B008 (frozen)
    supersample: int = 2,
) -> RenderedMesh:
    """A picture of a cloud through one camera: discs of `radius` pixels, of one or (N,), nearer before farther ones.

    Lit by the cloud's normals, or as small balls where it has none; lighting: None shows colours unlit. Colours are the
    cloud's own or `color`, sRGB in [0, 1]. In the result `face_ids` number the points; normals are in world axes.
    Raises `InvalidInput` unless there is exactly one camera, and for a radius or supersample that is not positive.
    """
    if not bool((torch.as_tensor(radius) > 0).all()) or supersample < 1:
        raise InvalidInput(f"radius must be positive and supersample at least 1, got {radius} and {supersample}")
    camera, (width, height) = camera.to(cloud.points.device), camera.sizes[0]
    fine = camera.resized([(width * supersample, height * supersample)])
    picture = _draw(cloud, fine, radius * supersample, color, lighting)
    backdrop = linear_from_srgb(cloud.points.new_tensor(tuple(background)))
    seen = (picture.face_ids >= 0)[..., None].to(cloud.points.dtype)
    layers = torch.cat([picture.image * seen + backdrop * (1 - seen), seen], -1)
    layers = avg_pool2d(layers.permute(2, 0, 1)[None], supersample)[0].permute(1, 2, 0)
    middle = slice(supersample // 2, None, supersample)
    return RenderedMesh(
        srgb_from_linear(layers[..., :3]),
        layers[..., 3],
        picture.depth[middle, middle],
        picture.normals[middle, middle],
        picture.face_ids[middle, middle],
    )


def _draw(
    cloud: PointCloud, camera: Cameras, radius: float | Tensor, color: Sequence[float], lighting: Lighting | None
) -> RenderedMesh:
    """The discs in linear light, one sample a pixel."""
    pose = camera.world_to_camera[0]
    rotation = pose[:3, :3].to(cloud.points)
    vertices, faces, local = _discs(cloud.points, camera, radius)
    fragments = rasterize((vertices, faces), camera)
    ids = torch.where(fragments.seen, fragments.face_ids // SIDES, -1)
    own = ids.clamp_min(0)
    places = interpolate(local, fragments)
    colors = (
        cloud.points.new_tensor(tuple(color)).expand(len(cloud), 3)
        if cloud.colors is None
        else cloud.colors.to(cloud.points)
    )
    image = linear_from_srgb(colors)[own] if len(cloud) else torch.zeros_like(fragments.barycentrics)
    if cloud.normals is not None and len(cloud):
        normals = cloud.normals.to(cloud.points)[own] @ rotation.T
    else:
        depth = (1 - places.square().sum(-1, keepdim=True)).clamp_min(0.01).sqrt()
        normals = normalize(torch.cat([places, -depth], -1), dim=-1)
    if lighting is not None:
        image = shade(image, normals, towards_camera(fragments), lighting)
    seen = fragments.seen[..., None]
    world = torch.where(seen, normals @ rotation, 0.0)
    return RenderedMesh(image, seen[..., 0].to(image.dtype), fragments.depth, world, ids)


def _discs(points: Tensor, camera: Cameras, radius: float | Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Vertices, faces (N SIDES, 3) and the vertices' places on the unit disc, of polygons that face the camera."""
    pose, focal = camera.world_to_camera[0], float(camera.K[0, 0, 0])
    depth = points.double() @ pose[2, :3] + pose[2, 3]
    number = torch.arange(SIDES, device=points.device)
    angles = number * (2 * math.pi / SIDES)
    rim = torch.stack([angles.cos(), angles.sin()], -1)
    around = torch.cat([rim.new_zeros(1, 2), rim]).to(points)  # the middle first
    size = (radius / focal * depth.clamp_min(0)).to(points.dtype)[:, None, None]
    offsets = around @ pose[:2, :3].to(points)  # along the camera's axes, in the world
    vertices = (points[:, None] + size * offsets).reshape(-1, 3)
    fan = torch.stack([torch.zeros_like(number), number + 1, (number + 1) % SIDES + 1], -1)
    first = torch.arange(len(points), device=points.device) * (SIDES + 1)
    faces = (first[:, None, None] + fan).reshape(-1, 3)
    return vertices, faces, around.repeat(len(points), 1)
