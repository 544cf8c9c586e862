"""Closest points, winding numbers and rays on the GPU, against the CPU."""

import pytest
import torch

from geokit.backend import distance_ops as ops
from geokit.geometry.distance import Bvh, ray_cast, signed_distance
from geokit.geometry.mesh import Mesh
from geokit.geometry.metrics import compare_surfaces, errors_at_vertices
from tests.backend.test_distance_ops import places, soup
from tests.reference.agreement import assert_agrees
from tests.reference.scenes import generator, normal


def tree_of(mesh):
    bvh = Bvh(mesh)
    return (*bvh.tree, bvh.scale)


def closest(queries, vertices, faces, *tree):
    """Points and distances; faces and weights where they are not the same within rounding are told apart by these."""
    points, distances, found, weights = ops.closest_points(queries, vertices, faces, *tree)
    there = (weights[..., None] * vertices[faces[found]]).sum(1)
    return points, distances, there


@pytest.mark.parametrize(("faces", "count"), [(1, 5), (9, 17), (300, 200)])
def test_closest_points(device, faces, count):
    mesh, queries = soup(faces, faces), places(faces, count)
    for dtype in (torch.float32, torch.float64):
        cast = mesh.to(dtype)
        arguments = queries.to(dtype), cast.vertices, cast.faces, *tree_of(cast)
        assert_agrees(device, closest, *arguments, dtypes=(dtype,))
        found = device(ops.closest_points, *arguments)[2]
        same = (found == ops.closest_points(*arguments)[2]).double().mean()
        assert float(same) > 0.95  # a query nearest to an edge may see either face


@pytest.mark.parametrize("ordered", [False, True])
def test_gradients_of_closest_points(device, ordered):
    mesh = soup(40, 40, degenerate=False)
    leaves = places(2, 70).requires_grad_(), mesh.vertices.requires_grad_()
    torch.use_deterministic_algorithms(ordered)
    try:
        assert_agrees(device, ops.closest_points, *leaves, mesh.faces, *tree_of(mesh), dtypes=(torch.float64,))
    finally:
        torch.use_deterministic_algorithms(False)


def test_of_equally_near_faces_the_lower_one_is_found(device):
    mesh = soup(5, 30, degenerate=False)
    faces = torch.cat([mesh.faces, mesh.faces])
    twice = mesh.replace(faces=faces)
    assert int(device(ops.closest_points, places(5, 60), twice.vertices, faces, *tree_of(twice))[2].max()) < 30


def test_queries_so_far_that_squares_overflow(device):
    mesh = soup(3, 20).to(torch.float32)
    queries = torch.tensor([[3e30, 0, 0], [0.5, 0.5, 0.5], [0, -3e25, 1e30]])
    found = device(ops.closest_points, queries, mesh.vertices, mesh.faces, *tree_of(mesh))
    assert bool((found[2] >= 0).all())
    assert bool(found[1].isfinite().all())


@pytest.mark.parametrize("beta", [2.3, float("inf")])
@pytest.mark.parametrize(("faces", "count"), [(1, 5), (300, 150)])
def test_winding_numbers(device, faces, count, beta):
    mesh, queries = soup(faces, faces), places(faces, count)
    for dtype in (torch.float32, torch.float64):
        bvh = Bvh(mesh.to(dtype))
        arguments = queries.to(dtype), *bvh.tree, bvh.moments, bvh.scale, beta
        assert_agrees(device, ops.winding_number, *arguments, dtypes=(dtype,))


@pytest.mark.parametrize(("faces", "count"), [(1, 5), (300, 200)])
def test_rays(device, faces, count):
    mesh, origins = soup(faces, faces, degenerate=False), places(faces, count)
    directions = normal(generator(faces), count, 3)
    directions[0] = 0  # hits nothing
    if count > 10:
        directions[1:7] = torch.cat([torch.eye(3), -torch.eye(3)])
    for dtype in (torch.float32, torch.float64):
        cast = mesh.to(dtype)
        leaves = [t.detach().to(dtype).requires_grad_() for t in (origins, directions, cast.vertices)]
        tolerance = {torch.float32: 1e-3, torch.float64: 1e-10}  # of rays that graze a face
        arguments = *leaves, cast.faces, *tree_of(cast)
        hits = device(ops.ray_cast, *arguments)[1] >= 0
        assert count < 10 or 10 < int(hits.sum()) < count
        assert_agrees(device, hit_times, *arguments, dtypes=(dtype,), tolerance=tolerance)


def hit_times(*arguments):
    t, found, weights = ops.ray_cast(*arguments)
    return torch.where(found >= 0, t, -1), found, weights


def test_no_queries(device):
    mesh = soup(3, 20)
    tree = tree_of(mesh)
    leaves = torch.zeros(0, 3).double().requires_grad_(), mesh.vertices.requires_grad_()
    assert_agrees(device, ops.closest_points, *leaves, mesh.faces, *tree, dtypes=(torch.float64,))
    none = torch.zeros(0, 3, dtype=torch.float64)
    assert len(device(ops.ray_cast, none, none, mesh.vertices.detach(), mesh.faces, *tree)[0]) == 0


def test_functions_of_meshes(device):
    """The tree is made from a mesh on the device; what asks it stays there."""

    def answers(vertices, faces, queries):
        mesh = Mesh(vertices, faces)
        tree = Bvh(mesh)
        hits = ray_cast(tree, queries, queries.flip(0))
        return signed_distance(tree, queries), hits.t.nan_to_num(posinf=-1), hits.face_ids

    def measured(vertices, faces, queries):
        mesh, moved = Mesh(vertices, faces), Mesh(vertices + 0.01, faces)
        found = compare_surfaces(mesh, moved, count=50)
        return errors_at_vertices(moved, mesh), queries.new_tensor([found.chamfer, found.f_score, found.hausdorff])

    mesh = soup(6, 40, degenerate=False)
    vertices, queries = mesh.vertices, places(6, 60)
    assert_agrees(device, answers, vertices.requires_grad_(), mesh.faces, queries, dtypes=(torch.float64,))
    assert_agrees(device, measured, vertices.detach(), mesh.faces, queries, dtypes=(torch.float64,))
