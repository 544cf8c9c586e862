"""Global registration of partial scans from random poses, beside Open3D's pipelines.

Pairs: two range scans of the Stanford bunny, 45 degrees apart on its turntable; and views of whole models, the parts
of a surface that a far eye sees from two directions, sampled apart from each other and with noise of 0.1 % of the
diagonal. One of each pair is moved by a random rotation and translation; a pose counts as found when what is left is
below 2 degrees and, at the centre of the scan, below 1 % of the diagonal. Open3D runs as its tutorials of global
registration and ICP do: voxels of a 45th of the extent, normals within 2 voxels, FPFH within 5, then RANSAC (edge
length 0.9, distance 1.5 voxels, 100,000 iterations, confidence 0.999) or FGR (0.5 voxels), then point-to-plane ICP
within 0.4 voxels.

    python benchmarks/geometry_registration.py [--poses 100] [--only PAIR ...] [--no-peers]
"""

import argparse
import os
import statistics
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import torch
from common import ROOT, in_own_process, print_table
from torch import Tensor

from geokit.backend.optional import open3d
from geokit.errors import NumericalFailure
from geokit.geometry.distance import Bvh, ray_cast
from geokit.geometry.icp import icp
from geokit.geometry.mesh import Mesh
from geokit.geometry.neighbors import nearest_neighbors
from geokit.geometry.point_cloud import PointCloud
from geokit.geometry.registration import register
from geokit.geometry.rotations import matrix_from_axis_angle, matrix_from_quaternion, random_rotations, rotation_angle
from geokit.geometry.surface_sampling import sample_surface
from geokit.geometry.transforms import transform
from geokit.io.meshes import load_mesh
from geokit.io.point_clouds import load_points

DATA = Path(os.environ.get("GEOKIT_TEST_DATA") or ROOT.parent / "shared" / "data") / "meshes"
SCANS = "bunny 000 / 045"
VIEWS = {  # model, degrees between the two views
    "bunny views": ("bun_zipper.ply", 85.0),
    "armadillo views": ("armadillo.obj", 75.0),
    "spot views": ("spot.obj", 95.0),
    "igea views": ("igea.ply", 65.0),
    "rocker-arm views": ("rocker-arm.obj", 70.0),
}
DEGREES, SHARE = 2.0, 0.01
SAMPLES, NOISE = 60_000, 0.001

Method = Callable[[PointCloud, PointCloud], Tensor]


