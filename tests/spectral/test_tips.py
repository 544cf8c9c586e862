"""Tips of a star with arms of different lengths, and their assignment."""

import torch

from geokit.spectral.tips import Tips, assign_tips


def star(lengths: list[float]) -> Tips:
    """Tips of arms that meet in one point: the way between two is the sum of their lengths."""
    arms = torch.tensor(lengths, dtype=torch.float64)
    between = arms[:, None] + arms
    between.fill_diagonal_(0)
    return Tips(torch.arange(len(arms)), between, arms + arms.mean())


def test_arms_of_different_lengths_find_each_other_in_any_order():
    order = [2, 0, 3, 1]
    lengths = [0.4, 0.5, 0.7, 0.9]
    best = assign_tips(star(lengths), star([lengths[i] for i in order]), 5)[0]
    assert sorted(best) == sorted((tip, place) for place, tip in enumerate(order))


def test_equal_arms_give_every_permutation():
    found = assign_tips(star([0.5] * 3), star([0.5] * 3), 6)
    assert {tuple(sorted(pairs)) for pairs in found} == {
        tuple(enumerate(p)) for p in ((0, 1, 2), (0, 2, 1), (1, 0, 2), (1, 2, 0), (2, 0, 1), (2, 1, 0))
    }


def test_an_arm_without_partner_stays_alone():
    best = assign_tips(star([0.4, 0.5, 0.7, 0.9]), star([0.4, 0.5, 0.9]), 1)[0]
    assert best == [(0, 0), (1, 1), (3, 2)]


def test_a_sphere_has_too_few_tips():
    assert assign_tips(star([]), star([0.4, 0.5, 0.9]), 3) == []
