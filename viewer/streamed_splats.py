"""The splats that the server draws, all layers as one, in view coordinates."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from geokit.backend.splatting_ops import rasterize
from geokit.geometry import Cameras, Splats
from geokit.geometry.rotations import matrix_from_quaternion
from geokit.splatting.render import Projection, project_splats

from .frame import ViewFrame

NEAR = 0.01  # view units; the browser's own near plane


@dataclass(frozen=True)
class StreamedSplats:
    """splats: in view coordinates, float32. antialiased: all, none or (N,). scale: view units in one world unit.

    Cameras and backgrounds are given on the splats' device, where the pictures are. What does not depend on the camera
    is computed once and kept.
    """

    splats: Splats
    antialiased: bool | Tensor
    scale: float
    near: float = NEAR

    @staticmethod
    def of(
        scenes: Sequence[tuple[Splats, bool]], frame: ViewFrame, device: torch.device | None = None
    ) -> StreamedSplats:
        """Splats, each with whether it is antialiased, as one: blended in the order of their depths.

        device: where they are rendered; None is where the first of them are.
        """
        device = scenes[0][0].means.device if device is None else device
        degree = max(splats.sh_degree for splats, _ in scenes)
        waves = max(splats.waves for splats, _ in scenes)
        a_channel = any(splats.wave_weights.dim() == 4 for splats, _ in scenes)
        alike = [_padded(_in_view(splats, frame, device), degree, waves, a_channel) for splats, _ in scenes]
        fields = [splats.tensors() for splats in alike]
        joined = fields[0] if len(fields) == 1 else {k: torch.cat([f[k] for f in fields]) for k in fields[0]}
        flags: bool | Tensor = scenes[0][1]
        if any(antialiased != flags for _, antialiased in scenes):
            flags = torch.cat([torch.full((len(splats),), flag, device=device) for splats, flag in scenes])
        return StreamedSplats(Splats(**joined), flags, frame.scale)

    @property
    def device(self) -> torch.device:
        """Where they are rendered."""
        return self.splats.means.device

    def project(self, camera: Cameras) -> Projection:
        """The splats on the screen of a camera in view coordinates."""
        return project_splats(self.splats, camera, antialiased=self.antialiased, near=self.near)

    @torch.inference_mode()
    def median_depth(self, camera: Cameras) -> tuple[Tensor, Tensor]:
        """(H, W) depth in view units at which half of the light is left, and (H, W) whether there is such a depth."""
        seen, (width, height) = self.project(camera), camera.sizes[0]
        nothing = seen.depths.new_zeros(len(seen.depths), 1)
        _, _, ids = rasterize(
            seen.means2d, seen.conics, seen.depths, seen.opacities, nothing, seen.waves(self.wave_weights),
            nothing.new_zeros(1), width, height, None, True,
        )  # fmt: skip
        return seen.depths[ids.long().clamp_min(0)], ids >= 0

    def amplitudes(self, seen: Projection) -> Tensor:
        """(N,) the highest alpha that each splat can have."""
        return seen.opacities * (1 + self.wave_weights.norm(dim=2).sum(1))

    @cached_property
    def wave_weights(self) -> Tensor:
        """(N, K, 2), the mean over the channels where there is a weight for each."""
        weights = self.splats.wave_weights
        return weights.mean(-1) if weights.dim() == 4 else weights

    @cached_property
    def shortest_axes(self) -> Tensor:
        """(N, 3) unit vectors along the shortest axis of each splat."""
        rotations = matrix_from_quaternion(self.splats.quats)
        return rotations.gather(2, self.splats.log_scales.argmin(1)[:, None, None].expand(-1, 3, 1))[..., 0]


def _in_view(splats: Splats, frame: ViewFrame, device: torch.device) -> Splats:
    """In float32 only after the shift: far from the origin float32 has no small lengths."""
    center = torch.tensor(frame.center, dtype=torch.float64, device=device)
    means = (splats.means.detach().to(device).double() - center) * frame.scale
    moved = splats.map(lambda t: t.detach().to(device).float())
    return moved.replace(
        means=means.float(),
        log_scales=moved.log_scales + math.log(frame.scale),
        wave_frequencies=moved.wave_frequencies / frame.scale,
    )


def _padded(splats: Splats, degree: int, waves: int, a_channel: bool) -> Splats:
    """With harmonics and waves of no strength, so that the fields have the shape of others'."""
    missing = (degree + 1) ** 2 - splats.sh_coeffs.shape[1]
    more = waves - splats.waves
    weights = splats.wave_weights
    if a_channel and weights.dim() == 3:
        weights = weights[..., None].expand(-1, -1, -1, 3)
    pad = torch.nn.functional.pad
    tail = (0, 0) * (weights.dim() - 2)
    return splats.replace(
        sh_coeffs=pad(splats.sh_coeffs, (0, 0, 0, missing)),
        wave_frequencies=pad(splats.wave_frequencies, (0, 0, 0, more)),
        wave_weights=pad(weights, (*tail, 0, more)).contiguous(),
    )
