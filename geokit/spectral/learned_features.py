"""Features that a DiffusionNet learns on a collection of shapes, without correspondences, and maps between them.

The losses are those of unsupervised functional maps (Roufosse, Sharma and Ovsjanikov 2019; Cao, Roetzer and Bernard
2023): the map that features give must be invertible, keep areas, and be that of a map between vertices.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from geokit.errors import InvalidInput, NumericalFailure
from geokit.spectral.conversions import functional_map_of, point_to_point
from geokit.spectral.diffusion_net import DiffusionNet, network_inputs, surface_operators
from geokit.spectral.eigen import Eigenbasis
from geokit.spectral.functional_map import resolvent_mask, solve_functional_map
from geokit.spectral.nearest_rows import nearest_rows
from geokit.spectral.shape import SpectralShape


@dataclass(frozen=True)
class FeatureNetwork:
    """A trained network and what it starts from: "wks", "hks" or "xyz" (`network_inputs`), `count` eigenpairs."""

    network: DiffusionNet
    inputs: str = "wks"
    count: int = 128

    @torch.no_grad()
    def features(self, shape: SpectralShape) -> Tensor:
        """(N, D) float32, each row of length one."""
        start = network_inputs(shape, self.inputs, self._channels)
        values = self.network.eval()(start, surface_operators(shape, self.count))
        return torch.nn.functional.normalize(values, dim=1)

    @property
    def _channels(self) -> int | None:
        return None if self.inputs == "xyz" else self.network.first.in_features


def match_features(features1: Tensor, features2: Tensor, basis1: Eigenbasis, basis2: Eigenbasis) -> Tensor:
    """p2p_21 (N2,) int64 of features (N1, D) and (N2, D) of unit rows.

    The nearest features, made smooth by a turn through the functional map of all functions of the bases.
    """
    nearest = nearest_rows(features2.to(basis2.eigenvectors), features1.to(basis1.eigenvectors))
    return point_to_point(functional_map_of(nearest, basis1, basis2), basis1, basis2)


def train_features(
    shapes: Sequence[SpectralShape],
    network: DiffusionNet,
    *,
    inputs: str = "wks",
    count: int = 128,
    steps: int = 500,
    map_size: int = 50,
    samples: int = 1000,
    rate: float = 1e-3,
    seed: int = 0,
    watch: Callable[[int, float], None] | None = None,
) -> FeatureNetwork:
    """The network trained on random pairs of the shapes, one pair a step, with Adam at `rate`, decaying to zero.

    Maps of `map_size` functions are compared with soft maps between `samples` random vertices of either shape.
    `watch` is told the step and its loss. The network is changed; the same seed gives the same training.
    Raises `InvalidInput` for fewer than two shapes, `NumericalFailure` where features are no longer finite.
    """
    if len(shapes) < 2:
        raise InvalidInput(f"features are learned on pairs: give at least two shapes, got {len(shapes)}")
    found = FeatureNetwork(network, inputs, count)
    generator = torch.Generator().manual_seed(seed)
    known = [(network_inputs(s, inputs, found._channels), surface_operators(s, count)) for s in shapes]
    optimizer = torch.optim.Adam(network.parameters(), lr=rate, betas=(0.9, 0.99))
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps, rate / 100)
    network.train()
    with torch.random.fork_rng(devices=[]):  # dropout draws from the global generator
        torch.manual_seed(seed)
        for step in range(steps):
            pair = torch.randperm(len(shapes), generator=generator)[:2].tolist()
            features, bases, chosen = [], [], []
            for number in pair:
                features.append(torch.nn.functional.normalize(network(*known[number]), dim=1))
                bases.append(shapes[number].basis.first(map_size))
                chosen.append(torch.randperm(len(shapes[number]), generator=generator)[:samples])
            if not all(bool(torch.isfinite(values.detach().sum())) for values in features):
                raise NumericalFailure(
                    f"features are no longer finite in step {step}: train at a lower rate than {rate}"
                )
            loss = map_loss(features[0], features[1], bases[0], bases[1], chosen[0], chosen[1])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            if watch is not None:
                watch(step, float(loss.detach()))
    network.eval()
    return found


def map_loss(
    features1: Tensor,
    features2: Tensor,
    basis1: Eigenbasis,
    basis2: Eigenbasis,
    samples1: Tensor,
    samples2: Tensor,
    *,
    mask_weight: float = 0.1,
    temperature: float = 0.07,
) -> Tensor:
    """() how far the functional maps of features (N1, D) and (N2, D) of unit rows are from those of a correspondence.

    |C12 C21 - 1|^2 + |C12^T C12 - 1|^2 + |C12 - S12|^2 and the same with the shapes exchanged, over the number of
    functions. C solves for the features with the resolvent mask; S is the map of softmax(similarity / temperature)
    between the vertices samples1 and samples2 (S1,), (S2,) int64. Differentiable by the features.
    """
    first, second = features1.to(basis1.eigenvectors), features2.to(basis2.eigenvectors)
    a, b = basis1.project(first), basis2.project(second)
    mask = mask_weight * resolvent_mask(basis1.eigenvalues, basis2.eigenvalues)
    there, back = solve_functional_map(a, b, mask), solve_functional_map(b, a, mask.T)
    similarity = first[samples1] @ second[samples2].T / temperature
    rows1, rows2 = basis1.eigenvectors[samples1], basis2.eigenvectors[samples2]
    soft_there = torch.linalg.pinv(rows2) @ (similarity.softmax(0).T @ rows1)
    soft_back = torch.linalg.pinv(rows1) @ (similarity.softmax(1) @ rows2)
    one = torch.eye(len(there), dtype=there.dtype)
    gaps = (
        there @ back - one,
        back @ there - one,
        there.T @ there - one,
        back.T @ back - one,
        there - soft_there,
        back - soft_back,
    )
    return sum((gap.square().sum() for gap in gaps), there.new_zeros(())) / len(there)
