"""Pinhole cameras: OpenCV axes (x right, y down, z forward), pixel centres at +0.5, intrinsics in pixels."""

from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from geokit.backend.checks import check_one_device, check_tensor
from geokit.errors import InvalidInput


@dataclass(frozen=True)
class Cameras:
    """N pinhole cameras.

    world_to_camera: (N, 4, 4) float64, rigid, last row (0, 0, 0, 1); lengths in the capture's own unit.
    K: (N, 3, 3) float64, ((fx, 0, cx), (0, fy, cy), (0, 0, 1)) in pixels; the centre of the first pixel is (0.5, 0.5).
    sizes: N pairs (width, height) in pixels.
    names: N names, by custom the image's path inside the capture.
    """

    world_to_camera: Tensor
    K: Tensor
    sizes: tuple[tuple[int, int], ...]
    names: tuple[str, ...] = field(default=())

    def __post_init__(self) -> None:
        n = len(self.sizes)
        object.__setattr__(self, "world_to_camera", self.world_to_camera.to(torch.float64))
        object.__setattr__(self, "K", self.K.to(torch.float64))
        if not self.names:
            object.__setattr__(self, "names", tuple(f"camera_{i:04d}" for i in range(n)))
        check_tensor("world_to_camera", self.world_to_camera, (n, 4, 4), finite=True)
        check_tensor("K", self.K, (n, 3, 3), finite=True)
        check_one_device(world_to_camera=self.world_to_camera, K=self.K)
        if len(self.names) != n:
            raise InvalidInput(f"cameras need one name each: got {len(self.names)} names for {n} cameras")
        rotation = self.world_to_camera[:, :3, :3]
        gram_error = (rotation @ rotation.transpose(1, 2) - torch.eye(3).to(rotation)).abs().amax(dim=(1, 2))
        for i in range(n):
            if gram_error[i] > 1e-3 or torch.linalg.det(rotation[i]) < 0:
                raise InvalidInput(
                    f"camera '{self.names[i]}': the upper 3x3 block of world_to_camera is not a rotation "
                    f"(R R' differs from the identity by {float(gram_error[i]):.2g}); check the pose file"
                )
            if self.sizes[i][0] < 1 or self.sizes[i][1] < 1:
                raise InvalidInput(f"camera '{self.names[i]}': image size {self.sizes[i]} must be positive")
            if self.K[i, 0, 0] <= 0 or self.K[i, 1, 1] <= 0:
                focal = self.K[i].diag()[:2].tolist()
                raise InvalidInput(f"camera '{self.names[i]}': focal lengths must be positive, got {focal}")

    def __len__(self) -> int:
        return len(self.sizes)

    def __getitem__(self, index: int | slice | Sequence[int]) -> "Cameras":
        """The selected cameras, again as `Cameras` (an integer selects a batch of one)."""
        every = range(len(self))
        if isinstance(index, slice):
            picked = list(every[index])
        else:
            picked = [every[i] for i in ([index] if isinstance(index, int) else index)]
        return Cameras(
            self.world_to_camera[picked],
            self.K[picked],
            tuple(self.sizes[i] for i in picked),
            tuple(self.names[i] for i in picked),
        )

    def __repr__(self) -> str:
        sizes = sorted(set(self.sizes))
        shown = ", ".join(f"{w}x{h}" for w, h in sizes[:3]) + (", ..." if len(sizes) > 3 else "")
        return f"Cameras({len(self)} pinhole, {shown} px)"

    def to(self, device: torch.device | str) -> "Cameras":
        """The same cameras on another device; they stay float64."""
        moved = copy(self)  # checked already: a GPU is not asked again, which would wait for it
        object.__setattr__(moved, "world_to_camera", self.world_to_camera.to(device))
        object.__setattr__(moved, "K", self.K.to(device))
        return moved

    @property
    def centers(self) -> Tensor:
        """(N, 3) optical centres in world coordinates."""
        rotation, translation = self.world_to_camera[:, :3, :3], self.world_to_camera[:, :3, 3]
        return -(rotation.transpose(1, 2) @ translation[:, :, None])[:, :, 0]

    @property
    def forwards(self) -> Tensor:
        """(N, 3) unit viewing directions in world coordinates."""
        return self.world_to_camera[:, 2, :3]

    @property
    def extent(self) -> float:
        """1.1 times the largest distance of a camera from the mean camera, in the capture's unit; at least 1e-6.

        The scene's length scale in the field's learning rates (Kerbl et al. 2023).
        """
        centers = self.centers
        return max(1.1 * float((centers - centers.mean(0)).norm(dim=1).max()), 1e-6)

    def scaled(self, factor: float) -> "Cameras":
        """The same cameras with images `factor` times as large; sizes are rounded, K follows the rounded sizes."""
        if not factor > 0:
            raise InvalidInput(f"the scale of an image must be positive, got {factor}")
        sizes = tuple((max(1, round(w * factor)), max(1, round(h * factor))) for w, h in self.sizes)
        return self.resized(sizes)

    def resized(self, sizes: Sequence[tuple[int, int]]) -> "Cameras":
        """The same cameras with images of the given (width, height); K is scaled along."""
        ratio = torch.tensor(
            [[new[0] / old[0], new[1] / old[1], 1.0] for new, old in zip(sizes, self.sizes)], dtype=torch.float64
        )
        return replace(self, K=self.K * ratio.to(self.K)[:, :, None], sizes=tuple(sizes))


def look_at(eyes: Tensor, targets: Tensor, up: Tensor) -> Tensor:
    """World-to-camera matrices (N, 4, 4) of cameras at `eyes` (N, 3) that look at `targets` (N, 3) or (3,).

    `up` (3,) points up in the world and must not be parallel to the viewing direction.
    """
    check_one_device(eyes=eyes, targets=targets, up=up)
    eyes, targets, up = (t.to(torch.float64) for t in (eyes, targets, up))
    forward = torch.nn.functional.normalize(targets - eyes, dim=-1)
    right = torch.linalg.cross(forward, up.expand_as(forward))
    if bool((right.norm(dim=-1) < 1e-9).any()):
        raise InvalidInput("look_at: the up vector is parallel to a viewing direction; choose another up vector")
    right = torch.nn.functional.normalize(right, dim=-1)
    down = torch.linalg.cross(forward, right)
    rotation = torch.stack([right, down, forward], dim=-2)
    pose = torch.eye(4, dtype=torch.float64, device=eyes.device).repeat(len(eyes), 1, 1)
    pose[:, :3, :3] = rotation
    pose[:, :3, 3] = -(rotation @ eyes[:, :, None])[:, :, 0]
    return pose
