"""The classifier of point clouds: what does not change its scores."""

import pytest
import torch

from geokit.equivariant.position_orientation import grid
from geokit.equivariant.position_orientation.classifier import PointClassifier
from geokit.geometry.rotations import random_rotations
from geokit.pipelines.shape_clouds import shape_clouds


def classifier(orientations="octahedral"):
    torch.manual_seed(0)
    network = PointClassifier(5, points=64, neighbors=8, hidden=16, width=24, orientations=grid(orientations))
    clouds = shape_clouds(2, 64).points
    for _ in range(3):
        network(clouds)  # statistics of the normalization
    return network.eval().double(), clouds.double()


@pytest.mark.parametrize("orientations", ["octahedral", "cubic", "icosahedral"])
def test_rotations_reflections_and_the_order_of_points_change_nothing(orientations):
    network, clouds = classifier(orientations)
    with torch.no_grad():
        scores = network(clouds)
        assert scores.std(0).min() > 1e-4
        turns = random_rotations(len(clouds), generator=torch.Generator().manual_seed(1)).mT
        order = torch.randperm(64, generator=torch.Generator().manual_seed(2))
        for changed in (clouds @ turns, -clouds, clouds[:, order]):
            torch.testing.assert_close(network(changed), scores, atol=1e-9, rtol=1e-9)
        torch.testing.assert_close(network(clouds[3:5]), scores[3:5])  # clouds do not hear each other
