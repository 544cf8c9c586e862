"""Exact precise maps."""

import torch

from geokit.backend import embedded_faces_ops
from geokit.geometry.distance import closest_points
from geokit.spectral.conversions import functional_map_of
from geokit.spectral.precise import _surface, nearest_in_faces, precise_map
from geokit.spectral.shape import prepare
from tests.geometry.shapes import sphere
from tests.spectral.asymmetric import blob, permuted_pair


def test_in_three_dimensions_it_is_the_closest_point_of_the_mesh():
    mesh = blob(2)
    queries = mesh.vertices[::2] + 0.3 * torch.randn(
        81, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0)
    )
    found = nearest_in_faces(queries, mesh.vertices, mesh.faces)
    wanted = closest_points(mesh, queries)
    points = found.interpolate(mesh.faces, mesh.vertices)
    torch.testing.assert_close((points - queries).norm(dim=1), wanted.distances, rtol=1e-6, atol=1e-9)
    assert (found.barycentrics >= 0).all()
    torch.testing.assert_close(found.barycentrics.sum(1), torch.ones(len(queries), dtype=torch.float64))


def test_in_many_dimensions_no_sampled_point_of_any_face_is_nearer():
    generator = torch.Generator().manual_seed(1)
    faces = torch.randint(12, (30, 3), generator=generator)  # some of them without area
    rows = torch.randn(14, 7, dtype=torch.float64, generator=generator)
    queries = torch.randn(40, 7, dtype=torch.float64, generator=generator)
    found = nearest_in_faces(queries, rows, faces)
    reached = (found.interpolate(faces, rows) - queries).norm(dim=1)
    weights = torch.rand(500, 3, dtype=torch.float64, generator=generator).pow(3)
    samples = torch.einsum("sc,fck->fsk", weights / weights.sum(1, keepdim=True), rows[faces]).flatten(0, 1)
    nearest = torch.cdist(queries, torch.cat([samples, rows[faces.flatten()]])).amin(1)
    assert (reached <= nearest + 1e-9).all()
    assert (reached >= 0.7 * nearest).all()


def test_vertices_of_a_permuted_copy_go_to_corners():
    shape1, shape2, p2p = permuted_pair()
    functional_map = functional_map_of(p2p, shape1.basis, shape2.basis)
    found = precise_map(functional_map, shape1.basis, shape2.basis, shape1.mesh.faces)
    torch.testing.assert_close(found.interpolate(shape1.mesh.faces, shape1.mesh.vertices), shape1.mesh.vertices[p2p])


def test_a_finer_sphere_lands_between_the_vertices_of_a_coarse_one():
    coarse, fine = prepare(sphere(2), 16), prepare(sphere(3), 16)
    functional_map = torch.linalg.lstsq(  # of the vertices that both have
        fine.basis.eigenvectors[: len(coarse)], coarse.basis.eigenvectors
    ).solution
    found = precise_map(functional_map, coarse.basis, fine.basis, coarse.mesh.faces)
    places = found.interpolate(coarse.mesh.faces, coarse.mesh.vertices)
    edge = float((fine.mesh.corners[:, 0] - fine.mesh.corners[:, 1]).norm(dim=1).mean())
    assert (places - fine.mesh.vertices).norm(dim=1).mean() < 0.25 * edge


def test_the_operator_keeps_the_rules_of_operators():
    mesh = blob(1)
    squares = torch.cdist(mesh.vertices[:5] * 1.1, mesh.vertices).square()
    torch.library.opcheck(embedded_faces_ops.nearest_in_faces, (squares, _surface(mesh.vertices, mesh.faces)[2]))


def test_around_the_right_vertices_it_is_the_exact_point_nearly_everywhere_and_never_nearer():
    mesh = blob(2)
    generator = torch.Generator().manual_seed(4)
    lifted = torch.cat([mesh.vertices, 0.3 * mesh.vertices**2], 1)
    queries = lifted[mesh.faces].mean(1) + 0.01 * torch.randn(len(mesh), 6, dtype=torch.float64, generator=generator)
    around = torch.cdist(queries, lifted).argmin(1)
    limited, exact = (nearest_in_faces(queries, lifted, mesh.faces, near) for near in (around, None))
    far, near = ((found.interpolate(mesh.faces, lifted) - queries).norm(dim=1) for found in (limited, exact))
    assert (far >= near - 1e-9).all()
    assert ((far - near).abs() < 1e-9).double().mean() > 0.95
    assert (mesh.faces[limited.face_ids] == around[:, None]).any(1).all()
