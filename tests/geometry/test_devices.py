"""Shapes on a GPU: every function of geometry computes there what it computes on the CPU, or goes through the CPU."""

import dataclasses
import itertools

import pytest
import torch

from geokit.errors import InvalidInput
from geokit.geometry import (
    Cameras,
    Mesh,
    MeshBatch,
    PointBatch,
    PointCloud,
    PointTree,
    Splats,
    antialias,
    boundary_loops,
    closest_points,
    compare_surfaces,
    connected_components,
    estimate_normals,
    exchange,
    farthest_points,
    frame_camera,
    fuse_depth,
    half_edges,
    interpolate,
    kabsch,
    largest_component,
    look_at,
    marching_cubes,
    nearest_neighbors,
    normalize_to_unit,
    poisson_surface,
    radius_neighbors,
    ray_cast,
    sample_surface,
    signed_distance,
    transform,
    umeyama,
    voxel_downsample,
    winding_number,
)
from geokit.geometry.camera_path import in_picture, path_cameras
from geokit.geometry.color_bytes import color_bytes
from geokit.geometry.fusion import DepthView, suggested_voxel, without_specks
from geokit.geometry.icp import icp
from geokit.geometry.level_lines import level_lines
from geokit.geometry.metrics import errors_at_vertices
from geokit.geometry.rasterize import rasterize
from geokit.geometry.render_mesh import render_mesh
from geokit.geometry.render_points import render_points
from geokit.geometry.repair import repair
from geokit.geometry.seams import split_seams
from geokit.geometry.simplify import simplify
from geokit.geometry.smoothing import smooth_points
from geokit.geometry.splat_transforms import rotate_harmonics, transform_splats
from geokit.geometry.surface_sampling import look_up, sample_places
from geokit.geometry.topology import submesh, topology
from geokit.geometry.undistort import Lens, distort, sampling_grid, undistort, undistort_image
from geokit.geometry.unseen import cut_unseen
from tests.geometry import shapes
from tests.reference.devices import assert_serves_both, emulated_gpu, on_the_gpu
from tests.reference.pretend_gpu import pretend_gpu


