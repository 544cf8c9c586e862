"""Errors of maps: zero for the truth, the known length for a shift, the mirror image told."""

import pytest
import torch

from geokit.errors import InvalidInput
from geokit.geometry.mesh import Mesh
from geokit.spectral.evaluation import edge_geodesics, geodesic_error


@pytest.fixture(scope="module")
def strip() -> Mesh:
    """Two rows of five squares of side 2, cut into triangles: 18 vertices, area 40."""
    x, y = torch.meshgrid(torch.arange(6.0), torch.arange(3.0), indexing="ij")
    vertices = 2 * torch.stack((x, y, torch.zeros_like(x)), -1).reshape(-1, 3).double()
    corner = (torch.arange(5)[:, None] * 3 + torch.arange(2)).reshape(-1)
    faces = torch.cat(
        (torch.stack((corner, corner + 3, corner + 4), 1), torch.stack((corner, corner + 4, corner + 1), 1))
    )
    return Mesh(vertices, faces)


def test_the_truth_has_no_error_and_a_shift_its_length(strip):
    distances, every = edge_geodesics(strip), torch.arange(18)
    assert geodesic_error(every, every, every, distances, strip.area()).mean == 0
    shifted = (every + 3).clamp(max=17)
    some = torch.arange(15)
    found = geodesic_error(shifted, some, some, distances, strip.area())
    assert found.mean == pytest.approx(100 * 2 / 40**0.5)
    assert found.mirrored is None
    assert not found.flipped


def test_a_map_near_the_mirrored_truth_is_flipped(strip):
    every = torch.arange(18)
    mirrored = every // 3 * 3 + 2 - every % 3
    found = geodesic_error(mirrored, every, every, edge_geodesics(strip), strip.area(), mirrored)
    assert found.flipped
    assert found.mirrored == 0


def test_landmarks_out_of_range_are_one_sentence(strip):
    every = torch.arange(18)
    with pytest.raises(InvalidInput, match="vertices 0 to 17"):
        geodesic_error(every, every, every + 1, edge_geodesics(strip), strip.area())
