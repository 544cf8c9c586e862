"""Triangles through pixels in float64: every pixel against every triangle, by solving for the ray."""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Picture:
    """What the formulas say, and by how much: `clear` pixels have no rival and no edge within the tolerances."""

    face_ids: Tensor  # (H, W)
    barycentrics: Tensor  # (H, W, 3)
    depth: Tensor  # (H, W)
    clear: Tensor  # (H, W) bool


def rays(intrinsics: Tensor, width: int, height: int) -> Tensor:
    """(H, W, 3) directions of z = 1 through the pixels' centres."""
    fx, fy, cx, cy = intrinsics.double().tolist()
    u, v = torch.arange(width).double() + 0.5, torch.arange(height).double() + 0.5
    y, x = torch.meshgrid((v - cy) / fy, (u - cx) / fx, indexing="ij")
    return torch.stack([x, y, torch.ones_like(x)], -1)


def hits(corners: Tensor, directions: Tensor) -> tuple[Tensor, Tensor]:
    """Barycentrics (F, 3, P) and depth (F, P) at which rays (P, 3) of z = 1 meet the planes of triangles (F, 3, 3).

    Solves corners' b = t ray with sum b = 1, through b / t, which is found first.
    """
    regular = torch.linalg.det(corners).abs() > 1e-300
    systems = torch.where(regular[:, None, None], corners, torch.eye(3).to(corners)).transpose(1, 2)
    ratio = torch.linalg.solve(systems, directions.T.expand(len(corners), 3, -1))
    depth = torch.where(regular[:, None], 1 / ratio.sum(1), torch.nan)
    return ratio * depth[:, None], depth


def rasterize(points: Tensor, faces: Tensor, intrinsics: Tensor, width: int, height: int, near: float = 1e-6,
              slack: float = 1e-4, culled: bool = False) -> Picture:  # fmt: skip
    """The nearest triangle whose barycentrics are all positive, at every pixel; `slack` is a share of a barycentric."""
    corners = points.double()[faces]
    turning = torch.linalg.det(corners)  # positive where the corners turn clockwise as seen, y down
    barycentrics, depth = hits(corners, rays(intrinsics, width, height).flatten(0, 1))
    candidate = (depth >= near) & ~(culled & (turning > 0))[:, None]
    inside = barycentrics.amin(1)
    doubtful = ((candidate & (inside.abs() < slack)) | ((depth - near).abs() < slack)).any(0)
    seen = torch.where(candidate & (inside >= 0), depth, torch.inf)
    nearest, best = seen.min(0)
    rivals = (seen < nearest * (1 + slack)).sum(0) > 1
    hit = nearest.isfinite()
    picked = barycentrics[best, :, torch.arange(width * height)]
    return Picture(
        torch.where(hit, best, -1).reshape(height, width),
        torch.where(hit[:, None], picked, 0.0).reshape(height, width, 3),
        torch.where(hit, nearest, 0.0).reshape(height, width),
        ~(doubtful | rivals & hit).reshape(height, width),
    )


def silhouettes(points: Tensor, edges: Tensor) -> list[tuple[int, float]]:
    """Silhouette edges, each with the side of the plane through the camera and the edge that its surface is on."""
    found = []
    for i, (a, b, c, d) in enumerate(edges.tolist()):
        normal = torch.linalg.cross(points[a], points[b], dim=0)
        first = float(normal @ points[c])
        if d < 0 or first * float(normal @ points[d]) > 0:
            found.append((i, first))
    return found


def smoothed(image: Tensor, points: Tensor, edges: Tensor, intrinsics: Tensor, ids: Tensor, depth: Tensor) -> Tensor:
    """The picture (H, W, C) blended across silhouettes, in differentiable torch; all points before the camera."""
    fx, fy, cx, cy = intrinsics.tolist()
    pixels = torch.stack([fx * points[:, 0] / points[:, 2] + cx, fy * points[:, 1] / points[:, 2] + cy], 1)
    result = image.clone()
    chosen = silhouettes(points.detach(), edges)
    for axis in (0, 1):  # rows are followed along x, columns along y
        seen, far = (ids, depth) if axis == 0 else (ids.T, depth.T)
        lines, length = seen.shape
        best: dict[tuple[int, int], tuple[bool, Tensor, float, int]] = {}
        for i, side in chosen:
            a, b = edges[i, :2].tolist()
            (ua, va), (ub, vb) = pixels[a].roll(axis), pixels[b].roll(axis)
            normal = torch.linalg.cross(points[a], points[b], dim=0).detach()
            for v in range(lines):
                if not min(va, vb) <= v + 0.5 < max(va, vb):
                    continue
                t = (v + 0.5 - va) / (vb - va)
                at = ua + t * (ub - ua) - 0.5
                z = float((1 / ((1 - t) / points[a, 2] + t / points[b, 2])).detach())
                u = int(torch.floor(at.detach()))
                if not 0 <= u < length - 1:
                    continue
                first = side * float(normal[axis]) < 0
                inner, outer = (u, u + 1) if first else (u + 1, u)
                if seen[v, inner] < 0 or seen[v, inner] == seen[v, outer]:
                    continue
                if seen[v, outer] >= 0 and not far[v, outer] > z:
                    continue
                distance = at - u if first else u + 1 - at
                old = best.get((v, u))
                if old and (distance <= old[1] if old[0] == first else z >= old[2]):
                    continue
                best[v, u] = (first, distance, z, i)
        for (v, u), (first, distance, _, i) in best.items():
            along = (pixels[edges[i, 1]] - pixels[edges[i, 0]]).detach()
            share = float(along[1 - axis] ** 2 / (along**2).sum())
            inner, outer = (u, u + 1) if first else (u + 1, u)
            place = [(v, p) if axis == 0 else (p, v) for p in (inner, outer)]
            blend = share * (distance - 0.5)
            changed = place[1] if float(blend.detach()) > 0 else place[0]
            result = result.clone()
            result[changed] = result[changed] + blend * (image[place[0]] - image[place[1]])
    return result
