"""The loop that trains small networks on data in memory: AdamW, warm-up and cosine, averaged weights, selection.

Every step draws its random numbers from the seed and its own number, so that a run that was stopped and resumed gives
the same bits as one that was not (on equally many threads).
"""

import copy
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from geokit.errors import NumericalFailure
from geokit.pipelines.train_settings import LARGEST_SEED, TrainSettings

_APART = 1_000_003  # steps of runs with neighbouring seeds, so that they share no random numbers
_LEAST_RATE = 0.01  # at the end, of the largest
_MOMENTS = ("step", "exp_avg", "exp_avg_sq")
_NUMBERS = ("step_number", "seconds", "cpu_seconds", "curve", "selected")


@dataclass(frozen=True)
class Problem:
    """What is to be learned.

    samples: for training. loss: the mean loss over those with indices (batch,), of the network in training. validate:
    the error of a network on validation data, by which weights are selected; error: what people call it.
    """

    network: nn.Module
    samples: int
    loss: Callable[[Tensor], Tensor]
    validate: Callable[[nn.Module], float]
    error: str


class TrainLoop:
    """A problem, and how far its solution is.

    averaged: a network with the running mean of the weights. best: its weights where validation was best, at the line
    `selected` of the curve. curve: one line an evaluation: step, epoch, seconds, cpu_seconds, loss (mean since the line
    before) and validation. seconds, cpu_seconds: of the training steps alone, on the clock and of all threads.
    """

    def __init__(self, problem: Problem, settings: TrainSettings) -> None:
        self.problem, self.settings = problem, settings
        self.averaged = copy.deepcopy(problem.network).eval().requires_grad_(False)
        self.best = _copied(self.averaged)
        self.selected: dict[str, float] | None = None
        self.curve: list[dict[str, float]] = []
        self.step_number = 0
        self.seconds = self.cpu_seconds = 0.0
        self._loss, self._losses = 0.0, 0  # sum and count since the last line of the curve
        self._order: tuple[int, tuple[Tensor, ...]] = (-1, ())  # an epoch and its batches
        self._parameters = [p for p in problem.network.parameters() if p.requires_grad]
        groups: list[dict[str, Any]] = [
            {"params": [p for p in self._parameters if p.dim() > 1], "weight_decay": settings.weight_decay},
            {"params": [p for p in self._parameters if p.dim() <= 1], "weight_decay": 0.0},
        ]
        self._optimizer = torch.optim.AdamW([group for group in groups if group["params"]], settings.rate, fused=True)
        self._means, self._values = _floats(self.averaged), _floats(problem.network)

    @property
    def batches(self) -> int:
        """Steps of an epoch."""
        return max(1, self.problem.samples // self.settings.batch)

    @property
    def epoch(self) -> float:
        """Passes over the data so far."""
        return self.step_number / self.batches

    @property
    def progress(self) -> float:
        """In [0, 1]: of the epochs, or of the time where that is nearer."""
        epochs, limit = self.settings.epochs, self.settings.cpu_seconds
        return min(1.0, max(self.epoch / epochs if epochs else 0.0, self.cpu_seconds / limit if limit else 0.0))

    def steps(self) -> Iterator[bool]:
        """Train; after each step tells whether it was validated. Leave off anywhere, and go on with `steps` again."""
        self.problem.network.train()
        while self.progress < 1:
            before = math.floor(self.progress * self.settings.evaluations)
            clock, cpu = time.perf_counter(), time.process_time()
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(self._seed(self.step_number))
                self._step()
            self.seconds += time.perf_counter() - clock
            self.cpu_seconds += time.process_time() - cpu
            due = math.floor(self.progress * self.settings.evaluations) > before
            if due:
                self._evaluate()
            yield due

    def _step(self) -> None:
        for group in self._optimizer.param_groups:
            group["lr"] = self.settings.rate * schedule(self.progress, self.settings.warm_up)
        loss = self.problem.loss(self._rows())
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self._parameters, self.settings.clip, foreach=True)
        self._optimizer.step()
        self._optimizer.zero_grad(set_to_none=True)
        value = float(loss.detach())
        if not math.isfinite(value):
            raise NumericalFailure(
                f"training diverged: the loss is {value} at step {self.step_number + 1}; lower the rate "
                f"({self.settings.rate:g}) or clip gradients more strongly ({self.settings.clip:g})"
            )
        self.step_number += 1
        # The first weights are forgotten faster than later ones.
        keep = min(self.settings.average, self.step_number / (self.step_number + 9))
        torch._foreach_lerp_(self._means, self._values, 1 - keep)
        self._loss, self._losses = self._loss + value, self._losses + 1

    def _rows(self) -> Tensor:
        """Indices of the samples of this step."""
        epoch, number = divmod(self.step_number, self.batches)
        if self._order[0] != epoch:
            shuffled = torch.randperm(
                self.problem.samples, generator=torch.Generator().manual_seed(self._seed(-1 - epoch))
            )
            self._order = epoch, shuffled.split(min(self.settings.batch, self.problem.samples))
        return self._order[1][number]

    def _seed(self, number: int) -> int:
        return (self.settings.seed * _APART + number) % LARGEST_SEED

    def _evaluate(self) -> None:
        line = {
            "step": self.step_number,
            "epoch": self.epoch,
            "seconds": self.seconds,
            "cpu_seconds": self.cpu_seconds,
            "loss": self._loss / self._losses,
            "validation": self.problem.validate(self.averaged),
        }
        self._loss, self._losses = 0.0, 0
        self.curve.append(line)
        if self.selected is None or line["validation"] <= self.selected["validation"]:  # of equals the later one
            self.best, self.selected = _copied(self.averaged), line

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Everything that `resume` needs: tensors by name and plain JSON values."""
        tensors = {f"network.{name}": value for name, value in self.problem.network.state_dict().items()}
        tensors |= {f"averaged.{name}": value for name, value in self.averaged.state_dict().items()}
        tensors |= {f"best.{name}": value for name, value in self.best.items()}
        moments = self._optimizer.state_dict()["state"]
        tensors |= {f"optimizer.{i}.{name}": moments[i][name] for i in moments for name in _MOMENTS}
        numbers = {name: getattr(self, name) for name in _NUMBERS}
        return tensors, numbers | {"loss": self._loss, "losses": self._losses}

    def resume(self, tensors: dict[str, Tensor], numbers: dict[str, Any]) -> None:
        """Go on where `state` was called. Raises KeyError, TypeError or RuntimeError where it is another's state."""

        def part(start: str) -> dict[str, Tensor]:
            return {name[len(start) :]: value for name, value in tensors.items() if name.startswith(start)}

        self.problem.network.load_state_dict(part("network."))
        self.averaged.load_state_dict(part("averaged."))
        self.best = part("best.")
        now = self._optimizer.state_dict()
        ordered = [p for group in self._optimizer.param_groups for p in group["params"]]
        if numbers["step_number"]:
            moments = {
                i: {name: _laid_out_as(p, tensors[f"optimizer.{i}.{name}"]) for name in _MOMENTS}
                for i, p in enumerate(ordered)
            }
            self._optimizer.load_state_dict({"state": moments, "param_groups": now["param_groups"]})
        for name in _NUMBERS:
            setattr(self, name, numbers[name])
        self._loss, self._losses = numbers["loss"], numbers["losses"]


def schedule(progress: float, warm_up: float) -> float:
    """The learning rate over the largest one: rising linearly during `warm_up`, then falling as a cosine."""
    if progress < warm_up:
        return max(progress / warm_up, _LEAST_RATE)
    share = (progress - warm_up) / (1 - warm_up)
    return _LEAST_RATE + (1 - _LEAST_RATE) * (1 + math.cos(math.pi * share)) / 2


def _laid_out_as(parameter: Tensor, moment: Tensor) -> Tensor:
    """A moment with the strides of its parameter, as the fused optimizer takes them to have."""
    return moment if moment.shape != parameter.shape else torch.empty_like(parameter).copy_(moment)


def _copied(network: nn.Module) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in network.state_dict().items()}


def _floats(network: nn.Module) -> list[Tensor]:
    """Weights and statistics, without what counts."""
    return [value.detach() for value in network.state_dict().values() if value.is_floating_point()]
