"""The triangle rasterizer against plain float64 formulas, and the laws that it promises."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.autograd import gradcheck

from geokit import errors
from geokit.backend import triangle_ops as ops
from geokit.geometry.silhouettes import mesh_edges
from tests.backend.test_operators import recorded_calls
from tests.reference import raster as reference
from tests.reference.comparison import assert_close, threads
from tests.reference.scenes import generator, normal, uniform

WIDTH, HEIGHT = 41, 33
DTYPES = pytest.mark.parametrize("dtype", [torch.float32, torch.float64])


def intrinsics(dtype=torch.float64):
    return torch.tensor([30.0, 32, 20.3, 16.2], dtype=dtype)


def soup(seed, count=40, around=2.5, size=0.5):
    """Separate random triangles; with small `around` and large `size` many cross the camera's plane."""
    g = generator(seed)
    middles = normal(g, count, 1, 3) + torch.tensor([0, 0, around])
    points = (middles + size * normal(g, count, 3, 3)).reshape(-1, 3)
    return points, torch.arange(3 * count).reshape(count, 3)


def octahedron(turned=0.3, at=(0.1, -0.05, 3.0), size=0.9):
    points = torch.tensor([[1.0, 0, 0], [-1, 0, 0], [0, 1, 0], [0, -1, 0], [0, 0, 1], [0, 0, -1]], dtype=torch.float64)
    faces = torch.tensor([[0, 2, 4], [2, 1, 4], [1, 3, 4], [3, 0, 4], [2, 0, 5], [1, 2, 5], [3, 1, 5], [0, 3, 5]])
    turn = torch.matrix_exp(turned * torch.tensor([[0.0, -1, 2], [1, 0, -0.5], [-2, 0.5, 0]], dtype=torch.float64))
    return size * points @ turn.T + torch.tensor(at, dtype=torch.float64), faces


def draw(points, faces, width=WIDTH, height=HEIGHT, **options):
    return ops.rasterize_triangles(points, faces, intrinsics(points.dtype), width, height, **options)


# ---------------------------------------------------------------------------------------------- against the formulas


@DTYPES
@pytest.mark.parametrize("culled", [False, True])
@pytest.mark.parametrize(("around", "size"), [(2.5, 0.5), (1.0, 1.5), (0.3, 20.0)])
def test_faces_barycentrics_and_depth_equal_the_formulas(dtype, culled, around, size):
    points, faces = soup(3, around=around, size=size)
    points = points.to(dtype)
    ids, barycentrics, depth = draw(points, faces, near=0.05, cull_back_faces=culled)
    wanted = reference.rasterize(points, faces, intrinsics(), WIDTH, HEIGHT, near=0.05, culled=culled)
    assert wanted.clear.float().mean() > 0.9
    assert bool((ids == wanted.face_ids)[wanted.clear].all())
    same = (ids == wanted.face_ids) & wanted.clear
    assert int((ids >= 0).sum()) > 100
    assert_close(
        "barycentrics", barycentrics[same], wanted.barycentrics[same], 1e-4 if dtype is torch.float32 else 1e-9
    )
    relative = (depth[same] / wanted.depth[same].clamp_min(1e-9))[ids[same] >= 0]
    assert_close("depth", relative, torch.ones_like(relative), 1e-4 if dtype is torch.float32 else 1e-9)


@DTYPES
def test_sizes_that_are_no_multiple_of_a_tile(dtype):
    points, faces = octahedron()
    for width, height in ((1, 1), (33, 1), (1, 70), (64, 65), (31, 97)):
        ids, barycentrics, _ = draw(points.to(dtype), faces, width, height)
        wanted = reference.rasterize(points, faces, intrinsics(), width, height)
        assert bool((ids == wanted.face_ids)[wanted.clear].all())
        assert torch.allclose(barycentrics.sum(-1), (ids >= 0).to(dtype), atol=1e-6)


