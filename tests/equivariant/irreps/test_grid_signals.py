"""Signals on grids of orientations and irreps."""

from dataclasses import dataclass

import pytest
import torch

from geokit.equivariant.irreps.gaunt import gaunt_product
from geokit.equivariant.irreps.grid_signals import GridSignals
from geokit.equivariant.irreps.quadrature import lebedev
from geokit.equivariant.position_orientation.orientations import grid
from geokit.errors import InvalidInput
from geokit.geometry.rotations import random_rotations
from tests.reference import irreps as reference


@dataclass
class Rule:
    points: torch.Tensor
    weights: torch.Tensor
    degree: int


def lebedev_grid(degree: int) -> Rule:
    return Rule(*map(torch.from_numpy, lebedev(degree)), degree)


@pytest.mark.parametrize("name", ["octahedral", "icosahedral", "dodecahedral", 11])
def test_exact_up_to_half_of_the_degree_of_the_grid(name):
    orientations = lebedev_grid(name) if isinstance(name, int) else grid(name)
    signals = GridSignals(orientations)
    assert signals.degree == orientations.degree // 2
    coefficients = torch.randn(3, 4, (signals.degree + 1) ** 2, dtype=torch.float64)
    signal = signals.to_signal(coefficients)
    assert signal.shape == (3, len(orientations.points), 4)
    torch.testing.assert_close(signals.to_irreps(signal), coefficients)
    single = signals.to_irreps(signals.to_signal(coefficients.float()))
    assert (single - coefficients).abs().max() < 3e-6


def test_projection_is_idempotent():
    signals = GridSignals(grid("icosahedral"))
    signal = torch.randn(2, 12, 5, dtype=torch.float64)
    once = signals.to_signal(signals.to_irreps(signal))
    torch.testing.assert_close(signals.to_signal(signals.to_irreps(once)), once)
    assert (once - signal).abs().max() > 0.1


def test_rotations_of_the_grid_permute_signals():
    icosahedron = grid("icosahedral")
    signals = GridSignals(icosahedron)
    signal = torch.randn(12, 3, dtype=torch.float64)
    for rotation in icosahedron.symmetries[[1, 7, 30]]:
        turned = torch.empty_like(signal)
        turned[icosahedron.permutation(rotation)] = signal
        turn = reference.rotation_of_coefficients(signals.degree, rotation)
        torch.testing.assert_close(signals.to_irreps(turned), signals.to_irreps(signal) @ turn.T)


def test_a_product_on_the_grid_is_a_gaunt_product():
    """Mixed networks: values multiplied at orientations against coefficients multiplied as irreps."""
    fine = GridSignals(lebedev_grid(8), 4)
    u, v = torch.randn(2, 6, 3, 9, dtype=torch.float64)
    values = [fine.to_signal(torch.nn.functional.pad(t, (0, 16))) for t in (u, v)]
    torch.testing.assert_close(fine.to_irreps(values[0] * values[1]), gaunt_product(u, v, 4))
    rotation = random_rotations(1, dtype=torch.float64)[0]
    turn = reference.rotation_of_coefficients(2, rotation).T
    assert gaunt_product(u @ turn, v @ turn, 0).allclose(gaunt_product(u, v, 0))


def test_compiles_and_exports():
    signals, signal = GridSignals(grid("icosahedral")), torch.randn(2, 12, 3)

    class Both(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.signals = signals

        def forward(self, x):
            return self.signals.to_signal(self.signals.to_irreps(x))

    torch.testing.assert_close(torch.compile(Both(), fullgraph=True, backend="aot_eager")(signal), Both()(signal))
    torch.testing.assert_close(torch.export.export(Both(), (signal,)).module()(signal), Both()(signal))


def test_refusals():
    with pytest.raises(InvalidInput, match="finer grid"):
        GridSignals(grid("icosahedral"), 3)
    with pytest.raises(InvalidInput, match="in space"):
        GridSignals(Rule(torch.randn(5, 2), torch.full((5,), 0.2), 4))
    with pytest.raises(InvalidInput, match="12, C"):
        GridSignals(grid("icosahedral")).to_irreps(torch.randn(2, 11, 3))
