"""The spherical-harmonics kernel against the reference, gsplat and finite differences."""

import pytest
import torch
from gsplat.cuda import _torch_impl as gsplat

from geokit.backend import splatting_ops as ops
from tests.reference import scenes
from tests.reference import spherical_harmonics as reference
from tests.reference.comparison import assert_close, assert_rows_close, threads

TOLERANCE = {torch.float64: 1e-12, torch.float32: 1e-5}


def inputs(seed, count=300, bases=16, dtype=torch.float64):
    """Directions of lengths from 0.01 to 100 and coefficients."""
    g = scenes.generator(seed)
    directions = scenes.normal(g, count, 3) * 10 ** scenes.uniform(g, count, 1, low=-2, high=2)
    return directions.to(dtype), scenes.normal(g, count, bases, 3).to(dtype)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("degree", range(4))
def test_values_and_gradients_agree_with_the_reference(degree, dtype):
    leaves = [t.requires_grad_() for t in inputs(degree, dtype=dtype)]
    visible = torch.arange(len(leaves[0])) % 3 > 0
    weights = scenes.normal(scenes.generator(9), len(visible), 3)
    exact = [t.detach().double().requires_grad_() for t in leaves]
    for mask in (None, visible):
        found = ops.spherical_harmonics(degree, *leaves, mask)
        expected = reference.spherical_harmonics(degree, *exact, mask)
        assert found.dtype == dtype
        assert_rows_close("colours", found, expected, TOLERANCE[dtype], floor=1.0)
        ours = torch.autograd.grad((found * weights.to(dtype)).sum(), leaves, allow_unused=True)
        theirs = torch.autograd.grad((expected * weights).sum(), exact, allow_unused=True)
        for name, a, b, x in zip(("directions", "coeffs"), ours, theirs, exact):
            a, b = (torch.zeros_like(x) if t is None else t for t in (a, b))
            scale = 1 / x.norm(dim=-1).amin() if name == "directions" else 1.0
            assert_rows_close(name, a, b, 10 * TOLERANCE[dtype], floor=float(scale) * 1e-1)


@pytest.mark.parametrize("degree", range(4))
@pytest.mark.parametrize("seed", range(3))
def test_values_agree_with_gsplat(seed, degree):
    directions, coeffs = inputs(seed, dtype=torch.float32)
    expected = gsplat._spherical_harmonics(degree, directions.double(), coeffs.double())
    assert_rows_close("colours", ops.spherical_harmonics(degree, directions, coeffs), expected, 1e-4, floor=1e-2)


def test_coefficients_beyond_the_degree_are_ignored():
    directions, coeffs = inputs(3)
    cut = coeffs.clone()
    cut[:, 4:] = 7.0
    leaf = coeffs.clone().requires_grad_()
    found = ops.spherical_harmonics(1, directions, leaf)
    assert torch.equal(found, ops.spherical_harmonics(1, directions, cut))
    (gradient,) = torch.autograd.grad(found.sum(), leaf)
    assert not gradient[:, 4:].any()


def test_exactly_enough_coefficients_suffice():
    for degree in range(4):
        directions, coeffs = inputs(degree, bases=(degree + 1) ** 2)
        expected = reference.spherical_harmonics(degree, directions, coeffs)
        assert_close("colours", ops.spherical_harmonics(degree, directions, coeffs, None), expected, 1e-12)


def test_invisible_splats_have_no_colour_and_no_gradient():
    leaves = [t.requires_grad_() for t in inputs(5)]
    with torch.no_grad():
        leaves[0][0] = float("nan")  # what is not visible is not looked at
    visible = torch.arange(300) % 2 == 1
    found = ops.spherical_harmonics(3, *leaves, visible)
    gradients = torch.autograd.grad(found.sum(), leaves)
    assert not found[~visible].any()
    assert found[visible].abs().min() > 0
    assert not any(g[~visible].any() for g in gradients)


@pytest.mark.parametrize("degree", range(4))
def test_gradcheck(degree):
    g = scenes.generator(degree)
    directions, coeffs = scenes.normal(g, 5, 3), scenes.normal(g, 5, 16, 3)
    visible = torch.tensor([True, True, False, True, True])
    assert torch.autograd.gradcheck(
        lambda d, c: ops.spherical_harmonics(degree, d, c, visible),
        (directions.requires_grad_(), coeffs.requires_grad_()),
    )


def test_no_splats_at_all():
    leaves = [t.requires_grad_() for t in inputs(1, count=0)]
    found = ops.spherical_harmonics(2, *leaves)
    assert found.shape == (0, 3)
    found.sum().backward()


def test_results_do_not_depend_on_the_thread_count():
    results = []
    for count in (1, 2):
        with threads(count):
            leaves = [t.requires_grad_() for t in inputs(2, count=30_000, dtype=torch.float32)]
            found = ops.spherical_harmonics(3, *leaves)
            results.append([found, *torch.autograd.grad((found**2).sum(), leaves)])
    assert all(torch.equal(a, b) for a, b in zip(*results))
