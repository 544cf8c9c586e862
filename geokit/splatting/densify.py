"""Where splats are added, moved and dropped during training."""

import math
from typing import Protocol

import torch
from torch import Tensor

from geokit.splatting.optimizer import SplatOptimizer
from geokit.splatting.primitives import covariance_factor, turned
from geokit.splatting.reading import runs_ahead

DEAD_OPACITY = 0.005
_MULTINOMIAL = 1 << 24  # kinds that torch.multinomial tells apart, at most
_PARTS = 1 << 52  # that weights are counted in on a GPU
_FAINT = 0.05  # opacity above which the gate of the exploring noise is less than 0.011


class Densification(Protocol):
    """What the trainer asks of a strategy."""

    def refines(self, step: int, steps: int) -> bool:
        """Whether splats are added, moved or dropped after this step of so many, which a GPU has to be waited for."""

    def after_step(
        self,
        optimizer: SplatOptimizer,
        step: int,
        steps: int,
        means_rate: float,
        probe: Tensor | None,
        skipped: Tensor | None = None,
    ) -> None:
        """Called after every step; `probe` (N, 2): the absolute screen-space gradient of the step's view,
        by position in half picture sizes. skipped: a flag on the device, true of a step that was not taken."""

    def state(self) -> dict[str, Tensor]:
        """What a resumed run needs."""

    def load(self, tensors: dict[str, Tensor]) -> None:
        """The inverse of `state`."""


def relocation_split(opacities: Tensor, copies: Tensor) -> tuple[Tensor, Tensor]:
    """Opacity and scale factor of `copies` splats that together look like one.

    opacities (M,) of the one, copies (M,) int64 >= 1 (counted up to 51); returns the opacity (M,) and factor (M,) of
    each. Source: 3DGS-MCMC, Kheradmand et al. 2024, eq. 9.
    """
    copies = copies.clamp(1, 51)
    split = 1 - (1 - opacities).clamp_min(1e-12) ** (1.0 / copies)
    largest = int(copies.max()) if len(copies) else 1
    i = torch.arange(largest, dtype=torch.float64, device=copies.device)
    # sum_{i=1}^{n} sum_{k=0}^{i-1} C(i-1, k) (-1)^k o^{k+1} / sqrt(k+1),
    # by the hockey-stick rule sum_i C(i-1, k) = C(n, k+1)
    n = copies[:, None]
    log_binomial = torch.lgamma(n + 1.0) - torch.lgamma(i + 2) - torch.lgamma((n - i).clamp_min(1e-9))
    inside = i < n
    terms = log_binomial.exp() * (-1.0) ** i * split[:, None].double() ** (i + 1) / (i + 1).sqrt()
    denominator = torch.where(inside, terms, torch.zeros_like(terms)).sum(1)
    return split, (opacities / denominator.clamp_min(1e-12)).to(opacities.dtype)


