"""Splats and a camera to a picture."""

from dataclasses import dataclass

import torch
from torch import Tensor

from geokit.backend.checks import check_one_device
from geokit.backend.splatting_ops import project, rasterize, spherical_harmonics
from geokit.errors import InvalidInput
from geokit.geometry import Cameras, Splats


@dataclass(frozen=True)
class Rendering:
    """What one camera sees.

    image (H, W, C): colours over the background (or the given features). alpha (H, W): coverage in [0, 1].
    depth, median_depth (H, W), where asked for: expected depth along the optical axis (weighted mean of the splats'
    depths) and depth of the splat behind which less than half of the light is left; 0 where nothing is.
    """

    image: Tensor
    alpha: Tensor
    depth: Tensor | None = None
    median_depth: Tensor | None = None


@dataclass(frozen=True)
class Projection:
    """N splats on the screen of one camera; a culled one has depth 0 and zeros everywhere.

    means2d (N, 2) pixels; depths (N,) along the optical axis; conics (N, 3) a b c of the inverse covariance, in
    1/pixels^2; compensation (N,) of the pixel filter; waves2d (N, K, 3) frequency in cycles per pixel, attenuation;
    opacities (N,).
    """

    means2d: Tensor
    depths: Tensor
    conics: Tensor
    compensation: Tensor
    waves2d: Tensor
    opacities: Tensor

    def waves(self, weights: Tensor) -> Tensor:
        """(N, K, 4) as `rasterize` takes them, of weights (N, K, 2)."""
        if not self.waves2d.shape[1]:
            return self.waves2d.new_zeros(len(self.waves2d), 0, 4)
        return torch.cat([self.waves2d[..., :2], weights * self.waves2d[..., 2:]], dim=-1)


def project_splats(
    splats: Splats,
    camera: Cameras,
    *,
    antialiased: bool | Tensor = False,
    dilation: float = 0.3,
    near: float = 0.01,
    world_to_camera: Tensor | None = None,
) -> Projection:
    """`splats` on the screen of the one camera of `camera`; the options are those of `render`.

    Raises `InvalidInput` unless `camera` holds exactly one camera.
    """
    if len(camera) != 1:
        raise InvalidInput(f"render takes one camera at a time, got {len(camera)}; index them: cameras[i]")
    if isinstance(antialiased, Tensor):
        check_one_device(splats=splats.means, antialiased=antialiased)
    width, height = camera.sizes[0]
    pose = (camera.world_to_camera[0] if world_to_camera is None else world_to_camera).to(splats.means)
    K = camera.K[0].to(splats.means)
    intrinsics = torch.stack([K[0, 0], K[1, 1], K[0, 2], K[1, 2]])
    opacities = torch.sigmoid(splats.logit_opacities)
    amplitudes = opacities.detach()
    if splats.waves:
        strongest = splats.wave_weights.detach().norm(dim=2).sum(1)
        amplitudes = amplitudes * (1 + (strongest.amax(-1) if splats.wave_weights.dim() == 4 else strongest))
    means2d, depths, conics, compensation, waves2d = project(
        splats.means, splats.quats, torch.exp(splats.log_scales), splats.wave_frequencies, amplitudes,
        pose, intrinsics, width, height, dilation, near,
    )  # fmt: skip
    if isinstance(antialiased, Tensor):
        opacities = torch.where(antialiased, opacities * compensation, opacities)
    elif antialiased:
        opacities = opacities * compensation
    return Projection(means2d, depths, conics, compensation, waves2d, opacities)


def render(
    splats: Splats,
    camera: Cameras,
    *,
    background: Tensor | None = None,
    features: Tensor | None = None,
    sh_degree: int | None = None,
    depth: bool = False,
    antialiased: bool | Tensor = False,
    dilation: float = 0.3,
    near: float = 0.01,
    world_to_camera: Tensor | None = None,
    screen_probe: Tensor | None = None,
) -> Rendering:
    """Render `splats` (any float dtype) as the one camera of `camera` sees them; differentiable in every tensor.

    The camera may be on another device than the splats, which decide where the picture is computed.
    background (C,), black by default. features (N, C) replace the colours. sh_degree cuts the harmonics.
    antialiased keeps a splat's energy when the pixel filter (variance `dilation`, pixels^2) widens it (Mip-Splatting,
    Yu et al. 2024); a mask (N,) does so for some. world_to_camera (4, 4) replaces the camera's own pose, with
    gradients. screen_probe (N, 2): see `rasterize`.
    Raises `InvalidInput` unless `camera` holds exactly one camera, and for features that do not fit waves with a weight
    a channel.
    """
    check_one_device(splats=splats.means, background=background, features=features, screen_probe=screen_probe)
    seen = project_splats(
        splats, camera, antialiased=antialiased, dilation=dilation, near=near, world_to_camera=world_to_camera
    )
    (width, height), depths, weights = camera.sizes[0], seen.depths, splats.wave_weights
    if features is None:
        pose = (camera.world_to_camera[0] if world_to_camera is None else world_to_camera).to(depths)
        center = -pose[:3, :3].T @ pose[:3, 3]
        degree = splats.sh_degree if sh_degree is None else min(sh_degree, splats.sh_degree)
        harmonics = spherical_harmonics(degree, splats.means - center, splats.sh_coeffs, depths.detach() > 0)
        features = (harmonics + 0.5).clamp_min(0.0)
    channels = features.shape[1]
    if weights.dim() == 4 and channels != weights.shape[-1]:
        raise InvalidInput(
            f"waves with a weight a channel need features of {weights.shape[-1]} channels, got {channels}"
        )
    if background is None:
        background = features.new_zeros(channels)
    if depth:
        features = torch.cat([features, depths[:, None]], dim=1)
        background = torch.cat([background, background.new_zeros(1)])

    def blend(features: Tensor, background: Tensor, weights: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        return rasterize(
            seen.means2d, seen.conics, depths, seen.opacities, features, seen.waves(weights), background,
            width, height, screen_probe, depth,
        )  # fmt: skip

    if weights.dim() == 3:
        image, transmittance, median_ids = blend(features, background, weights)
    else:  # a weight a channel: three scalar pictures; coverage and depth follow the mean weight
        planes = [blend(features[:, c : c + 1], background[c : c + 1], weights[..., c])[0] for c in range(channels)]
        last, transmittance, median_ids = blend(features[:, channels:], background[channels:], weights.mean(-1))
        image = torch.cat([*planes, last], dim=-1)
    alpha = 1 - transmittance
    if not depth:
        return Rendering(image, alpha)
    expected = image[..., channels] / alpha.clamp_min(1e-6)
    median = torch.cat([depths, depths.new_zeros(1)])[median_ids.long()]  # -1, nothing there, finds the zero
    return Rendering(image[..., :channels], alpha, expected, median)
