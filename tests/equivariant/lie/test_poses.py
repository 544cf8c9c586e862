"""Scores over classes and poses: the loss beside its definition, priors that are found again, refusals."""

import math

import pytest
import torch

from geokit.equivariant.lie.poses import class_scores, joint_loss, learn_prior, window_prior
from geokit.errors import InvalidInput


def random_scores(count, classes=3, poses=8, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(count, classes, poses, generator=generator, dtype=torch.float64)


@pytest.mark.parametrize("spread", [0.0, 0.2])
def test_the_joint_loss_is_a_cross_entropy_with_a_spread_target(spread):
    scores, labels = random_scores(5), torch.tensor([0, 2, 1, 1, 2])
    total = 0.0
    for own, label in zip(scores, labels):
        probabilities = own.exp() / own.exp().sum()
        target = torch.zeros(3, 8, dtype=torch.float64)
        target[label, 0] = 1 - spread
        target[label, 1] = target[label, 7] = spread / 2
        total -= float((target * probabilities.log()).sum()) / 5
    assert abs(float(joint_loss(scores, labels, spread)) - total) < 1e-12
    assert torch.autograd.gradcheck(lambda s: joint_loss(s, labels, spread), (scores.requires_grad_(),))


def test_rotating_an_image_and_its_pose_changes_nothing():
    """What the module says: upright images as one softmax train the classifier for images in every pose."""
    scores, labels = random_scores(5), torch.tensor([0, 2, 1, 1, 2])
    for pose in range(8):
        turned = scores.roll(pose, 2)
        logs = turned.flatten(1).log_softmax(1).view_as(turned)[torch.arange(5), labels, pose]
        assert torch.allclose(-logs.mean(), joint_loss(scores, labels, 0.0))


def test_class_scores_are_sums_over_poses():
    scores, prior = random_scores(4), torch.arange(1.0, 9).double() / 36
    assert torch.allclose(class_scores(scores).exp(), scores.exp().sum(-1))
    assert torch.allclose(class_scores(scores, prior.log()).exp(), (scores.exp() * prior).sum(-1))
    assert torch.allclose(class_scores(scores.roll(3, 2)), class_scores(scores))
    # A factor of the prior does not change what is more likely.
    shares = [class_scores(scores, prior.log() + factor).softmax(1) for factor in (0, 5)]
    assert torch.allclose(*shares)


@pytest.mark.parametrize("seed", range(3))
def test_a_known_distribution_of_poses_is_found(seed):
    """Measurements x = pose + noise on a circle; scores are their log-likelihoods under a uniform prior."""
    generator = torch.Generator().manual_seed(seed)
    poses, count = 8, 20_000
    truth = torch.rand(poses, generator=generator, dtype=torch.float64).square() + 0.02
    truth = truth / truth.sum()
    pose = torch.multinomial(truth, count, replacement=True, generator=generator)
    label = torch.randint(3, (count,), generator=generator)
    angle = pose * (2 * math.pi / poses) + 0.35 * torch.randn(count, generator=generator, dtype=torch.float64)
    centers = torch.arange(poses) * (2 * math.pi / poses)
    off = torch.remainder(angle[:, None] - centers + math.pi, 2 * math.pi) - math.pi
    evidence = -0.5 * (off / 0.35).square()
    scores = evidence[:, None].repeat(1, 3, 1)
    scores += 4.0 * torch.nn.functional.one_hot(label, 3)[:, :, None]
    found = learn_prior(scores, iterations=200)
    assert abs(float(found.sum()) - 1) < 1e-12
    assert float((found - truth).abs().sum()) < 0.04
    assert float((found - 1 / poses).abs().sum()) > 0.2
    # Without it, the mean of what poses look like is smeared.
    smeared = scores.logsumexp(1).softmax(-1).mean(0)
    assert float((smeared - truth).abs().sum()) > 3 * float((found - truth).abs().sum())


def test_every_step_of_learning_makes_the_data_likelier():
    evidence = random_scores(50, seed=2).logsumexp(1)
    likelihoods = []
    for iterations in (0, 1, 2, 5, 20):
        prior = learn_prior(random_scores(50, seed=2), iterations, least=0.0)
        likelihoods.append(float((evidence + prior.log()).logsumexp(-1).sum()))
    assert likelihoods == sorted(likelihoods)
    assert likelihoods[-1] > likelihoods[0] + 0.1


def test_no_pose_is_ruled_out():
    scores = torch.full((10, 2, 6), -50.0)
    scores[:, :, 0] = 50.0
    found = learn_prior(scores, least=1e-3)
    assert found.dtype == torch.float32
    assert torch.allclose(found[1:], torch.full((5,), 1e-3 / (1 + 5e-3)), rtol=1e-3)


def test_windows():
    assert torch.allclose(window_prior(8, 45), torch.tensor([1, 1, 0, 0, 0, 0, 0, 1]) / 3, atol=1e-8)
    assert torch.allclose(window_prior(8, 44.9), torch.tensor([1.0, 0, 0, 0, 0, 0, 0, 0]), atol=1e-8)
    assert torch.allclose(window_prior(8, 180), torch.full((8,), 0.125))
    assert float(window_prior(16, 10).min()) > 0
    for degrees in (0, -5, 181, math.nan):
        with pytest.raises(InvalidInput, match="more than 0 and at most 180 degrees"):
            window_prior(8, degrees)


def test_scores_must_be_finite():
    with pytest.raises(InvalidInput, match="learned from finite scores"):
        learn_prior(torch.full((3, 2, 8), torch.nan))


def test_one_image_has_no_distribution():
    for count in (0, 1):
        with pytest.raises(InvalidInput, match=f"learned from many images, got {count}; keep the uniform one"):
            learn_prior(random_scores(count))
