"""Closed boundaries of solids: whether they are closed, what they enclose."""

import torch
from torch import Tensor

from geokit.errors import InvalidInput


def closed_boundary(simplices: Tensor, d: int) -> None:
    """Raises `InvalidInput` unless edges (m, 2), d = 2, or triangles (m, 3), d = 3, are a closed oriented boundary.

    That is: as many edges reach a vertex as leave it, and as many triangles run along an edge one way as the other.
    """
    if simplices.shape[1] != d:
        kinds = "edges (m, 2)" if d == 2 else "triangles (m, 3)"
        raise InvalidInput(f"a solid in {d}D is bounded by {kinds}, got simplices {tuple(simplices.shape)}")
    if d == 2:
        ends = torch.cat((simplices[:, 0], simplices[:, 1]))
        signs = torch.ones(len(simplices), dtype=torch.int64, device=simplices.device)
        signs, keys, what = torch.cat((signs, -signs)), ends, "vertices where more edges end than begin, or fewer"
    else:
        origins, targets = simplices.reshape(-1), simplices.roll(-1, dims=1).reshape(-1)
        keys = torch.minimum(origins, targets) * (simplices.max() + 1) + torch.maximum(origins, targets)
        signs, what = (targets > origins).long() - (targets < origins).long(), "edges that faces do not pair up at"
    places, index = torch.unique(keys, return_inverse=True)
    balance = torch.zeros_like(places).index_add_(0, index, signs)
    if open_places := int(balance.count_nonzero()):
        raise InvalidInput(
            f"a solid needs a closed boundary whose simplices agree in orientation, got {open_places} {what}; "
            "close it, or merge the vertices that stand at one place, for example by geokit.geometry.repair"
        )


def solid_content(corners: Tensor) -> tuple[Tensor, Tensor]:
    """The signed area or volume inside facets (m, d, d), and normals (m, d) of length (d - 1)! content.

    Differentiable.     Normals look outwards from polygons that run counter-clockwise and from triangles that do so
    seen from outside.
    """
    if corners.shape[2] == 2:
        along = corners[:, 1] - corners[:, 0]
        normals = torch.stack((along[:, 1], -along[:, 0]), dim=1)
    else:
        normals = torch.linalg.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    # About a centre of the shape the pyramids are no larger than it.
    centre = corners.detach().mean((0, 1))
    heights = ((corners[:, 0] - centre) * normals).sum(1)
    return heights.sum() / (2 if corners.shape[2] == 2 else 6), normals