def _noise(*size: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*size, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


SPHERE = shapes.sphere(2)
BALL = SPHERE.replace(normals=SPHERE.vertex_normals(), colors=SPHERE.vertices.abs().clamp(0, 1))
TEXTURED = SPHERE.replace(uv=_noise(len(SPHERE), 3, 2).sigmoid(), texture=_noise(8, 8, 3).sigmoid())
OPEN = Mesh(BALL.vertices, BALL.faces[12:])
CLOUD = PointCloud(BALL.vertices, colors=BALL.colors, normals=BALL.normals).to(torch.float32)
QUARTER = torch.tensor([[0.0, -1, 0, 0.1], [1, 0, 0, 0.2], [0, 0, 1, 0], [0, 0, 0, 1]], dtype=torch.float64)
PLACES, UNEVEN = _noise(40, 3), _noise(6, 6, 6)
CAMERA = frame_camera(BALL, width=32, height=24)
POSES = look_at(4 * _noise(4, 3), torch.zeros(3), torch.tensor([0.3, 0, 1]))
CAMERAS = Cameras(POSES, CAMERA.K.expand(4, 3, 3), CAMERA.sizes * 4)
SPLATS = Splats(*(_noise(9, *size) for size in ((3,), (4,), (3,), (), (16, 3), (2, 3), (2, 2))))
LENS = Lens(32, 24, 30.0, 30.0, 16.0, 12.0, coefficients=(0.1, 0.01, 0.001, 0.002))
DEPTH, PICTURE = _noise(24, 32).abs() + 2, _noise(24, 32, 3).sigmoid()
BOX = ((-1, -1, -1), (1, 1, 1))


def _closest(mesh: Mesh, places: torch.Tensor) -> list[torch.Tensor]:
    """Faces and weights by the points that they tell: a place nearest to an edge may see either face."""
    found = closest_points(mesh, places)
    return [found.points, found.distances, (found.barycentrics[..., None] * mesh.corners[found.face_ids]).sum(1)]


def _fused(camera: Cameras, depth: torch.Tensor, color: torch.Tensor) -> Mesh:
    return fuse_depth(camera[[0, 0]], [DepthView(depth, color)] * 2, 0.2)


CASES = {
    "mesh": (lambda m: (m.corners, m.face_normals(), m.vertex_normals(), m.to(torch.float32), m.face_areas()), BALL),
    "numbers": (lambda m: torch.tensor([m.area(), m.volume(), m.extent, len(repr(m))]).to(m.faces.device), BALL),
    "cloud": (lambda c: (c[3:], c[c.points[:, 0] > 0], c.to(torch.float64)), CLOUD),
    "splats": (lambda s: (s[1:], s.truncated_sh(1), s.to(torch.float32)), SPLATS),
    "splats without waves": (lambda s: Splats(*list(s.tensors().values())[:5]), SPLATS),
    "cameras": (lambda c: (c.centers, c.forwards, c.scaled(0.5), c[1:3], c[0], c.resized([(3, 4)] * 4)), CAMERAS),
    "look_at": (look_at, PLACES, torch.zeros(3), torch.tensor([0.3, 0, 1])),
    "path_cameras": (lambda c: path_cameras(c, 3), CAMERAS),
    "in_picture": (lambda c: in_picture(c, 20, 30), CAMERAS),
    "frame_camera": (frame_camera, BALL),
    "transform of a mesh": (transform, BALL, QUARTER),
    "transform of a cloud": (transform, CLOUD, QUARTER),
    "transform_splats": (transform_splats, SPLATS, QUARTER),
    "rotate_harmonics": (rotate_harmonics, SPLATS.sh_coeffs, QUARTER[:3, :3]),
    "normalize_to_unit": (normalize_to_unit, BALL),
    "half_edges": (half_edges, BALL.faces),
    "boundary_loops": (boundary_loops, OPEN.faces),
    "connected_components": (connected_components, OPEN),
    "topology": (topology, OPEN),
    "largest_component": (largest_component, OPEN),
    "submesh": (submesh, BALL, BALL.faces[:, 0] > 3),
    "repair": (lambda m: repair(m, merge=1e-3)[0], OPEN),
    "repair of a textured mesh": (lambda m: repair(m)[0], TEXTURED),
    "smooth_points": (lambda c: smooth_points(c, 0.3, 12), CLOUD),
    "compare_surfaces": (lambda a, b: compare_surfaces(a, b, count=200), BALL, CLOUD),
    "errors_at_vertices": (errors_at_vertices, BALL, OPEN),
    "estimate_normals": (estimate_normals, CLOUD),
    "estimate_normals seen from a place": (lambda c, v: estimate_normals(c, 8, v), CLOUD, PLACES[0].float()),
    "farthest_points": (lambda p: farthest_points(p, 5), PLACES),
    "voxel_downsample": (lambda c: voxel_downsample(c, 0.3), CLOUD),
    "sample_surface": (lambda m: sample_surface(m, 50), BALL),
    "sample_surface evenly": (lambda m: sample_surface(m, 50, low_discrepancy=True), TEXTURED),
    "sample_places": (lambda m: sample_places(m, 20), BALL),
    "look_up": (look_up, TEXTURED.texture, TEXTURED.uv[0]),
    "without_specks": (without_specks, OPEN),
    "suggested_voxel": (lambda c, d: torch.tensor(suggested_voxel(c, [d])).to(d.device), CAMERA, DEPTH),
    "render_mesh": (render_mesh, TEXTURED, CAMERA),
    "render_mesh with its edges": (lambda m, c: render_mesh(m, c, wireframe=True), BALL, CAMERA),
    "render_points": (render_points, CLOUD, CAMERA),
    "rasterize": (rasterize, BALL, CAMERA),
    "interpolate": (lambda m, c: interpolate(m.vertices, rasterize(m, c)), BALL, CAMERA),
    "antialias": (lambda m, c: antialias(interpolate(m.vertices, rasterize(m, c)), rasterize(m, c)), BALL, CAMERA),
    "kabsch": (kabsch, PLACES, PLACES.flip(0)),
    "umeyama": (lambda a, b: (umeyama(a, b), umeyama(a, b).matrix), PLACES, PLACES.flip(0)),
    "split_seams": (split_seams, TEXTURED),
    "level_lines": (level_lines, BALL, BALL.vertices[:, 0], torch.tensor([0.0, 0.5], dtype=torch.float64)),
    "distort": (lambda p: distort(p, LENS), PLACES[:, :2] / 5),
    "undistort": (lambda p: undistort(p, LENS), PLACES[:, :2] / 5),
    "undistort_image": (lambda i, K: undistort_image(i, sampling_grid(LENS, K)), (255 * PICTURE).byte(), LENS.K),
    "cut_unseen": (lambda m, p: cut_unseen(m, p, torch.full_like(m.vertices[:, 0], 0.1), 0.5), BALL, PLACES),
    "PointBatch": (lambda c: (lambda b: (b, b.ids, b.padded()))(PointBatch.from_clouds([c, c[:3]])), CLOUD),
    "MeshBatch": (lambda m: (lambda b: (b, b[0], b.face_ids, b.vertex_ids))(MeshBatch.from_meshes([m, m])), TEXTURED),
    "closest_points": (_closest, BALL, PLACES),
    "winding_number": (winding_number, BALL, PLACES),
    "signed_distance": (signed_distance, BALL, PLACES),
    "ray_cast": (ray_cast, BALL, PLACES, -PLACES),
    "nearest_neighbors": (lambda p: nearest_neighbors(p, 3), PLACES),
    "radius_neighbors": (lambda p: radius_neighbors(p, 0.5), PLACES),
    "PointTree": (lambda p: PointTree(p).nearest(3), PLACES),
}
NEED_EXTRAS = {
    "simplify": (lambda m: simplify(m, faces=100), BALL),
    "marching_cubes": (lambda v: marching_cubes(v, BOX), UNEVEN),
    "poisson_surface": (lambda c: poisson_surface(c, depth=4), CLOUD),
}
ON_THE_CPU = {  # what these return stays there
    "icp": (lambda a, b, m: icp(a, b, m, max_distance=0.5), CLOUD, CLOUD, torch.eye(4)),
    "color_bytes": (lambda c: torch.from_numpy(color_bytes(c)), BALL.colors),
    "fuse_depth": (lambda *views: torch.tensor(_fused(*views).area()), CAMERA, DEPTH, PICTURE),
    "a field on the CPU": (lambda v: marching_cubes(lambda x: x.norm(dim=1) - v.to(x), BOX, 12), torch.tensor(0.7)),
    "trimesh": (lambda m: exchange.from_trimesh(exchange.to_trimesh(m)), BALL),
    "open3d": (lambda m: exchange.from_open3d(exchange.to_open3d(m)), BALL),
}


@pytest.mark.parametrize("name", CASES)
def test_everything(name):
    assert_serves_both(*CASES[name])


@pytest.mark.parametrize("name", NEED_EXTRAS)
def test_what_extras_bring(name):
    pytest.importorskip("skimage")
    pytest.importorskip("open3d")
    assert_serves_both(*NEED_EXTRAS[name])


@pytest.mark.parametrize("name", ON_THE_CPU)
def test_what_stays_on_the_cpu(name):
    for package in ("skimage", "open3d", "trimesh"):
        pytest.importorskip(package)
    assert_serves_both(*ON_THE_CPU[name], stays=True)


@pytest.mark.parametrize("shape", [BALL, TEXTURED, CLOUD, SPLATS, CAMERAS], ids=lambda shape: type(shape).__name__)
def test_a_shape_is_on_one_device(shape):
    fields = [f.name for f in dataclasses.fields(shape) if isinstance(getattr(shape, f.name), torch.Tensor)]
    with pretend_gpu():
        for name in fields:
            with pytest.raises(InvalidInput, match=rf"must be on one device, got .*\b{name} on .*\.to\(device\)"):
                dataclasses.replace(shape, **{name: on_the_gpu(getattr(shape, name))})


@pytest.mark.parametrize(("function", "shape"), [(render_mesh, BALL), (render_points, CLOUD), (rasterize, BALL)])
def test_a_camera_may_be_anywhere(function, shape):
    with emulated_gpu():
        for here, there in ((shape, on_the_gpu(CAMERA)), (on_the_gpu(shape), CAMERA)):
            assert function(here, there).depth.is_cuda == (here is not shape)


PAIRS = {
    "interpolate": (lambda m, v: interpolate(v, rasterize(m, CAMERA)), BALL, BALL.vertices),
    "kabsch": (kabsch, PLACES, PLACES),
    "level_lines": (lambda m, v: level_lines(m, v, v[:2]), BALL, BALL.vertices[:, 0]),
    "look_at": (lambda a, b: look_at(a, b[0], b[1]), PLACES, PLACES),
    "umeyama": (umeyama, PLACES, PLACES),
    "undistort_image": (undistort_image, PICTURE, sampling_grid(LENS, LENS.K)),
}


@pytest.mark.parametrize(("name", "first"), itertools.product(PAIRS, (True, False)))
def test_shapes_on_two_devices_are_a_sentence(name, first):
    function, one, other = PAIRS[name]
    with emulated_gpu(), pytest.raises(InvalidInput, match=r"must be on one device, got .* on .* and .* on "):
        function(on_the_gpu(one) if first else one, other if first else on_the_gpu(other))