def drawn(weights: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """(count,) indices, each drawn with a probability proportional to its weight (N,), any number of them."""
    if runs_ahead(weights.device):
        return _drawn_by_parts(weights, count, generator)
    if len(weights) <= _MULTINOMIAL:
        return torch.multinomial(weights, count, replacement=True, generator=generator)
    ends = weights.double().cumsum(0)
    places = torch.rand(count, dtype=torch.float64, device=weights.device, generator=generator) * ends[-1]
    return torch.searchsorted(ends, places, right=True).clamp_max(len(weights) - 1)


def _drawn_by_parts(weights: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """`drawn` by a scan of whole numbers: on a GPU that of floats, torch.multinomial's too, is not deterministic."""
    shares = weights.double()
    ends = (shares / shares.sum() * _PARTS).long().cumsum(0)
    places = torch.rand(count, dtype=torch.float64, device=weights.device, generator=generator) * ends[-1]
    return torch.searchsorted(ends, places.long().minimum(ends[-1] - 1), right=True)


class Relocation:
    """3DGS-MCMC (Kheradmand et al. 2024): dead splats move to live ones, faint ones explore by noise, under a cap."""

    def __init__(self, max_splats: int, generator: torch.Generator, every: int = 100, noise: float = 5e5) -> None:
        self.max_splats, self.generator, self.every, self.noise = max_splats, generator, every, noise

    def growth(self, count: int, step: int, stop: int) -> int:
        """Splats wanted after the refinement at `step`: geometric, so that the cap is reached at half of `stop`."""
        rounds = max((stop // 2 - step) // self.every, 1)
        factor = max(1.05, (self.max_splats / max(count, 1)) ** (1 / rounds))
        return min(self.max_splats, math.ceil(count * factor))

    def refines(self, step: int, steps: int) -> bool:
        """Every `every` steps, until 85 percent of the run."""
        return max(self.every, steps // 50) <= step < int(0.85 * steps) and step % self.every == 0

    def after_step(
        self,
        optimizer: SplatOptimizer,
        step: int,
        steps: int,
        means_rate: float,
        probe: Tensor | None,
        skipped: Tensor | None = None,
    ) -> None:
        """Relocate and grow every `every` steps, explore at every step, until 85 percent of the run."""
        stop = int(0.85 * steps)
        if self.refines(step, steps):
            self.relocate(optimizer)
            self.add(optimizer, self.growth(len(optimizer), step, stop))
        if step < stop:
            self.explore(optimizer, means_rate, skipped)

    def relocate(self, optimizer: SplatOptimizer) -> None:
        """Move the dead splats onto live ones drawn by opacity."""
        opacities = optimizer.parameters["logit_opacities"].detach().sigmoid()
        dead = (opacities <= DEAD_OPACITY).nonzero()[:, 0]
        if not len(dead) or len(dead) == len(optimizer):
            return
        weights = torch.where(opacities > DEAD_OPACITY, opacities, torch.zeros_like(opacities))
        source = drawn(weights, len(dead), self.generator)
        self._share(optimizer, source)
        optimizer.copy_rows(dead, source)

    def add(self, optimizer: SplatOptimizer, wanted: int) -> None:
        """Grow to `wanted` splats by copies of splats drawn by opacity."""
        count = wanted - len(optimizer)
        if count <= 0:
            return
        opacities = optimizer.parameters["logit_opacities"].detach().sigmoid()
        source = drawn(opacities, count, self.generator)
        self._share(optimizer, source)
        optimizer.append(source)

    def _share(self, optimizer: SplatOptimizer, source: Tensor) -> None:
        """Make every splat drawn in `source` fainter and smaller, so that it and its copies look like it did before."""
        unique, copies = source.unique(return_counts=True)
        parameters = optimizer.parameters
        opacities = parameters["logit_opacities"].detach()[unique].sigmoid()
        split, factor = relocation_split(opacities, copies + 1)
        log_scales = parameters["log_scales"].detach()[unique] + factor.clamp(1e-4, 1).log()[:, None]
        logits = split.clamp(DEAD_OPACITY, 1 - 1e-6).logit()
        optimizer.rewrite(unique, {"logit_opacities": logits, "log_scales": log_scales})

    def explore(self, optimizer: SplatOptimizer, means_rate: float, skipped: Tensor | None = None) -> None:
        """Langevin noise, shaped by each splat's covariance and felt by faint splats only."""
        opacities = optimizer.parameters["logit_opacities"].detach().sigmoid()
        with torch.no_grad():
            if runs_ahead(opacities.device):
                self._explore_all(optimizer, opacities, means_rate, skipped)
                return
            faint = (opacities < _FAINT).nonzero()[:, 0]
            if not len(faint):
                return
            gate = torch.sigmoid(-100 * (opacities[faint] - DEAD_OPACITY)) * (self.noise * means_rate)
            factor = covariance_factor(*(optimizer.parameters[name][faint] for name in ("quats", "log_scales")))
            noise = torch.randn(len(faint), 3, 1, generator=self.generator) * gate[:, None, None]
            optimizer.parameters["means"][faint] += (factor @ (factor.transpose(1, 2) @ noise))[..., 0]

    def _explore_all(
        self, optimizer: SplatOptimizer, opacities: Tensor, means_rate: float, skipped: Tensor | None
    ) -> None:
        """All splats, those that are not faint by nothing: to find the faint ones is to wait for a GPU."""
        felt = opacities < _FAINT if skipped is None else (opacities < _FAINT) & ~skipped
        gate = torch.sigmoid(-100 * (opacities - DEAD_OPACITY)) * (self.noise * means_rate) * felt
        means, quats, scales = (optimizer.parameters[name] for name in ("means", "quats", "log_scales"))
        noise = torch.randn(len(means), 1, 3, generator=self.generator, device=means.device) * gate[:, None, None]
        local = turned(quats, noise, back=True) * (2 * scales).exp()[:, None]
        means += turned(quats, local)[:, 0]

    def state(self) -> dict[str, Tensor]:
        """Nothing: what happens next follows from the splats, the step and the generator."""
        return {}

    def load(self, tensors: dict[str, Tensor]) -> None:
        """Nothing to load."""


class CloneSplitPrune:
    """The classic rule (Kerbl et al. 2023) on the absolute screen-space gradient (AbsGS, Ye et al. 2024), capped."""

    def __init__(
        self, max_splats: int, generator: torch.Generator, extent: float, every: int = 100, threshold: float = 8e-4
    ) -> None:
        self.max_splats, self.generator, self.extent = max_splats, generator, extent
        self.every, self.threshold = every, threshold
        self.gradient = torch.zeros(0)
        self.seen = torch.zeros(0)

    def refines(self, step: int, steps: int) -> bool:
        """Every `every` steps, over the first half of the run."""
        return max(self.every, steps // 50) <= step < steps // 2 and step % self.every == 0

    def after_step(
        self,
        optimizer: SplatOptimizer,
        step: int,
        steps: int,
        means_rate: float,
        probe: Tensor | None,
        skipped: Tensor | None = None,
    ) -> None:
        """Gather gradients, refine every `every` steps and reset opacities, over the first half of the run."""
        if step >= steps // 2 or probe is None:
            return
        if len(self.gradient) != len(optimizer):
            self._begin_gathering(optimizer)
        size = probe.norm(dim=1)
        if skipped is not None:
            size = size.masked_fill(skipped, 0)
        self.gradient += size
        self.seen += size > 0
        if self.refines(step, steps):
            self.refine(optimizer)
        if step % max(self.every, steps // 10) == 0:
            with torch.no_grad():
                optimizer.parameters["logit_opacities"].clamp_(max=math.log(0.02 / 0.98))
            optimizer.first_moments["logit_opacities"].zero_()
            optimizer.second_moments["logit_opacities"].zero_()

    def refine(self, optimizer: SplatOptimizer) -> None:
        """Clone small splats and split large ones where the gradient is large; drop what is transparent or huge."""
        mean = self.gradient / self.seen.clamp_min(1)
        room = self.max_splats - len(optimizer)
        chosen = (mean > self.threshold).nonzero()[:, 0]
        if len(chosen) > room:
            chosen = chosen[mean[chosen].topk(max(room, 0)).indices].sort().values
        if len(chosen):
            splats = optimizer.splats
            large = splats.log_scales.detach()[chosen].amax(1).exp() > 0.01 * self.extent
            optimizer.append(chosen[~large])
            self._split(optimizer, chosen[large])
        opacities = optimizer.parameters["logit_opacities"].detach().sigmoid()
        sizes = optimizer.parameters["log_scales"].detach().amax(1).exp()
        kept = (opacities > DEAD_OPACITY) & (sizes < 0.5 * self.extent)
        kept[opacities.argmax()] |= not bool(kept.any())  # a scene of no splats would never see another
        optimizer.keep(kept)
        self._begin_gathering(optimizer)

    def _begin_gathering(self, optimizer: SplatOptimizer) -> None:
        zeros = torch.zeros_like(optimizer.parameters["logit_opacities"], requires_grad=False)
        self.gradient, self.seen = zeros, zeros.clone()

    def _split(self, optimizer: SplatOptimizer, rows: Tensor) -> None:
        """Each splat becomes two, drawn from its density and 1.6 times smaller; waves keep their phase in the world."""
        splats = optimizer.splats[rows].map(torch.Tensor.detach)
        factor = covariance_factor(splats.quats, splats.log_scales)
        halves = []
        for _ in range(2):
            noise = torch.randn(len(rows), 3, 1, generator=self.generator, device=rows.device)
            offset = (factor @ noise)[..., 0]
            changes = {"means": splats.means + offset, "log_scales": splats.log_scales - math.log(1.6)}
            if splats.waves:
                changes["wave_weights"] = shifted_weights(splats.wave_frequencies, splats.wave_weights, offset)
            halves.append(changes)
        optimizer.append(rows, halves[1])
        optimizer.rewrite(rows, halves[0])

    def state(self) -> dict[str, Tensor]:
        """The gradients gathered since the last refinement, and in how many views each splat had one."""
        return {"densify.gradient": self.gradient, "densify.seen": self.seen}

    def load(self, tensors: dict[str, Tensor]) -> None:
        """The inverse of `state`."""
        device = self.generator.device
        self.gradient = tensors["densify.gradient"].to(device, copy=True)
        self.seen = tensors["densify.seen"].to(device, copy=True)


def shifted_weights(frequencies: Tensor, weights: Tensor, offset: Tensor) -> Tensor:
    """Wave weights (N, K, 2[, 3]) about a centre moved by `offset` (N, 3), for the same waves in the world."""
    angle = 2 * math.pi * (frequencies * offset[:, None]).sum(-1)
    if weights.dim() == 4:
        angle = angle[..., None]
    cosine, sine = angle.cos(), angle.sin()
    a, b = weights[:, :, 0], weights[:, :, 1]
    return torch.stack([a * cosine + b * sine, b * cosine - a * sine], dim=2)
