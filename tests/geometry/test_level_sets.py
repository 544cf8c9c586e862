"""Surfaces where a field has one value."""

import math

import pytest
import torch

from geokit.errors import InvalidInput
from geokit.geometry.level_sets import marching_cubes
from geokit.geometry.topology import topology

pytest.importorskip("skimage")
BOX = ((-1.0, -1.2, -0.9), (1.0, 1.2, 1.1))


def ball(places):
    """The signed distance to a sphere of radius 0.7 around (0.1, 0, 0)."""
    return (places - torch.tensor([0.1, 0.0, 0.0])).norm(dim=1) - 0.7


def check_ball(mesh, radius=0.7):
    found = topology(mesh)
    assert found.watertight
    assert found.manifold
    assert found.euler_characteristic == 2
    assert mesh.area() == pytest.approx(4 * math.pi * radius**2, rel=5e-3)
    assert mesh.volume() == pytest.approx(4 / 3 * math.pi * radius**3, rel=5e-3)
    assert float((mesh.vertices - torch.tensor([0.1, 0.0, 0.0])).norm(dim=1).sub(radius).abs().max()) < 2e-3


def test_a_sphere_of_a_function():
    check_ball(marching_cubes(ball, BOX, 60))
    check_ball(marching_cubes(ball, BOX, (50, 60, 50)))
    check_ball(marching_cubes(ball, BOX, 60, level=0.1), radius=0.8)


def test_blocks_far_from_the_surface_are_not_evaluated():
    asked = []

    def counted(places):
        asked.append(len(places))
        return ball(places)

    whole = marching_cubes(counted, BOX, 140)
    every, asked[:] = sum(asked), []
    sparse = marching_cubes(counted, BOX, 140, lipschitz=1.0)
    assert torch.equal(whole.faces, sparse.faces)
    assert torch.equal(whole.vertices, sparse.vertices)
    assert sum(asked) < 0.7 * every


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_samples_in_a_box_and_as_voxels(dtype):
    axes = [torch.linspace(a, b, n, dtype=dtype) for a, b, n in zip(*BOX, (50, 60, 50))]
    places = torch.cartesian_prod(*axes)
    values = ball(places).reshape(50, 60, 50)
    mesh = marching_cubes(values, BOX)
    assert mesh.vertices.dtype == dtype
    check_ball(mesh.to(torch.float32))
    plane = torch.arange(4.0)[:, None, None].expand(4, 3, 5) - 1.25
    flat = marching_cubes(plane)
    assert torch.allclose(flat.vertices[:, 0], torch.tensor(1.25))
    assert flat.area() == pytest.approx(8.0)
    assert torch.allclose(flat.face_normals(), torch.tensor([1.0, 0.0, 0.0]))


def test_what_cannot_be():
    with pytest.raises(InvalidInput, match="never crosses the level 5"):
        marching_cubes(ball, BOX, 20, level=5)
    with pytest.raises(InvalidInput, match="needs bounds and resolution"):
        marching_cubes(ball)
    with pytest.raises(InvalidInput, match="for fields given as a function"):
        marching_cubes(torch.zeros(3, 3, 3), resolution=4)
    with pytest.raises(InvalidInput, match="bounds must be"):
        marching_cubes(ball, ((0, 0, 0), (0, 1, 1)), 20)
    with pytest.raises(InvalidInput, match="2 or more samples"):
        marching_cubes(ball, BOX, 1)
    with pytest.raises(InvalidInput, match=r"values must have shape \(8,\)|values must have shape"):
        marching_cubes(lambda places: places, BOX, 20)
    with pytest.raises(InvalidInput, match="values must be finite"):
        marching_cubes(torch.full((3, 3, 3), math.nan))
