"""Labelled clouds of points on shapes of `shape_classes`: bent, unevenly scanned, noisy; upright, turned or rotated."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, get_args

import torch
from torch import Tensor

from geokit.errors import InvalidInput
from geokit.geometry.rotations import matrix_from_axis_angle, random_rotations
from geokit.pipelines.observer import Observer
from geokit.pipelines.shape_classes import CLASSES, class_patches

Pose = Literal["upright", "turned", "rotated"]
POSES = get_args(Pose)
_TOGETHER = 200  # shapes of a class that are made at once
_WAVES = 4  # of which a deformation consists


@dataclass(frozen=True)
class Imperfection:
    """How far the shapes are from ideal ones.

    bend: size of the smooth deformation, noise: standard deviation of points, both in units of the shape's size (root
    mean square distance from its centre). unevenness: natural logarithm of the density's ratio between points one size
    apart.
    """

    bend: float = 0.1
    noise: float = 0.02
    unevenness: float = 0.5


@dataclass(frozen=True)
class LabelledClouds:
    """Clouds of equal size: points (B, N, 3) float32, labels (B,) int64 into the names `classes`.

    Every cloud has its centre at the origin and a root mean square distance of 1 from it.
    """

    points: Tensor
    labels: Tensor
    classes: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.points)

    def posed(self, pose: Pose, seed: int = 0) -> "LabelledClouds":
        """The same clouds, each turned by a random angle about the vertical, or rotated at random in space."""
        return replace(self, points=self.points @ _rotations(pose, len(self), seed).mT)


def shape_clouds(
    per_class: int,
    points: int = 512,
    *,
    seed: int = 0,
    pose: Pose = "turned",
    classes: Sequence[str] = tuple(CLASSES),
    imperfection: Imperfection = Imperfection(),
    observer: Observer | None = None,
) -> LabelledClouds:
    """`per_class` clouds of N points of each class, in the order of the classes. The same arguments, the same clouds.

    Points are uniform by area but for the unevenness. Some 2,000 clouds of 512 points a second.
    Raises `InvalidInput` for counts below one, and for classes and poses that there are not.
    """
    if per_class < 1 or points < 1 or not classes:
        counts = f"{per_class}, {points} and {len(classes)}"
        raise InvalidInput(f"shapes, points and classes must be at least 1, got {counts}")
    generator, made = torch.Generator().manual_seed(seed), []
    for number, name in enumerate(classes):
        for start in range(0, per_class, _TOGETHER):
            if observer is not None:
                observer.count("Making shapes", number * per_class + start, len(classes) * per_class)
            patches = class_patches(name, min(_TOGETHER, per_class - start), generator)
            made.append(scan(faces_of(patches), points, imperfection, generator))
    labels = torch.arange(len(classes)).repeat_interleave(per_class)
    turn = int(torch.randint(2**62, (), generator=generator))
    return LabelledClouds(torch.cat(made), labels, tuple(classes)).posed(pose, turn)


def _rotations(pose: Pose, count: int, seed: int) -> Tensor:
    """(B, 3, 3) float32."""
    generator = torch.Generator().manual_seed(seed)
    if pose == "upright":
        return torch.eye(3).expand(count, 3, 3)
    if pose == "turned":
        angles = 2 * math.pi * torch.rand(count, 1, generator=generator)
        return matrix_from_axis_angle(angles * torch.tensor([0.0, 0, 1]))
    if pose == "rotated":
        return random_rotations(count, generator=generator, dtype=torch.float32)
    raise InvalidInput(f"a pose is upright, turned or rotated, got {pose!r}")


def faces_of(patches: Sequence[Tensor]) -> Tensor:
    """(B, F, 3, 3): corners of the triangles of patches (B, M, N, 3), two in each cell of a grid."""
    faces = []
    for grid in patches:
        a, b, c, d = grid[:, :-1, :-1], grid[:, 1:, :-1], grid[:, :-1, 1:], grid[:, 1:, 1:]
        faces += [torch.stack(corners, 3).flatten(1, 2) for corners in ((a, b, c), (b, d, c))]
    return torch.cat(faces, 1)


def scan(faces: Tensor, count: int, imperfection: Imperfection, generator: torch.Generator) -> Tensor:
    """(B, N, 3) normalized points on triangles (B, F, 3, 3) after a deformation of each shape."""
    faces = _bent(_normalized(faces, _areas(faces)), imperfection.bend, generator)
    shapes = len(faces)
    slope = imperfection.unevenness * torch.nn.functional.normalize(torch.randn(shapes, 3, generator=generator), dim=1)
    weights = _areas(faces) * torch.exp((faces.mean(2) @ slope[:, :, None])[..., 0])
    ends = weights.cumsum(1)
    wanted = torch.rand(shapes, count, generator=generator) * ends[:, -1:]
    chosen = torch.searchsorted(ends, wanted).clamp(max=faces.shape[1] - 1)
    corners = faces[torch.arange(shapes)[:, None], chosen]
    root, v = torch.rand(2, shapes, count, 1, generator=generator)
    root = root.sqrt()
    points = (1 - root) * corners[:, :, 0] + root * (1 - v) * corners[:, :, 1] + root * v * corners[:, :, 2]
    points = points + imperfection.noise * torch.randn(shapes, count, 3, generator=generator)
    points = points - points.mean(1, keepdim=True)
    return points / points.square().sum(2).mean(1).sqrt()[:, None, None]


def _areas(faces: Tensor) -> Tensor:
    """(B, F)."""
    return torch.linalg.cross(faces[:, :, 1] - faces[:, :, 0], faces[:, :, 2] - faces[:, :, 0]).norm(dim=2) / 2


def _normalized(faces: Tensor, areas: Tensor) -> Tensor:
    """The triangles with their centre at the origin and a root mean square distance of about 1 from it."""
    share = (areas / areas.sum(1, keepdim=True))[:, :, None]
    middles = faces.mean(2)
    center = (middles * share).sum(1)
    size = ((middles - center[:, None]).square() * share).sum((1, 2)).sqrt()
    return (faces - center[:, None, None]) / size[:, None, None, None]


def _bent(faces: Tensor, bend: float, generator: torch.Generator) -> Tensor:
    """The triangles in a field of displacements: a few long waves in random directions, another for each shape."""
    shapes = len(faces)
    directions = torch.randn(shapes, 3, _WAVES, generator=generator)
    phases = 2 * math.pi * torch.rand(shapes, 1, _WAVES, generator=generator)
    pushes = bend * torch.randn(shapes, _WAVES, 3, generator=generator) / math.sqrt(_WAVES)
    places = faces.flatten(1, 2)
    return (places + torch.sin(places @ directions + phases) @ pushes).view_as(faces)
