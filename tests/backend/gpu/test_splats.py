"""Projection, colours and the optimiser on the GPU, against the CPU."""

import pytest
import torch

from geokit.backend.optimizer_ops import adam_step
from geokit.backend.splatting_ops import project, spherical_harmonics
from tests.reference import scenes
from tests.reference.agreement import assert_agrees


@pytest.mark.parametrize(("count", "waves"), [(300, 2), (1100, 0), (1, 1), (0, 1)])
def test_projection(device, count, waves):
    world = scenes.with_gradients(scenes.random_world(3, count=count, waves=waves))
    assert_agrees(device, project, *scenes.arguments(world))


@pytest.mark.parametrize("degree", [0, 1, 2, 3])
@pytest.mark.parametrize("masked", [False, True])
def test_colours(device, degree, masked):
    g = scenes.generator(degree)
    directions, coeffs = (scenes.normal(g, *shape).requires_grad_() for shape in ((70, 3), (70, 16, 3)))
    visible = torch.rand(70, generator=g) > 0.3 if masked else None
    assert_agrees(device, spherical_harmonics, degree, directions, coeffs, visible)


def test_arguments_that_are_not_contiguous(device):
    g = scenes.generator(0)
    directions, coeffs = scenes.normal(g, 3, 40).requires_grad_(), scenes.normal(g, 3, 16, 80).requires_grad_()

    def colours(directions, coeffs):
        return spherical_harmonics(2, directions.T, coeffs.permute(2, 1, 0)[::2])

    assert_agrees(device, colours, directions, coeffs)


@pytest.mark.parametrize("shape", [(37, 2, 3), (1,), (0, 4)])
def test_steps_of_adam(device, shape):
    g = scenes.generator(0)
    parameter, gradient = scenes.normal(g, *shape), scenes.normal(g, *shape)
    rates = scenes.uniform(g, parameter[0].numel() if len(parameter) else 4)

    def steps(parameter, gradient, rates):
        state = [parameter.clone(), torch.zeros_like(parameter), torch.zeros_like(parameter)]
        for step, skip in enumerate((None, False, True, None), start=1):
            flag = None if skip is None else torch.tensor([skip], device=parameter.device)
            adam_step(state[0], gradient * step, *state[1:], rates, step, skip=flag)
        return state

    assert_agrees(device, steps, parameter, gradient, rates)
