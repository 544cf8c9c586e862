"""Quotients against the same formulas in 60 digits, across the seams of their series."""

import pytest
import torch
from mpmath import mp, mpc, mpf

from geokit.equivariant.lie import quotients

mp.dps = 60
SIZES = [0.0, 1e-300, 1e-12, 1e-8, 1e-4, 0.01, 0.1, 0.22, 0.2237, 0.4999, 0.5001, 0.7, 0.99, 1.0, 2.0, 7.0, 30.0]
SIGNED = sorted({sign * size for size in SIZES for sign in (-1, 1)})


def phi1(z):
    return mp.expm1(z) / z if z else mpf(1)


def compare(got, want, dtype, scale=4.0):
    want = torch.tensor([float(value) for value in want], dtype=torch.float64)
    assert got.dtype == dtype
    ulps = ((got.double() - want).abs() / want.abs()).max() / torch.finfo(dtype).eps
    assert float(ulps) <= scale


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_functions_of_one_number(dtype):
    x = torch.tensor(SIGNED, dtype=dtype)
    compare(quotients.phi1(x), [phi1(mpf(v)) for v in x.tolist()], dtype)
    square = torch.tensor([t * abs(t) for t in SIGNED], dtype=dtype)
    roots = [mp.sqrt(mpc(v)) for v in square.tolist()]
    cosh, sinhc = quotients.exp_pair(torch.full_like(square, 0.3), square)
    # Of cos and sin at many turns the argument's own rounding is what counts.
    near = square > -60
    factor = mp.exp(mpf(float(torch.tensor(0.3, dtype=dtype))))
    wanted = [(mp.re(factor * mp.cosh(r)), mp.re(factor * (mp.sinh(r) / r if r else 1))) for r in roots]
    size = torch.tensor([max(1.0, float(abs(r))) for r in roots]).double()
    for got, want in ((cosh, [w[0] for w in wanted]), (sinhc, [w[1] for w in wanted])):
        want = torch.tensor([float(w) for w in want], dtype=torch.float64)
        bound = 16 * torch.finfo(dtype).eps * size * torch.maximum(want.abs(), torch.ones_like(want) / size)
        assert bool(((got.double() - want).abs() <= bound)[near].all())


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_divided_differences(dtype):
    pairs = [(a, b) for a in SIGNED for b in SIGNED if abs(a) < 20 and abs(b) < 20]
    a, b = torch.tensor(pairs, dtype=dtype).T
    exact = [(mpf(p), mpf(q)) for p, q in zip(a.tolist(), b.tolist())]
    compare(quotients.exp_difference(a, b), [mp.exp(q) * phi1(p - q) for p, q in exact], dtype, scale=64)

    def second(p, q):
        if abs(p - q) < mpf(10) ** -24:
            p, q = (p + q) / 2 + mpf(10) ** -25, (p + q) / 2 - mpf(10) ** -25
        return (phi1(p) - phi1(q)) / (p - q)

    compare(quotients.phi1_difference(a, b), [second(p, q) for p, q in exact], dtype, scale=128)
    u, v = a.double().exp().to(dtype), b.double().exp().to(dtype)
    exact = [(mpf(p), mpf(q)) for p, q in zip(u.tolist(), v.tolist())]
    compare(
        quotients.log_difference(u, v),
        [1 / p if p == q else mp.log(p / q) / (p - q) for p, q in exact],
        dtype,
        scale=16,
    )


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_spiral(dtype):
    pairs = [(s, t) for s in SIGNED for t in (0.0, 1e-200, 1e-9, 1e-3, 0.3, 0.5, 1.0, 3.1) if abs(s) < 20]
    s, t = torch.tensor(pairs, dtype=dtype).T
    square = t.square()
    exact = [(mpf(p), mp.sqrt(mpf(q))) for p, q in zip(s.tolist(), square.tolist())]

    def parts(p, angle):
        angle = angle or mpf(10) ** -20
        z = phi1(mpc(p, angle))
        return phi1(p), z.imag / angle, (phi1(p) - z.real) / angle**2

    wanted = [parts(p, q) for p, q in exact]
    for i, got in enumerate(quotients.spiral(s, square)):
        compare(got, [w[i] for w in wanted], dtype, scale=200)


def test_gradients_across_the_seams():
    x = torch.tensor(
        [-0.5001, -0.4999, -1e-9, 0.0, 1e-9, 0.2, 0.4999, 0.5001, 3.0], dtype=torch.float64, requires_grad=True
    )
    assert torch.autograd.gradcheck(quotients.phi1, (x,))
    assert torch.autograd.gradcheck(quotients.exp_pair, (x, x.detach().flip(0).requires_grad_()))
    assert torch.autograd.gradcheck(lambda v: quotients.phi1_difference(v, v.flip(0) + 0.1), (x,))
    square = x.detach().square().requires_grad_()
    assert torch.autograd.gradcheck(lambda s, q: quotients.spiral(s, q + 1e-3), (x, square))
    ratio = torch.tensor([1e-9, 0.01, 0.0499, 0.0501, 0.5, 0.99], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda w: quotients.area_tangent(w, 1 - w), (ratio,))
    other = ratio.detach().flip(0).requires_grad_()
    assert torch.autograd.gradcheck(lambda p, q: quotients.log_difference(p + 0.1, q + 0.1), (ratio, other))
