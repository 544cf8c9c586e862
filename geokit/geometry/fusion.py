"""One surface from many depth maps: truncated signed distances, averaged in a grid of voxels."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from geokit.backend.checks import check_tensor
from geokit.backend.optional import open3d
from geokit.errors import InvalidInput, NumericalFailure
from geokit.geometry.cameras import Cameras
from geokit.geometry.mesh import Mesh
from geokit.geometry.topology import connected_components, submesh

_BLOCK = 16  # voxels along the side of a block; only blocks near a surface are kept
_TRUNCATION = 8.0  # voxels on both sides of a surface whose distance is known
_MOST_BLOCKS = 60_000  # 4 GB
_FINEST, _PIXELS = 768, 1.5


@dataclass(frozen=True)
class DepthView:
    """What one camera saw: depth (H, W) along the optical axis, 0 where nothing is known, and color (H, W, 3)."""

    depth: Tensor
    color: Tensor


def fuse_depth(
    cameras: Cameras,
    views: Iterable[DepthView],
    voxel: float,
    *,
    furthest: float = math.inf,
    least_views: int = 2,
) -> Mesh:
    """The surface that N depth maps agree on, with colours (Curless and Levoy 1996; the sparse grid of Open3D).

    views: one for each of the cameras, in their order; an iterable, so that not all need be in memory. voxel: the side
    of a voxel; depths beyond `furthest` are not used; both in the unit of the cameras. least_views: vertices are kept
    where at least so many views contributed. Faces look towards the cameras.

    Raises `InvalidInput` for maps that do not fit their cameras and where the surface needs more than 60,000 blocks of
    16^3 voxels (some 4 GB), `MissingDependency` without Open3D, `NumericalFailure` where nothing is left.
    """
    if not 0 < voxel < math.inf:
        raise InvalidInput(f"the side of a voxel must be positive, got {voxel}")
    o3d = open3d("the fusion of depth maps")
    core = o3d.core
    grid = o3d.t.geometry.VoxelBlockGrid(
        ("tsdf", "weight", "color"),
        (core.float32, core.float32, core.float32),
        ((1,), (1,), (3,)),
        voxel,
        _BLOCK,
        1000,
        core.Device("CPU:0"),
    )
    count = 0
    for i, view in enumerate(views):
        width, height = cameras.sizes[i]
        check_tensor(f"depth {i}", view.depth, (height, width), finite=True)
        check_tensor(f"color {i}", view.color, (height, width, 3), finite=True)
        count = i + 1
        if not bool(((view.depth > 0) & (view.depth < furthest)).any()):
            continue
        largest = min(furthest, float(view.depth.max()) * 1.01)
        depth = o3d.t.geometry.Image(core.Tensor(_plain(view.depth[..., None])))
        color = o3d.t.geometry.Image(core.Tensor(_plain(view.color.clamp(0, 1))))
        # Open3D counts pixels from the centre of the first.
        K = cameras.K[i].cpu().numpy().copy()
        K[:2, 2] -= 0.5
        intrinsic, pose = core.Tensor(K), core.Tensor(cameras.world_to_camera[i].cpu().numpy().copy())
        blocks = grid.compute_unique_block_coordinates(depth, intrinsic, pose, 1.0, largest, _TRUNCATION)
        if grid.hashmap().size() + len(blocks) > 2 * _MOST_BLOCKS:
            _refuse(voxel)
        grid.integrate(blocks, depth, color, intrinsic, pose, 1.0, largest, _TRUNCATION)
        if grid.hashmap().size() > _MOST_BLOCKS:
            _refuse(voxel)
    if count != len(cameras):
        raise InvalidInput(f"{len(cameras)} cameras need a depth map each, got {count}")
    if not grid.hashmap().size():
        raise NumericalFailure("the depth maps are empty: no surface to fuse")
    made = grid.extract_triangle_mesh(float(least_views) - 0.5)
    faces = made.triangle.indices.numpy().astype(np.int64) if "indices" in made.triangle else np.zeros((0, 3), np.int64)
    if not len(faces):
        raise NumericalFailure("the depth maps agree on no surface; take a larger voxel, or let one view be enough")
    vertices = torch.from_numpy(made.vertex.positions.numpy().astype(np.float32))
    colors = torch.from_numpy(made.vertex.colors.numpy().astype(np.float32)).clamp(0, 1)
    mesh = Mesh(vertices, torch.from_numpy(faces), colors=colors)
    return submesh(mesh, torch.ones(len(mesh), dtype=torch.bool))


def suggested_voxel(cameras: Cameras, depths: Iterable[Tensor]) -> tuple[float, float]:
    """The side of a voxel and the depth beyond which a scene is background, for maps (H, W), 0 where nothing is.

    The background begins at twice the middle depth. The voxel is as wide as 1.5 pixels are at the middle depth, but the
    scene before the background no more than 768 voxels.
    """
    footprints, middles, places, distances = [], [], [], []
    for i, depth in enumerate(depths):
        there = depth > 0
        if not bool(there.any()):
            continue
        seen = depth[there].double()
        focal = float(cameras.K[i, 0, 0])
        footprints.append(float(seen.median()) / focal)
        middles.append(float(seen.median()))
        rows, columns = there.nonzero()[:: max(1, len(seen) // 500)].double().unbind(1)
        z = depth[rows.long(), columns.long()].double()
        rays = torch.stack([columns + 0.5, rows + 0.5, torch.ones_like(rows)], dim=1) @ cameras.K[i].inverse().T
        pose = cameras.world_to_camera[i]
        distances.append(z)
        places.append((rays * z[:, None] - pose[:3, 3]) @ pose[:3, :3])
    if not places:
        raise NumericalFailure("the depth maps are empty: no surface to fuse")
    furthest = 2 * float(np.median(middles))
    every = torch.cat(places)[torch.cat(distances) < furthest]
    low, high = (every.quantile(share, dim=0) for share in (0.02, 0.98))
    return max(_PIXELS * float(np.median(footprints)), float((high - low).max()) / _FINEST), furthest


def without_specks(mesh: Mesh, share: float = 0.01) -> Mesh:
    """The mesh without connected pieces that have less than `share` of the area of the largest."""
    labels = connected_components(mesh)[mesh.faces[:, 0]]
    areas = torch.zeros(int(labels.max()) + 1, dtype=torch.float64).to(labels.device)
    areas = areas.index_add(0, labels, mesh.face_areas().double())
    return submesh(mesh, areas[labels] >= share * areas.max())


def _plain(values: Tensor) -> np.ndarray:
    return np.ascontiguousarray(values.detach().cpu().float().numpy())


def _refuse(voxel: float) -> None:
    raise InvalidInput(f"voxels of side {voxel:g} are too many for this scene; take larger ones")
