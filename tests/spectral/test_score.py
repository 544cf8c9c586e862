"""What tells good maps from bad ones without the truth."""

import torch

from geokit.geometry.mesh import Mesh
from geokit.spectral.heights import heights
from geokit.spectral.sampled import SampledShape, sample_shape
from geokit.spectral.score import Quality, assess
from geokit.spectral.shape import prepare
from geokit.spectral.zoomout import fit_samples
from tests.geometry.shapes import sphere
from tests.spectral.asymmetric import blob


def quality(shape: SampledShape, p2p: torch.Tensor) -> Quality:
    """Of a map of the shape to itself, p2p (S,) from samples to samples."""
    back = shape.distances[:, p2p].argmin(1)
    rows = shape.rows[:, :20]
    maps = [fit_samples(matches[None], rows, rows, shape.areas) for matches in (p2p, back)]
    return assess(shape, shape, p2p[None], back[None], *maps)


def test_the_identity_is_better_than_mirror_images_and_disorder():
    shape = sample_shape(prepare(blob(3), 40))
    places = shape.shape.mesh.vertices[shape.vertices]
    mirrored = torch.cdist(places * torch.tensor([-1.0, 1, 1], dtype=torch.float64), places).argmin(1)
    same = quality(shape, torch.arange(len(shape)))
    for other in (mirrored, torch.randperm(len(shape), generator=torch.Generator().manual_seed(0))):
        assert float(same.score()) > float(quality(shape, other).score()) + 1
    assert float(same.distortion) < 0.05
    assert float(same.orientation) > 0.98
    assert float(same.cycle) == 0
    assert float(quality(shape, mirrored).orientation) < -0.5


def test_heights_are_positive_on_bulges_and_negative_in_dents():
    ball = sphere(4)
    bump = torch.exp(-((ball.vertices - ball.vertices[0]).norm(dim=1) ** 2) / 0.02)
    for sign in (1.0, -1.0):
        shape = prepare(Mesh(ball.vertices * (1 + sign * 0.15 * bump)[:, None], ball.faces), 100)
        found = heights(shape, (0.001, 0.002))
        assert found.shape == (len(shape), 2)
        assert (sign * found[0] > 0.7).all()
        assert found.abs().max() <= 1
