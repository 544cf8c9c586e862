"""Meshes with fewer faces."""

import pytest
import torch

from geokit.errors import InvalidInput
from geokit.geometry.level_sets import marching_cubes
from geokit.geometry.simplify import simplify
from geokit.geometry.topology import topology

pytest.importorskip("fast_simplification")
pytest.importorskip("skimage")


@pytest.fixture(scope="module")
def ball():
    return marching_cubes(lambda places: places.norm(dim=1) - 0.7, ((-1, -1, -1), (1, 1, 1)), 50)


def test_fewer_faces_and_the_same_shape(ball):
    for options in ({"faces": 1000}, {"ratio": 1000 / len(ball)}):
        small = simplify(ball, **options)
        assert 900 <= len(small) <= 1010
        assert topology(small).watertight
        assert small.volume() == pytest.approx(ball.volume(), rel=0.01)
        assert float((small.vertices.norm(dim=1) - 0.7).abs().max()) < 0.015


def test_colours_and_normals_stay(ball):
    colored = ball.replace(colors=(ball.vertices + 1) / 2, normals=ball.vertex_normals())
    small = simplify(colored, 500)
    assert float((small.colors - (small.vertices + 1) / 2).abs().max()) < 0.02
    torch.testing.assert_close(small.normals.norm(dim=1), torch.ones(len(small.vertices)))


def test_far_from_the_origin_and_in_doubles(ball):
    far = ball.to(torch.float64)
    far = far.replace(vertices=far.vertices + 1e6)
    small = simplify(far, 1000)
    assert small.vertices.dtype == torch.float64
    assert small.volume() == pytest.approx(ball.volume(), rel=0.01)


def test_nothing_to_do_and_what_cannot_be(ball):
    assert simplify(ball, faces=10**9) is ball
    for options in ({}, {"faces": 10, "ratio": 0.5}, {"ratio": 0.0}, {"ratio": 1.5}, {"faces": 3}):
        with pytest.raises(InvalidInput):
            simplify(ball, **options)
