"""Frames with weights: orthonormal, of sum one, as many as they should be, and continuous where points change rank."""

import pytest
import torch

from geokit.equivariant.frame_averaging import FrameAverage
from geokit.equivariant.weighted_frames import point_frames, principal_frames_of

GROUPS = ("O", "SO", "E", "SE")


def cloud(n, size=6, clouds=4, seed=0):
    return torch.randn(clouds, size, n, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("group", GROUPS)
def test_frames_are_orthonormal_and_as_many_as_the_paper_says(group):
    for n in (2, 3):
        net = FrameAverage(None, n, group, frames="principal")
        frames = net.frames(cloud(n))
        assert len(frames) == 4 * (2**n if group in ("O", "E") else 2 ** (n - 1))
        robust = FrameAverage(None, n, group, gap=0.5).frames(cloud(n))
        assert len(robust) > len(frames)
        for found in (frames, robust):
            torch.testing.assert_close(found.axes.mT @ found.axes, torch.eye(n).double().expand(len(found), n, n))
            torch.testing.assert_close(
                torch.zeros(4).double().index_add(0, found.owners, found.weights), torch.ones(4).double()
            )
            hands = torch.linalg.det(found.axes).sign()
            assert (hands > 0).all() if group in ("SO", "SE") else abs(float(hands.sum())) < 1e-9


def test_too_many_frames_are_cut_to_the_heaviest():
    sphere = torch.nn.functional.normalize(cloud(3, 60, 1), dim=-1)
    present = torch.ones(1, 60, dtype=torch.bool)
    whole, cut = (point_frames(sphere, present, False, most=most) for most in (10**6, 64))
    assert len(cut) == 64
    assert len(whole) > 1000
    assert float(whole.shares) < 1e-12
    assert 0.5 < float(cut.shares) < 1
    torch.testing.assert_close(cut.weights.sum(), torch.tensor(1.0).double())


def test_principal_frames_do_not_depend_on_the_size_of_a_cloud():
    moments = cloud(3).mT @ cloud(3)
    for size in (1e-20, 1e20):
        torch.testing.assert_close(principal_frames_of(moments * size, True)[1], principal_frames_of(moments, True)[1])


def test_draws_follow_the_weights():
    frames = FrameAverage(None, gap=0.5).frames(cloud(3, 6, 3))
    drawn = frames.drawn(4000, torch.Generator().manual_seed(0))
    assert torch.equal(drawn.owners, torch.arange(3).repeat_interleave(4000))
    for i in range(3):
        for row, column in ((0, 1), (2, 2)):
            some = drawn.axes[drawn.owners == i][:, row, column] ** 2
            want = (frames.axes[:, row, column] ** 2 * frames.weights)[frames.owners == i].sum()
            assert abs(float(some.mean() - want)) < 4.5 * float(some.std()) / 4000**0.5 + 1e-12


@pytest.mark.parametrize("n", [2, 3])
def test_weights_are_continuous_where_another_point_becomes_the_farthest(n):
    still = 0.3 * cloud(n, 5, 1)
    still[0, 0], still[0, 1] = 1.0 / n**0.5, -0.9 / n**0.5
    still[0, 0, 0] *= -1
    moved = still.repeat(2001, 1, 1)
    moved[:, 1] *= torch.linspace(0.8, 1.2, 2001).double()[:, None]
    largest = {}
    for slack in (0.2, 1e-3):
        frames = point_frames(moved, torch.ones(2001, 5, dtype=torch.bool), True, slack)
        numbered = frames.axes * torch.arange(n).double() @ frames.axes.mT
        weighted = frames.weights[:, None, None] * numbered
        means = torch.zeros(2001, n, n).double().index_add(0, frames.owners, weighted)
        assert means.std(0).max() > 0.05
        largest[slack] = means.diff(dim=0).flatten(1).norm(dim=1).max()
    assert largest[0.2] < 1e-2
    assert largest[1e-3] > 0.1  # which is as good as a jump
