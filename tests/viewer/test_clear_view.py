"""The first camera sees what a capture is about, not the outside of its surroundings."""

import math

import torch
from geokit.viewer import Viewer

from geokit.geometry import Splats
from tests.viewer.splat_scenes import blob, streamed


def surroundings(radius: float, count: int = 4000) -> Splats:
    """An opaque sphere of splats."""
    generator = torch.Generator().manual_seed(7)
    places = radius * torch.nn.functional.normalize(torch.randn(count, 3, generator=generator), dim=1)
    scales = torch.full((count, 3), math.log(0.08 * radius))
    quats = torch.tensor([[1.0, 0, 0, 0]]).expand(count, 4)
    return Splats(places, quats, scales, torch.full((count,), 4.0), torch.zeros(count, 1, 3))


def with_surroundings(radius: float) -> Splats:
    inner, outer = blob(40_000, size=0.02), surroundings(radius)
    fields = outer.tensors()
    return Splats(**{name: torch.cat([t, fields[name]]) for name, t in inner.tensors().items()})


def distance(splats: Splats) -> tuple[float, float]:
    """Of the first camera from the middle, and the half diagonal of what is taken for the scene."""
    with Viewer(port=0, up=(0.0, 0.0, 1.0)) as viewer:
        layer = streamed("scene", splats)
        viewer.add(layer)
        low, high = layer.bounds()
        middle = torch.from_numpy(low + high) / 2
        half = float(torch.linalg.vector_norm(torch.from_numpy(high - low))) / 2
        return float(torch.linalg.vector_norm(viewer.home_camera().centers[0].double() - middle)), half


def test_the_surroundings_do_not_count_for_the_scene():
    far, half = distance(with_surroundings(200.0))
    assert half < 2.5
    assert 2 < far < 12


def test_the_first_camera_stands_within_the_surroundings():
    alone, _ = distance(blob(40_000, size=0.02))
    inside, _ = distance(with_surroundings(0.7 * alone))
    assert inside < 0.7 * alone < alone
