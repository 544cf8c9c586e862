"""Training on generated shapes: results, and that rotation tells a plain network from one of invariants."""

import json

import pytest
import torch
from torch import nn

from geokit.errors import InvalidInput
from geokit.pipelines.shape_classes import CLASSES
from geokit.pipelines.train_pointclouds import train_pointclouds

QUICK = {"epochs": 15, "train": 30, "valid": 5, "test": 15, "points": 64, "neighbors": 8, "rate": 0.01, "average": 0.9}


class Pooled(nn.Module):
    """Features of each point by itself: of its coordinates, or of its distance from the centre alone."""

    def __init__(self, classes, invariant):
        super().__init__()
        self.invariant = invariant
        self.points = nn.Sequential(nn.Linear(3, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU())
        self.head = nn.Linear(128, classes)

    def forward(self, points):
        seen = points.norm(dim=2, keepdim=True).expand_as(points) if self.invariant else points
        features = self.points(seen)
        return self.head(torch.cat([features.mean(1), features.amax(1)], 1))


def test_a_network_of_invariants_is_as_good_rotated_and_a_plain_one_is_not(tmp_path):
    results = {}
    for invariant in (False, True):
        folder = tmp_path / str(invariant)
        results[invariant] = train_pointclouds(
            folder, network=lambda settings, classes, kind=invariant: Pooled(classes, kind), **QUICK
        )
        assert json.loads((folder / "results.json").read_text()) == results[invariant]
        assert (folder / "curve.png").is_file()
        assert list(results[invariant]["test"]["classes"]) == list(CLASSES)
    plain, exact = results[False]["test"], results[True]["test"]
    assert plain["upright"] > 0.5
    assert plain["upright"] - plain["rotated"] > 0.2
    assert exact["upright"] > 0.15  # of sixteen
    assert abs(exact["upright"] - exact["rotated"]) < 0.01
    assert exact["largest_change_of_a_score"] < 1e-3 < plain["largest_change_of_a_score"]
    assert plain["classes"]["mug"]["else"] in CLASSES


def test_a_run_goes_on_to_the_same_result(tmp_path):
    def network(settings, classes):
        return Pooled(classes, False)

    options = QUICK | {"epochs": 2, "train": 4, "test": 2}
    whole = train_pointclouds(tmp_path / "out", network=network, **options)
    again = train_pointclouds(tmp_path / "out", network=network, resume=True)
    assert again["test"] == whole["test"]


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"points": 4}, "points must be a whole number, 16 to 8192"),
        ({"neighbors": 64, "points": 64}, "neighbors must be fewer than points, got 64 and 64"),
        ({"pose": "lying"}, "pose must be upright, turned or rotated, got 'lying'"),
        ({"train": 0}, "train must be a whole number, at least 1"),
    ],
)
def test_options_that_cannot_be(tmp_path, options, sentence):
    with pytest.raises(InvalidInput, match=sentence):
        train_pointclouds(tmp_path / "out", **options)
    assert not (tmp_path / "out").exists()