def test_nothing_to_draw():
    for points, faces in (
        (torch.zeros(0, 3), torch.zeros(0, 3, dtype=torch.int64)),
        (torch.zeros(3, 3), torch.tensor([[0, 1, 2]])),
    ):
        ids, barycentrics, depth = draw(points, faces)
        assert bool((ids == -1).all())
        assert not torch.cat([barycentrics, depth[..., None]], -1).any()


def test_a_corner_that_is_not_finite_hides_its_faces_only():
    points, faces = octahedron()
    points = torch.cat([points, points.new_tensor([[math.nan, 0, 1], [math.inf, 1, 2], [1e300, 0, 1]])])
    more = torch.cat([faces, torch.tensor([[0, 1, 6], [7, 2, 3], [6, 7, 8]])])
    for dtype in (torch.float32, torch.float64):
        for one, other in zip(draw(points.to(dtype), more), draw(points.to(dtype), faces)):
            assert torch.equal(one, other)


# ----------------------------------------------------------------------------------------------------------- coverage


def coverage(points, faces, **options):
    """How many of the faces cover each pixel, each drawn alone."""
    return sum((draw(points, face[None], **options)[0] >= 0).int() for face in faces)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.booleans(), st.sampled_from([torch.float32, torch.float64]))
def test_a_triangulated_square_covers_every_pixel_once(seed, on_grid, dtype):
    """Points in a plane, some on pixel centres, triangulated: with no gap and no overlap along the edges."""
    from scipy.spatial import Delaunay

    g = generator(seed)
    pixels = torch.cat(
        [
            uniform(g, 12, 2) * torch.tensor([WIDTH, HEIGHT]),
            torch.tensor([[-90.0, -80], [130, -60], [-99, 120], [140, 99]]),
        ]
    )
    if on_grid:
        pixels[:12] = pixels[:12].floor() + 0.5
        pixels = pixels.unique(dim=0)
    faces = torch.from_numpy(Delaunay(pixels.numpy()).simplices).long()
    fx, fy, cx, cy = intrinsics().tolist()
    z = 1 + uniform(g, len(pixels))
    points = torch.stack([(pixels[:, 0] - cx) / fx * z, (pixels[:, 1] - cy) / fy * z, z], 1).to(dtype)
    assert torch.equal(coverage(points, faces), torch.ones(HEIGHT, WIDTH, dtype=torch.int32))


@settings(max_examples=25, deadline=None)
@given(st.floats(-3, 3), st.floats(-0.4, 0.4), st.floats(-0.6, 2.5), st.floats(0.2, 3))
def test_a_closed_convex_mesh_is_entered_and_left_once(turned, x, z, size):
    """Also where the near plane and the frame cut it: the faces that look here cover what the others do."""
    points, faces = octahedron(turned, (x, 0.1, z), size)
    front = coverage(points, faces, near=0.01, cull_back_faces=True)
    back = coverage(points, faces[:, [0, 2, 1]], near=0.01, cull_back_faces=True)
    assert int(torch.maximum(front, back).max()) <= 1
    assert not bool((front > back).any())  # entered without being left
    if z - size > 0.01:
        assert torch.equal(front, back)


def test_equally_near_faces_show_the_lower_one():
    points, faces = octahedron()
    for dtype in (torch.float32, torch.float64):
        once = draw(points.to(dtype), faces)[0]
        for order in ([0, 1, 2], [1, 2, 0], [2, 0, 1], [0, 2, 1], [2, 1, 0]):
            assert torch.equal(draw(points.to(dtype), torch.cat([faces, faces[:, order]]))[0], once)


def test_the_nearest_face_does_not_depend_on_the_order():
    points, faces = soup(5)
    order = torch.randperm(len(faces), generator=generator(0))
    ids, shuffled = draw(points, faces)[0], draw(points, faces[order])[0]
    assert torch.equal(torch.where(shuffled >= 0, order[shuffled.clamp_min(0)], -1), ids)