def seen_from(mesh: Mesh, direction: Tensor, seed: int) -> PointCloud:
    """The sampled points that an eye infinitely far away in `direction` sees, with noise and without normals."""
    cloud = sample_surface(mesh, SAMPLES, seed=seed)
    extent = mesh.extent
    towards = direction.expand_as(cloud.points)
    start = cloud.points + 1e-4 * extent * towards
    hidden = ray_cast(Bvh(mesh), start, towards.contiguous()).face_ids >= 0
    assert cloud.normals is not None
    seen = ~hidden & ((cloud.normals * direction).sum(1) > 0.1)
    noise = torch.randn(int(seen.sum()), 3, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return PointCloud(cloud.points[seen] + NOISE * extent * noise)


def overlap(source: PointCloud, target: PointCloud, bound: float) -> float:
    return float((nearest_neighbors(target.points, 1, source.points)[0] < bound).double().mean())


@cache
def pair(name: str) -> tuple[PointCloud, PointCloud, Tensor]:
    """Source, target, and the (4, 4) that takes the source to the target."""
    if name == SCANS:
        source, target = (load_points(DATA / f"scan_bun{angle}.ply").to(torch.float64) for angle in ("045", "000"))
        return PointCloud(source.points), PointCloud(target.points), turntable(source, target)
    file, degrees = VIEWS[name]
    mesh = load_mesh(DATA / file).to(torch.float64)
    mesh = Mesh(mesh.vertices, mesh.faces)
    up = torch.tensor([0.0, 1.0, 0.0], dtype=torch.float64)
    front = torch.nn.functional.normalize(torch.tensor([0.3, 0.35, 1.0], dtype=torch.float64), dim=0)
    turn = matrix_from_axis_angle(up * torch.deg2rad(torch.tensor(degrees, dtype=torch.float64)))
    return seen_from(mesh, turn @ front, 1), seen_from(mesh, front, 2), torch.eye(4, dtype=torch.float64)


def turntable(source: PointCloud, target: PointCloud) -> Tensor:
    """The pose of scan 045 on scan 000: through the whole model to which both are aligned, from near its known pose."""
    model = load_mesh(DATA / "bun_zipper.ply").to(torch.float64)
    rough = torch.eye(4, dtype=torch.float64)
    rough[:3, :3] = matrix_from_quaternion(torch.tensor([0.9556, -0.0055, -0.2946, -0.0039], dtype=torch.float64)).T
    rough[:3, 3] = target.points.mean(0) - rough[:3, :3] @ source.points.mean(0)
    whole = PointCloud(model.vertices, normals=model.vertex_normals())
    second = icp(source, whole, icp(source, target, rough).matrix).matrix
    first = icp(target, whole).matrix
    return torch.linalg.inv(first) @ second


def pose(number: int, extent: float) -> Tensor:
    generator = torch.Generator().manual_seed(1000 + number)
    matrix = torch.eye(4, dtype=torch.float64)
    matrix[:3, :3] = random_rotations((), generator=generator)
    matrix[:3, 3] = extent * torch.randn(3, generator=generator, dtype=torch.float64)
    return matrix


def ours(source: PointCloud, target: PointCloud) -> Tensor:
    return register(source, target).matrix


def peer(source: PointCloud, target: PointCloud, fast: bool) -> Tensor:
    o3d = open3d("the comparison")
    registration = o3d.pipelines.registration
    o3d.utility.random.seed(0)
    voxel = min(source.extent, target.extent) / 45
    clouds, thin, features = [], [], []
    for shape in (source, target):
        cloud = o3d.geometry.PointCloud(o3d.utility.Vector3dVector(shape.points.numpy()))
        small = cloud.voxel_down_sample(voxel)
        small.estimate_normals(o3d.geometry.KDTreeSearchParamHybrid(2 * voxel, 30))
        search = o3d.geometry.KDTreeSearchParamHybrid(5 * voxel, 100)
        clouds.append(cloud)
        thin.append(small)
        features.append(registration.compute_fpfh_feature(small, search))
    if fast:
        option = registration.FastGlobalRegistrationOption(maximum_correspondence_distance=0.5 * voxel)
        start = registration.registration_fgr_based_on_feature_matching(*thin, *features, option)
    else:
        start = registration.registration_ransac_based_on_feature_matching(
            *thin, *features, True, 1.5 * voxel, registration.TransformationEstimationPointToPoint(False), 3,
            [
                registration.CorrespondenceCheckerBasedOnEdgeLength(0.9),
                registration.CorrespondenceCheckerBasedOnDistance(1.5 * voxel),
            ],
            registration.RANSACConvergenceCriteria(100_000, 0.999),
        )  # fmt: skip
    clouds[1].estimate_normals(o3d.geometry.KDTreeSearchParamHybrid(2 * voxel, 30))
    plane = registration.TransformationEstimationPointToPlane()
    found = registration.registration_icp(*clouds, 0.4 * voxel, start.transformation, plane)
    return torch.from_numpy(found.transformation.copy())


METHODS: dict[str, Method] = {
    "geokit": ours,
    "Open3D RANSAC + ICP": lambda source, target: peer(source, target, False),
    "Open3D FGR + ICP": lambda source, target: peer(source, target, True),
}


def row(name: str, method: str, poses: int) -> dict[str, Any]:
    """One method on one pair from every pose."""
    source, target, truth = pair(name)
    extent = max(source.extent, target.extent)
    degrees, shifts, seconds, found = [], [], [], 0
    for number in range(poses):
        moved_by = pose(number, extent)
        start = time.perf_counter()
        try:
            matrix = METHODS[method](transform(source, moved_by), target)
        except NumericalFailure:
            matrix = torch.eye(4, dtype=torch.float64)
        seconds.append(time.perf_counter() - start)
        whole = matrix @ moved_by
        turn = float(torch.rad2deg(rotation_angle(whole[:3, :3] @ truth[:3, :3].T)))
        center = torch.cat([source.points.mean(0), source.points.new_ones(1)])
        shift = float((whole @ center - truth @ center).norm()) / extent
        degrees.append(turn)
        shifts.append(100 * shift)
        found += turn < DEGREES and shift < SHARE
    return {
        "pair": name,
        "method": method,
        "points": len(source.points),
        "overlap %": 100 * overlap(transform(source, truth), target, 0.01 * extent),
        "found": found,
        "of": poses,
        "median deg": statistics.median(degrees),
        "worst deg": max(degrees),
        "median % of diagonal": statistics.median(shifts),
        "seconds each": statistics.median(seconds),
    }


def section(poses: int = 100, only: list[str] | None = None, peers: bool = True) -> list[dict[str, Any]]:
    """A row a pair and method; prints the table. `poses` of the range scans, a fifth of them of each pair of views.

    The peers run from as many poses as the views, which is enough to see them.
    """
    # Open3D has an OpenMP of its own; on one thread its RANSAC is repeatable, too.
    os.environ["OMP_NUM_THREADS"] = "1"
    few, rows = max(poses // len(VIEWS), 1), []
    for name in only or [SCANS, *VIEWS]:
        for method in list(METHODS) if peers else ["geokit"]:
            count = poses if name == SCANS and method == "geokit" else few
            rows.append(in_own_process(row, name, method, count))
    print_table(
        "global registration from random poses",
        rows,
        f"found: below {DEGREES:g} degrees and {100 * SHARE:g} % of the diagonal; one thread",
    )
    return rows


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--poses", type=int, default=100)
    parser.add_argument("--only", nargs="+", choices=[SCANS, *VIEWS])
    parser.add_argument("--no-peers", action="store_true")
    options = parser.parse_args()
    section(options.poses, options.only, not options.no_peers)
