"""The scenes that the splatting benchmarks run on."""

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from geokit.backend.splatting_ops import ALPHA_MIN, project
from geokit.geometry import Cameras, PointCloud, Splats
from geokit.geometry.neighbors import neighbor_distances
from geokit.splatting import splats_from_points


@dataclass
class Screen:
    """Projected splats: the arguments of `rasterize`, in its order."""

    means2d: Tensor
    conics: Tensor
    depths: Tensor
    opacities: Tensor
    features: Tensor
    waves: Tensor
    background: Tensor
    width: int
    height: int

    def arguments(self) -> tuple:
        return tuple(vars(self).values())

    def with_gradients(self) -> "Screen":
        """The same with leaves that require gradients for everything but the depths."""
        leaf = {
            name: value.clone().requires_grad_(name != "depths")
            for name, value in vars(self).items()
            if isinstance(value, Tensor)
        }
        return Screen(**leaf, width=self.width, height=self.height)

    def radii(self) -> Tensor:
        """Geometric mean radius in pixels of every visible splat's ellipse alpha >= 1/255."""
        a, b, c = self.conics[self.depths > 0].unbind(1)
        reach = 2 * torch.log((self.opacities[self.depths > 0] / ALPHA_MIN).clamp_min(1))
        return reach.sqrt() / (a * c - b * b).clamp_min(1e-20) ** 0.25

    def ellipse_pairs(self, samples: int = 400) -> float:
        """(splat, pixel) pairs with alpha >= 1/255 of the envelope inside the picture, from a sample of the splats.

        Splats hidden behind others count, so this can exceed the pairs that are evaluated.
        """
        columns, rows = torch.arange(self.width) + 0.5, torch.arange(self.height) + 0.5
        chosen = torch.randperm(len(self.depths), generator=torch.Generator().manual_seed(0))[:samples]
        total = 0
        for i in chosen[self.depths[chosen] > 0].tolist():
            (mx, my), (a, b, c) = self.means2d[i].tolist(), self.conics[i].tolist()
            reach = 2 * math.log(max(float(self.opacities[i]) / ALPHA_MIN, 1.0)) / (a * c - b * b)
            dx, dy = columns - mx, rows - my
            dx, dy = dx[dx.abs() <= math.sqrt(reach * c)], dy[dy.abs() <= math.sqrt(reach * a), None]
            power = -0.5 * (a * dx * dx + c * dy * dy) - b * dx * dy
            total += int((self.opacities[i] * power.exp() >= ALPHA_MIN).sum())
        return total * len(self.depths) / len(chosen)


def projected(splats: Splats, camera: Cameras) -> Screen:
    """What `render` hands to the rasterizer, colours of degree 0."""
    camera = camera.to(splats.means.device)
    (width, height), K = camera.sizes[0], camera.K[0].float()
    opacities = splats.logit_opacities.sigmoid()
    strongest = splats.wave_weights.norm(dim=2).sum(1)
    means2d, depths, conics, _, waves2d = project(
        splats.means, splats.quats, splats.log_scales.exp(), splats.wave_frequencies, opacities * (1 + strongest),
        camera.world_to_camera[0].float(), torch.stack([K[0, 0], K[1, 1], K[0, 2], K[1, 2]]), width, height,
    )  # fmt: skip
    waves = torch.cat([waves2d[..., :2], splats.wave_weights * waves2d[..., 2:]], dim=-1)
    colors = (splats.sh_coeffs[:, 0] * 0.28209479177387814 + 0.5).clamp_min(0)
    return Screen(means2d, conics, depths, opacities, colors, waves, torch.zeros_like(colors[0]), width, height)


def random_scene(
    count: int,
    width: int,
    height: int,
    radius: float,
    waves: int = 0,
    opacity: tuple[float, float] = (0.1, 0.7),
) -> tuple[Splats, Cameras]:
    """Splats all over the picture, at depths 2 to 8, whose mean radius on the screen is `radius` pixels."""
    g = torch.Generator().manual_seed(count + width)
    focal = float(width)
    K = torch.tensor([[[focal, 0, width / 2], [0, focal, height / 2], [0, 0, 1]]])
    camera = Cameras(torch.eye(4)[None], K, ((width, height),))
    pixels = torch.rand(count, 2, generator=g) * torch.tensor([width, height])
    depth = 2 * 4 ** torch.rand(count, 1, generator=g)
    means = torch.cat([(pixels - torch.tensor([width, height]) / 2) * depth / focal, depth], dim=1)
    scales = depth / focal * (0.5 + torch.rand(count, 3, generator=g))
    low, high = opacity
    splats = Splats(
        means=means,
        quats=torch.randn(count, 4, generator=g),
        log_scales=scales.log(),
        logit_opacities=(low + (high - low) * torch.rand(count, generator=g)).logit(),
        sh_coeffs=torch.randn(count, 1, 3, generator=g),
    )
    for _ in range(6):  # the radius is not quite proportional to the scales, because of the pixel filter
        ratio = radius / float(projected(splats, camera).radii().mean())
        splats = splats.replace(log_scales=splats.log_scales + torch.tensor(ratio).log())
    if waves:
        direction = torch.nn.functional.normalize(torch.randn(count, waves, 3, generator=g), dim=-1)
        cycles = 0.2 + 0.6 * torch.rand(count, waves, 1, generator=g)
        splats = splats.replace(
            wave_frequencies=cycles * direction / splats.log_scales.exp().mean(1)[:, None, None],
            wave_weights=(torch.rand(count, waves, 2, generator=g) - 0.5) * 0.4,
        )
    return splats, camera


def garden_scene(data: Path, count: int | None = None, size: tuple[int, int] | None = None) -> tuple[Splats, Cameras]:
    """The garden's points, or a random choice of them, as large as their spacing, and the first camera."""
    arrays = np.load(data / "splatting" / "garden_npz" / "test_garden.npz")
    points, colors = torch.from_numpy(arrays["means3d"]), torch.from_numpy(arrays["colors"]).float() / 255
    g = torch.Generator().manual_seed(0)
    if count is not None:
        chosen = torch.randperm(len(points), generator=g)[:count].sort().values
        points, colors = points[chosen], colors[chosen]
    splats = splats_from_points(PointCloud(points, colors))
    opacities = 0.1 + 0.6 * torch.rand(len(points), generator=g)
    camera = Cameras(
        torch.from_numpy(arrays["viewmats"][:1]),
        torch.from_numpy(arrays["Ks"][:1]),
        ((int(arrays["width"]), int(arrays["height"])),),
    )
    return splats.replace(logit_opacities=opacities.logit()), camera if size is None else camera.resized([size])


def with_jittered_copies(cloud: PointCloud, copies: int, jitter: float = 0.17) -> PointCloud:
    """Each point and `copies` others around it, normally distributed with `jitter` times its spacing.

    0.17 gives the fox the 2.3 M pairs inside ellipses a 270x480 view that OpenSplat was measured on.
    """
    g = torch.Generator().manual_seed(0)
    spacing = neighbor_distances(cloud.points, 3).mean(1, keepdim=True)
    moved = [
        cloud.points + jitter * spacing * torch.randn(cloud.points.shape, generator=g).to(cloud.points)
        for _ in range(copies)
    ]
    colors = None if cloud.colors is None else cloud.colors.repeat(copies + 1, 1)
    return PointCloud(torch.cat([cloud.points, *moved]), colors)