@DTYPES
def test_bits_do_not_depend_on_the_thread_count(dtype):
    points, faces = (t.clone() for t in soup(7, count=9000, size=0.1))
    points = points.to(dtype)
    results = []
    for count in (1, 3):
        with threads(count):
            leaf = points.clone().requires_grad_()
            ids, barycentrics, depth = ops.rasterize_triangles(leaf, faces, 5 * intrinsics(dtype), 200, 170)
            values = ops.interpolate(leaf, faces, ids, barycentrics)
            crossings = ops.silhouette_crossings(leaf, mesh_edges(faces), 5 * intrinsics(dtype), ids, depth)
            smooth = ops.antialias(values, leaf, mesh_edges(faces), 5 * intrinsics(dtype), crossings)
            (gradient,) = torch.autograd.grad((smooth**2).sum() + (depth**2).sum(), leaf)
            results.append((ids, barycentrics, depth, values, crossings, smooth, gradient))
    for one, other in zip(*results):
        assert torch.equal(one, other)


def test_many_large_faces_are_drawn_in_several_goes():
    """More list entries than are held at once."""
    count = 40_000
    g = generator(0)
    corners = torch.tensor([[-9.0, -9, 0], [9, -9, 0], [0, 18, 0]]) + torch.tensor([0, 0, 1.0])
    points = (corners * (1 + uniform(g, count, 1, 1))).reshape(-1, 3).float()
    faces = torch.arange(3 * count).reshape(-1, 3)
    ids = ops.rasterize_triangles(points, faces, torch.tensor([100.0, 100, 200, 150]), 400, 300)[0]
    assert bool((ids == points[::3, 2].argmin()).all())


# ---------------------------------------------------------------------------------------------------------- gradients


def draw_small(points, faces):
    small = torch.tensor([8.0, 8, 6.4, 5.3], dtype=points.dtype)
    return ops.rasterize_triangles(points, faces, small, 13, 11, near=0.05)


def test_gradients_of_barycentrics_and_depth():
    points, faces = soup(1, count=12, around=3.5, size=0.8)
    assert int((draw_small(points, faces)[0] >= 0).sum()) > 30
    assert gradcheck(lambda p: draw_small(p, faces)[1:], points.requires_grad_(), eps=1e-7, atol=1e-5)


def test_gradients_of_a_face_that_crosses_the_cameras_plane():
    points = torch.tensor([[0.0, -5, 3], [1, 4, -2], [-2, 3, 4]], dtype=torch.float64, requires_grad=True)
    faces = torch.tensor([[0, 1, 2]])
    assert int((draw_small(points, faces)[0] >= 0).sum()) > 10
    assert gradcheck(lambda p: draw_small(p, faces)[1:], points, eps=1e-8, atol=1e-4)


def test_gradients_of_interpolation():
    g = generator(2)
    attributes, barycentrics = normal(g, 6, 4).requires_grad_(), uniform(g, 5, 7, 3).requires_grad_()
    _, faces = octahedron()
    ids = torch.randint(-1, 8, (5, 7), generator=g)
    assert gradcheck(lambda a, b: ops.interpolate(a, faces, ids, b), (attributes, barycentrics))
    plain = (attributes[faces[ids]] * barycentrics[..., None]).sum(-2) * (ids >= 0)[..., None]
    assert torch.allclose(ops.interpolate(attributes, faces, ids, barycentrics), plain)


