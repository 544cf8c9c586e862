"""From where to look at a shape that nobody has turned the right way up."""

import math

import torch
from torch import Tensor

_CONTACT = 0.04  # of the height: so near to the ground a point may stand
_TURN, _RISE = math.radians(24), math.radians(10)  # of the camera, off the broadest view


def up_direction(points: Tensor, masses: Tensor) -> Tensor:
    """(3,) the direction among the axes of the file, either way, in which points (N, 3) of masses (N,) stand best.

    A shape stands when its centre lies above what touches the ground, the better the wider that is; among equals y
    comes before z before x, and up before down.
    """
    center = (points * masses[:, None]).sum(0) / masses.sum()
    best, up = -math.inf, torch.eye(3, dtype=points.dtype)[1]
    for rank, (axis, sign) in enumerate([(1, 1), (2, 1), (0, 1), (1, -1), (2, -1), (0, -1)]):
        direction = sign * torch.eye(3, dtype=points.dtype)[axis]
        height = points @ direction
        low, span = float(height.min()), float(height.max() - height.min())
        others = [a for a in range(3) if a != axis]
        flat = points[:, others]
        feet = flat[height <= low + _CONTACT * span]
        stands = _support(feet, center[others], flat) - 0.06 * rank
        if stands > best:
            best, up = stands, direction
    return up


def _support(feet: Tensor, center: Tensor, everything: Tensor) -> float:
    """How widely points (M, 2) on the ground stand around a centre: the least reach beyond it in any direction, over
    that of the whole shape."""
    angles = torch.arange(16, dtype=feet.dtype) * (2 * math.pi / 16)
    directions = torch.stack([angles.cos(), angles.sin()])
    reach = ((feet - center) @ directions).amax(0)
    extent = ((everything - center) @ directions).amax(0).clamp(min=1e-12)
    return float((reach / extent).clamp(-1, 1).amin())


def broad_view(points: Tensor, masses: Tensor, up: Tensor) -> Tensor:
    """(3,) from the shape to a camera that sees its breadth, a little from the side and from above."""
    center = (points * masses[:, None]).sum(0) / masses.sum()
    level = points - center
    level = level - (level @ up)[:, None] * up
    axes = torch.linalg.eigh((level * masses[:, None]).T @ level)[1]
    broad = axes[:, 2]
    front = torch.linalg.cross(broad, up)
    front = front * (1 if float(front[front.abs().argmax()]) > 0 else -1)  # towards the positive end of the file's axes
    return raised(front, up)


def raised(front: Tensor, up: Tensor) -> Tensor:
    """A direction level with the ground, turned a little to the side and up."""
    side = torch.linalg.cross(up, front)
    level = math.cos(_TURN) * front + math.sin(_TURN) * side
    return math.cos(_RISE) * level / level.norm() + math.sin(_RISE) * up


def matching_view(
    points1: Tensor, points2: Tensor, masses: Tensor, up1: Tensor, view1: Tensor, own_up: Tensor
) -> tuple[Tensor, Tensor]:
    """Up and view for a shape whose points2 (N, 3) correspond to points1 (N, 3) of one seen from view1 with up1.

    The rotation that best brings the one onto the other (Kabsch) carries the view over. The shape stays upright in its
    own way where its own up is near.
    """
    weights = masses[:, None] / masses.sum()
    a, b = points1 - (points1 * weights).sum(0), points2 - (points2 * weights).sum(0)
    left, _, right = torch.linalg.svd((b * weights).T @ a)  # b^T a = U S V^T: rotation from 1 to 2 is U V^T
    turn = left @ torch.diag(left.new_tensor([1.0, 1, torch.linalg.det(left @ right).sign()])) @ right
    up, view = turn @ up1, turn @ view1
    if float(up @ own_up) > math.cos(math.radians(60)):
        height = float(view1 @ up1)
        level = view - (view @ own_up) * own_up
        up, view = own_up, level / level.norm() * math.sqrt(max(1 - height**2, 1e-6)) + height * own_up
    return up, view
