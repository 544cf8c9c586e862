"""A mesh through a camera: the face each pixel sees, attributes carried to pixels, silhouettes with gradients.

fragments = rasterize(mesh, camera)
mask = antialias((fragments.face_ids >= 0)[..., None].to(mesh.vertices.dtype), fragments)
mask.sum().backward()                    # reaches mesh.vertices and camera.world_to_camera
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from geokit.backend import triangle_ops
from geokit.backend.checks import FLOATS, check_tensor
from geokit.errors import InvalidInput
from geokit.geometry.cameras import Cameras
from geokit.geometry.mesh import Mesh
from geokit.geometry.silhouettes import mesh_edges


@dataclass(frozen=True)
class Fragments:
    """What each pixel of a picture sees of a mesh.

    face_ids: (H, W) int64, -1 where nothing is seen. barycentrics: (H, W, 3), perspective-correct, and depth: (H, W),
    the camera's z in the mesh's unit, both 0 where nothing is seen and both differentiable by the vertices and the
    camera's pose. points: (V, 3) the vertices in camera space. faces: (F, 3). intrinsics: (4,) fx, fy, cx, cy in
    pixels. near: what is nearer to the camera's plane was cut off.
    """

    face_ids: Tensor
    barycentrics: Tensor
    depth: Tensor
    points: Tensor
    faces: Tensor
    intrinsics: Tensor
    near: float

    def __repr__(self) -> str:
        height, width = self.face_ids.shape
        return f"Fragments({width}x{height} pixels of {len(self.faces):,} faces)"

    @property
    def seen(self) -> Tensor:
        """(H, W) bool: whether the pixel's centre sees the mesh."""
        return self.face_ids >= 0


def rasterize(
    shape: Mesh | tuple[Tensor, Tensor], camera: Cameras, *, near: float = 1e-6, cull_back_faces: bool = False
) -> Fragments:
    """Draw a mesh, or a pair of vertices (V, 3) and faces (F, 3), through one camera.

    near: in the mesh's unit; what is nearer to the camera's plane is cut off. cull_back_faces: leave out faces whose
    corners turn clockwise as seen. A pixel sees what its centre sees: pixels along a silhouette are blended by
    `antialias`. Raises `InvalidInput` unless there is exactly one camera, and for wrong shapes and indices.
    """
    vertices, faces = (shape.vertices, shape.faces) if isinstance(shape, Mesh) else shape
    check_tensor("vertices", vertices, ("V", 3), FLOATS)
    if len(camera) != 1:
        raise InvalidInput(f"rasterize draws through one camera, got {len(camera)}; select one, as in cameras[0]")
    pose, K = camera.world_to_camera[0].to(vertices.device), camera.K[0].detach()
    # In float64, so that coordinates far from the origin keep their digits until the camera's place is taken off.
    points = (vertices.to(torch.float64) @ pose[:3, :3].T + pose[:3, 3]).to(vertices.dtype)
    intrinsics = torch.stack([K[0, 0], K[1, 1], K[0, 2], K[1, 2]]).to(vertices)
    width, height = camera.sizes[0]
    face_ids, barycentrics, depth = triangle_ops.rasterize_triangles(
        points, faces, intrinsics, width, height, near=near, cull_back_faces=cull_back_faces
    )
    return Fragments(face_ids, barycentrics, depth, points, faces, intrinsics, near)


def interpolate(attributes: Tensor, fragments: Fragments) -> Tensor:
    """Attributes of the vertices (V, C), or of the faces' corners (F, 3, C), at what each pixel sees: (H, W, C).

    0 where nothing is seen. Differentiable by the attributes and, through the barycentrics, by vertices and pose.
    """
    faces = fragments.faces
    if attributes.dim() == 3:
        check_tensor("attributes", attributes, (len(faces), 3, "C"), fragments.points.dtype)
        faces = torch.arange(3 * len(faces), device=faces.device).reshape(-1, 3)
        attributes = attributes.flatten(0, 1)
    else:
        check_tensor("attributes", attributes, (len(fragments.points), "C"), fragments.points.dtype)
    return triangle_ops.interpolate(attributes, faces, fragments.face_ids, fragments.barycentrics)


def antialias(image: Tensor, fragments: Fragments, edges: Tensor | None = None) -> Tensor:
    """A picture (H, W, C) or (H, W) with the pixels along silhouettes blended by where the silhouette passes.

    Differentiable by the picture and, through the silhouettes, by vertices and pose: the way in which gradients of a
    mask or a colour reach the shape. edges: `mesh_edges(faces)`, to be given where many pictures of one mesh are made.
    The blend is that of Laine et al. 2020, "Modular primitives for high-performance differentiable rendering".
    """
    edges = mesh_edges(fragments.faces) if edges is None else edges
    flat = image.dim() == 2
    size = tuple(fragments.depth.shape)
    check_tensor("image", image, size if flat else (*size, "C"), fragments.points.dtype)
    points, intrinsics = fragments.points, fragments.intrinsics
    crossings = triangle_ops.silhouette_crossings(
        points, edges, intrinsics, fragments.face_ids, fragments.depth, near=fragments.near
    )
    smooth = triangle_ops.antialias(image[..., None] if flat else image, points, edges, intrinsics, crossings)
    return smooth[..., 0] if flat else smooth
