"""The triangle rasterizer: frames a second, forward and with gradients, beside the ray caster of Open3D (Embree).

    python benchmarks/geometry_raster.py

640 x 480 pixels, float32, the mesh fills the picture's height. "forward" finds face ids, barycentrics and depth, the
transform into the camera's frame included; "antialiased" adds the silhouettes of a mask; "with gradients" carries
vertex colours to the pixels, smooths their silhouettes and takes the gradient by the vertices. The bar is 60 frames a
second, forward, of the bunny's 69,451 faces on two threads. PyTorch3D's rasterizer is no peer here: it has no wheel for
this Python and torch on the CPU. nvdiffrast needs a GPU.
"""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from common import ROOT, in_own_process, measure, print_table
from torch import Tensor

from geokit.geometry.cameras import Cameras
from geokit.geometry.framing import frame_camera
from geokit.geometry.mesh import Mesh
from geokit.geometry.rasterize import antialias, interpolate, rasterize
from geokit.geometry.silhouettes import mesh_edges

WIDTH, HEIGHT, BAR = 640, 480, 60.0


def bunny() -> Mesh:
    """The Stanford bunny of the test data, or a sphere of as many faces where there is none."""
    import trimesh

    folder = Path(os.environ.get("GEOKIT_TEST_DATA", ROOT.parent / "shared" / "data"))
    path = folder / "meshes" / "stanford-bunny.obj"
    mesh = trimesh.load(path, process=False) if path.is_file() else trimesh.creation.icosphere(6)
    return Mesh(torch.from_numpy(mesh.vertices).float(), torch.from_numpy(mesh.faces).long())


def finer(mesh: Mesh) -> Mesh:
    """Every face cut into four."""
    edges = mesh_edges(mesh.faces)[:, :2]
    middles = mesh.vertices[edges].mean(1)
    corner, following = mesh.faces, mesh.faces.roll(-1, 1)
    key = torch.minimum(corner, following) * len(mesh.vertices) + torch.maximum(corner, following)
    known = edges[:, 0] * len(mesh.vertices) + edges[:, 1]
    a, b, c = corner.unbind(1)
    ab, bc, ca = (len(mesh.vertices) + torch.searchsorted(known, key)).unbind(1)
    rows = [[a, ab, ca], [ab, b, bc], [ca, bc, c], [ab, bc, ca]]
    faces = torch.stack([torch.stack(row, 1) for row in rows], 1).reshape(-1, 3)
    return Mesh(torch.cat([mesh.vertices, middles]), faces)


def forward(mesh: Mesh, camera: Cameras) -> Callable[[], object]:
    return lambda: rasterize(mesh, camera)


def antialiased(mesh: Mesh, camera: Cameras) -> Callable[[], object]:
    edges = mesh_edges(mesh.faces)

    def draw() -> Tensor:
        fragments = rasterize(mesh, camera)
        return antialias(fragments.seen.to(torch.float32), fragments, edges)

    return draw


def with_gradients(mesh: Mesh, camera: Cameras) -> Callable[[], object]:
    edges, colors = mesh_edges(mesh.faces), torch.rand(len(mesh.vertices), 3)
    vertices = mesh.vertices.clone().requires_grad_()
    cotangent = torch.randn(HEIGHT, WIDTH, 3)

    def draw() -> Tensor:
        fragments = rasterize((vertices, mesh.faces), camera)
        picture = antialias(interpolate(colors, fragments), fragments, edges)
        return torch.autograd.grad(picture, vertices, cotangent)[0]

    return draw


def rays_of_open3d(mesh: Mesh, camera: Cameras) -> Callable[[], object] | None:
    """The same question asked of Embree; the tree over the faces is built before, and not counted."""
    from geokit.backend.optional import open3d
    from geokit.errors import MissingDependency

    try:
        o3d = open3d("the comparison with Open3D")
    except MissingDependency:
        return None
    scene = o3d.t.geometry.RaycastingScene(torch.get_num_threads())
    scene.add_triangles(o3d.core.Tensor(mesh.vertices.numpy()), o3d.core.Tensor(mesh.faces.numpy().astype("uint32")))
    intrinsic, extrinsic = (o3d.core.Tensor(t.numpy()) for t in (camera.K[0], camera.world_to_camera[0]))
    rays = scene.create_rays_pinhole(intrinsic, extrinsic, WIDTH, HEIGHT)
    return lambda: scene.cast_rays(rays)


CASES: list[tuple[str, int, Callable[[Mesh, Cameras], Callable[[], object]]]] = [
    ("forward", 0, forward),
    ("antialiased", 0, antialiased),
    ("with gradients", 0, with_gradients),
    ("forward", 2, forward),
    ("with gradients", 2, with_gradients),
]


def row(number: int, peer: bool) -> dict[str, Any]:
    name, cuts, make = CASES[number]
    mesh = bunny()
    camera = frame_camera(mesh, width=WIDTH, height=HEIGHT)
    for _ in range(cuts):
        mesh = finer(mesh)
    ours = measure(make(mesh, camera), repeats=31, warm=3)
    cast = rays_of_open3d(mesh, camera) if peer else None
    theirs = measure(cast, repeats=15, warm=2) if cast else None
    return {
        "case": name,
        "faces": len(mesh),
        "threads": torch.get_num_threads(),
        "frames/s": 1 / ours.wall,
        "ms": 1e3 * ours.wall,
        "CPU ms": 1e3 * ours.cpu,
        "Open3D frames/s": 1 / theirs.wall if theirs else None,
        "ratio": theirs.wall / ours.wall if theirs else None,
        "bar": 1 / ours.wall >= BAR if (name, cuts, torch.get_num_threads()) == ("forward", 0, 2) else None,
    }


def section() -> list[dict[str, Any]]:
    rows = [
        in_own_process(row, number, CASES[number][0] == "forward", threads=threads)
        for number in range(len(CASES))
        for threads in (1, 2)
    ]
    print_table("Triangle rasterizer, 640 x 480", rows, "bar: at least 60 frames/s, 70k faces, two threads")
    return rows


if __name__ == "__main__":
    section()
