"""Signed distances of meshes at equal numbers of parameters: splines against a grid and network given as long to learn.

IoU: of the insides in the mesh's box, by the winding number, at 1,000,000 random places. Normals: degrees between those
of the surface found and of the mesh, at the nearest place, mean of both directions' means of the angles. Chamfer: mean
of both directions' mean distances to the exact surface, in 1e-4 of the diagonal.
"""

import math
import time
from typing import Any

import torch
from common import ROOT, print_table
from torch import Tensor

from geokit.fields import DistanceField, Field, GridField, fit_network, fit_sdf
from geokit.geometry.distance import Bvh, closest_points, signed_distance, winding_number
from geokit.geometry.level_sets import marching_cubes
from geokit.geometry.mesh import Mesh
from geokit.geometry.metrics import compare_surfaces
from geokit.geometry.surface_sampling import sample_surface
from geokit.io.meshes import load_mesh

DATA = ROOT.parent / "shared" / "data" / "meshes"
SHAPES = {
    "armadillo": "armadillo.obj",
    "bunny (open)": "stanford-bunny.obj",
    "CAD part 11084": "abc_00011084_mesh.ply",
    "CAD part 16513": "abc_00016513_mesh.ply",
}
BUDGET = 200_000
PLACES = 1_000_000
SAMPLES = 400_000  # for the network, drawn as for the splines
RESOLUTION = 256
_CHUNK = 1 << 17


def section() -> list[dict[str, Any]]:
    rows = []
    for name, file in SHAPES.items():
        mesh = load_mesh(DATA / file)
        began = time.process_time()
        field = fit_sdf(mesh, BUDGET)
        seconds = time.process_time() - began
        rows.append({"shape": name, "field": "splines", "CPU s": seconds} | measured(field, mesh))
        began = time.process_time()
        points, values = samples(mesh)
        grid = network(points, values, mesh, seconds - (time.process_time() - began))
        rows.append(
            {"shape": name, "field": "grid and network", "CPU s": time.process_time() - began} | measured(grid, mesh)
        )
    print_table(f"distances at {BUDGET:,} parameters", [shown(row) for row in rows])
    return rows


def shown(row: dict[str, Any]) -> dict[str, Any]:
    return row | {"IoU": f"{row['IoU']:.5f}", "normals": f"{row['normals']:.2f}"}


def samples(mesh: Mesh) -> tuple[Tensor, Tensor]:
    """On the surface, near it (1 % of the half side) and in the box, 4:3:1."""
    generator = torch.Generator().manual_seed(0)
    on = sample_surface(mesh, SAMPLES // 2, 0, low_discrepancy=True).points
    near = sample_surface(mesh, SAMPLES * 3 // 8, 1, low_discrepancy=True).points
    low, high = box(mesh)
    near = near + 0.005 * float((high - low).max()) * torch.randn(len(near), 3, generator=generator)
    anywhere = low + (high - low) * torch.rand(SAMPLES // 8, 3, generator=generator)
    points = torch.cat([on, near, anywhere])
    return points, signed_distance(mesh, points)[:, None]


def network(points: Tensor, values: Tensor, mesh: Mesh, seconds: float) -> Field:
    """A hash grid of 16 levels with a network behind it, as the papers have it, trained for so many CPU seconds."""
    low, high = box(mesh)
    field = GridField.with_budget(torch.stack([low, high]), 1, BUDGET, levels=16, finest=512, features=1, hidden=64)
    scale = float((high - low).max()) / 2
    fit_network(field, (points, values / scale), cpu_seconds=max(seconds, 1.0), stratified=False)
    return Scaled(field, scale)


class Scaled(Field):
    """A field times a number."""

    def __init__(self, field: Field, scale: float) -> None:
        super().__init__(field.bounds, 1)
        self.field, self.scale = field, scale

    def values(self, x: Tensor) -> Tensor:
        return self.field.values(x) * self.scale


def box(mesh: Mesh) -> tuple[Tensor, Tensor]:
    low, high = mesh.vertices.amin(0), mesh.vertices.amax(0)
    return low - 0.05 * mesh.extent, high + 0.05 * mesh.extent


@torch.no_grad()
def measured(field: Field, mesh: Mesh) -> dict[str, Any]:
    generator = torch.Generator().manual_seed(7)
    low, high = mesh.vertices.amin(0), mesh.vertices.amax(0)
    places = low + (high - low) * torch.rand(PLACES, 3, generator=generator)
    inside = winding_number(mesh, places, beta=4.0) > 0.5
    found = torch.cat([field(some)[:, 0] for some in places.split(_CHUNK)]) < 0
    if isinstance(field, DistanceField):
        made = field.mesh(RESOLUTION)
    else:
        made = marching_cubes(lambda x: field(x)[:, 0], torch.stack(box(mesh)).tolist(), RESOLUTION, lipschitz=4.0)
    return {
        "parameters": field.parameter_count,
        "IoU": float((inside & found).sum() / (inside | found).sum()),
        "normals": (angle(made, mesh) + angle(mesh, made)) / 2,
        "chamfer": compare_surfaces(made, mesh).chamfer / mesh.extent * 1e4,
    }


def angle(shape: Mesh, other: Mesh) -> float:
    """Mean angle, in degrees, from the normals of a shape to those of the nearest places of another."""
    cloud = sample_surface(shape, 100_000, low_discrepancy=True)
    assert cloud.normals is not None
    faces = closest_points(Bvh(other), cloud.points).face_ids
    cosines = (cloud.normals.double() * other.face_normals()[faces].double()).sum(1).clamp(-1, 1)
    return math.degrees(float(cosines.acos().mean()))
