"""Which way is up in a scene of splats, that has no feet to stand on: away from the ground that most lies flat on."""

import torch
from torch import Tensor

from geokit.geometry import Splats
from geokit.geometry.rotations import matrix_from_quaternion

_AGREED = 0.45  # of the flat area must lie across one direction; a third does by chance
_SNAP = 0.97  # cosine: so near to an axis it is the axis
_LAYERS = 64  # of heights
_ENOUGH = 100_000


def up_from_ground(splats: Splats, box: Tensor) -> Tensor | None:
    """(3,) upwards, from the splats inside `box` (2, 3); None where no direction stands out.

    Splats on surfaces are flat: the direction across most of their area is across the ground, and the side of the
    ground on which more stands is up.
    """
    some = splats[:: max(1, len(splats) // _ENOUGH)].to("cpu")
    means = some.means.double()
    some = some[((means >= box[0]) & (means <= box[1])).all(1)]
    if len(some) < 100:
        return None
    means, sides = some.means.double(), some.log_scales.double().exp().sort(1)
    across = matrix_from_quaternion(some.quats.double()).gather(2, sides.indices[:, None, :1].expand(-1, 3, 1))[..., 0]
    thin = 1 - sides.values[:, 0] / sides.values[:, 1].clamp_min(1e-30)
    opacity = some.logit_opacities.double().sigmoid()
    area = opacity * thin * sides.values[:, 1] * sides.values[:, 2]
    area = area.clamp(max=float(area.quantile(0.99)))  # a sky of a few huge splats is no ground
    moments = torch.linalg.eigh((area[:, None] * across).T @ across / area.sum().clamp_min(1e-300))
    if float(moments.eigenvalues[2]) < _AGREED:
        return None
    up = moments.eigenvectors[:, 2]
    axis = int(up.abs().argmax())
    if float(up[axis].abs()) > _SNAP:
        up = torch.eye(3, dtype=torch.float64)[axis]
    heights = (means - means.mean(0)) @ up
    layer = ((heights - heights.min()) / (heights.max() - heights.min()).clamp_min(1e-300) * (_LAYERS - 1)).long()
    ground = int(torch.zeros(_LAYERS, dtype=torch.float64).index_add(0, layer, area * (across @ up) ** 8).argmax())
    above, below = opacity[layer > ground + 1].sum(), opacity[layer < ground - 1].sum()
    return up if above >= below else -up
