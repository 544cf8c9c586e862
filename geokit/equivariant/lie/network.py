"""Image classifiers that are invariant to affine maps of the plane, by the decomposition g = exp(X) k."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from geokit.equivariant.lie.canonical import Frames
from geokit.equivariant.lie.circular import CircularBlock, PoseReadout
from geokit.equivariant.lie.group import LieGroup
from geokit.equivariant.lie.patches import check_images, image_frames, polar_patches
from geokit.equivariant.lie.poses import class_scores, learn_prior
from geokit.errors import InvalidInput

_TOGETHER = 512  # images at a time


class AffineConvNet(nn.Module):
    """Images (B, in_channels, H, W) to scores (B, classes), the same for images that differ by x -> A x + b.

    group: of A; linear, in the plane: GLPlus(2), SL(2), CSO(2) for rotations and scale, SO(2); or the affine group that
    has it as its linear part. Moments of what an image shows give b and the symmetric factor exp(X) of A (see
    `canonical`), and the image in that frame, in polar coordinates, goes through convolutions that are cyclic in the
    angle (`circular`). What they give are scores of every class in `poses` rotations; their sum over the poses is
    invariant. Exactly so for rotations of the frame by multiples of 360 degrees / poses, and up to sampling errors and
    cut-off ink for all of the group.

    log_prior: (poses,), a buffer, what poses are how frequent; uniform until `learn_rotation_prior` or
    `set_rotation_prior`. Train with the cross-entropy of `class_scores` of `pose_scores` plus a tenth of their
    `joint_loss`; `canonical_images` need to be computed only once.

    widths: channels of the convolutions. poses, angles, radii: a power of two times poses is angles; of the polar grid.
    reach, blur: of the grid and of its Gaussian, in canonical units (see `polar_patches`). unit: pixels to a canonical
    unit in groups that do not change sizes. Raises `InvalidInput` for a group of another kind and for bad sizes.
    """

    log_prior: Tensor

    def __init__(
        self,
        group: LieGroup,
        in_channels: int = 1,
        widths: Sequence[int] = (32, 64, 96, 128),
        classes: int = 10,
        *,
        poses: int = 16,
        angles: int = 64,
        radii: int = 16,
        reach: float = 3.0,
        blur: float = 0.2,
        unit: float = 4.0,
        dropout: float = 0.2,
    ) -> None:
        super().__init__()
        self.group = linear_part_of(group)
        halves = 1 < poses <= angles and math.log2(angles / poses).is_integer()
        if min([in_channels, classes, radii, *widths]) < 1 or not widths or not halves:
            raise InvalidInput(
                "channels, widths, classes and radii must be at least 1, poses 2, angles poses times a power of two; "
                f"got in_channels = {in_channels}, widths = {tuple(widths)}, classes = {classes}, radii = {radii}, "
                f"poses = {poses}, angles = {angles}"
            )
        for name, value in (("reach", reach), ("blur", blur), ("unit", unit)):
            if not 0 < value < math.inf:
                raise InvalidInput(f"{name} of canonical images must be positive and finite, got {value}")
        if not 0 <= dropout < 1:
            raise InvalidInput(f"dropout must be at least 0 and below 1, got {dropout}")
        if 2 ** len(widths) * poses < angles:
            raise InvalidInput(f"{len(widths)} convolutions cannot lead from {angles} angles to {poses} poses; add one")
        self.in_channels, self.classes, self.poses = in_channels, classes, poses
        self.angles, self.radii, self.reach, self.blur, self.unit = angles, radii, reach, blur, unit
        blocks, channels = [], in_channels
        for index, width in enumerate(widths):
            stride = (2 if angles > poses else 1, 2 if index and radii > 4 else 1)
            blocks.append(CircularBlock(channels, width, (5, 5) if not index else (3, 3), stride))
            channels, angles, radii = width, angles // stride[0], -(-radii // stride[1])
        self.body = nn.Sequential(*blocks).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.readout = PoseReadout(channels, poses, radii, classes, dropout)
        self.register_buffer("log_prior", torch.full((poses,), -math.log(poses)))

    def frames(self, images: Tensor) -> Frames:
        """The canonical frames that images (B, C, H, W) are looked at in."""
        return image_frames(images, self.group, self.unit)[1]

    def canonical_images(self, images: Tensor) -> Tensor:
        """(B, C, angles, radii) images (B, C, H, W) in their canonical frames, in polar coordinates.

        Raises `InvalidInput` for another shape or dtype, values that are not finite, and sides below 8 pixels.
        """
        check_images(images, self.in_channels)
        shape = (0, self.in_channels, self.angles, self.radii)
        parts = [images.new_empty(shape)]
        for some in images.split(_TOGETHER) if len(images) else ():
            shown, frames = image_frames(some, self.group, self.unit)
            parts.append(
                polar_patches(shown, frames, angles=self.angles, radii=self.radii, reach=self.reach, blur=self.blur)
            )
        return torch.cat(parts)

    def pose_scores(self, canonical: Tensor) -> Tensor:
        """(B, classes, poses) of canonical images (B, C, angles, radii): pose j is a rotation by 360 j / poses."""
        return self.readout(self.body(canonical.contiguous(memory_format=torch.channels_last)))

    def random_phase(self, canonical: Tensor) -> Tensor:
        """Canonical images (B, C, angles, radii) turned by a random angle of at most half the distance of two poses:
        for training, so that poses between the `poses` are learned as well. Both halves are as likely; ends count
        half."""
        step = self.angles // self.poses
        if step == 1:
            return canonical
        return canonical.roll((int(torch.randint(2 * step, ())) + 1) // 2 - step // 2, dims=2)

    def forward(self, images: Tensor) -> Tensor:
        """(B, classes) scores, whose softmax are probabilities. Raises `InvalidInput` as `canonical_images`."""
        return class_scores(self.pose_scores(self.canonical_images(images)), self.log_prior)

    @torch.no_grad()
    def learn_rotation_prior(self, images: Tensor) -> Tensor:
        """Learn how images (B, C, H, W), without labels, are rotated; returns the prior (poses,), which is kept.

        For a set of images from one source, which the network was trained for: `learn_prior`. Use
        `set_rotation_prior` to go back. Raises `InvalidInput` as `canonical_images`, and for fewer than two images.
        """
        canonical = self.canonical_images(images)
        was = self.training
        self.eval()
        scores = torch.cat([self.pose_scores(some) for some in canonical.split(_TOGETHER)])
        self.train(was)
        return self.set_rotation_prior(learn_prior(scores))

    def set_rotation_prior(self, prior: Tensor | None = None) -> Tensor:
        """Keep how frequent rotations are, (poses,), positive; uniform by default. Returns it, of sum one."""
        prior = torch.ones(self.poses) if prior is None else torch.as_tensor(prior)
        if prior.shape != (self.poses,) or not bool((prior > 0).all()) or not bool(prior.isfinite().all()):
            raise InvalidInput(f"a prior of poses must be {self.poses} positive numbers, got {tuple(prior.shape)}")
        self.log_prior.copy_((prior / prior.sum()).log())
        return self.log_prior.exp()


def linear_part_of(group: LieGroup) -> LieGroup:
    """The linear group of an affine one, or the group itself. Raises `InvalidInput` for those that do not act on the
    plane, or that mirror it."""
    linear = getattr(group, "linear", group)
    if not isinstance(linear, LieGroup) or linear.n != 2 or linear.size != 2:
        raise InvalidInput(f"images need a group that acts on the plane, such as GLPlus(2), got {group}")
    mirror = linear.identity()
    mirror[0, 0] = -1
    if bool(linear.contains(mirror)):
        raise InvalidInput(f"{group} holds mirror images, which this network tells apart; take SO(2)")
    return linear
