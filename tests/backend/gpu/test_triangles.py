"""Triangles drawn, interpolated and smoothed on the GPU, against the CPU."""

import pytest
import torch

from geokit import errors
from geokit.backend import triangle_ops as ops
from geokit.geometry.framing import frame_camera
from geokit.geometry.mesh import Mesh
from geokit.geometry.render_mesh import render_mesh
from geokit.geometry.silhouettes import mesh_edges
from tests.backend.test_triangle_ops import intrinsics, octahedron, soup
from tests.reference.agreement import assert_agrees
from tests.reference.scenes import generator, normal, uniform

WIDTH, HEIGHT = 41, 33
# The barycentrics of a sliver feel every rounding.
TOLERANCE = {torch.float32: 1e-3, torch.float64: 1e-10}


def camera(points):
    return intrinsics(points.dtype).to(points.device)


def draw(points, faces, width, height, near, culled):
    scaled = camera(points) * width / 41
    ids, *rest = ops.rasterize_triangles(points, faces, scaled, width, height, near=near, cull_back_faces=culled)
    return ids, *rest


@pytest.mark.parametrize("culled", [False, True])
@pytest.mark.parametrize(("around", "size"), [(2.5, 0.5), (1.0, 1.5), (0.3, 20.0)])
def test_pictures_and_gradients(device, culled, around, size):
    """Also where the near plane and the frame cut the faces."""
    points, faces = soup(3, around=around, size=size)
    assert_agrees(device, draw, points.requires_grad_(), faces, WIDTH, HEIGHT, 0.05, culled, tolerance=TOLERANCE)


@pytest.mark.parametrize(("width", "height"), [(1, 1), (33, 1), (1, 70), (150, 90)])
def test_sizes(device, width, height):
    """The largest faces are listed, as more than 64 pixels wide."""
    points, faces = octahedron()
    assert_agrees(device, draw, points.requires_grad_(), faces, width, height, 0.05, False, tolerance=TOLERANCE)


def test_many_small_faces_that_share_vertices(device):
    x, y = torch.meshgrid(torch.arange(30.0), torch.arange(25.0), indexing="ij")
    corner = (torch.arange(29)[:, None] * 25 + torch.arange(24)).reshape(-1)
    faces = torch.stack([corner, corner + 1, corner + 26, corner, corner + 26, corner + 25], 1).reshape(-1, 3)
    z = 2 + 0.3 * uniform(generator(0), 750)
    points = torch.stack([(x.reshape(-1) - 15) / 10 * z, (y.reshape(-1) - 12) / 12 * z, z], 1).double()
    assert_agrees(device, draw, points.requires_grad_(), faces, 64, 50, 0.05, False, tolerance=TOLERANCE)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_equally_near_faces_show_the_lower_one(device, dtype):
    for points, faces, width in ((*octahedron(), WIDTH), (*octahedron(), 200), (*soup(8, count=9, size=20.0), 70)):
        twice = torch.cat([faces[:, [1, 2, 0]], faces, faces[:, [0, 2, 1]]])
        ids = device(draw, points.to(dtype), twice, width, width, 0.05, False)[0]
        assert torch.equal(ids, draw(points.to(dtype), faces, width, width, 0.05, False)[0])


def test_more_large_faces_than_are_listed(device):
    count = 17_000
    corners = torch.tensor([[-9.0, -9, 0], [9, -9, 0], [0, 18, 0]]) + torch.tensor([0, 0, 1.0])
    scale = 1 + uniform(generator(0), count, 1, 1)
    for dtype in (torch.float32, torch.float64):
        points = (corners * scale).reshape(-1, 3).to(dtype)
        ids = device(draw, points, torch.arange(3 * count).reshape(-1, 3), 6, 5, 0.05, False)[0]
        assert bool((ids == scale.argmin()).all())


def test_nothing_to_draw(device):
    none = torch.zeros(0, 3, dtype=torch.int64)
    assert_agrees(device, draw, torch.zeros(0, 3).requires_grad_(), none, 5, 4, 0.1, False)
    nan = torch.tensor([[float("nan"), 0, 1], [1, 0, 1], [0, 1, 1]])
    assert bool((device(draw, nan, torch.tensor([[0, 1, 2]]), 5, 4, 0.1, False)[0] == -1).all())


@pytest.mark.parametrize("channels", [1, 3, 8])
def test_interpolation(device, channels):
    g = generator(2)
    attributes, barycentrics = normal(g, 6, channels).requires_grad_(), uniform(g, 30, 7, 3).requires_grad_()
    _, faces = octahedron()
    assert_agrees(device, ops.interpolate, attributes, faces, torch.randint(-1, 8, (30, 7), generator=g), barycentrics)
    large = torch.arange(210).reshape(30, 7) // 50 - 1
    assert_agrees(device, ops.interpolate, attributes, faces, large, barycentrics)


