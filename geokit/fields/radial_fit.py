"""Fitting sums of radial kernels: features by linear least squares, everything by descent from there."""

import math
import time
from dataclasses import dataclass

import torch
from torch import Tensor

from geokit.backend.checks import check_tensor
from geokit.errors import InvalidInput, NumericalFailure
from geokit.fields.radial import RadialField

PROBES = 16  # random signs from which the diagonal of the normal equations is estimated
BATCH = 32768  # points of a step of descent
SKIN = 0.3  # room for moves in held pairs, in units of A (x - c)
RATES = {"features": 2e-2, "centres": 2e-2, "shape_parameters": 1e-2, "waves": 1e-2, "phases": 2e-2, "bias": 1e-3}


@dataclass(frozen=True)
class LeastSquares:
    """How a solve went: steps taken, and the length of the residual of the normal equations relative to the start's."""

    steps: int
    residual: float


def features_by_least_squares(
    field: RadialField,
    x: Tensor,
    values: Tensor | None = None,
    gradients: Tensor | None = None,
    gradient_weight: float = 1.0,
    ridge: float = 1e-6,
    steps: int = 60,
    tolerance: float = 1e-5,
) -> LeastSquares:
    """Sets features and bias to those that fit best, centres and shapes staying: minimises over both the sum of

    |f(x) - values|^2 + gradient_weight |grad f(x) - gradients|^2 + ridge |preconditioned features|^2.

    x (N, d), values (N, c), gradients (N, c, d); either may be left out, and without values the bias is left as it is,
    which nothing else tells. Conjugate gradients on the normal equations from where features and bias are, scaled by an
    estimate of their diagonal; the matrix is the native operator itself. Deterministic. Both are set, also where they
    ask for no gradient.
    Raises `InvalidInput` for other shapes, dtypes or values that are not finite, and if there are no targets.
    """
    if values is None and gradients is None:
        raise InvalidInput("values or gradients must be given: there is nothing to fit")
    if not (ridge >= 0 and gradient_weight > 0 and steps >= 1 and tolerance >= 0):
        raise InvalidInput("ridge and tolerance must be at least 0, gradient_weight positive and steps at least 1")
    check_tensor("x", x, ("N", field.dimension), field.bounds.dtype, finite=True)
    c, d = field.channels, field.dimension
    targets = x.new_zeros(len(x), 1 if gradients is None else 1 + d, c)
    parts = x.new_zeros(targets.shape[1], 1)
    if values is not None:
        check_tensor("values", values, (len(x), c), x.dtype, finite=True)
        targets[:, 0], parts[0] = values, 1
    if gradients is not None:
        check_tensor("gradients", gradients, (len(x), c, d), x.dtype, finite=True)
        targets[:, 1:], parts[1:] = gradients.transpose(1, 2), math.sqrt(gradient_weight)
    system = _System(field, x, parts)
    solution = torch.cat([field.kernels.features, field.bias[None]]).detach()
    scale = system.scale(seed=0)
    residual = system.transposed(targets * parts - system.times(solution)) - ridge * scale * solution
    first = float((residual.square() / scale).sum().sqrt())
    if not math.isfinite(first):
        raise NumericalFailure("the features to start from are not finite or too large: set them to zero")
    direction = residual / scale
    square, size, taken = float((residual * direction).sum()), first, 0
    while taken < steps and size > tolerance * first:
        image = system.times(direction)
        curvature = float(image.square().sum() + ridge * (scale * direction.square()).sum())
        if not curvature > 0:
            break
        length = square / curvature
        solution = solution + length * direction
        residual = residual - length * (system.transposed(image) + ridge * scale * direction)
        square, last = float((residual.square() / scale).sum()), square
        direction = residual / scale + (square / last) * direction
        size, taken = math.sqrt(square), taken + 1
    if not bool(solution.isfinite().all()):
        raise NumericalFailure("the features became infinite: use a larger ridge, or kernels that are not all alike")
    with torch.no_grad():
        field.kernels.features.copy_(solution[:-1])
        field.bias.copy_(solution[-1])
    return LeastSquares(taken, size / first if first > 0 else 0.0)


