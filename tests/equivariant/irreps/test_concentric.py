"""Icosahedral grids and the concentric spherical network."""

import pytest
import torch

from geokit.equivariant.irreps.concentric import ConcentricNetwork
from geokit.equivariant.irreps.icosphere import icosphere
from geokit.equivariant.position_orientation.polyhedra import symmetries
from geokit.errors import InvalidInput
from geokit.geometry.rotations import random_rotations


@pytest.mark.parametrize("level", [0, 1, 3])
def test_icosphere(level):
    grid = icosphere(level)
    count = 10 * 4**level + 2
    assert grid.points.shape == (count, 3)
    torch.testing.assert_close(grid.points.norm(dim=1), torch.ones(count).double())
    assert float(grid.areas.sum()) == pytest.approx(1)
    own = grid.neighbors == torch.arange(count)[:, None]
    assert own.sum() == 12
    assert own[:12, 5].all()
    gaps = (grid.points[grid.neighbors] - grid.points[:, None]).norm(dim=-1)
    assert (gaps[~own] < 1.4 / 2**level).all()
    if level:
        coarse = icosphere(level - 1)
        assert torch.equal(grid.points[: len(coarse.points)], coarse.points)


def clouds(count: int = 4) -> torch.Tensor:
    points = torch.randn(count, 200, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    points = points * torch.tensor([1.0, 0.6, 0.3])
    return points / points.norm(dim=-1).amax(-1)[:, None, None]


def invariance_error(level: int, rotations: torch.Tensor) -> float:
    torch.manual_seed(0)
    network = ConcentricNetwork(level, 6, 8, widths=(8, 8)).double()
    with torch.no_grad():
        still = network(clouds())
        moved = torch.stack([network(clouds() @ rotation.T) for rotation in rotations])
    return float((moved - still).norm() / (len(rotations) ** 0.5 * (still - still.mean(0)).norm()))


def test_rotations_of_the_icosahedron_change_nothing():
    assert invariance_error(2, symmetries("icosahedral")[[1, 20, 50]]) < 1e-12


def test_other_rotations_change_less_on_finer_grids():
    rotations = random_rotations(4, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
    errors = [invariance_error(level, rotations) for level in (1, 2, 3)]
    assert errors[0] > 4 * errors[1] > 4 * errors[2]


def test_trains_compiles_and_exports():
    network, points = ConcentricNetwork(1, 4, 2, widths=(4, 4)), clouds(2).float()
    network(points).square().sum().backward()
    assert all(parameter.grad.isfinite().all() for parameter in network.parameters())
    torch.testing.assert_close(
        torch.compile(network, fullgraph=True, backend="aot_eager")(points), network(points), rtol=1e-4, atol=1e-5
    )
    program = torch.export.export(network, (points,)).module()
    torch.testing.assert_close(program(points), network(points), rtol=1e-4, atol=1e-5)


def test_refusals():
    with pytest.raises(InvalidInput, match="0 to 8"):
        icosphere(9)
    with pytest.raises(InvalidInput, match="points"):
        ConcentricNetwork(1, 4, 2)(torch.randn(5, 3))