@pytest.mark.parametrize("seed", range(4))
def test_silhouettes_equal_the_formulas(seed):
    g = generator(seed)
    points, faces = octahedron(seed, (0.05, -0.1, 3.0), 0.7)
    other, _ = octahedron(seed + 0.5, (0.3, 0.1, 2.2), 0.3)
    single = torch.tensor([[-1.5, -1.2, 5], [1.7, -0.9, 4.5], [-0.2, 1.9, 4]], dtype=torch.float64)
    points = torch.cat([points, other, single]).requires_grad_()
    faces = torch.cat([faces, faces + 6, torch.tensor([[12, 13, 14]])])
    edges = mesh_edges(faces)
    ids, _, depth = draw(points, faces)
    image = normal(g, HEIGHT, WIDTH, 2).requires_grad_()
    crossings = ops.silhouette_crossings(points, edges, intrinsics(), ids, depth)
    assert int((crossings != 0).sum()) > 60
    found = ops.antialias(image, points, edges, intrinsics(), crossings)
    wanted = reference.smoothed(image, points, edges, intrinsics(), ids, depth.detach())
    assert_close("picture", found, wanted, 1e-12)
    cotangent = normal(g, HEIGHT, WIDTH, 2)
    gradients = torch.autograd.grad(found, (image, points), cotangent)
    for one, other in zip(gradients, torch.autograd.grad(wanted, (image, points), cotangent)):
        assert_close("gradient", one, other, 1e-11)


def test_a_sharp_picture_without_silhouettes_is_left_alone():
    points, faces = octahedron()
    ids, _, depth = draw(points, faces)
    none = torch.zeros(0, 4, dtype=torch.int64)
    crossings = ops.silhouette_crossings(points, none, intrinsics(), ids, depth)
    image = normal(generator(0), HEIGHT, WIDTH, 3)
    assert torch.equal(ops.antialias(image, points, none, intrinsics(), crossings), image)


# ---------------------------------------------------------------------------------------------------------- operators


def everything_and_back():
    points, faces = octahedron()
    points = points.requires_grad_()
    edges = mesh_edges(faces)
    ids, barycentrics, depth = draw(points, faces)
    values = ops.interpolate(points, faces, ids, barycentrics)
    crossings = ops.silhouette_crossings(points, edges, intrinsics(), ids, depth)
    smooth = ops.antialias(values, points, edges, intrinsics(), crossings)
    ((smooth**2).sum() + depth.sum()).backward()


def test_opcheck():
    calls = recorded_calls(everything_and_back)
    names = {op._opname for op in calls}
    assert names == {"rasterize_triangles", "rasterize_triangles_backward", "interpolate", "interpolate_backward",
                     "silhouette_crossings", "antialias", "antialias_backward"}  # fmt: skip
    for op, (args, kwargs) in calls.items():
        fixed = "backward" in op._opname or op._opname == "silhouette_crossings"
        labels = [argument.name for argument in op._schema.arguments]
        fresh = [
            value.detach().clone().requires_grad_(value.is_floating_point() and not fixed and label != "intrinsics")
            if isinstance(value, torch.Tensor)
            else value
            for value, label in zip(args, labels)
        ]
        torch.library.opcheck(op, fresh, kwargs)


def test_wrong_input_is_refused_in_words():
    points, faces = octahedron()
    for bad in (faces + 1, faces - 1):
        with pytest.raises(errors.InvalidInput, match="there are 6 vertices"):
            draw(points, bad)
    for options in ({"width": 0}, {"height": 1 << 20}, {"near": 0.0}):
        with pytest.raises(errors.InvalidInput):
            draw(points, faces, **options)
    with pytest.raises(errors.InvalidInput, match="faces must"):
        draw(points, faces.int())
    ids, barycentrics, depth = draw(points, faces)
    with pytest.raises(errors.InvalidInput, match="pixel"):
        ops.interpolate(points, faces[:1], ids, barycentrics)
    with pytest.raises(errors.InvalidInput, match="edge 0"):
        ops.silhouette_crossings(points, torch.tensor([[0, 1, 2, 9]]), intrinsics(), ids, depth)
    crossings = ops.silhouette_crossings(points, mesh_edges(faces), intrinsics(), ids, depth)
    with pytest.raises(errors.InvalidInput, match="crossing"):
        ops.antialias(barycentrics, points, mesh_edges(faces)[:2], intrinsics(), crossings)
