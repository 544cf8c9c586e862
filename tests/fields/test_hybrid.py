"""Radial kernels and a grid before one small network, as in NeuRBF."""

import torch

from geokit.fields import GridEncoding, HybridField, Perceptron, RadialEncoding, fit_network, grid_cells, image_samples
from geokit.fields.initialise import image_weights, kernels_from_samples


def picture() -> torch.Tensor:
    y, x = torch.meshgrid(torch.linspace(0, 1, 40), torch.linspace(0, 1, 40), indexing="ij")
    disc = ((x - 0.4) ** 2 + (y - 0.6) ** 2 < 0.06).float()
    return torch.stack([0.5 + 0.4 * (9 * x).sin() * (7 * y).cos(), 0.8 * disc + 0.1, x * y], -1)


def hybrid(image: torch.Tensor) -> HybridField:
    bounds = torch.tensor([[0.0, 0.0], [40.0, 40.0]])
    points, _ = image_samples(image)
    kernels = kernels_from_samples(points, image_weights(image).flatten(), 60, 8, "wendland4")
    torch.nn.init.normal_(kernels.features, std=0.1, generator=torch.Generator().manual_seed(0))
    grid = GridEncoding(bounds, grid_cells(bounds, 3, 4, 16), rows=256, features=2, basis="spline")
    return HybridField(bounds, [RadialEncoding(kernels, normalised=True), grid], Perceptron(8 + grid.width, 3, 16, 2))


def error(field: HybridField, image: torch.Tensor) -> float:
    points, values = image_samples(image)
    with torch.no_grad():
        return float((field(points) - values).square().mean())


def test_learns_and_moves_its_kernels() -> None:
    image = picture()
    field = hybrid(image)
    kernels = field.encodings[0].kernels
    before, start = error(field, image), kernels.centres.detach().clone()
    fit_network(field, image, steps=150, batch=800)
    assert error(field, image) < 0.05 * before
    assert float((kernels.centres - start).abs().max().detach()) > 1e-3
    assert all(p.grad is None or bool(p.grad.isfinite().all()) for p in field.parameters())


def test_slopes_are_those_of_the_values() -> None:
    field = hybrid(picture()).double()
    x = 5 + 30 * torch.rand(40, 2, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    step = 1e-5
    with torch.no_grad():
        found = field.gradient(x)
        shifts = step * torch.eye(2, dtype=torch.float64)
        expected = torch.stack([(field(x + s) - field(x - s)) / (2 * step) for s in shifts], -1)
    torch.testing.assert_close(found, expected, atol=1e-7, rtol=1e-5)
