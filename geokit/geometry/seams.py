"""Texture seams: one uv a corner to one uv a vertex, for formats and libraries that know no other."""

import torch
from torch import Tensor

from geokit.errors import InvalidInput
from geokit.geometry.mesh import Mesh


def split_seams(mesh: Mesh) -> tuple[Mesh, Tensor]:
    """The mesh with a vertex doubled wherever its corners have different uv, and the uv (V', 2) of each vertex.

    What formats and libraries need that know one uv a vertex. Raises `InvalidInput` for a mesh without uv.
    """
    if mesh.uv is None:
        raise InvalidInput("split_seams needs a mesh with uv, got none")
    corners, uv = mesh.faces.reshape(-1), mesh.uv.detach().reshape(-1, 2)
    rows = torch.cat((corners[:, None].double(), uv.double()), dim=1)
    unique, inverse = torch.unique(rows, dim=0, return_inverse=True)
    vertex = unique[:, 0].long()
    first = torch.full((len(unique),), len(corners), dtype=torch.int64, device=corners.device)
    first = first.scatter_reduce(0, inverse, torch.arange(len(corners), device=corners.device), "amin")
    split = mesh.replace(
        vertices=mesh.vertices[vertex],
        faces=inverse.reshape(-1, 3),
        normals=None if mesh.normals is None else mesh.normals[vertex],
        colors=None if mesh.colors is None else mesh.colors[vertex],
    )
    return split, mesh.uv.reshape(-1, 2)[first]
