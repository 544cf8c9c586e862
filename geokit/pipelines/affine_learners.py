"""How networks learn digits and are asked about them: what is computed once, the loss, the scores."""

from collections.abc import Callable
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from geokit.equivariant.lie.network import AffineConvNet
from geokit.equivariant.lie.patches import image_frames, polar_patches
from geokit.equivariant.lie.poses import class_scores, joint_loss, learn_prior, window_prior
from geokit.pipelines.observer import Observer

_TOGETHER = 500  # images at a time
_NOISES = 4000  # pictures of noise that are drawn from


Teller = Callable[[int], None]


def _nobody(done: int) -> None:
    """Hears nothing."""


class Learner(Protocol):
    """A network with what it needs to learn from images (N, 1, H, W)."""

    @property
    def network(self) -> nn.Module:
        """What is trained."""
        ...

    def prepare(self, images: Tensor, observer: Observer) -> Tensor:
        """(N, ...) what is computed once of images for training."""
        ...

    def loss(self, prepared: Tensor, labels: Tensor) -> Tensor:
        """() of the network in training, of some rows of what was prepared."""
        ...

    def scores(self, network: nn.Module, images: Tensor, tell: Teller = _nobody) -> dict[str, Tensor]:
        """(N, classes) by each way of asking, the first of which is for images in any pose.

        tell: hears how many images are done, after each part of them.
        """
        ...


class DirectLearner:
    """A network that takes images and gives scores (B, classes), with cross-entropy."""

    def __init__(self, network: nn.Module) -> None:
        self.network = network

    def prepare(self, images: Tensor, observer: Observer) -> Tensor:
        """The images themselves."""
        return images

    def loss(self, prepared: Tensor, labels: Tensor) -> Tensor:
        """The cross-entropy."""
        return cross_entropy(self.network(prepared), labels)

    def scores(self, network: nn.Module, images: Tensor, tell: Teller = _nobody) -> dict[str, Tensor]:
        """One way of asking."""
        return {"any pose": _in_parts(network, images, tell, _TOGETHER // 10)}


class CanonicalLearner:
    """`AffineConvNet` on canonical images that are computed once, at two blurs.

    A rotation leaves no trace in an ideal canonical image; in a real one it does, in the pixels' grain, by which a
    network could tell upright images. So blur and noise are varied in training: every image is taken between both
    blurs or a little beyond, plus `noise` times white noise seen through the same sampling. joint: the weight of the
    loss that tells poses apart as well as classes (`joint_loss`), beside that of classes alone. bfloat16: of the
    convolutions in training.
    """

    def __init__(self, network: AffineConvNet, noise: float = 0.15, joint: float = 0.1, bfloat16: bool = False) -> None:
        self.network, self.noise, self.joint, self.bfloat16 = network, noise, joint, bfloat16
        self.blurs = (network.blur, network.blur + 0.1)
        self._noises = torch.zeros(0)

    def prepare(self, images: Tensor, observer: Observer) -> Tensor:
        """(N, 2, C, angles, radii) at both blurs."""
        parts: list[Tensor] = []
        for some in images.split(_TOGETHER):
            parts.append(torch.stack([self._patches(some, blur) for blur in self.blurs], dim=1))
            observer.count("Canonical images", min(len(parts) * _TOGETHER, len(images)), len(images))
        generator = torch.Generator().manual_seed(0)
        noises = [
            self._patches(some, self.blurs[0], torch.randn(some.shape, generator=generator))
            for some in images[:_NOISES].split(_TOGETHER)
        ]
        self._noises = torch.cat(noises)
        return torch.cat(parts)

    def _patches(self, images: Tensor, blur: float, content: Tensor | None = None) -> Tensor:
        net = self.network
        shown, frames = image_frames(images, net.group, net.unit)
        content = shown if content is None else content
        return polar_patches(content, frames, angles=net.angles, radii=net.radii, reach=net.reach, blur=blur)

    def loss(self, prepared: Tensor, labels: Tensor) -> Tensor:
        """Both losses, of images between the blurs, with noise, turned by less than a pose."""
        count = len(prepared)
        blur, noise = 1.5 * torch.rand(count, 1, 1, 1) - 0.25, self.noise * torch.rand(count, 1, 1, 1)
        images = torch.lerp(prepared[:, 0], prepared[:, 1], blur)
        noises = self._noises[torch.randint(len(self._noises), (count,))]
        images = images + noise * noises.roll(int(torch.randint(self.network.angles, ())), dims=2)
        with torch.autocast(images.device.type, torch.bfloat16, enabled=self.bfloat16):
            scores = self.network.pose_scores(self.network.random_phase(images))
        scores = scores.float()
        classes = cross_entropy(class_scores(scores), labels)
        return self.joint * joint_loss(scores, labels) + (1 - self.joint) * classes

    def scores(self, network: nn.Module, images: Tensor, tell: Teller = _nobody) -> dict[str, Tensor]:
        """For any pose; with the poses' prior learned from the images; for poses within 45 degrees."""
        assert isinstance(network, AffineConvNet)
        scores = _in_parts(lambda some: network.pose_scores(network.canonical_images(some)), images, tell)
        return {
            "any pose": class_scores(scores),
            "learned poses": class_scores(scores, learn_prior(scores).log()),
            "upright": class_scores(scores, window_prior(network.poses, 45).log()),
        }


@torch.no_grad()
def _in_parts(function: Callable[[Tensor], Tensor], images: Tensor, tell: Teller, together: int = _TOGETHER) -> Tensor:
    results = []
    for some in images.split(together):
        results.append(function(some))
        tell(sum(map(len, results)))
    return torch.cat(results)
