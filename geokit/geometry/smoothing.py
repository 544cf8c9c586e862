"""Points and vertices moved onto the surface that the planes of their neighbours describe."""

import torch
from torch import Tensor
from torch.nn.functional import normalize

from geokit.geometry.neighbors import PointTree
from geokit.geometry.point_cloud import PointCloud

_TURN = 0.5  # difference of unit normals by which a neighbour's weight falls to exp(-1/2): edges stay sharp
_CHUNK = 1 << 14  # places whose neighbourhoods are in memory at once


def smooth_points(cloud: PointCloud, width: float, k: int, passes: int = 2) -> PointCloud:
    """A cloud with normals whose noise is averaged out over Gaussian weights of standard deviation `width`, a length.

    Every point moves along its normal by the mean of (n_i + n_j) . (p_j - p_i) / 2 over its k neighbours: zero on
    spheres as on planes, so that nothing shrinks. Neighbours with another normal count less (Fleishman et al. 2003).
    """
    assert cloud.normals is not None
    points, normals = cloud.points, cloud.normals
    for _ in range(passes):
        points, normals = _moved(points, normals, points, normals, width, k)
    return cloud.replace(points=points, normals=normals)


def project_to_cloud(places: Tensor, normals: Tensor, cloud: PointCloud, width: float, k: int) -> Tensor:
    """Places (V, 3) with unit normals (V, 3), moved along them onto the surface of a cloud with normals."""
    assert cloud.normals is not None
    return _moved(places, normals, cloud.points, cloud.normals, width, k)[0]


def _moved(
    places: Tensor, normals: Tensor, points: Tensor, point_normals: Tensor, width: float, k: int
) -> tuple[Tensor, Tensor]:
    tree, k = PointTree(points), min(k, len(points))
    moved, turned = [], []
    for place, normal in zip(places.split(_CHUNK), normals.split(_CHUNK)):
        distances, ids = tree.nearest(k, place)
        others = point_normals[ids]
        difference = (others - normal[:, None]).square().sum(2)
        weights = torch.exp(-(distances / width).square() / 2 - difference / (2 * _TURN**2))
        weights = weights / weights.sum(1, keepdim=True).clamp_min(torch.finfo(weights.dtype).tiny)
        offsets = ((normal[:, None] + others) / 2 * (points[ids] - place[:, None])).sum(2)
        along = (weights * offsets).sum(1, keepdim=True).clamp(-width, width)
        moved.append(place + along * normal)
        turned.append(normalize(normal * 1e-6 + (weights[:, :, None] * others).sum(1), dim=1))
    return torch.cat(moved), torch.cat(turned)
