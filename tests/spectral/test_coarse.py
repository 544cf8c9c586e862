"""Coarse meshes of dense ones, maps extended through them, points in faces."""

import torch

from geokit.geometry.distance import closest_points
from geokit.geometry.topology import topology
from geokit.spectral.coarse import coarse_mesh
from geokit.spectral.dense import extend_map
from geokit.spectral.precise import nearest_in_faces
from tests.spectral.blobs import blob, permuted


def test_a_coarse_mesh_is_a_closed_surface_of_the_same_kind():
    mesh = blob(4)
    coarse = coarse_mesh(mesh, 300)
    found = topology(coarse.mesh)
    assert found.watertight
    assert found.manifold
    assert found.genus == 0
    assert torch.equal(coarse.mesh.vertices, mesh.vertices[coarse.samples])
    assert torch.equal(coarse.cell[coarse.samples], torch.arange(len(coarse.samples)))
    assert abs(coarse.mesh.area() / mesh.area() - 1) < 0.1
    assert coarse.mesh.volume() > 0.9 * mesh.volume() > 0


def test_a_map_of_coarse_meshes_reaches_every_vertex():
    mesh = blob(4)
    copy, old = permuted(mesh)
    one, two = coarse_mesh(mesh, 300), coarse_mesh(copy, 300)
    nearby = torch.cdist(two.mesh.vertices, one.mesh.vertices).argmin(1)
    assert torch.equal(extend_map(copy.vertices, mesh.vertices, two, one, nearby), old)


def test_points_in_faces_are_the_closest_points():
    mesh = blob(2)
    queries = mesh.vertices[mesh.faces].mean(1) * 1.01
    nearest = torch.cdist(queries, mesh.vertices).argmin(1)
    found = nearest_in_faces(queries, mesh.vertices, mesh.faces, nearest)
    exact = closest_points(mesh, queries)
    distances = (found.interpolate(mesh.faces, mesh.vertices) - queries).norm(dim=1)
    assert float((distances - exact.distances).abs().max()) < 0.02
    assert float((distances - exact.distances).abs().median()) < 1e-9
    torch.testing.assert_close(found.barycentrics.sum(1), torch.ones(len(queries), dtype=torch.float64))
