"""Nearest neighbours, farthest points and voxels beside scipy, Open3D, fpsample and a loop in torch.

`python benchmarks/geometry_neighbors.py` prints three tables.
Every contender of a row runs in one process that is held to as many cores as it has threads (Open3D asks TBB, which
asks the system). Times are medians of CPU seconds over all threads, trees included, and ratios are of these; columns
"clock" give the same ratio by the clock. Answers are compared.
"""

import os
from collections.abc import Callable
from typing import Any

import torch
from common import Timing, in_own_process, measure, print_table
from torch import Tensor

POINTS = 1_000_000
NEIGHBORS = 16
REPEATS = 3
FARTHEST = (100_000, 2_048)
CLOUDS = ("uniform", "surface", "clusters", "outliers")


def cloud(kind: str, count: int, seed: int, dtype: torch.dtype) -> Tensor:
    """Points in about the unit cube: everywhere, on a bumpy closed surface, in 1,000 dense clusters, 1 % far away."""
    generator = torch.Generator().manual_seed(seed)
    points = torch.rand(count, 3, generator=generator, dtype=torch.float64)
    if kind == "surface":
        directions = torch.nn.functional.normalize(
            torch.randn(count, 3, generator=generator, dtype=torch.float64), dim=1
        )
        points = directions * (1 + 0.2 * (7 * directions).sin().prod(1, keepdim=True))
    elif kind == "clusters":
        centers = torch.rand(1000, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
        points = centers[torch.randint(1000, (count,), generator=generator)] + 0.003 * (points - 0.5)
    elif kind == "outliers":
        points[::100] = (points[::100] - 0.5) * 1000
    return points.to(dtype)


def clock(function: Callable[[], Any], repeats: int = REPEATS) -> Timing:
    """Medians of `repeats` calls."""
    return measure(function, repeats, warm=0)


def hold_to(threads: int) -> None:
    """Keep this process to as many cores: before any thread pool starts."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])


def nearest_row(kind: str, dtype: str, asked: str, threads: int) -> dict[str, Any]:
    hold_to(threads)
    from scipy.spatial import cKDTree

    from geokit.backend.optional import open3d
    from geokit.geometry.neighbors import PointTree, nearest_neighbors

    o3d = open3d("benchmark")
    points = cloud(kind, POINTS, 0, getattr(torch, dtype))
    queries = cloud(kind, POINTS, 2, getattr(torch, dtype)) if asked == "other points" else None
    array, query_array = points.numpy(), (points if queries is None else queries).numpy()
    k = NEIGHBORS + (queries is None)  # the peers count the point itself

    def scipy_search() -> Any:
        return cKDTree(array).query(query_array, k, workers=threads)

    def open3d_search() -> Any:
        search = o3d.core.nns.NearestNeighborSearch(o3d.core.Tensor(array))
        search.knn_index()
        return search.knn_search(o3d.core.Tensor(query_array), k)

    def open3d_build() -> None:
        o3d.core.nns.NearestNeighborSearch(o3d.core.Tensor(array)).knn_index()

    nearest_neighbors(points[:1000], NEIGHBORS)  # imports and first calls
    answers: list[Any] = []
    ours = clock(lambda: nearest_neighbors(points, NEIGHBORS, queries))
    scipy = clock(lambda: answers.append(scipy_search()), 1)  # the peers take 10 s and more
    open3d_time = clock(open3d_search, 1)
    distances = nearest_neighbors(points, NEIGHBORS, queries)[0]
    wanted = torch.from_numpy(answers[0][0][:, k - NEIGHBORS :])
    return {
        "points": kind,
        "dtype": dtype,
        "queries": asked,
        "threads": threads,
        "ours": ours.cpu,
        "scipy": scipy.cpu,
        "open3d": open3d_time.cpu,
        "scipy / ours": scipy.cpu / ours.cpu,
        "clock ": scipy.wall / ours.wall,
        "open3d / ours": open3d_time.cpu / ours.cpu,
        "clock": open3d_time.wall / ours.wall,
        "our tree": clock(lambda: PointTree(points)).cpu,
        "scipy's": clock(lambda: cKDTree(array), 1).cpu,
        "open3d's": clock(open3d_build, 1).cpu,
        "same": bool(torch.allclose(distances.double(), wanted, rtol=1e-4, atol=1e-7)),
    }


def nearest() -> list[dict[str, Any]]:
    both = ("the points", "other points")
    cases = [("uniform", "float32", asked, threads) for threads in (1, 2) for asked in both]
    cases += [("uniform", "float64", asked, 2) for asked in both]
    cases += [(kind, "float32", "the points", 2) for kind in CLOUDS[1:]]
    return [in_own_process(nearest_row, *case, threads=case[-1]) for case in cases]


def farthest_row(kind: str) -> dict[str, Any]:
    hold_to(1)
    import fpsample

    from geokit.backend.optional import open3d
    from geokit.geometry.sampling import farthest_points

    points = cloud(kind, FARTHEST[0], 0, torch.float32)
    count, array = FARTHEST[1], points.numpy()
    o3d = open3d("benchmark")
    tensors = o3d.t.geometry.PointCloud(o3d.core.Tensor(array))

    def loop() -> Tensor:
        squares, chosen = torch.full((len(points),), torch.inf), torch.zeros(count, dtype=torch.int64)
        for i in range(1, count):
            torch.minimum(squares, (points - points[chosen[i - 1]]).square().sum(1), out=squares)
            chosen[i] = squares.argmax()
        return chosen

    peers: dict[str, Callable[[], Any]] = {
        f"fpsample kdline h={h}": lambda h=h: fpsample.bucket_fps_kdline_sampling(array, count, h=h, start_idx=0)
        for h in (3, 5, 7, 9)
    }
    peers["fpsample kdtree"] = lambda: fpsample.bucket_fps_kdtree_sampling(array, count, start_idx=0)
    peers["fpsample npdu kdtree"] = lambda: fpsample.fps_npdu_kdtree_sampling(array, count, start_idx=0)
    farthest_points(points[:1000], 10)
    ours, torch_loop = clock(lambda: farthest_points(points, count), 7).cpu, clock(loop).cpu
    times = {name: clock(function).cpu for name, function in peers.items()}
    if kind == "uniform":  # some 30 s
        times["open3d"] = clock(lambda: tensors.farthest_point_down_sample(count), 1).cpu
    best = min(times, key=times.__getitem__)
    return {
        "points": kind,
        "threads": 1,
        "ours": ours,
        "torch loop": torch_loop,
        **times,
        "open3d": times.get("open3d"),
        "loop / ours": torch_loop / ours,
        "best / ours": times[best] / ours,
        "best": best,
        "same": bool(torch.equal(farthest_points(points, count), loop())),
    }


def voxel_row(kind: str, size: float) -> dict[str, Any]:
    hold_to(2)
    from geokit.backend.optional import open3d
    from geokit.geometry.point_cloud import PointCloud
    from geokit.geometry.sampling import voxel_downsample

    o3d = open3d("benchmark")
    points = cloud(kind, POINTS, 0, torch.float32)
    ours = PointCloud(points, colors=points.clamp(0, 1))
    theirs = o3d.geometry.PointCloud(o3d.utility.Vector3dVector(points.double().numpy()))
    theirs.colors = o3d.utility.Vector3dVector(ours.colors.double().numpy())
    tensors = o3d.t.geometry.PointCloud.from_legacy(theirs)
    voxel_downsample(ours[:1000], size)
    time_ours, time_open3d = clock(lambda: voxel_downsample(ours, size)), clock(lambda: theirs.voxel_down_sample(size))
    return {
        "points": kind,
        "size": size,
        "voxels": len(voxel_downsample(ours, size)),
        "threads": 2,
        "ours": time_ours.cpu,
        "open3d": time_open3d.cpu,
        "open3d (tensors)": clock(lambda: tensors.voxel_down_sample(size)).cpu,
        "open3d / ours": time_open3d.cpu / time_ours.cpu,
        "clock": time_open3d.wall / time_ours.wall,
    }


def farthest() -> list[dict[str, Any]]:
    return [in_own_process(farthest_row, kind) for kind in CLOUDS]


def voxels() -> list[dict[str, Any]]:
    return [
        in_own_process(voxel_row, kind, size, threads=2) for kind in ("uniform", "surface") for size in (0.01, 0.05)
    ]


def section() -> dict[str, list[dict[str, Any]]]:
    """The rows of the three tables, each printed as soon as it is whole."""
    found = {}
    titles: dict[str, tuple[str, Callable[[], list[dict[str, Any]]]]] = {
        "nearest": (f"{NEIGHBORS} nearest of {POINTS:,} points (CPU seconds, with the tree)", nearest),
        "farthest": (f"{FARTHEST[1]:,} farthest of {FARTHEST[0]:,} points (CPU seconds, with the tree)", farthest),
        "voxels": (f"Voxels of {POINTS:,} points with colours (CPU seconds)", voxels),
    }
    for name, (title, rows) in titles.items():
        found[name] = rows()
        print_table(title, found[name])
    return found


if __name__ == "__main__":
    section()