class _System:
    """The linear map from features and bias (M + 1, c) to weighted values and slopes (N, J, c), and its transpose."""

    def __init__(self, field: RadialField, x: Tensor, parts: Tensor) -> None:
        self.field, self.x, self.parts = field, x.detach(), parts
        self.order = int(len(parts) > 1)
        self.shape = (len(field.kernels) + 1, field.channels)

    def times(self, unknowns: Tensor) -> Tensor:
        with torch.no_grad():
            out = self.field.jet(self.x, self.order, unknowns[:-1])
            out[:, 0] += unknowns[-1]
            return out * self.parts

    def transposed(self, outputs: Tensor) -> Tensor:
        unknowns = outputs.new_zeros(self.shape[0] - 1, self.shape[1], requires_grad=True)
        frozen = [p for p in self.field.parameters() if p.requires_grad]
        for p in frozen:
            p.requires_grad_(False)
        try:
            with torch.enable_grad():
                out = self.field.jet(self.x, self.order, unknowns)
            (bar,) = torch.autograd.grad(out, unknowns, outputs * self.parts)
        finally:
            for p in frozen:
                p.requires_grad_(True)
        return torch.cat([bar, (outputs[:, 0] * self.parts[0]).sum(0, keepdim=True)])

    def scale(self, seed: int) -> Tensor:
        """An estimate (M + 1, c) of the diagonal of the normal equations: random signs sent through the transpose."""
        generator = torch.Generator().manual_seed(seed)
        rounds = -(-PROBES // self.shape[1])
        total = self.x.new_zeros(self.shape)
        for _ in range(rounds):
            signs = torch.randint(0, 2, (len(self.x), len(self.parts), self.shape[1]), generator=generator)
            total += self.transposed((2 * signs - 1).to(self.x)).square()
        total = total / rounds
        if self.field.kernels.frequencies is None:  # all channels have the same
            total = total.mean(1, keepdim=True).expand(-1, self.shape[1]).clone()
        total[-1] = self.parts[0].square() * len(self.x)
        # A kernel that touches nothing has nothing to fit.
        return total.clamp(min=1e-6 * float(total[:-1].mean()) + 1e-30)


def fit_radial(
    field: RadialField,
    x: Tensor,
    values: Tensor,
    cpu_seconds: float = 30.0,
    rates: dict[str, float] | None = None,
    seed: int = 0,
) -> list[float]:
    """Trains features, bias, centres and shapes together on values (N, c) at x (N, d); returns the loss of every step.

    Starts from `features_by_least_squares`, descends by Adam (Kingma & Ba 2015) on the mean square error of one batch
    of points a step, with rates that fall to zero along a cosine over the time, and solves for the features again at
    the end. Rates are per step and without unit: of centres in widths of each kernel, of features in the spread of
    all, of shapes relative; see `RATES`. Pairs are held while kernels move within `SKIN`. What was better by least
    squares alone stays. `cpu_seconds` counts this process's time, of every thread.
    Raises `InvalidInput` for other shapes, dtypes or values that are not finite, and for time that is not positive.
    """
    if not 0 < cpu_seconds < math.inf:
        raise InvalidInput(f"cpu_seconds must be positive and finite, got {cpu_seconds}")
    unknown = set(rates or {}) - set(RATES)
    if unknown:
        raise InvalidInput(f"rates must be of {', '.join(RATES)}, got {', '.join(sorted(unknown))}")
    begin = time.process_time()
    features_by_least_squares(field, x, values, steps=30)
    solving = time.process_time() - begin
    start = {name: p.detach().clone() for name, p in field.named_parameters()}
    best = _mean_square(field, x, values)
    skin, field.kernels.skin = field.kernels.skin, SKIN
    try:
        losses = _descend(field, x, values, begin, max(cpu_seconds - solving, 0.1), {**RATES, **(rates or {})}, seed)
    finally:
        field.kernels.skin = skin
        field.kernels.forget()
    features_by_least_squares(field, x, values, steps=30)
    if not _mean_square(field, x, values) <= best:
        with torch.no_grad():
            for name, p in field.named_parameters():
                p.copy_(start[name])
    return losses


def _mean_square(field: RadialField, x: Tensor, values: Tensor) -> float:
    with torch.no_grad():
        return float((field(x) - values).square().mean())


def _descend(
    field: RadialField, x: Tensor, values: Tensor, begin: float, seconds: float, rates: dict[str, float], seed: int
) -> list[float]:
    generator = torch.Generator().manual_seed(seed)
    order = torch.randperm(len(x), generator=generator)
    batches = [rows.sort().values for rows in order.chunk(max(len(x) // BATCH, 1))]
    points, wanted = [x[rows] for rows in batches], [values[rows] for rows in batches]
    kernels = field.kernels
    with torch.no_grad():
        d = kernels.dimension
        diagonal = kernels.factors()[:, [k * (k + 3) // 2 for k in range(d)]]
        units = {
            "centres": 1 / diagonal,
            "features": kernels.features.std().clamp(min=1e-6),
            "waves": diagonal.mean(1, keepdim=True),
        }
    state = []
    for name, p in field.named_parameters():
        own = name.removeprefix("kernels.")
        if p.requires_grad and rates[own] > 0:
            state.append((p, rates[own] * units.get(own, torch.ones(())), torch.zeros_like(p), torch.zeros_like(p)))
    parameters = [p for p, *_ in state]
    losses: list[float] = []
    while (progress := (time.process_time() - begin) / seconds) < 1:
        step = len(losses)
        which = step % len(batches)
        loss = (field.values(points[which]) - wanted[which]).square().mean()
        gradients = torch.autograd.grad(loss, parameters)
        losses.append(float(loss.detach()))
        if not math.isfinite(losses[-1]):
            raise NumericalFailure(f"the loss became infinite at step {step}: use smaller rates")
        fall = min((step + 1) / 20, 1.0) * 0.5 * (1 + math.cos(math.pi * progress))
        with torch.no_grad():
            for (p, rate, mean, square), gradient in zip(state, gradients):
                mean.lerp_(gradient, 0.1)
                square.mul_(0.99).addcmul_(gradient, gradient, value=0.01)
                move = mean / (1 - 0.9 ** (step + 1)) / ((square / (1 - 0.99 ** (step + 1))).sqrt() + 1e-15)
                p.sub_(fall * rate * move)
    return losses
