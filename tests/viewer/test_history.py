"""What can be undone, and how much memory that may take."""

import torch
from geokit.viewer.history import History

from geokit.geometry import PointCloud


def cloud(count: int, seed: int = 0) -> PointCloud:
    return PointCloud(torch.rand(count, 3, generator=torch.Generator().manual_seed(seed)))  # 12 bytes a point


def test_the_oldest_edits_are_forgotten_beyond_the_limit_and_never_the_last():
    history, done = History(limit=3000), []
    for name in "abc":
        history.push(name, lambda name=name: done.append(name), {name: {"shape": cloud(100)}})
    assert (len(history), history.held()) == (2, 2400)
    history.push("large", lambda: done.append("large"), {"d": {"shape": cloud(1000)}})
    assert (len(history), history.last) == (1, "large")
    assert history.undo() == "large"
    assert history.undo() is None
    assert done == ["large"]


def test_what_shapes_share_counts_once():
    history, shape = History(limit=3000), cloud(100)
    for number in range(10):
        history.push(f"moved {number}", lambda: None, {"a": {"shape": PointCloud(shape.points)}})
    assert len(history) == 10
    assert history.held() == 1200


def test_edits_of_others_survive_a_layer_that_goes():
    history = History()
    history.push("both", lambda: None, {"a": {"shape": cloud(1)}, "b": {"shape": cloud(1)}})
    history.push("one", lambda: None, {"a": {"shape": cloud(1)}})
    history.forget("a")
    assert history.last == "both"
