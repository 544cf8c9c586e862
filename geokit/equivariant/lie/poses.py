"""Scores of classes in poses: how likely is each pose, what class is it then, and how poses are distributed.

A network that is equivariant to rotations gives scores (B, classes, poses) that turn with the image. Trained on
upright images as one softmax over classes and poses, it is the classifier for images in every pose alike: the
rotations of the training images would give the same loss. Where poses are not all as frequent, Bayes' rule says what
changes: the logarithm of their frequency is added. That prior can be given, or learned from images without labels.
"""

import torch
from torch import Tensor

from geokit.errors import InvalidInput

_TINY = 1e-9


def joint_loss(scores: Tensor, labels: Tensor, spread: float = 0.2) -> Tensor:
    """() the mean cross-entropy of scores (B, classes, poses) with classes (B,) in pose 0.

    spread: the share of the target that the two neighbouring poses have, together.
    """
    logs = scores.flatten(1).log_softmax(1).view_as(scores)
    own = logs[torch.arange(len(labels), device=labels.device), labels]
    near = 0.5 * (own[:, 1] + own[:, -1])
    return -((1 - spread) * own[:, 0] + spread * near).mean()


def class_scores(scores: Tensor, log_prior: Tensor | None = None) -> Tensor:
    """(B, classes) scores (B, classes, poses) summed over poses, each times its prior exp(log_prior (poses,))."""
    return torch.logsumexp(scores if log_prior is None else scores + log_prior, dim=-1)


def learn_prior(scores: Tensor, iterations: int = 50, least: float = 1e-4) -> Tensor:
    """(poses,) the distribution of poses of images with scores (B, classes, poses), without their classes.

    The maximum of the likelihood, by expectation maximisation: the prior becomes the mean of what it makes the poses
    likely to be (Saerens et al., "Adjusting the outputs of a classifier to new a priori probabilities", 2002, eq.
    2.7). least: no pose gets less. The larger the number of images, the better; one is too few. Raises `InvalidInput`
    for fewer than two.
    """
    if len(scores) < 2:
        raise InvalidInput(f"a prior of poses is learned from many images, got {len(scores)}; keep the uniform one")
    if not bool(scores.isfinite().all()):
        raise InvalidInput("a prior of poses is learned from finite scores, got some that are not; mend the network")
    poses = scores.shape[-1]
    evidence = torch.logsumexp(scores, dim=1).double()
    prior = evidence.new_full((poses,), 1 / poses)
    for _ in range(iterations):
        prior = (evidence + prior.log()).softmax(-1).mean(0).clamp(min=_TINY)
    prior = prior.clamp(min=least)
    return (prior / prior.sum()).to(scores.dtype)


def window_prior(poses: int, degrees: float) -> Tensor:
    """(poses,) uniform over the poses within so many degrees of pose 0, zero beyond, up to 1e-9.

    Raises `InvalidInput` for an angle outside (0, 180].
    """
    if not 0 < degrees <= 180:
        raise InvalidInput(f"poses are kept within an angle of more than 0 and at most 180 degrees, got {degrees}")
    index = torch.arange(poses)
    inside = torch.minimum(index, poses - index) * (360 / poses) <= degrees
    return torch.where(inside, 1 / inside.sum(), torch.tensor(_TINY))
