"""Adam as one native pass over memory."""

import torch
from torch import Tensor

from geokit.backend.checks import FLOATS, check_tensor
from geokit.backend.native import custom_op, native_of, plain
from geokit.errors import InvalidInput


@custom_op("geokit::adam_step", mutates_args=("parameter", "first_moment", "second_moment"), cuda=True)
def _adam_step(
    parameter: Tensor,
    gradient: Tensor,
    first_moment: Tensor,
    second_moment: Tensor,
    rates: Tensor,
    beta1: float,
    beta2: float,
    epsilon: float,
    step: int,
    skip: Tensor | None = None,
) -> None:
    gradient, rates = plain(gradient, rates)
    state = (t.detach() for t in (first_moment, second_moment))
    native_of(parameter).adam_step(parameter.detach(), gradient, *state, rates, beta1, beta2, epsilon, step, skip)


@_adam_step.register_fake
def _(parameter: Tensor, *_rest: object) -> None:
    return None


def adam_step(
    parameter: Tensor,
    gradient: Tensor,
    first_moment: Tensor,
    second_moment: Tensor,
    rates: Tensor,
    step: int,
    betas: tuple[float, float] = (0.9, 0.999),
    epsilon: float = 1e-15,
    skip: Tensor | None = None,
) -> None:
    """One step of Adam (Kingma & Ba 2015) in place on `parameter` (N, ...) and its two moments, all contiguous.

    gradient has the parameter's shape; rates holds one learning rate for every value of a row; step counts from 1.
    skip (1,), bool, on the parameter's device: where it is true nothing changes, and nobody waits to know it.
    """
    check_tensor("parameter", parameter, tuple(gradient.shape), FLOATS)
    for name, value in (("gradient", gradient), ("first_moment", first_moment), ("second_moment", second_moment)):
        check_tensor(name, value, tuple(parameter.shape), parameter.dtype)
    for name, value in (("parameter", parameter), ("first_moment", first_moment), ("second_moment", second_moment)):
        if not value.is_contiguous():
            raise InvalidInput(f"{name} must be contiguous: it is updated in place")
    check_tensor("rates", rates, (gradient[0].numel() if len(gradient) else rates.numel(),), parameter.dtype)
    if skip is not None:
        check_tensor("skip", skip, (1,), torch.bool)
    _adam_step(parameter, gradient, first_moment, second_moment, rates, *betas, epsilon, step, skip)
