"""Surfaces from points: screened Poisson reconstruction, with the settings that the points themselves ask for."""

import math

import numpy as np
import torch
from torch import Tensor

from geokit.backend.optional import open3d
from geokit.errors import InvalidInput, NumericalFailure
from geokit.geometry.mesh import Mesh
from geokit.geometry.neighbors import nearest_neighbors
from geokit.geometry.normals import estimate_normals, local_planes, neighbors_for_noise
from geokit.geometry.point_cloud import PointCloud
from geokit.geometry.smoothing import project_to_cloud, smooth_points
from geokit.geometry.unseen import cut_unseen

LEAST_DEPTH, MOST_DEPTH = 3, 12
TRIM = 3.0
_CLEAN = 16  # the neighbours that points without much noise ask for
_SPACING_TO_RADIUS = math.sqrt(_CLEAN / math.pi)  # of the disc that holds so many points of a square grid


def poisson_surface(
    cloud: PointCloud,
    depth: int | None = None,
    trim: float = TRIM,
    denoise: bool | None = None,
    refine: bool | None = None,
) -> Mesh:
    """A triangle mesh through the points, by screened Poisson reconstruction (Kazhdan and Hoppe 2013) of Open3D.

    Normals are taken from the cloud, or estimated where it has none. The mesh has the cloud's colours, looks where the
    normals look, and is the same for every number of threads.

    depth: of the octree, whose finest cells are 1.1 / 2^depth of the longest side; None takes cells of half the
    spacing of the points, or wider than the noise. trim: holes of the points are closed by a smooth sheet, which is
    cut away again where it goes further from them than this many radii of 16 neighbours; 0 keeps all of it. denoise:
    average the noise out of points and normals first (`smooth_points`); None does where the noise is large against the
    spacing. refine: move the vertices onto the planes of the points nearby, which restores
    detail that the octree blurs, but also what noise is left; None does where there is little noise.

    Raises `InvalidInput` for fewer than 10 points, points in one place and options that cannot be, `MissingDependency`
    without Open3D, and `NumericalFailure` where no surface comes out.
    """
    if len(cloud) < 10 or not cloud.extent > 0:
        raise InvalidInput(f"a surface needs at least 10 points, not all in one place, got {len(cloud)}")
    if depth is not None and not LEAST_DEPTH <= depth <= MOST_DEPTH:
        raise InvalidInput(f"depth must be {LEAST_DEPTH} to {MOST_DEPTH}, got {depth}")
    if not 0 <= trim < math.inf:
        raise InvalidInput(f"trim must be a number of at least 0, got {trim}")
    device, dtype, center = cloud.points.device, cloud.points.dtype, cloud.points.mean(0)
    scale = float((cloud.points.amax(0) - cloud.points.amin(0)).max())
    unit = cloud.replace(points=(cloud.points - center) / scale).to("cpu").to(torch.float64)

    wanted = neighbors_for_noise(unit.points)
    noisy = wanted > _CLEAN
    if unit.normals is None:
        unit = estimate_normals(unit, wanted)
    reach = nearest_neighbors(unit.points, min(_CLEAN, len(unit) - 1))[0][:, -1]
    spacing = float(reach.median()) / _SPACING_TO_RADIUS
    sigma = _noise(unit.points, wanted) if noisy else 0.0
    seen = unit
    if denoise or (denoise is None and noisy):
        sigma = sigma or _noise(unit.points, wanted)
        seen = smooth_points(unit, max(2 * sigma, spacing), max(wanted, _CLEAN))
    if depth is None:
        cell = max(spacing / 2, (1.2 if seen is not unit else 2.0) * sigma)
        depth = min(max(round(math.log2(1.1 / cell)), LEAST_DEPTH), MOST_DEPTH)

    mesh = _reconstruct(seen, depth)
    if refine or (refine is None and not noisy):
        mesh = _refined(mesh, seen, max(float(reach.median()) / 2, sigma))
    if trim:
        mesh = cut_unseen(mesh, seen.points, (reach.square() + (3 * sigma) ** 2).sqrt(), trim)
    if unit.colors is not None:
        mesh = mesh.replace(colors=_colors(mesh.vertices, unit.points, unit.colors))
    if not len(mesh):
        raise NumericalFailure("the points lead to no surface; check that their normals look to one side, or set depth")
    mesh = mesh.replace(vertices=mesh.vertices * scale + center.cpu().double())
    return mesh.to(dtype).to(device)


def _noise(points: Tensor, k: int) -> float:
    """The standard deviation across the surface, over neighbourhoods that are wide against it."""
    k = min(k, len(points) - 1)
    return float(local_planes(points, k).variances[:, 0].median() * (k + 1) / max(k - 2, 1)) ** 0.5


def _reconstruct(cloud: PointCloud, depth: int) -> Mesh:
    o3d = open3d("a surface from points")
    assert cloud.normals is not None
    given = o3d.geometry.PointCloud()
    given.points = o3d.utility.Vector3dVector(cloud.points.numpy())
    given.normals = o3d.utility.Vector3dVector(cloud.normals.numpy())
    # One thread: with more, the vertices come out differently every time, and the solver has crashed.
    with o3d.utility.VerbosityContextManager(o3d.utility.VerbosityLevel.Error):
        try:
            made, _ = o3d.geometry.TriangleMesh.create_from_point_cloud_poisson(given, depth=depth, n_threads=1)
        except RuntimeError as error:
            reason = str(error).splitlines()[-1]
            raise NumericalFailure(f"Poisson reconstruction failed ({reason}); try a smaller depth") from error
    vertices, faces = np.asarray(made.vertices), np.asarray(made.triangles)
    if not len(faces) or not np.isfinite(vertices).all():
        raise NumericalFailure("Poisson reconstruction found no surface; check the normals, or try a smaller depth")
    return Mesh(torch.from_numpy(vertices.copy()), torch.from_numpy(faces.astype(np.int64)))


def _refined(mesh: Mesh, cloud: PointCloud, width: float) -> Mesh:
    """Vertices near the points moved onto their planes; the others, on bridged holes, stay."""
    normals = mesh.vertex_normals()
    moved = project_to_cloud(mesh.vertices, normals, cloud, width, _CLEAN)
    near = nearest_neighbors(cloud.points, 1, mesh.vertices)[0] < 2 * width
    return mesh.replace(vertices=torch.where(near, moved, mesh.vertices))


def _colors(vertices: Tensor, points: Tensor, colors: Tensor) -> Tensor:
    """The mean of the nearest four points' colours, weighted by the inverse of their distance."""
    distances, ids = nearest_neighbors(points, min(4, len(points)), vertices)
    weights = 1 / distances.clamp_min(1e-12)
    return ((weights[:, :, None] * colors[ids]).sum(1) / weights.sum(1, keepdim=True)).clamp(0, 1)
