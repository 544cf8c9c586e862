"""One pair of shapes matched by a network that is trained on that pair alone, held to what a prior knows of maps.

Pierson, Li, Dai and Ovsjanikov, "DiffuMatch: Category-Agnostic Spectral Diffusion Priors for Robust Non-rigid Shape
Matching", ICCV 2025, after Attaiki and Ovsjanikov, "Neural Correspondence Prior", 2022: features of a DiffusionNet with
random weights already match better than they should, and training makes them agree with a refinement of their own map.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from geokit.errors import InvalidInput
from geokit.geometry.sampling import farthest_points
from geokit.spectral.diffusion_net import DiffusionNet, network_inputs, surface_operators
from geokit.spectral.functional_map import solve_functional_map
from geokit.spectral.prior.distill import distillation_loss
from geokit.spectral.prior.masks import Denoiser
from geokit.spectral.shape import SpectralShape
from geokit.spectral.zoomout import growing_sizes, zoomout_samples

Mask = Callable[[Tensor], Tensor]  # the raw map (K, K) to penalties (K, K) >= 0
_REFINED = 40  # functions that the map is grown to in every step, for a better one to compare with
_LEAST = 1e-6  # penalty that keeps the fit of the raw map solvable


@dataclass(frozen=True)
class ZeroShot:
    """functional_map: C_12 (K, K) float64 of the trained features, regularised. losses: (steps,) of the training."""

    functional_map: Tensor
    losses: Tensor


def zero_shot_map(
    shape1: SpectralShape,
    shape2: SpectralShape,
    mask: Mask,
    denoise: Denoiser | None = None,
    *,
    size: int = 30,
    steps: int = 200,
    mask_weight: float = 0.1,
    distillation: float = 1e-3,
    inputs: str = "wks",
    width: int = 64,
    blocks: int = 3,
    samples: int = 300,
    seed: int = 0,
) -> ZeroShot:
    """C_12 (size, size) by training features on both shapes for `steps` steps, in both directions at once.

    In each step the raw map is the one that fits the features; the regularised one is held by mask_weight times
    `mask(raw map)`, of mean one; ZoomOut on `samples` vertices makes it better; the loss is the squared difference of
    the raw map from that, plus `distillation` times `distillation_loss` with `denoise`, where given. Refine the result,
    with `zoomout` say. inputs: what the network sees, "wks", "hks" or "xyz"; the last wants shapes that stand alike.
    Raises `InvalidInput` for bases of fewer than 40 functions.
    """
    if min(len(shape1.basis), len(shape2.basis)) < max(_REFINED, size) or steps < 1:
        raise InvalidInput(
            f"zero-shot matching needs {max(_REFINED, size)} eigenfunctions on both shapes and a step, got "
            f"{len(shape1.basis)}, {len(shape2.basis)} and {steps}; prepare the shapes with more"
        )
    rng = torch.Generator().manual_seed(seed)
    sides = [_Side(shape, inputs, samples, size) for shape in (shape1, shape2)]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = DiffusionNet(sides[0].inputs.shape[1], 128, width, blocks, dropout=0.0)
    adam = torch.optim.Adam(network.parameters(), lr=1e-3, betas=(0.9, 0.99))
    losses = torch.empty(steps)
    for step in range(steps):
        features = [side.coefficients(network) for side in sides]
        loss = features[0].new_zeros(())
        for one, two in ((0, 1), (1, 0)):
            raw, kept = _maps(features[one], features[two], mask, mask_weight)
            better = _refined(kept.detach(), sides[one].rows, sides[two].rows)[:size, :size]
            loss = loss + (raw - better).square().sum()
            if denoise is not None:
                loss = loss + distillation * distillation_loss(raw, denoise, count=8, generator=rng)
        adam.zero_grad()
        loss.backward()
        adam.step()
        losses[step] = loss.detach()
    with torch.no_grad():
        _, kept = _maps(sides[0].coefficients(network), sides[1].coefficients(network), mask, mask_weight)
    return ZeroShot(kept, losses)


class _Side:
    """One shape as the training sees it."""

    def __init__(self, shape: SpectralShape, inputs: str, samples: int, size: int) -> None:
        self.surface = surface_operators(shape)
        self.inputs = network_inputs(shape, inputs)
        self.basis = shape.basis.first(size)
        chosen = farthest_points(shape.mesh.vertices, min(samples, len(shape)))
        self.rows = shape.basis.eigenvectors[chosen, :_REFINED]

    def coefficients(self, network: DiffusionNet) -> Tensor:
        """(size, 128) float64 of the features, each of unit norm."""
        features = network(self.inputs, self.surface).double()
        norms = (features.square() * self.basis.masses[:, None]).sum(0).sqrt()
        return self.basis.project(features / norms.clamp_min(1e-12))


def _maps(coefficients1: Tensor, coefficients2: Tensor, mask: Mask, weight: float) -> tuple[Tensor, Tensor]:
    """The map that the features ask for, and the one that the mask leaves of it."""
    size = len(coefficients1)
    raw = solve_functional_map(coefficients1, coefficients2, coefficients1.new_full((size, size), _LEAST))
    penalty = mask(raw.detach())
    penalty = weight * penalty / penalty.mean().clamp_min(1e-12) + _LEAST
    return raw, solve_functional_map(coefficients1, coefficients2, penalty)


@torch.no_grad()
def _refined(functional_map: Tensor, rows1: Tensor, rows2: Tensor) -> Tensor:
    sizes = growing_sizes(functional_map.shape, _REFINED, 2)
    return zoomout_samples(functional_map[None], rows1, rows2, sizes)[0][0]
