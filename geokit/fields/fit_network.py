"""Training a field on samples of a signal by Adam."""

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from geokit.backend.checks import FLOATS, check_tensor
from geokit.backend.gpu import DEVICES_WITHOUT_KERNELS
from geokit.backend.optimizer_ops import adam_step
from geokit.errors import InvalidInput, NumericalFailure
from geokit.fields.field import Field

_LAST = 0.01  # of the first rate at the end
_CHUNK = 1 << 16  # points of an evaluation at once


@dataclass(frozen=True)
class NetworkFit:
    """What training did: steps, CPU seconds of this process, and the loss of every step, the mean squared error."""

    steps: int
    cpu_seconds: float
    losses: list[float]


def image_samples(image: Tensor) -> tuple[Tensor, Tensor]:
    """Points (H W, 2) in the middles of the pixels of an image (H, W, C), as (x, y), and their values (H W, C)."""
    check_tensor("image", image, ("H", "W", "C"), FLOATS, finite=True)
    height, width, channels = image.shape
    rows, columns = (torch.arange(n, dtype=image.dtype, device=image.device) + 0.5 for n in (height, width))
    points = torch.stack([columns.expand(height, width), rows[:, None].expand(height, width)], -1)
    return points.reshape(-1, 2), image.reshape(-1, channels)


def fit_network(
    field: Field,
    signal: Tensor | tuple[Tensor, Tensor],
    cpu_seconds: float | None = None,
    steps: int | None = None,
    batch: int = 1 << 13,
    rate: float = 1e-2,
    betas: tuple[float, float] = (0.9, 0.99),
    stratified: bool = True,
    seed: int = 0,
    observe: Callable[[int, float], None] | None = None,
) -> NetworkFit:
    """Trains the field in place on an image (H, W, C) or samples, points (N, d) and values (N, c), by squared errors.

    cpu_seconds or steps: when it ends, one of them; with `steps` the result depends on the seed alone. Adam's rate
    falls from `rate` to a hundredth of it along half a cosine. 1e-2 suits grids with a small network, 1e-3 rectified
    networks of waves, 3e-4 networks of sines. batch: samples of a step. stratified: a step has one sample of every run
    of neighbours in the order given, so that it sees all of an image; else it is drawn from all. Both ways every sample
    is used once before one is used again. observe(step, loss) is called after every step.

    Raises `InvalidInput` for values that are not finite, shapes other than the field's or options that cannot be, and
    `NumericalFailure` when the loss is no longer finite.
    """
    points, values = image_samples(signal) if isinstance(signal, Tensor) else signal
    _check(field, points, values, batch, rate)
    if (cpu_seconds is None) == (steps is None) or not 0 < (cpu_seconds or steps or 0) < math.inf:
        raise InvalidInput(f"give cpu_seconds or steps, one of them and above 0, got {cpu_seconds} and {steps}")
    parameters = [p for p in field.parameters() if p.requires_grad]
    if not parameters:
        raise InvalidInput(f"this {type(field).__name__} has no parameter that requires a gradient: nothing to train")
    moments = [(torch.zeros_like(p), torch.zeros_like(p)) for p in parameters]
    order = _batches(len(points), min(batch, len(points)), stratified, seed)
    start = time.process_time()
    losses: list[float] = []
    while True:
        elapsed = time.process_time() - start
        progress = len(losses) / steps if steps is not None else elapsed / (cpu_seconds or 1)
        if progress >= 1:
            return NetworkFit(len(losses), elapsed, losses)
        now = rate * (_LAST + (1 - _LAST) * (1 + math.cos(math.pi * progress)) / 2)
        chosen = next(order).to(points.device)
        loss = (field.values(points[chosen]) - values[chosen]).square().mean()
        losses.append(float(loss.detach()))
        if not math.isfinite(losses[-1]):
            raise NumericalFailure(f"the loss of step {len(losses)} is {losses[-1]}: take a smaller rate than {rate}")
        gradients = torch.autograd.grad(loss, parameters, allow_unused=True, materialize_grads=True)
        _descend(parameters, moments, gradients, now, betas, len(losses))
        if observe is not None:
            observe(len(losses), losses[-1])


def squared_error(field: Field, points: Tensor, values: Tensor) -> float:
    """The field's mean squared error over all samples; with values in [0, 1], PSNR = -10 log10 of it."""
    with torch.no_grad():
        parts = [(field(x) - y).double().square().sum() for x, y in zip(points.split(_CHUNK), values.split(_CHUNK))]
    return float(torch.stack(parts).sum()) / values.numel()


def _check(field: Field, points: Tensor, values: Tensor, batch: int, rate: float) -> None:
    check_tensor("points", points, ("N", field.dimension), field.bounds.dtype, finite=True)
    check_tensor("values", values, (len(points), field.channels), field.bounds.dtype, finite=True)
    field.check(points)
    if len(points) < 1 or batch < 1 or not 0 < rate < math.inf:
        raise InvalidInput(
            f"there must be a sample, a sample a step and a rate above 0, got {len(points)}, {batch} and {rate}"
        )


def _batches(samples: int, batch: int, stratified: bool, seed: int) -> Iterator[Tensor]:
    """Indices of the samples of each step, for ever.

    Of `batch` runs of neighbours, as equal as whole numbers allow, each gives its samples in an order of its own; the
    shorter runs sit out the last step of a round.
    """
    generator = torch.Generator().manual_seed(seed)
    if not stratified:
        while True:
            drawn = torch.randperm(samples, generator=generator)
            yield from drawn[: samples // batch * batch].split(batch)
    edges = torch.arange(batch + 1) * samples // batch
    starts, sizes = edges[:-1], edges.diff()
    longest = int(sizes.max())
    while True:
        keys = torch.rand(batch, longest, generator=generator)
        keys[torch.arange(longest) >= sizes[:, None]] = 2.0  # places that a run does not have come last
        places = keys.argsort(1)
        for turn in range(longest):
            chosen = starts + places[:, turn]
            yield chosen if turn < int(sizes.min()) else chosen[sizes > turn]


def _descend(
    parameters: Sequence[Tensor],
    moments: list[tuple[Tensor, Tensor]],
    gradients: tuple[Tensor, ...],
    rate: float,
    betas: tuple[float, float],
    step: int,
) -> None:
    with torch.no_grad():
        for p, (first, second), gradient in zip(parameters, moments, gradients):
            if p.device.type not in DEVICES_WITHOUT_KERNELS and p.is_contiguous() and p.ndim:
                rates = p.new_full((p[0].numel() if len(p) else 0,), rate)
                adam_step(p, gradient, first, second, rates, step, betas)
                continue
            first.lerp_(gradient, 1 - betas[0])
            second.lerp_(gradient.square(), 1 - betas[1])
            size = rate / (1 - betas[0] ** step)
            p.sub_(size * first / ((second / (1 - betas[1] ** step)).sqrt() + 1e-15))
