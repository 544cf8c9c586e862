"""The bending of maps: none for moved shapes, much for mirrored ones, and as a plain loop of Kabsch's fits finds it."""

import pytest
import torch

from geokit.geometry.rotations import random_rotations
from geokit.spectral.sampled import Samples, sample_shape
from geokit.spectral.score import bending
from geokit.spectral.shape import prepare
from tests.spectral.blobs import blob


@pytest.fixture(scope="module")
def samples() -> Samples:
    return sample_shape(prepare(blob(3), 40)).fine


def moved(samples: Samples, matrix: torch.Tensor) -> Samples:
    return type(samples)(**{**vars_of(samples), "places": samples.places @ matrix.T + 0.3})


def vars_of(samples: Samples) -> dict:
    return {name: getattr(samples, name) for name in Samples.__dataclass_fields__}


def looped(here: Samples, there: Samples, p2p: torch.Tensor) -> float:
    """Weighted Kabsch around every coarse sample, one after another, in float64."""
    total, whole = 0.0, 0.0
    for row, weights in enumerate(here.surroundings.double()):
        a, b = here.places.double(), there.places[p2p].double()
        a, b = a - weights @ a, b - weights @ b
        u, _, vt = torch.linalg.svd((a * weights[:, None]).T @ b)
        turn = u @ torch.diag(torch.tensor([1.0, 1, float(torch.linalg.det(u @ vt).sign())]).double()) @ vt
        area = float(here.areas[here.nearest == row].sum())
        left = weights @ (a @ turn - b).square().sum(1)
        total += area * float(left / (weights @ (a.square() + b.square()).sum(1)))
        whole += area
    return total / whole


def test_rotated_copies_do_not_bend_and_mirrored_ones_do(samples):
    same = torch.arange(len(samples))[None]
    turn = random_rotations(generator=torch.Generator().manual_seed(1)).to(samples.places)
    assert float(bending(samples, moved(samples, turn), same)) < 1e-4
    mirror = turn @ torch.diag(torch.tensor([1.0, 1, -1]))
    assert float(bending(samples, moved(samples, mirror), same)) > 0.005


def test_as_one_fit_after_another(samples):
    generator = torch.Generator().manual_seed(0)
    near = samples.distances[samples.nearest][:, samples.nearest].topk(12, largest=False).indices
    p2p = near.gather(1, torch.randint(12, (len(samples), 1), generator=generator))[:, 0]
    stretched = moved(samples, torch.diag(torch.tensor([1.3, 1.0, 0.8])))
    found = float(bending(samples, stretched, p2p[None]))
    assert found == pytest.approx(looped(samples, stretched, p2p), rel=1e-3)
    assert found > 0.01
