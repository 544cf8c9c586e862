"""Random scenes for the tests, all float64 and reproducible from a seed."""

from dataclasses import dataclass, fields, replace

import torch
from torch import Tensor

from . import projection


@dataclass
class World:
    """N splats and a camera: the arguments of `project`, in its order."""

    means: Tensor
    quats: Tensor
    scales: Tensor
    frequencies: Tensor
    amplitudes: Tensor
    world_to_camera: Tensor
    intrinsics: Tensor
    width: int
    height: int

    differentiable = ("means", "quats", "scales", "frequencies", "world_to_camera", "intrinsics")


@dataclass
class Screen:
    """N projected splats with C features and K waves: the arguments of `rasterize`, in its order."""

    means2d: Tensor
    conics: Tensor
    depths: Tensor
    opacities: Tensor
    features: Tensor
    waves: Tensor
    background: Tensor
    width: int
    height: int

    differentiable = ("means2d", "conics", "opacities", "features", "waves", "background")


def arguments(scene: World | Screen) -> list:
    """The fields in order."""
    return [getattr(scene, f.name) for f in fields(scene)]


def cast(scene, dtype: torch.dtype):  # type: ignore[no-untyped-def]
    """The scene with every tensor in another dtype."""
    tensors = {f.name: getattr(scene, f.name) for f in fields(scene)}
    return replace(scene, **{k: v.detach().to(dtype) for k, v in tensors.items() if isinstance(v, Tensor)})


def with_gradients(scene):  # type: ignore[no-untyped-def]
    """The scene with fresh leaves that require gradients for every differentiable input."""
    return replace(scene, **{k: getattr(scene, k).detach().clone().requires_grad_() for k in scene.differentiable})


def gradients(scene, loss: Tensor) -> dict[str, Tensor]:  # type: ignore[no-untyped-def]
    """dL/d(every differentiable input) of a scene made by `with_gradients`; zeros where the loss does not depend."""
    inputs = [getattr(scene, k) for k in scene.differentiable]
    found = torch.autograd.grad(loss, inputs, allow_unused=True)
    return {k: torch.zeros_like(x) if g is None else g for k, x, g in zip(scene.differentiable, inputs, found)}


def generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def uniform(g: torch.Generator, *shape: int, low: float = 0.0, high: float = 1.0) -> Tensor:
    return low + (high - low) * torch.rand(*shape, generator=g, dtype=torch.float64)


def normal(g: torch.Generator, *shape: int) -> Tensor:
    return torch.randn(*shape, generator=g, dtype=torch.float64)


def random_pose(g: torch.Generator) -> Tensor:
    """(4, 4) world_to_camera with a random rotation and a translation of some units."""
    pose = torch.eye(4, dtype=torch.float64)
    pose[:3, :3] = projection.rotation_matrices(normal(g, 1, 4))[0]
    pose[:3, 3] = normal(g, 3)
    return pose


def random_world(
    seed: int,
    count: int = 200,
    waves: int = 2,
    width: int = 120,
    height: int = 90,
    spread: float = 1.5,
    behind: float = 0.1,
    aspect: float = 10.0,
) -> World:
    """Splats over `spread` times the frustum, a share `behind` of them behind the camera; the centre is off-centre.

    Projected standard deviations range from a fraction of a pixel to half the image, the ratio of a splat's
    largest to smallest scale up to `aspect`; waves have 0 to 1 cycles per standard deviation.
    """
    g = generator(seed)
    intrinsics = torch.tensor([0.9 * width, 1.0 * width, 0.55 * width, 0.46 * height], dtype=torch.float64)
    fx, fy, cx, cy = intrinsics
    depths = torch.exp(uniform(g, count, low=-0.7, high=2.0))
    pixels = torch.tensor([width, height]) * (0.5 + spread * uniform(g, count, 2, low=-0.5, high=0.5))
    camera = torch.stack([(pixels[:, 0] - cx) / fx * depths, (pixels[:, 1] - cy) / fy * depths, depths], -1)
    camera = torch.where(uniform(g, count, 1) < behind, -camera, camera)
    pose = random_pose(g)
    means = (camera - pose[:3, 3]) @ pose[:3, :3]
    size = depths / fx * torch.exp(uniform(g, count, low=-0.5, high=3.2))
    scales = size[:, None] * aspect ** uniform(g, count, 3, low=-0.5, high=0.5)
    quats = normal(g, count, 4)
    rotations = projection.rotation_matrices(quats)
    whitened = normal(g, count, waves, 3)
    whitened = whitened / whitened.norm(dim=-1, keepdim=True) * uniform(g, count, waves, 1)
    frequencies = torch.einsum("nij,nj,nkj->nki", rotations, 1 / scales, whitened)
    amplitudes = uniform(g, count, high=1.5) ** 2
    return World(means, quats, scales, frequencies, amplitudes, pose, intrinsics, width, height)


def random_screen(
    seed: int,
    count: int = 40,
    channels: int = 3,
    waves: int = 1,
    width: int = 45,
    height: int = 38,
    opacity: tuple[float, float] = (0.02, 0.5),
    sigma: tuple[float, float] = (0.6, 6.0),
) -> Screen:
    """Splats over and a little beyond the image, of standard deviations `sigma` pixels; 5 % culled (depth 0)."""
    g = generator(seed)
    size = torch.tensor([width, height], dtype=torch.float64)
    means2d = size * uniform(g, count, 2, low=-0.1, high=1.1)
    turn = uniform(g, count, high=torch.pi)
    axes = torch.stack([torch.stack([turn.cos(), turn.sin()], -1), torch.stack([-turn.sin(), turn.cos()], -1)], -2)
    sigmas = sigma[0] * (sigma[1] / sigma[0]) ** uniform(g, count, 2)
    precision = axes.transpose(-1, -2) @ torch.diag_embed(sigmas**-2) @ axes
    conics = torch.stack([precision[:, 0, 0], precision[:, 0, 1], precision[:, 1, 1]], -1)
    depths = uniform(g, count, low=0.5, high=4.0) * (uniform(g, count) > 0.05)
    opacities = uniform(g, count, low=opacity[0], high=opacity[1])
    frequencies = uniform(g, count, waves, 2, low=-0.4, high=0.4)
    weights = uniform(g, count, waves, 2, low=-0.5, high=0.5) / max(waves, 1)
    return Screen(
        means2d,
        conics,
        depths,
        opacities,
        normal(g, count, channels),
        torch.cat([frequencies, weights], -1),
        uniform(g, channels),
        width,
        height,
    )