def smooth(image, points, faces, height, width):
    edges, K = mesh_edges(faces), camera(points)
    ids, _, depth = ops.rasterize_triangles(points, faces, K, width, height)
    crossings = ops.silhouette_crossings(points, edges, K, ids, depth)
    return ops.antialias(image, points, edges, K, crossings), crossings


@pytest.mark.parametrize("seed", range(3))
def test_silhouettes(device, seed):
    points, faces = octahedron(seed, (0.05, -0.1, 3.0), 0.7)
    other, more = soup(seed, count=30, around=2.5, size=0.4)
    points, faces = torch.cat([points, other]).requires_grad_(), torch.cat([faces, more + 6])
    image = normal(generator(seed), HEIGHT, WIDTH, 2).requires_grad_()
    assert int((smooth(image, points, faces, HEIGHT, WIDTH)[1] != 0).sum()) > 60
    assert_agrees(device, smooth, image, points, faces, HEIGHT, WIDTH)


def test_a_picture_without_silhouettes(device):
    image = normal(generator(0), 9, 8, 3).requires_grad_()
    none = torch.zeros(0, 3, dtype=torch.int64)
    assert_agrees(device, smooth, image, torch.zeros(0, 3).double().requires_grad_(), none, 9, 8)


def whole(points, faces, colors, width, height):
    K = camera(points)
    ids, barycentrics, depth = ops.rasterize_triangles(points, faces, K, width, height)
    values = ops.interpolate(colors, faces, ids, barycentrics)
    crossings = ops.silhouette_crossings(points, mesh_edges(faces), K, ids, depth)
    return ops.antialias(values, points, mesh_edges(faces), K, crossings), depth


def test_sums_in_a_fixed_order(device):
    """The same gradients where torch is told to be deterministic, with the same bits in every order of the threads."""
    points, faces = octahedron()
    more, others = soup(4, count=60, around=2.5, size=0.3)
    points, faces = torch.cat([points, more]).requires_grad_(), torch.cat([faces, others + 6])
    colors = normal(generator(1), len(points), 3).requires_grad_()
    runs = device.in_every_order()
    torch.use_deterministic_algorithms(True)
    try:
        assert_agrees(device, whole, points, faces, colors, WIDTH, HEIGHT, tolerance=TOLERANCE)
        first, *others = [run(gradients, points.float(), faces, colors.float()) for run in runs]
    finally:
        torch.use_deterministic_algorithms(False)
    assert all(torch.equal(*pair) for found in others for pair in zip(first, found))


def gradients(points, faces, colors):
    points, colors = points.detach().requires_grad_(), colors.detach().requires_grad_()
    picture, depth = whole(points, faces, colors, WIDTH, HEIGHT)
    return torch.autograd.grad((picture**2).sum() + depth.sum(), (points, colors))


def test_a_picture_of_a_mesh(device):
    """Everything around the kernels stays on the device."""

    def picture(vertices, faces, colors):
        mesh = Mesh(vertices, faces, colors=colors)
        found = render_mesh(mesh, frame_camera(mesh, width=40, height=30), wireframe=0.5)
        return found.image, found.alpha, found.depth, found.normals, found.face_ids

    points, faces = octahedron()
    colors = uniform(generator(0), 6, 3).requires_grad_()
    assert_agrees(device, picture, points.requires_grad_(), faces, colors, dtypes=(torch.float64,))


def test_wrong_indices_are_refused_in_words(device):
    points, faces = octahedron()
    K, edges = intrinsics(), mesh_edges(faces)
    for bad in (faces + 1, faces - 1):
        with pytest.raises(errors.InvalidInput, match="there are 6 vertices"):
            device(draw, points, bad, WIDTH, HEIGHT, 0.05, False)
    ids, barycentrics, depth = ops.rasterize_triangles(points, faces, K, WIDTH, HEIGHT)
    with pytest.raises(errors.InvalidInput, match=f"pixel {int((ids.reshape(-1) > 0).int().argmax())} sees"):
        device(ops.interpolate, points, faces[:1], ids, barycentrics)
    with pytest.raises(errors.InvalidInput, match="edge 0"):
        device(ops.silhouette_crossings, points, torch.tensor([[0, 1, 2, 9]]), K, ids, depth)
    crossings = ops.silhouette_crossings(points, edges, K, ids, depth)
    with pytest.raises(errors.InvalidInput, match="crossing at pixel"):
        device(ops.antialias, barycentrics, points, edges[:2], K, crossings)
