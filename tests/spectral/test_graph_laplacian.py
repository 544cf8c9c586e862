import math

import pytest
import torch

from geokit.errors import InvalidInput
from geokit.geometry.point_cloud import PointCloud
from geokit.spectral.graph_laplacian import graph_laplacian, neighbor_graph
from geokit.spectral.laplacian import laplacian
from tests.geometry.shapes import tetrahedron


def ring(count: int) -> torch.Tensor:
    here = torch.arange(count)
    return torch.stack([here, (here + 1) % count], 1)


def test_spectrum_of_a_ring():
    """2 - 2 cos(2 pi m / n); half of it, normalised."""
    want = (2 - 2 * (torch.arange(12, dtype=torch.float64) * (2 * math.pi / 12)).cos()).sort().values
    assert torch.allclose(torch.linalg.eigvalsh(graph_laplacian(ring(12), 12).stiffness.dense()), want, atol=1e-12)
    got = graph_laplacian(ring(12), 12, normalized=True)
    root = got.masses.rsqrt()
    assert torch.allclose(torch.linalg.eigvalsh(root[:, None] * got.stiffness.dense() * root), want / 2, atol=1e-12)


def test_weights_loops_and_lonely_vertices():
    edges = torch.tensor([[0, 1], [1, 1], [1, 2]])
    got = graph_laplacian(edges, 4, torch.tensor([2.0, 5.0, 3.0]))
    want = torch.tensor([[2, -2, 0, 0], [-2, 5, -3, 0], [0, -3, 3, 0], [0, 0, 0, 0]], dtype=torch.float64)
    assert torch.equal(got.stiffness.dense(), want)
    assert graph_laplacian(edges, 4, torch.tensor([2.0, 5.0, 3.0]), normalized=True).masses.tolist() == [2, 5, 3, 1]


def test_the_edges_of_a_mesh():
    assert torch.equal(laplacian(tetrahedron(), "graph").stiffness.dense(), 4 * torch.eye(4, dtype=torch.float64) - 1)


def test_neighbour_graph():
    points = torch.rand(40, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    edges, weights = neighbor_graph(points, 5, bandwidth=0.5)
    near = torch.cdist(points, points).topk(6, largest=False).indices[:, 1:].tolist()
    want = {tuple(sorted((i, j))) for i, row in enumerate(near) for j in row}
    assert sorted(want) == [tuple(pair) for pair in edges.tolist()]
    distances = (points[edges[:, 0]] - points[edges[:, 1]]).norm(dim=1)
    assert torch.allclose(weights, (-distances.square() / 0.5).exp())
    got = laplacian(PointCloud(points), "graph")
    root = got.masses.rsqrt()
    values = torch.linalg.eigvalsh(root[:, None] * got.stiffness.dense() * root)
    assert abs(float(values[0])) < 1e-12
    assert float(values[1]) > 0.01
    assert float(values[-1]) <= 2


def test_gradients():
    points = torch.rand(8, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64, requires_grad=True)

    def operator(points):
        edges, weights = neighbor_graph(points, 3, bandwidth=0.7)
        got = graph_laplacian(edges, len(points), weights, normalized=True)
        return got.stiffness.values, got.masses

    assert torch.autograd.gradcheck(operator, points)


def test_bad_arguments():
    with pytest.raises(InvalidInput, match="negative"):
        graph_laplacian(ring(4), 4, -torch.ones(4))
    with pytest.raises(InvalidInput, match="bandwidth"):
        neighbor_graph(torch.zeros(5, 3), 2)
    with pytest.raises(InvalidInput, match="want 0 to 2"):
        graph_laplacian(ring(4), 3)
