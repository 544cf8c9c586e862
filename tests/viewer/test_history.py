"""What can be undone, and how much memory that may take."""

import pytest
import torch
from geokit.viewer.history import History

from geokit.errors import InvalidInput
from geokit.geometry import PointCloud


def cloud(count: int, seed: int = 0) -> PointCloud:
    return PointCloud(torch.rand(count, 3, generator=torch.Generator().manual_seed(seed)))  # 12 bytes a point


def test_the_oldest_edits_are_forgotten_beyond_the_limit_and_never_the_last():
    history, done = History(limit=3000), []
    for name in "abc":
        history.push(name, lambda _, name=name: done.append(name), {name: {"shape": cloud(100)}})
    assert (len(history), history.held()) == (2, 2400)
    history.push("large", lambda _: done.append("large"), {"d": {"shape": cloud(1000)}})
    assert (len(history), history.last) == (1, "large")
    assert history.undo() == "large"
    assert history.undo() is None
    assert done == ["large"]


def test_what_shapes_share_counts_once():
    history, shape = History(limit=3000), cloud(100)
    for number in range(10):
        history.push(f"moved {number}", lambda _: None, {"a": {"shape": PointCloud(shape.points)}})
    assert len(history) == 10
    assert history.held() == 1200


def test_edits_of_others_survive_a_layer_that_goes():
    history = History()
    history.push("both", lambda _: None, {"a": {"shape": cloud(1)}, "b": {"shape": cloud(1)}})
    history.push("one", lambda _: None, {"a": {"shape": cloud(1)}})
    history.forget("a")
    assert history.last == "both"


def test_an_edit_of_several_goes_with_the_last_of_them():
    history, given = History(), []
    history.push("both", given.append, {"a": {"shape": cloud(1)}, "b": {"shape": cloud(2)}})
    history.forget("a")
    assert history.held() == 24
    history.forget("b")
    assert (len(history), history.held()) == (0, 0)
    history.push("both", given.append, {"a": {"shape": cloud(1)}, "b": {"shape": cloud(2)}})
    history.forget("a")
    history.undo()
    assert list(given[0]) == ["b"]


def test_numbers_of_vertices_and_targets_of_distances_are_counted():
    import numpy as np
    from geokit.viewer.values import DistanceTo

    history = History()
    history.push("read", lambda _: None, {"a": {"attributes": {"heat": np.zeros(10)}, "shape": DistanceTo(cloud(5))}})
    assert history.held() >= 80 + 60


def test_an_undo_that_fails_is_not_lost():
    history = History()

    def refuse(_) -> None:
        raise InvalidInput("not now")

    history.push("turned", refuse, {"a": {"shape": cloud(1)}})
    with pytest.raises(InvalidInput, match="not now"):
        history.undo()
    assert history.last == "turned"


def test_edits_of_the_same_words_are_undone_one_by_one():
    history, given = History(), []
    for seed in range(3):
        history.push("deleted", given.append, {"a": {"shape": cloud(2, seed)}})
    while history.undo():
        pass
    assert [had["a"]["shape"].points[0, 0] for had in given] == [cloud(2, seed).points[0, 0] for seed in (2, 1, 0)]
