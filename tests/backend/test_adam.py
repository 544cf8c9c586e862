"""The native Adam against torch's own, and what it promises about memory."""

import pytest
import torch

from geokit.backend.optimizer_ops import adam_step
from geokit.errors import InvalidInput

SHAPE = (37, 2, 3)
RATES = [1e-3, 2e-3, 5e-2, 1e-4, 0.0, 0.3]


def start(dtype: torch.dtype, shape: tuple[int, ...] = SHAPE) -> list[torch.Tensor]:
    """A parameter and its two moments."""
    parameter = torch.randn(shape, dtype=dtype, generator=torch.Generator().manual_seed(0))
    return [parameter, torch.zeros_like(parameter), torch.zeros_like(parameter)]


def gradients(steps: int, dtype: torch.dtype) -> list[torch.Tensor]:
    g = torch.Generator().manual_seed(1)
    magnitudes = [10.0 ** torch.randn(SHAPE, generator=g) for _ in range(steps)]
    return [m * torch.randn(SHAPE, dtype=dtype, generator=g) for m in magnitudes]


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 2e-6), (torch.float64, 1e-13)])
@pytest.mark.parametrize(("betas", "epsilon"), [((0.9, 0.999), 1e-15), ((0.5, 0.7), 1e-2)])
def test_equals_adam_of_torch_with_a_rate_a_column(dtype, tolerance, betas, epsilon):
    parameter, first, second = start(dtype)
    columns = [c.clone().requires_grad_() for c in parameter.flatten(1).unbind(1)]
    groups = [{"params": [c], "lr": rate} for c, rate in zip(columns, RATES)]
    theirs = torch.optim.Adam(groups, betas=betas, eps=epsilon, foreach=False)
    rates = torch.tensor(RATES, dtype=dtype)
    for number, gradient in enumerate(gradients(7, dtype), start=1):
        adam_step(parameter, gradient, first, second, rates, number, betas, epsilon)
        for column, values in zip(columns, gradient.flatten(1).unbind(1)):
            column.grad = values.clone()
        theirs.step()
        expected = torch.stack([c.detach() for c in columns], 1).reshape(SHAPE)
        torch.testing.assert_close(parameter, expected, rtol=tolerance, atol=tolerance)
    states = [theirs.state[c] for c in columns]
    for found, name in ((first, "exp_avg"), (second, "exp_avg_sq")):
        expected = torch.stack([s[name] for s in states], 1).reshape(SHAPE)
        torch.testing.assert_close(found, expected, rtol=10 * tolerance, atol=tolerance)


def test_the_first_step_has_the_length_of_the_rate_against_the_gradient():
    parameter, first, second = start(torch.float64)
    before, (gradient,) = parameter.clone(), gradients(1, torch.float64)
    adam_step(parameter, gradient, first, second, torch.tensor(RATES, dtype=torch.float64), 1)
    expected = -torch.tensor(RATES, dtype=torch.float64).reshape(2, 3) * gradient.sign()
    torch.testing.assert_close(parameter - before, expected, rtol=0, atol=1e-12)


def test_works_in_place_and_leaves_its_other_arguments_alone():
    state, (gradient,) = start(torch.float32), gradients(1, torch.float32)
    places, versions = [t.data_ptr() for t in state], [t._version for t in state]
    rates, kept = torch.tensor(RATES), gradient.clone()
    before = [t.clone() for t in state]
    adam_step(state[0], gradient, state[1], state[2], rates, 1)
    assert [t.data_ptr() for t in state] == places
    assert all(t._version > v for t, v in zip(state, versions)), "autograd must learn of the change"
    assert not any(torch.equal(t, b) for t, b in zip(state, before))
    assert torch.equal(gradient, kept)
    assert torch.equal(rates, torch.tensor(RATES))


def test_a_strided_gradient_gives_what_a_contiguous_one_gives():
    (gradient,) = gradients(1, torch.float32)
    strided = gradient.permute(2, 1, 0).contiguous().permute(2, 1, 0)
    assert not strided.is_contiguous()
    results = []
    for each in (gradient, strided):
        state = start(torch.float32)
        adam_step(state[0], each, state[1], state[2], torch.tensor(RATES), 1)
        results.append(state)
    assert all(torch.equal(a, b) for a, b in zip(*results))


def test_zero_gradients_and_no_rows_change_nothing():
    state = start(torch.float32)
    before = state[0].clone()
    adam_step(state[0], torch.zeros(SHAPE), state[1], state[2], torch.tensor(RATES), 1)
    assert torch.equal(state[0], before)
    empty = [torch.zeros(0, 3) for _ in range(4)]
    adam_step(*empty, torch.ones(3), 1)


@pytest.mark.parametrize("skip", [False, True])
def test_a_step_that_is_skipped_changes_nothing(skip):
    rates, (gradient,) = torch.tensor(RATES), gradients(1, torch.float32)
    state, expected = start(torch.float32), start(torch.float32)
    adam_step(state[0], gradient, *state[1:], rates, 1, skip=torch.tensor([skip]))
    if not skip:
        adam_step(expected[0], gradient, *expected[1:], rates, 1)
    assert all(torch.equal(a, b) for a, b in zip(state, expected))


@pytest.mark.parametrize("which", [0, 1, 2])
def test_a_strided_parameter_or_moment_is_refused(which):
    state = start(torch.float32, (3, 5))
    state[which] = torch.zeros(5, 3).T
    with pytest.raises(ValueError, match="must be contiguous"):
        adam_step(state[0], torch.ones(3, 5), state[1], state[2], torch.ones(5), 1)


def test_wrong_shapes_are_refused():
    parameter, first, second = start(torch.float32, (3, 5))
    with pytest.raises(InvalidInput, match=r"rates must have shape \(5\)"):
        adam_step(parameter, torch.ones(3, 5), first, second, torch.ones(3), 1)
    with pytest.raises(InvalidInput, match=r"parameter must have shape \(3, 4\)"):
        adam_step(parameter, torch.ones(3, 4), first, second, torch.ones(4), 1)
    with pytest.raises(InvalidInput, match="rates must be float32"):
        adam_step(parameter, torch.ones(3, 5), first, second, torch.ones(5, dtype=torch.float64), 1)
    with pytest.raises(InvalidInput, match="skip must be bool"):
        adam_step(parameter, torch.ones(3, 5), first, second, torch.ones(5), 1, skip=torch.ones(1))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_opcheck(dtype):
    parameter, first, second = start(dtype)
    (gradient,) = gradients(1, dtype)
    arguments = (parameter, gradient, first, second, torch.tensor(RATES, dtype=dtype), 0.9, 0.999, 1e-15, 3)
    torch.library.opcheck(torch.ops.geokit.adam_step.default, arguments)
    torch.library.opcheck(torch.ops.geokit.adam_step.default, (*arguments, torch.tensor([True])))
