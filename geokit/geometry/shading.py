"""Light on a surface, for pictures: a key light, a fill light, sky and ground, a soft highlight; colours as sRGB."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import normalize


@dataclass(frozen=True)
class Lighting:
    """Lights that move with the camera: directions towards the lights in camera space (x right, y down, z forward).

    Strengths are in linear light; a white surface that faces the key light under all lights is about 1.
    key, fill: strengths of the two distant lights. sky, ground: light from above and from below, mixed by how far the
    normal points up. highlight: strength of the reflected key light, `gloss` its sharpness (Blinn 1977).
    """

    key_direction: tuple[float, float, float] = (-0.45, -0.75, -0.75)
    fill_direction: tuple[float, float, float] = (0.9, -0.05, -0.35)
    key: float = 0.78
    fill: float = 0.16
    sky: float = 0.34
    ground: float = 0.10
    highlight: float = 0.10
    gloss: float = 28.0


def linear_from_srgb(color: Tensor) -> Tensor:
    """Colours as files and screens hold them, in [0, 1], to linear light (IEC 61966-2-1)."""
    return torch.where(color <= 0.04045, color / 12.92, ((color.clamp_min(0.04045) + 0.055) / 1.055) ** 2.4)


def srgb_from_linear(light: Tensor) -> Tensor:
    """Linear light to colours in [0, 1] as files and screens hold them; brighter light is cut."""
    light = light.clamp(0, 1)
    return torch.where(light <= 0.0031308, 12.92 * light, 1.055 * light.clamp_min(0.0031308) ** (1 / 2.4) - 0.055)


def shade(albedo: Tensor, normals: Tensor, view: Tensor, lighting: Lighting) -> Tensor:
    """Linear light (..., 3) that leaves a surface towards the camera.

    albedo: (..., 3) linear. normals: (..., 3) unit, camera space, either side. view: (..., 3) unit, from the surface to
    the camera. Both sides are lit alike.
    """
    normals = torch.where((normals * view).sum(-1, keepdim=True) < 0, -normals, normals)
    key, fill = (normalize(normals.new_tensor(d), dim=0) for d in (lighting.key_direction, lighting.fill_direction))
    upward = (0.5 - 0.5 * normals[..., 1:2]).clamp(0, 1)
    light = lighting.ground + (lighting.sky - lighting.ground) * upward
    light = light + lighting.key * (normals @ key).clamp_min(0)[..., None]
    light = light + lighting.fill * (normals @ fill).clamp_min(0)[..., None]
    half = normalize(view + key, dim=-1)
    shine = (normals * half).sum(-1, keepdim=True).clamp_min(1e-4) ** lighting.gloss
    return albedo * light + lighting.highlight * shine
