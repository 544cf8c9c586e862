"""Is my model really equivariant? Measured for any callable: random elements of a group, in, against the same, out.

Networks of graphs, whose nodes may be numbered anew as well, have `graph_measure` besides.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from geokit.equivariant.actions import Action, Group, action_of
from geokit.errors import InvalidInput


@dataclass(frozen=True, repr=False)
class EquivarianceError:
    """Relative errors |f(g x) - g f(x)| / |f(x) - mean f(x)| of a model over random elements g of a group.

    errors: (count,) float64, for each element that of the output that fares worst; infinite where the model gives
    what is not finite. by_output: (count, outputs). worst_element: the group's element with the largest error.
    """

    errors: Tensor
    by_output: Tensor
    worst_element: Tensor

    @property
    def mean(self) -> float:
        """Over the elements."""
        return float(self.errors.mean())

    @property
    def std(self) -> float:
        """The standard deviation over the elements; 0 of a single one."""
        return float(self.errors.std()) if len(self.errors) > 1 else 0.0

    @property
    def worst(self) -> float:
        """The largest."""
        return float(self.errors.max())

    def quantile(self, q: float) -> float:
        """The error that the share q of the elements, in [0, 1], do not exceed (interpolated linearly)."""
        if not 0 <= q <= 1:
            raise InvalidInput(f"a quantile is asked for with a share q from 0 to 1, got {q}")
        return float(self.errors.quantile(q))

    def __repr__(self) -> str:
        quantiles = ", ".join(f"{round(100 * q)} % {self.quantile(q):.1e}" for q in (0.5, 0.9))
        return (
            f"EquivarianceError({len(self.errors)} elements: mean {self.mean:.1e} +- {self.std:.1e}, {quantiles}, "
            f"worst {self.worst:.1e})"
        )


@torch.no_grad()
def equivariance_error(
    model: Callable[..., Any],
    group: Group,
    inputs: Tensor | Sequence[Tensor],
    *,
    action_in: str | Action | Sequence[str | Action] = "points",
    action_out: str | Action | Sequence[str | Action] = "invariant",
    count: int = 100,
    generator: torch.Generator | None = None,
) -> EquivarianceError:
    """How far model(g x) is from g model(x), over `count` random elements g.

    group: has `sample(count, generator=...)`, elements in its first axis, and `act(element, points)`, as the groups of
    `geokit.equivariant.lie` do. inputs: one tensor, or the sequence of the model's arguments. action_in, action_out:
    how an element acts on an input or output, one for all or one for each: "invariant" (not at all), "points" (..., n),
    "vectors" (..., n), which no translation moves, "covectors" (..., n), as gradients, "matrices" (..., n, n) that map
    covectors to vectors, as covariances, "image" (B, C, H, W), or a callable (element, tensor) to tensor.

    An error is relative to the spread of the output: its norm without its mean over all axes but the last (over the
    plane, for images), so that neither translations nor large constants make it small. The model is used in the mode
    it is in; one that draws random numbers errs by that as well. Raises InvalidInput for unknown actions, a number of
    actions that is not that of the tensors, and a count below one.
    """
    if count < 1:
        raise InvalidInput(f"equivariance is measured with a count of at least one element, got {count}")
    arguments = (inputs,) if isinstance(inputs, Tensor) else tuple(inputs)
    actions_in = _actions(action_in, len(arguments), "action_in", group)
    before = _tensors(model(*arguments))
    actions_out = _actions(action_out, len(before), "action_out", group)
    images = [action == "image" for action in _spread_over(action_out, len(before))]
    elements = group.sample(count, generator=generator)
    rows = []
    for element in elements:
        after = _tensors(model(*(act(element, tensor) for act, tensor in zip(actions_in, arguments))))
        row = []
        for act, got, was, image in zip(actions_out, after, before, images):
            axes = (-2, -1) if image else tuple(range(was.dim() - 1))
            row.append(relative_error(got, act(element, was), axes))
        rows.append(row)
    by_output = torch.tensor(rows, dtype=torch.float64)
    errors = by_output.amax(1)
    return EquivarianceError(errors, by_output, elements[int(errors.argmax())])


def relative_error(got: Tensor, want: Tensor, axes: tuple[int, ...]) -> float:
    """|got - want| over the norm of `want` without its mean over `axes` (where these have more than one entry).

    Infinite where something is not finite, or where a constant changes.
    """
    over_one = math.prod(want.shape[a] for a in axes) <= 1
    spread = float((want if over_one else want - want.mean(axes, keepdim=True)).norm())
    difference = float((got - want).norm())
    if not math.isfinite(difference) or not math.isfinite(spread) or (spread == 0 and difference > 0):
        return math.inf
    return difference / spread if spread else 0.0


def _tensors(outputs: Any) -> tuple[Tensor, ...]:
    return (outputs,) if isinstance(outputs, Tensor) else tuple(outputs)


def _spread_over(actions: str | Action | Sequence[str | Action], count: int) -> list[str | Action]:
    return [actions] * count if isinstance(actions, str) or callable(actions) else list(actions)


def _actions(actions: str | Action | Sequence[str | Action], count: int, name: str, group: Group) -> list[Action]:
    chosen = _spread_over(actions, count)
    if len(chosen) != count:
        raise InvalidInput(f"{name} must be one action or one for each of the {count} tensors, got {len(chosen)}")
    return [action_of(action, group) for action in chosen]
