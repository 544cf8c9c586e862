"""EWA projection of 3D Gaussians and their waves, in plain torch (Zwicker et al. 2001; Kerbl et al. 2023).

t = R mean + t0                                camera coordinates, (R | t0) = world_to_camera
S = Q diag(scales^2) Q'                        Q the rotation of the normalised quaternion (w, x, y, z)
J = [[fx/z, 0, -fx u/z], [0, fy/z, -fy v/z]]   u = clamp(x/z), v = clamp(y/z), to the frustum enlarged on each side
                                               by 15 % of the image size, as gsplat does
P = J R,  A = P S P' + dilation I,  conic = (a, b, c) of A^-1 = [[a, b], [b, c]]
compensation = sqrt(max(0, det(P S P') / det A))
f2 = A^-1 P S f,  s2 = max(0, f' S f - f2' A f2),  attenuation = exp(-2 pi^2 s2)
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor


class Projection(NamedTuple):
    means2d: Tensor  # (N, 2) pixels
    depths: Tensor  # (N,)
    conics: Tensor  # (N, 3)
    compensation: Tensor  # (N,)
    waves2d: Tensor  # (N, K, 3): cycles per pixel, cycles per pixel, attenuation


def rotation_matrices(quats: Tensor) -> Tensor:
    """(N, 3, 3) rotations of quaternions (w, x, y, z) of any non-zero length."""
    w, x, y, z = (quats / quats.norm(dim=-1, keepdim=True)).unbind(-1)
    rows = (
        torch.stack([1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)], -1),
        torch.stack([2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)], -1),
        torch.stack([2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)], -1),
    )
    return torch.stack(rows, -2)


def covariances(quats: Tensor, scales: Tensor) -> Tensor:
    """(N, 3, 3) covariances Q diag(scales^2) Q'."""
    q = rotation_matrices(quats)
    return q @ torch.diag_embed(scales**2) @ q.transpose(-1, -2)


def camera_points(means: Tensor, world_to_camera: Tensor) -> Tensor:
    """(N, 3) means in camera coordinates."""
    return means @ world_to_camera[:3, :3].T + world_to_camera[:3, 3]


def affine_maps(points: Tensor, world_to_camera: Tensor, intrinsics: Tensor, width: int, height: int) -> Tensor:
    """(N, 2, 3) P = J R, the local affine map from world displacements to pixels, at camera-space `points`."""
    fx, fy, cx, cy = intrinsics.unbind()
    x, y, z = points.unbind(-1)
    u = torch.clamp(x / z, min=-(cx + 0.15 * width) / fx, max=(width - cx + 0.15 * width) / fx)
    v = torch.clamp(y / z, min=-(cy + 0.15 * height) / fy, max=(height - cy + 0.15 * height) / fy)
    zero = torch.zeros_like(z)
    jacobian = torch.stack(
        [torch.stack([fx / z, zero, -fx * u / z], -1), torch.stack([zero, fy / z, -fy * v / z], -1)], -2
    )
    return jacobian @ world_to_camera[:3, :3]


def least_power(means2d: Tensor, conics: Tensor, low: Tensor, high: Tensor) -> Tensor:
    """(N,) smallest (a dx^2 + 2 b dx dy + c dy^2) / 2 over the rectangle [low, high] (two corners of shape (2,)).

    The form is convex: zero if the mean is inside, otherwise the least over the four edges, each a parabola.
    """
    a, b, c = conics.unbind(-1)

    def power(dx: Tensor, dy: Tensor) -> Tensor:
        return (a * dx * dx + 2 * b * dx * dy + c * dy * dy) / 2

    left, top = (low - means2d).unbind(-1)
    right, bottom = (high - means2d).unbind(-1)
    candidates = [power(dx, (-b * dx / c).clamp(min=top, max=bottom)) for dx in (left, right)]
    candidates += [power((-b * dy / a).clamp(min=left, max=right), dy) for dy in (top, bottom)]
    inside = (left <= 0) & (right >= 0) & (top <= 0) & (bottom >= 0)
    return torch.where(inside, torch.zeros_like(a), torch.stack(candidates).amin(0))


def project(
    means: Tensor,
    quats: Tensor,
    scales: Tensor,
    frequencies: Tensor,
    amplitudes: Tensor,
    world_to_camera: Tensor,
    intrinsics: Tensor,
    width: int,
    height: int,
    dilation: float = 0.3,
    near: float = 0.01,
    visible: Tensor | None = None,
) -> Projection:
    """The projection of every splat; zeros where culled.

    Culled: depth < near, amplitude <= 1/255, or amplitude exp(-power) < 1/255 on the whole image rectangle.
    `visible` (N,) bool replaces that decision, so that a kernel may be compared beyond its own border cases.
    """
    fx, fy, cx, cy = intrinsics.unbind()
    points = camera_points(means, world_to_camera)
    in_front = points[:, 2] >= near
    points = torch.where(in_front[:, None], points, torch.tensor([0.0, 0.0, 1.0]).to(points))
    x, y, z = points.unbind(-1)
    means2d = torch.stack([fx * x / z + cx, fy * y / z + cy], -1)

    affine = affine_maps(points, world_to_camera, intrinsics, width, height)
    covariance = covariances(quats, scales)
    undilated = affine @ covariance @ affine.transpose(-1, -2)
    dilated = undilated + dilation * torch.eye(2).to(undilated)
    inverse = torch.linalg.inv(dilated)
    conics = torch.stack([inverse[:, 0, 0], (inverse[:, 0, 1] + inverse[:, 1, 0]) / 2, inverse[:, 1, 1]], -1)
    ratio = torch.linalg.det(undilated) / torch.linalg.det(dilated)
    compensation = torch.where(ratio > 0, torch.where(ratio > 0, ratio, 1.0).sqrt(), 0.0)

    f2 = torch.einsum("nij,njk,nkl,nwl->nwi", inverse, affine, covariance, frequencies)
    variance = torch.einsum("nwi,nij,nwj->nw", frequencies, covariance, frequencies)
    explained = torch.einsum("nwi,nij,nwj->nw", f2, dilated, f2)
    attenuation = torch.exp(-2 * math.pi**2 * (variance - explained).clamp(min=0))
    waves2d = torch.cat([f2, attenuation[..., None]], -1)

    if visible is None:
        corners = torch.tensor([[0.0, 0.0], [width, height]]).to(means2d)
        nearest = least_power(means2d.detach(), conics.detach(), *corners)
        visible = in_front & (amplitudes > 1 / 255) & (amplitudes * torch.exp(-nearest) >= 1 / 255)

    def kept(value: Tensor) -> Tensor:
        return torch.where(visible.reshape(-1, *[1] * (value.dim() - 1)), value, torch.zeros_like(value))

    return Projection(*map(kept, (means2d, z, conics, compensation, waves2d)))
