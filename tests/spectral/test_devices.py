"""Operators of shapes on a GPU: those of the CPU, where the shape is; what factors matrices stays on the CPU."""

import pytest
import torch

from geokit import spectral
from geokit.errors import InvalidInput
from geokit.geometry import Mesh, PointCloud
from geokit.spectral.gradients import divergence, face_gradients
from geokit.spectral.graph_laplacian import graph_laplacian, neighbor_graph
from geokit.spectral.laplacian import laplacian
from geokit.spectral.principal import principal_curvatures
from geokit.spectral.shot import shot
from tests.reference.devices import assert_serves_both, on_the_gpu
from tests.reference.pretend_gpu import pretend_gpu
from tests.spectral.blobs import blob

BLOB = blob(2)
OPEN = Mesh(BLOB.vertices, BLOB.faces[20:])
CLOUD = PointCloud(BLOB.vertices)
PLACES = BLOB.vertices[:40]
EDGES = torch.tensor([[0, 1], [1, 2], [2, 0], [2, 3]])


def _shape(mesh: Mesh | PointCloud):
    return spectral.prepare(mesh, 20, cache=False)


def _system(mesh: Mesh):
    operator = spectral.cotangent_laplacian(mesh)
    factor = spectral.Cholesky(operator.stiffness.add_diagonal(operator.masses))
    return factor.solve(mesh.vertices), factor.solve(mesh.vertices[:, 0])


def _harmonic(mesh: Mesh):
    rim = spectral.boundary_vertices(mesh)
    return spectral.harmonic(laplacian(mesh), rim, mesh.vertices[rim]), spectral.dirichlet(laplacian(mesh), rim)


CASES = {
    "robust": (laplacian, BLOB),
    "cotangent": (spectral.cotangent_laplacian, BLOB),
    "graph": (lambda m: laplacian(m, "graph"), BLOB),
    "points": (laplacian, CLOUD),
    "graph of points": (lambda c: laplacian(c, "graph"), CLOUD),
    "neighbor_graph": (neighbor_graph, PLACES),
    "normalized": (lambda e: graph_laplacian(e, 5, normalized=True), EDGES),
    "eigenvalues": (lambda m: spectral.eigenbasis(laplacian(m), 10, cache=False), BLOB),
    "Cholesky": (_system, BLOB),
    "boundary": (_harmonic, OPEN),
    "mean_curvature": (lambda m: spectral.mean_curvature(m, smooth=2), BLOB),
    "gaussian_curvature": (spectral.gaussian_curvature, OPEN),
    "principal_curvatures": (principal_curvatures, BLOB),
    "vertex_gradients": (spectral.vertex_gradients, BLOB),
    "face_gradients": (lambda m: divergence(m, face_gradients(m, m.vertices[:, 0])), BLOB),
    "connection_laplacian": (spectral.connection_laplacian, BLOB),
    "shot": (shot, BLOB),
    "varifold_distance": (spectral.varifold_distance, BLOB, BLOB),
    "soft_map": (lambda a, b: spectral.soft_map(a, b, 0.1), PLACES, PLACES.flip(0)),
    "sinkhorn_map": (lambda a, b: spectral.sinkhorn_map(a, b, 0.1), PLACES, PLACES.flip(0)),
    "geodesics from a vertex": (lambda m: spectral.geodesic_distances(m, 3), BLOB),
    "geodesics from vertices": (lambda m: spectral.geodesic_distances(m, m.faces[0]), BLOB),
    "geodesics in heat": (lambda m: spectral.geodesic_distances(m, m.faces[0], "heat"), BLOB),
    "geodesics along edges": (lambda m: spectral.geodesic_distances(m, [3, 4], "dijkstra"), BLOB),
    "all geodesics": (lambda m: spectral.MarchingGeodesics(m).all_pairs(), BLOB),
    "geodesics from each": (lambda m: spectral.MarchingGeodesics(m).distances_each(m.faces[0]), BLOB),
}
ON_THE_CPU = {  # what these return stays there
    "prepare": (lambda m: _shape(m).basis, BLOB),
    "prepare points": (lambda c: _shape(c).laplacian, CLOUD),
    "heat_kernel_signature": (lambda m: spectral.heat_kernel_signature(_shape(m).basis), BLOB),
    "match_shape": (lambda m: spectral.match_shape.match_shape(m, 30).shape.basis.eigenvalues, BLOB),
}


@pytest.mark.filterwarnings("ignore:the heat method errs")
@pytest.mark.parametrize("name", CASES)
def test_operators(name):
    assert_serves_both(*CASES[name])


@pytest.mark.parametrize("name", ON_THE_CPU)
def test_what_is_prepared_stays_on_the_cpu(name):
    import geokit.spectral.match_shape  # noqa: F401 (the module, not the package, has the function)

    assert_serves_both(*ON_THE_CPU[name], stays=True)


def test_values_on_two_devices():
    basis = _shape(BLOB).basis
    with pretend_gpu(), pytest.raises(InvalidInput, match="got masses on cpu and values on cuda:0: move them with"):
        basis.project(on_the_gpu(torch.ones(len(BLOB.vertices), dtype=torch.float64)))
