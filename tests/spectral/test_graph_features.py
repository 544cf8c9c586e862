import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from geokit.errors import InvalidInput
from geokit.geometry.sparse import SparseMatrix
from geokit.spectral.graph_features import (
    diffusion_series,
    estimate_kernel,
    kernel_regression,
    mesh_graph,
    modulation,
    normalized_adjacency,
    power_series_kernel,
    random_walks,
    regularized_laplacian_series,
)
from tests.geometry.shapes import sphere


def small_graph(seed: int = 0) -> SparseMatrix:
    """Eight vertices with random symmetric weights, some negative, one alone; spectral radius 0.5."""
    generator = torch.Generator().manual_seed(seed)
    weights = torch.randn(8, 8, generator=generator, dtype=torch.float64)
    weights = (weights + weights.T) * (torch.rand(8, 8, generator=generator) < 0.6).triu(1).double()
    weights[:, 7] = 0
    weights = weights + weights.T
    weights = 0.5 * weights / torch.linalg.eigvalsh(weights).abs().max()
    rows, columns = weights.nonzero().T
    return SparseMatrix.from_triplets(rows, columns, weights[rows, columns], (8, 8))


def many_estimates(graph: SparseMatrix, series: torch.Tensor, per_vertex: int, count: int) -> torch.Tensor:
    """(count, N, N) independent estimates: one of as many copies of the graph beside each other."""
    copies, size = torch.arange(count)[:, None] * graph.width, (count * graph.width,) * 2
    rows, columns = ((copies + index).reshape(-1) for index in (graph.rows, graph.columns))
    kernel = estimate_kernel(
        SparseMatrix.from_triplets(rows, columns, graph.values.repeat(count), size), series, per_vertex, 0.3
    )
    blocks = []
    for side in (kernel.left, kernel.right):
        block = torch.zeros(count, graph.width, graph.width).double()
        block[side.rows // graph.width, side.rows % graph.width, side.columns % graph.width] = side.values
        blocks.append(block)
    return blocks[0] @ blocks[1].mT


def test_exact_kernels_are_the_functions_of_the_matrix():
    graph = normalized_adjacency(mesh_graph(sphere(1)))
    laplacian = torch.eye(42).double() - graph.dense()
    wanted = torch.linalg.matrix_exp(-1.5 * laplacian)
    assert torch.allclose(power_series_kernel(graph, diffusion_series(1.5, 40)), wanted, atol=1e-12)
    wanted = torch.linalg.matrix_power(torch.linalg.inv(torch.eye(42).double() + 0.8**2 * laplacian), 2)
    assert torch.allclose(power_series_kernel(graph, regularized_laplacian_series(2, 0.8, 120)), wanted, atol=1e-12)


@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 10_000), count=st.integers(1, 12))
def test_the_modulation_is_the_root_of_the_series(seed, count):
    coefficients = torch.rand(count, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) + 0.1
    f = modulation(coefficients)
    squared = torch.stack([(f[: k + 1] * f[: k + 1].flip(0)).sum() for k in range(count)])
    assert torch.allclose(squared, coefficients, atol=1e-6 * float(f.square().sum()))


@pytest.mark.parametrize("series", [diffusion_series(2.0, 14), regularized_laplacian_series(2, 1.0, 40)])
def test_the_mean_of_many_estimates_is_the_exact_kernel(series):
    graph = small_graph()
    exact = power_series_kernel(graph, series)
    estimates = many_estimates(graph, series, 8, 4000)
    deviation = estimates.std(0) / len(estimates) ** 0.5
    # 64 entries, each within 4.5 standard errors (the alone vertex's have none); the rest of the series is < 1e-4.
    assert bool(((estimates.mean(0) - exact).abs() <= 4.5 * deviation + 1e-4).all())
    assert float(deviation.max()) < 0.1 * float(exact.max())


def test_loads_have_the_powers_of_the_weights_as_their_mean():
    graph = small_graph(1)
    walks = random_walks(graph, 60_000, 0.4, longest=3)
    power = torch.eye(8).double()
    for length in range(4):
        one = torch.nn.functional.one_hot(torch.tensor(length), 4).double()
        assert torch.allclose(walks.features(one).dense(), power, atol=0.02)
        power = power @ graph.dense()


def test_the_variance_falls_with_the_number_of_walks():
    graph, series = small_graph(2), diffusion_series(1.0, 12)
    exact = power_series_kernel(graph, series)
    errors = []
    for walks in (8, 32):
        errors.append(float((many_estimates(graph, series, walks, 1000) - exact).square().mean()))
    assert 3 < errors[0] / errors[1] < 6  # a quarter, and the product's own 1 / m^2


def test_a_seed_gives_the_same_walks():
    graph = small_graph()
    first, again, other = (random_walks(graph, 4, 0.2, seed=seed) for seed in (5, 5, 6))
    assert torch.equal(first.places, again.places)
    assert torch.equal(first.loads, again.loads)
    assert not torch.equal(first.places[:20], other.places[:20]) or len(first.places) != len(other.places)


def test_modulation_and_weights_can_be_learned():
    graph = small_graph(3)
    walks = random_walks(graph, 6, 0.3, longest=4)
    target = power_series_kernel(graph, diffusion_series(1.0, 5))
    f = torch.tensor([1.0, 0.5, 0.2, 0.1, 0.05]).double().requires_grad_()

    def loss(f):
        features = walks.features(f)
        return (features.dense() @ features.dense().T - target).square().sum()

    assert torch.autograd.gradcheck(loss, (f,))

    def of_weights(values):
        return random_walks(graph.replace(values=values), 3, 0.3, longest=4).features(f).dense()

    assert torch.autograd.gradcheck(of_weights, (graph.values.clone().requires_grad_(),), fast_mode=True)
    assert torch.autograd.gradcheck(modulation, (diffusion_series(1.0, 5).requires_grad_(),))


def test_the_product_without_the_matrix():
    kernel = estimate_kernel(small_graph(), diffusion_series(1.0, 8))
    values = torch.randn(8, 3).double()
    assert torch.allclose(kernel @ values, kernel.dense() @ values)


def test_masked_normals_of_a_sphere_are_found_again():
    mesh = sphere(3)
    normals, graph = mesh.vertex_normals(), normalized_adjacency(mesh_graph(mesh))
    known = torch.rand(len(normals), generator=torch.Generator().manual_seed(0)) > 0.3
    series = diffusion_series(4.0, 30)
    found = {}
    for name, kernel in (
        ("exact", power_series_kernel(graph, series)),
        ("few", estimate_kernel(graph, series, 4)),
        ("many", estimate_kernel(graph, series, 64)),
    ):
        guessed = torch.nn.functional.normalize(kernel_regression(kernel, normals, known), dim=1)
        found[name] = float((guessed * normals).sum(1)[~known].mean())
    assert found["exact"] > 0.99
    assert found["many"] > 0.97
    assert found["few"] < found["many"] < found["exact"]


def test_wrong_arguments_are_named():
    graph = small_graph()
    with pytest.raises(InvalidInput, match="0 < halt < 1"):
        random_walks(graph, 4, 1.0)
    with pytest.raises(InvalidInput, match="must begin with a positive one"):
        modulation(torch.tensor([0.0, 1]))
    with pytest.raises(InvalidInput, match="square matrix"):
        random_walks(SparseMatrix(graph.offsets, graph.columns, graph.values, 9))
