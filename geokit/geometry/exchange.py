"""To and from the objects of other libraries, which are imported only when asked for."""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from geokit.backend.optional import open3d, optional
from geokit.errors import InvalidInput
from geokit.geometry.color_bytes import color_bytes
from geokit.geometry.mesh import Mesh
from geokit.geometry.point_cloud import PointCloud
from geokit.geometry.seams import split_seams


def to_trimesh(shape: Mesh | PointCloud) -> Any:
    """A `trimesh.Trimesh` (not merged, not processed) or `trimesh.PointCloud` with colours as bytes.

    A mesh with uv and texture has its seams cut: trimesh keeps one uv a vertex.
    """
    trimesh = optional("trimesh", "to_trimesh", None)
    if isinstance(shape, PointCloud):
        return trimesh.PointCloud(
            _array(shape.points), colors=None if shape.colors is None else color_bytes(shape.colors)
        )
    if shape.uv is not None:
        shape, place = split_seams(shape)
        image = None if shape.texture is None else _picture(shape.texture)
        visual = trimesh.visual.TextureVisuals(uv=_array(place), image=image)
    else:
        visual = None
    return trimesh.Trimesh(
        _array(shape.vertices),
        _array(shape.faces),
        vertex_normals=None if shape.normals is None else _array(shape.normals),
        vertex_colors=None if visual is not None or shape.colors is None else color_bytes(shape.colors),
        visual=visual,
        process=False,
    )


def from_trimesh(other: Any) -> Mesh | PointCloud:
    """A `trimesh.Trimesh` or `trimesh.PointCloud`, float64. Raises `InvalidInput` for other objects."""
    kind = type(other).__name__
    if kind == "PointCloud":
        colors = np.asarray(other.colors)
        return PointCloud(_tensor(other.vertices), _unit(colors) if len(colors) else None)
    if kind != "Trimesh":
        raise InvalidInput(
            f"from_trimesh takes a Trimesh or a PointCloud, got {kind}; pass the parts of a Scene one by one"
        )
    faces, visual = _tensor(other.faces, torch.int64), other.visual
    vertex_colors = _unit(visual.vertex_colors) if visual.kind == "vertex" else None
    uv: Tensor | None = None
    texture: Tensor | None = None
    if visual.kind == "texture" and visual.uv is not None:
        uv = _tensor(visual.uv)[faces]
        material = visual.material
        image = getattr(material, "image", None) or getattr(material, "baseColorTexture", None)
        texture = None if image is None else _tensor(np.asarray(image.convert("RGB"))) / 255
    normals = _tensor(other.vertex_normals) if "vertex_normals" in other._cache else None
    return Mesh(_tensor(other.vertices), faces, normals=normals, colors=vertex_colors, uv=uv, texture=texture)


def to_open3d(shape: Mesh | PointCloud) -> Any:
    """An `open3d.geometry.TriangleMesh` or `.PointCloud`, with normals, colours, and triangle uvs and texture."""
    o3d = open3d("to_open3d")
    vectors = o3d.utility.Vector3dVector
    if isinstance(shape, PointCloud):
        other = o3d.geometry.PointCloud(vectors(_array(shape.points)))
        if shape.normals is not None:
            other.normals = vectors(_array(shape.normals))
        if shape.colors is not None:
            other.colors = vectors(_array(shape.colors))
        return other
    other = o3d.geometry.TriangleMesh(
        vectors(_array(shape.vertices)), o3d.utility.Vector3iVector(_array(shape.faces).astype(np.int32))
    )
    if shape.normals is not None:
        other.vertex_normals = vectors(_array(shape.normals))
    if shape.colors is not None:
        other.vertex_colors = vectors(_array(shape.colors))
    if shape.uv is not None:
        other.triangle_uvs = o3d.utility.Vector2dVector(_array(shape.uv).reshape(-1, 2))
        if shape.texture is not None:
            other.textures = [o3d.geometry.Image(np.asarray(_picture(shape.texture)))]
            other.triangle_material_ids = o3d.utility.IntVector(np.zeros(len(shape), np.int32))
    return other


def from_open3d(other: Any) -> Mesh | PointCloud:
    """An Open3D `TriangleMesh` or `PointCloud` of either interface, float64."""
    kind = type(other).__name__
    if kind not in ("TriangleMesh", "PointCloud"):
        raise InvalidInput(f"from_open3d takes a TriangleMesh or a PointCloud, got {kind}")
    if hasattr(other, "to_legacy"):
        other = other.to_legacy()
    if kind == "PointCloud":
        return PointCloud(
            _tensor(other.points),
            _tensor(other.colors) if other.has_colors() else None,
            _tensor(other.normals) if other.has_normals() else None,
        )
    faces = _tensor(other.triangles, torch.int64)
    uv = _tensor(other.triangle_uvs).reshape(-1, 3, 2) if other.has_triangle_uvs() else None
    texture = None
    if other.has_textures() and np.asarray(other.textures[0]).ndim == 3:
        texture = _tensor(np.asarray(other.textures[0])) / 255
    return Mesh(
        _tensor(other.vertices),
        faces,
        normals=_tensor(other.vertex_normals) if other.has_vertex_normals() else None,
        colors=_tensor(other.vertex_colors) if other.has_vertex_colors() else None,
        uv=uv,
        texture=texture,
    )


