"""Any network on clouds of points made invariant or equivariant: its mean over frames of reference of each cloud."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from geokit.backend.checks import FLOATS, check_tensor
from geokit.equivariant.frames import weighted_center, weighted_moments
from geokit.equivariant.weighted_frames import (
    DIRECTIONS,
    WeightedFrames,
    blended,
    point_frames,
    principal_frames_of,
    smooth_step,
)
from geokit.errors import InvalidInput

OUTPUTS = ("invariant", "points", "vectors")


class FrameAverage(nn.Module):
    """The mean of a network over frames of each cloud (Puny et al., "Frame Averaging for Invariant and Equivariant
    Network Design", ICLR 2022).

    backbone: any callable that takes points (F, N, n), then vectors (F, ..., n) if `forward` gets some, then the rest
    of forward's arguments, and gives one output or a sequence of outputs with F rows. group: "O", rotations and mirror
    images about the origin, "SO", rotations alone, "E" and "SE", the same about any point, with translations. output:
    what becomes of an output, one for all or one for each: "invariant" (anything), "points" (..., n) that turn and move
    with the cloud, "vectors" (..., n) that only turn.

    frames="principal" is the published scheme: 2^n frames of principal axes (2^(n - 1) for rotations). Where two
    spreads are nearly equal it is neither equivariant nor continuous. frames="robust" is the same where the smallest
    gap of the spreads, relative to their sum, is at least `gap`; below it moves over smoothly to frames made of the
    farthest points (`weighted_frames.point_frames`), which costs some more frames. It is equivariant and continuous
    everywhere, for cubes, octahedra and lines as well; with vectors that leave the line of a cloud on a line, not
    there. A cloud has at most `most` frames.

    training_frames: how many frames to draw for each cloud in training mode, by their weights, instead of taking all;
    the mean over draws is the full average.
    """

    def __init__(
        self,
        backbone: Callable[..., Any],
        dim: int = 3,
        group: str = "E",
        output: str | Sequence[str] = "invariant",
        *,
        frames: str = "robust",
        gap: float = 0.02,
        most: int = 512,
        training_frames: int | None = None,
    ) -> None:
        """Raises InvalidInput for options that there are not."""
        super().__init__()
        check_options(dim, group, output)
        if frames not in ("robust", "principal"):
            raise InvalidInput(f'frames must be "robust" or "principal", got {frames!r}')
        if not 0 < gap < 1:
            raise InvalidInput(f"gap is relative to the sum of the spreads, above 0 and below 1, got {gap}")
        if training_frames is not None and training_frames < 1:
            raise InvalidInput(f"training_frames must be at least 1, or None for all frames, got {training_frames}")
        self.backbone, self.dim, self.group, self.output = backbone, dim, group, output
        self.kind, self.gap, self.most, self.training_frames = frames, gap, most, training_frames

    def forward(
        self, points: Tensor, vectors: Tensor | None = None, *others: Any, weights: Tensor | None = None
    ) -> Any:
        """The averaged outputs for clouds (B, N, n).

        vectors: (B, ..., n), only turned; others: handed to the backbone, tensors repeated for the frames. weights:
        (B, N) of the points in centre, moments and frames, 0 for those that are not there; the backbone is told of
        these only by what is in `others`. Raises InvalidInput for other shapes and dtypes.
        """
        weights = checked_cloud(points, vectors, weights, self.dim)
        centered, center = centered_cloud(points, weights, self.group)
        frames = self.frames(centered, weights)
        if self.training and self.training_frames is not None:
            frames = frames.drawn(self.training_frames)
        return averaged(self.backbone, frames, centered, vectors, others, self.output, center)

    def frames(self, points: Tensor, weights: Tensor | None = None) -> WeightedFrames:
        """The frames of clouds (B, N, n) that have their centres at the origin (or stay there, for "O" and "SO")."""
        weights = points.new_ones(points.shape[:2]) if weights is None else weights
        reflections = self.group in ("O", "E")
        principal, gaps = principal_frames_of(weighted_moments(points, weights), reflections)
        if self.kind == "principal":
            return principal
        share = smooth_step(gaps / self.gap)
        few = (share.detach() < 1).nonzero()[:, 0]
        if not len(few):
            return principal
        spare = point_frames(points[few], weights[few] > 0, reflections, most=self.most)
        left_out = points.new_zeros(len(points)).index_copy(0, few, spare.shares)
        spare = WeightedFrames(spare.axes, few[spare.owners], spare.weights, len(points), left_out)
        return blended(principal, spare, share)

    def extra_repr(self) -> str:
        """The options."""
        return f"dim={self.dim}, group={self.group!r}, output={self.output!r}, frames={self.kind!r}"


def averaged(
    backbone: Callable[..., Any],
    frames: WeightedFrames,
    points: Tensor,
    vectors: Tensor | None,
    others: Sequence[Any],
    output: str | Sequence[str],
    center: Tensor,
    size: Tensor | None = None,
) -> Any:
    """The weighted mean over frames of a backbone in them: outputs are turned back, points moved back to `center`
    (B, n); with `size` (B,) the backbone sees points and vectors divided by it, and its vectors are multiplied by it.
    """
    unit = points.new_ones(len(points)) if size is None else size
    arguments: list[Any] = [
        _turned(_scaled(t, 1 / unit)[frames.owners], frames.axes) for t in (points, vectors) if t is not None
    ]
    arguments += [o[frames.owners] if isinstance(o, Tensor) else o for o in others]
    results = backbone(*arguments)
    single = isinstance(results, Tensor)
    results = (results,) if single else tuple(results)
    kinds = [output] * len(results) if isinstance(output, str) else list(output)
    if len(kinds) != len(results):
        raise InvalidInput(f"the backbone gives {len(results)} outputs, output= says what becomes of {len(kinds)}")
    means = []
    for kind, result in zip(kinds, results):
        if len(result) != len(frames):
            raise InvalidInput(
                f"the backbone must give one row for each of the {len(frames)} clouds that it got, got {len(result)}"
            )
        value = result if kind == "invariant" else _turned(result, frames.axes.mT)
        weighted = value * _like(frames.weights, value)
        mean = value.new_zeros(frames.clouds, *value.shape[1:]).index_add(0, frames.owners, weighted)
        if kind != "invariant":
            mean = _scaled(mean, unit)
        means.append(mean + _like(center, mean, 1) if kind == "points" else mean)
    return means[0] if single else tuple(means)


def checked_cloud(points: Tensor, vectors: Tensor | None, weights: Tensor | None, dim: int) -> Tensor:
    """The weights (B, N), ones if there are none. Raises InvalidInput for wrong shapes and dtypes."""
    check_tensor("points", points, ("B", "N", dim), FLOATS)
    if vectors is not None and (vectors.dim() < 2 or vectors.shape[0] != len(points) or vectors.shape[-1] != dim):
        raise InvalidInput(f"vectors must have shape ({len(points)}, ..., {dim}), got {tuple(vectors.shape)}")
    if weights is None:
        return points.new_ones(points.shape[:2])
    check_tensor("weights", weights, tuple(points.shape[:2]))
    return weights.to(points.dtype)


def centered_cloud(points: Tensor, weights: Tensor, group: str) -> tuple[Tensor, Tensor]:
    """Points about their centre (B, n) where the group has translations, else as they are about the origin."""
    center = weighted_center(points, weights) if group in ("E", "SE") else torch.zeros_like(points[:, 0])
    return points - center[:, None], center


def check_options(dim: int, group: str, output: str | Sequence[str]) -> None:
    """Raises InvalidInput for a dimension, a group or outputs that there are not."""
    if dim not in (2, 3):
        raise InvalidInput(f"dim must be 2 or 3, got {dim!r}")
    if group not in DIRECTIONS:
        raise InvalidInput(f"group must be one of {', '.join(DIRECTIONS)}, got {group!r}")
    for kind in [output] if isinstance(output, str) else output:
        if kind not in OUTPUTS:
            raise InvalidInput(f"an output is one of {', '.join(OUTPUTS)}, got {kind!r}")


def _turned(vectors: Tensor, axes: Tensor) -> Tensor:
    """Vectors (F, ..., n) in the coordinates of the columns of axes (F, n, n)."""
    return (vectors.flatten(1, -2) @ axes).view_as(vectors) if vectors.dim() > 2 else (vectors[:, None] @ axes)[:, 0]


def _scaled(tensor: Tensor, factors: Tensor) -> Tensor:
    return tensor * _like(factors, tensor)


def _like(rows: Tensor, tensor: Tensor, tail: int = 0) -> Tensor:
    """Rows (F, ...) with axes of size one between the first and the last `tail`, as many as `tensor` has."""
    between = tensor.dim() - 1 - tail
    return rows.reshape(len(rows), *[1] * between, *rows.shape[1:])
