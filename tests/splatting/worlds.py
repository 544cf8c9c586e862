"""Small scenes of splats for the tests of rendering and training."""

import torch
from torch import Tensor

from geokit.geometry import Cameras, Splats
from geokit.geometry.cameras import look_at
from geokit.splatting import render
from tests.reference import scenes

F64 = torch.float64


def front_camera(width: int = 32, height: int = 24, focal: float = 40.0) -> Cameras:
    """At the origin, looking along z; the optical axis meets the middle of the image."""
    K = torch.tensor([[focal, 0, width / 2], [0, focal, height / 2], [0, 0, 1]], dtype=F64)
    return Cameras(torch.eye(4, dtype=F64)[None], K[None], ((width, height),))


def one_splat(
    depth: float, sigma: float, opacity: float = 0.9, color: tuple[float, ...] = (1.0, 0.5, 0.25), dtype=F64
) -> Splats:
    """A round Gaussian on the optical axis of `front_camera`."""
    return Splats(
        means=torch.tensor([[0.0, 0.0, depth]], dtype=dtype),
        quats=torch.tensor([[1.0, 0, 0, 0]], dtype=dtype),
        log_scales=torch.full((1, 3), sigma, dtype=dtype).log(),
        logit_opacities=torch.tensor([opacity], dtype=dtype).logit(),
        sh_coeffs=(torch.tensor([[color]], dtype=dtype) - 0.5) / 0.28209479177387814,
    )


def joined(*every: Splats) -> Splats:
    """All splats in one."""
    return Splats(**{name: torch.cat([s.tensors()[name] for s in every]) for name in every[0].tensors()})


def random_scene(
    seed: int, count: int = 30, waves: int = 2, channels: int = 0, size: tuple[int, int] = (40, 30), degree: int = 2
) -> tuple[Splats, Cameras]:
    """float64 splats before one camera with a random pose, some culled; with a weight a channel if `channels`."""
    width, height = size
    world = scenes.random_world(seed, count=count, waves=waves, width=width, height=height, aspect=3.0, spread=1.2)
    g = scenes.generator(seed + 1000)
    fx, fy, cx, cy = world.intrinsics.tolist()
    K = torch.tensor([[fx, 0, cx], [0, fy, cy], [0, 0, 1]], dtype=F64)
    splats = Splats(
        means=world.means,
        quats=world.quats,
        log_scales=world.scales.log(),
        logit_opacities=scenes.uniform(g, count, low=0.05, high=0.6).logit(),
        sh_coeffs=0.4 * scenes.normal(g, count, (degree + 1) ** 2, 3),
        wave_frequencies=world.frequencies if waves else None,
        wave_weights=0.3 * scenes.normal(g, count, waves, 2, *[channels] * bool(channels)) if waves else None,
    )
    return splats, Cameras(world.world_to_camera[None], K[None], (size,))


def ring_cameras(count: int, width: int = 48, height: int = 36, focal: float = 50.0) -> Cameras:
    """On a circle about the origin, at distance 4."""
    angle = torch.arange(count, dtype=F64) * 2 * torch.pi / count
    eyes = torch.stack([4 * angle.cos(), 0.5 * (3 * angle).sin(), 4 * angle.sin()], dim=1)
    pose = look_at(eyes, torch.zeros(3), torch.tensor([0.0, 1.0, 0.0]))
    K = torch.tensor([[focal, 0, width / 2], [0, focal, height / 2], [0, 0, 1]], dtype=F64)
    return Cameras(pose, K.repeat(count, 1, 1), ((width, height),) * count)


def colorful_splats(count: int = 40, seed: int = 0, spread: float = 0.6) -> Splats:
    """Round-ish, fairly opaque float32 splats of random colours about the origin."""
    g = torch.Generator().manual_seed(seed)
    return Splats(
        means=spread * torch.randn(count, 3, generator=g),
        quats=torch.randn(count, 4, generator=g),
        log_scales=torch.randn(count, 3, generator=g) * 0.3 - 1.6,
        logit_opacities=torch.randn(count, generator=g) + 2,
        sh_coeffs=torch.randn(count, 1, 3, generator=g),
    )


def photographs(splats: Splats, cameras: Cameras) -> list[Tensor]:
    """What the cameras see, as bytes (H, W, 3)."""
    pictures = (render(splats, cameras[i]).image for i in range(len(cameras)))
    return [(picture.clamp(0, 1) * 255).round().to(torch.uint8) for picture in pictures]