def to_pytorch3d(shape: Mesh | PointCloud) -> Any:
    """A `pytorch3d.structures.Meshes` or `.Pointclouds` of one element; gradients flow through.

    Colours of a mesh become `TexturesVertex`; uv and texture become `TexturesUV`, where v is 0 at the lower edge too.
    """
    structures = optional("pytorch3d.structures", "to_pytorch3d", None)
    if isinstance(shape, PointCloud):
        features = shape.colors if shape.features is None else shape.features
        parts = {"normals": shape.normals, "features": features}
        return structures.Pointclouds(
            points=[shape.points], **{n: None if t is None else [t] for n, t in parts.items()}
        )
    textures = None
    if shape.uv is not None and shape.texture is not None:
        renderer = optional("pytorch3d.renderer", "to_pytorch3d", None)
        corners = torch.arange(3 * len(shape), device=shape.faces.device).reshape(-1, 3)
        textures = renderer.TexturesUV(shape.texture[None, :, :, :3], [corners], [shape.uv.reshape(-1, 2)])
    elif shape.colors is not None:
        renderer = optional("pytorch3d.renderer", "to_pytorch3d", None)
        textures = renderer.TexturesVertex([shape.colors])
    normals = None if shape.normals is None else [shape.normals]
    return structures.Meshes([shape.vertices], [shape.faces], textures=textures, verts_normals=normals)


def from_pytorch3d(other: Any, index: int = 0) -> Mesh | PointCloud:
    """Element `index` of a pytorch3d `Meshes` or `Pointclouds`; three features of a cloud in [0, 1] are its colours."""
    if hasattr(other, "points_list"):
        normals, features = other.normals_list(), other.features_list()
        row = None if features is None else features[index]
        colors = row is not None and row.shape[1] == 3 and bool(((row >= 0) & (row <= 1)).all())
        return PointCloud(
            other.points_list()[index],
            colors=row if colors else None,
            normals=None if normals is None else normals[index],
            features=None if colors else row,
        )
    textures = other.textures
    of_vertices = getattr(textures, "verts_features_list", None)
    uv: Tensor | None = None
    texture: Tensor | None = None
    if hasattr(textures, "verts_uvs_list"):
        uv = textures.verts_uvs_list()[index][textures.faces_uvs_list()[index]]
        texture = textures.maps_padded()[index]
    colors = of_vertices()[index] if of_vertices is not None else None
    return Mesh(other.verts_list()[index], other.faces_list()[index].long(), colors=colors, uv=uv, texture=texture)


def to_torch_geometric(shape: Mesh | PointCloud) -> Any:
    """A `torch_geometric.data.Data` with pos (N, 3), face (3, F), normal, color and x (features), those there are."""
    data = optional("torch_geometric.data", "to_torch_geometric", None)
    if isinstance(shape, PointCloud):
        parts = {"pos": shape.points, "normal": shape.normals, "color": shape.colors, "x": shape.features}
    else:
        parts = {
            "pos": shape.vertices,
            "face": shape.faces.T.contiguous(),
            "normal": shape.normals,
            "color": shape.colors,
        }
    return data.Data(**{name: tensor for name, tensor in parts.items() if tensor is not None})


def from_torch_geometric(other: Any) -> Mesh | PointCloud:
    """A `torch_geometric.data.Data`: a mesh where it has `face`, else a cloud. Raises `InvalidInput` without `pos`."""
    if other.pos is None:
        raise InvalidInput("from_torch_geometric needs Data with pos (N, 3), got none")
    normals, colors = other.get("normal"), other.get("color")
    if other.get("face") is not None:
        return Mesh(other.pos, other.face.T.contiguous().long(), normals=normals, colors=colors)
    return PointCloud(other.pos, colors, normals, other.get("x"))


def _array(tensor: Tensor) -> np.ndarray:
    array = tensor.detach().cpu().numpy()
    return array.astype(np.float64) if tensor.is_floating_point() else array


def _tensor(array: Any, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.tensor(np.asarray(array)).to(dtype)


def _unit(colors: Any) -> Tensor:
    return _tensor(colors)[:, :3] / 255


def _picture(texture: Tensor) -> Any:
    from PIL import Image

    return Image.fromarray(color_bytes(texture))
