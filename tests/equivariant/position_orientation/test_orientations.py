"""Grids of orientations: counts, symmetries, what they integrate, and that nothing in them is left to chance."""

import math

import pytest
import torch

from geokit.equivariant.position_orientation import orientations as po
from geokit.equivariant.position_orientation.polyhedra import SEEDS
from geokit.errors import InvalidInput

#        vertices, rotations, strength as a spherical design
KNOWN = {
    "tetrahedral": (4, 12, 2),
    "octahedral": (6, 24, 3),
    "cubic": (8, 24, 3),
    "cuboctahedral": (12, 24, 3),
    "icosahedral": (12, 60, 5),
    "dodecahedral": (20, 60, 5),
    "icosidodecahedral": (30, 60, 5),
    "truncated_icosahedral": (60, 60, 5),
}
GRIDS = [*(po.grid(n) for n in SEEDS), po.circle(7), po.fibonacci(20), po.repulsion(12, seed=3), po.product(6)]


@pytest.mark.parametrize("name", SEEDS)
def test_polyhedra(name):
    grid = po.grid(name)
    assert (len(grid), len(grid.symmetries), grid.degree) == KNOWN[name]
    torch.testing.assert_close(grid.symmetries[0], torch.eye(3, dtype=torch.float64))
    assert grid.mirrored == (name != "tetrahedral")


@pytest.mark.parametrize("grid", GRIDS, ids=lambda g: g.name)
def test_points_weights_and_symmetries(grid):
    torch.testing.assert_close(grid.points.norm(dim=1), torch.ones(len(grid), dtype=torch.float64))
    assert float(grid.weights.sum()) == pytest.approx(1, abs=1e-14)
    assert (grid.weights > 0).all()
    assert len(grid.symmetries.flatten(1).round(decimals=6).unique(dim=0)) == len(grid.symmetries)
    for matrix in grid.symmetries:
        assert float(torch.linalg.det(matrix)) == pytest.approx(1, abs=1e-12)
        indices = grid.permutation(matrix)
        torch.testing.assert_close(grid.points[indices], grid.points @ matrix.T, rtol=0, atol=1e-12)
        torch.testing.assert_close(grid.weights[indices], grid.weights)


@pytest.mark.parametrize("grid", GRIDS, ids=lambda g: g.name)
def test_the_degree_is_that_of_the_largest_exact_integral(grid):
    """Powers of a coordinate along random directions: mean of (o.d)^k is 1/(k+1) or 0 on the sphere, binomial on the
    circle."""
    directions = torch.randn(20, grid.dim, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    cosines = grid.points @ (directions / directions.norm(dim=1, keepdim=True)).T
    for power in range(grid.degree + 2):
        exact = 0.0 if power % 2 else (math.comb(power, power // 2) / 2**power if grid.dim == 2 else 1 / (power + 1))
        error = (grid.weights @ cosines**power - exact).abs().max()
        assert (error < 1e-11) == (power <= grid.degree), (power, error)


def test_moment_is_isotropic_from_degree_two():
    for grid in GRIDS:
        isotropic = (grid.moment - torch.eye(grid.dim, dtype=torch.float64) / grid.dim).abs().max() < 1e-12
        assert isotropic == (grid.degree >= 2)


def test_repulsion_is_seeded_and_spreads():
    torch.testing.assert_close(po.repulsion(16, seed=5).points, po.repulsion(16, seed=5).points, rtol=0, atol=0)
    assert (po.repulsion(16, seed=5).points - po.repulsion(16, seed=6).points).abs().max() > 0.1
    cosines = po.repulsion(12).points @ po.repulsion(12).points.T - 2 * torch.eye(12)
    assert math.degrees(math.acos(cosines.max())) > 60  # the icosahedron, the best, has 63.4 degrees


def test_permutation_of_a_rotation_that_is_no_symmetry_is_none():
    turn = torch.linalg.matrix_exp(torch.tensor([[0, -0.3, 0], [0.3, 0, 0], [0, 0, 0]], dtype=torch.float64))
    assert po.grid("icosahedral").permutation(turn) is None


@pytest.mark.parametrize("make", [lambda: po.grid("cube"), lambda: po.circle(0), lambda: po.fibonacci(-1)])
def test_bad_grids_get_a_sentence(make):
    with pytest.raises(InvalidInput, match="grid"):
        make()


def test_weights_that_differ_break_the_mirror_symmetry():
    even = po.grid("octahedral")
    weights = torch.tensor([0.3, 0.1, 0.15, 0.15, 0.15, 0.15], dtype=torch.float64)
    assert even.mirrored
    assert not po.OrientationGrid(even.points, weights, even.symmetries[:1]).mirrored
