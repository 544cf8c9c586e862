"""Generated shapes: their surfaces, their samples and their poses."""

import math

import pytest
import torch

from geokit.errors import InvalidInput
from geokit.pipelines.shape_classes import CLASSES, class_patches
from geokit.pipelines.shape_clouds import Imperfection, faces_of, scan, shape_clouds
from geokit.pipelines.shape_patches import block, circle, lathe, polygon, slab, tube

IDEAL = Imperfection(bend=0, noise=0, unevenness=0)


def volumes(patches):
    """(B,) what closed patches enclose."""
    a, b, c = faces_of(patches).unbind(2)
    return (torch.linalg.cross(a, b) * c).sum((1, 2)).abs() / 6


def areas(patches):
    a, b, c = faces_of(patches).unbind(2)
    return torch.linalg.cross(b - a, c - a).norm(dim=2).sum(1) / 2


def test_patches_enclose_what_they_should():
    x, y = torch.tensor([1.0, 2, 3]), torch.tensor([0.5, 1, 1])
    torch.testing.assert_close(volumes([block(3, x, y, -1.0, 2.0)]), 12 * x * y)
    sides, radius = torch.tensor([3, 4, 6]), torch.tensor([1.0, 2, 1])
    base = sides / 2 * radius**2 * torch.sin(2 * math.pi / sides)
    section = polygon(sides, 6, x=radius, y=radius)
    torch.testing.assert_close(volumes([slab(section, 0.0, 3.0)]), 3 * base)
    pyramid = lathe(section, [(0.0, 0.0), (1.0, 0.0), (0.0, 3.0)])
    torch.testing.assert_close(volumes([pyramid]), base)
    star = polygon(torch.tensor([10]), 14, inner=0.5)  # ten triangles with sides 1 and 1/2
    torch.testing.assert_close(volumes([slab(star, 0.0, 1.0)]), 10 * torch.tensor([0.25]) * math.sin(math.pi / 5))


def test_a_tube_has_the_area_of_its_length_and_girth():
    angles = torch.linspace(0, math.pi, 200)
    outward = torch.stack([angles.cos(), torch.zeros(200), angles.sin()], 1)[None]
    patch = tube(2 * outward, outward, torch.tensor([0.1]))
    assert float(areas([patch])) == pytest.approx(2 * math.pi * 0.2 * math.pi, rel=0.01)
    assert float((patch[0].norm(dim=2) - 2).abs().max()) <= 0.1 + 1e-5


@pytest.mark.parametrize("name", CLASSES)
def test_each_class_is_finite_upright_and_never_twice_the_same(name):
    patches = class_patches(name, 20, torch.Generator().manual_seed(0))
    faces = faces_of(patches)
    assert faces.isfinite().all()
    sizes = (faces.flatten(1, 2).amax(1) - faces.flatten(1, 2).amin(1)).sort().values
    assert (sizes > 0.05).all()
    assert (sizes < 6).all()
    proportions = sizes / sizes[:, -1:]
    assert torch.pdist(proportions).min() > 1e-4


def test_points_are_spread_by_area():
    faces = faces_of([block(1, 1.0, 0.5, -0.25, 0.25)])
    points = scan(faces, 40_000, IDEAL, torch.Generator().manual_seed(0))[0]
    low, high = points.amin(0), points.amax(0)
    size = high - low
    torch.testing.assert_close(size / size[0], torch.tensor([1.0, 0.5, 0.25]), rtol=0.02, atol=0)
    on_side = ((points < low + 1e-4) | (points > high - 1e-4)).float().mean(0)
    torch.testing.assert_close(on_side, torch.tensor([0.125, 0.25, 0.5]) / 0.875, rtol=0.03, atol=0)


def test_an_uneven_scan_is_denser_on_one_side():
    faces = faces_of([lathe(circle(50), [(0.0, -1.0), (1.0, -1.0), (1.0, 1.0), (0.0, 1.0)])])
    even = scan(faces, 500, IDEAL, torch.Generator().manual_seed(0))
    uneven = scan(faces, 500, Imperfection(0, 0, 2.0), torch.Generator().manual_seed(0))
    skew = [clouds.pow(3).mean(1).norm(dim=1).mean() for clouds in (even, uneven)]
    assert skew[1] > 3 * skew[0]


def test_clouds_are_normalized_and_the_same_for_a_seed():
    clouds = shape_clouds(3, 64, seed=5)
    assert clouds.points.shape == (3 * len(CLASSES), 64, 3)
    assert clouds.points.dtype == torch.float32
    assert clouds.labels.tolist() == [label for label in range(len(CLASSES)) for _ in range(3)]
    torch.testing.assert_close(clouds.points.mean(1), torch.zeros(len(clouds), 3), atol=1e-5, rtol=0)
    torch.testing.assert_close(clouds.points.square().sum(2).mean(1), torch.ones(len(clouds)))
    assert torch.equal(clouds.points, shape_clouds(3, 64, seed=5).points)
    assert not torch.equal(clouds.points, shape_clouds(3, 64, seed=6).points)


def test_poses_turn_shapes_and_change_nothing_else():
    upright = shape_clouds(2, 50, pose="upright")
    for pose in ("turned", "rotated"):
        posed = upright.posed(pose, seed=1)
        torch.testing.assert_close(
            torch.cdist(posed.points, posed.points), torch.cdist(upright.points, upright.points), atol=2e-3, rtol=0
        )
        assert torch.equal(posed.points, upright.posed(pose, seed=1).points)
        heights = (posed.points - upright.points)[..., 2].abs().amax(1)
        assert (heights < 1e-5).all() == (pose == "turned")
        assert ((posed.points - upright.points).abs().amax((1, 2)) > 1e-3).all()


def test_what_cannot_be_is_one_sentence():
    with pytest.raises(InvalidInput, match="no class of shapes 'house'; choose among ellipsoid, box"):
        shape_clouds(1, classes=("house",))
    with pytest.raises(InvalidInput, match="must be at least 1, got 0, 512 and 16"):
        shape_clouds(0)
    with pytest.raises(InvalidInput, match="a pose is upright, turned or rotated, got 'lying'"):
        shape_clouds(1, pose="lying")
