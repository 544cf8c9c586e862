"""The symmetric space of positive-definite matrices."""

import pytest
import torch

from geokit.equivariant.lie import SL, SPD, GLPlus
from geokit.errors import InvalidInput

SPACES = [SPD(1), SPD(2), SPD(3), SPD(2, unit_determinant=True), SPD(3, unit_determinant=True)]


def group_of(space):
    return SL(space.n) if space.unit_determinant else GLPlus(space.n)


@pytest.mark.parametrize("space", SPACES, ids=repr)
def test_laws(space):
    generator = torch.Generator().manual_seed(0)
    s, t = (space.sample(30, spread=0.5, generator=generator) for _ in range(2))
    g = group_of(space).sample(30, generator=generator)
    assert torch.allclose(space.exp(space.log(s)), s, atol=1e-12)
    assert torch.allclose(space.hat(space.vee(space.log(s))), space.log(s), atol=1e-12)
    assert torch.allclose(space.distance(space.act(g, s), space.act(g, t)), space.distance(s, t), atol=1e-10)
    assert torch.allclose(space.distance(s, t), space.distance(t, s), atol=1e-10)
    one = torch.eye(space.n, dtype=torch.float64).expand_as(s)
    assert torch.allclose(space.distance(one, s), space.log(s).flatten(-2).norm(dim=-1), atol=1e-12)
    assert torch.allclose(space.coset(g), space.act(g, one), atol=1e-12)
    space.check(s)
    space.check(space.act(g, s))


@pytest.mark.parametrize("space", SPACES, ids=repr)
def test_geodesics(space):
    s, t = space.sample(10), space.sample(10)
    whole = space.distance(s, t)
    for part in (0.0, 0.25, 1.0):
        between = space.geodesic(s, t, part)
        space.check(between)
        assert torch.allclose(space.distance(s, between), part * whole, atol=1e-7)
        assert torch.allclose(space.distance(between, t), (1 - part) * whole, atol=1e-7)
    parts = torch.linspace(0, 1, 10, dtype=torch.float64)
    assert torch.allclose(space.geodesic(s, t, parts)[3], space.geodesic(s[3], t[3], float(parts[3])), atol=1e-12)


@pytest.mark.parametrize("n", [2, 3])
def test_gradients(n):
    space = SPD(n)
    s = space.sample(3)
    s[0] = torch.eye(n)
    t = space.sample(3)
    symmetric = lambda m: 0.5 * (m + m.mT)  # noqa: E731
    arguments = (s.requires_grad_(), t.requires_grad_())
    assert torch.autograd.gradcheck(lambda a, b: space.distance(symmetric(a), symmetric(b)), arguments, atol=1e-6)
    assert torch.autograd.gradcheck(lambda a, b: space.geodesic(symmetric(a), symmetric(b), 0.3), arguments, atol=1e-6)
    same = space.distance(s, s.detach())
    assert bool(torch.autograd.grad(same.sum(), s)[0].isfinite().all())


def test_wrong_input():
    space = SPD(2)
    good = torch.eye(2).repeat(2, 1, 1)
    assert space.check(good) is good
    for bad, reason in (
        (torch.tensor([[1.0, 2.0], [2.0, 1.0]]), "eigenvalue that is zero or negative"),
        (torch.tensor([[1.0, 0.0], [0.0, 0.0]]), "eigenvalue that is zero or negative"),
        (torch.tensor([[1.0, 0.5], [0.0, 1.0]]), "not symmetric"),
        (torch.full((2, 2), torch.nan), "not finite"),
    ):
        with pytest.raises(InvalidInput, match=rf"^s\[2\] is not in SPD\(2\): .*{reason}"):
            space.check(torch.cat([good, bad[None]]))
        with pytest.raises(InvalidInput, match=rf"^s is not in SPD\(2\): .*{reason}"):
            space.check(bad)
    with pytest.raises(InvalidInput, match="determinant is not 1"):
        SPD(2, unit_determinant=True).check(2 * torch.eye(2))
    stretched = torch.diag(torch.tensor([1e3, 0.1, 0.1]))  # of determinant 10
    with pytest.raises(InvalidInput, match="determinant is not 1"):
        SPD(3, unit_determinant=True).check(stretched)
    SPD(3, unit_determinant=True).check(torch.diag(torch.tensor([1e3, 0.1, 0.01])))
    for spread in (float("nan"), float("inf")):
        with pytest.raises(InvalidInput, match="finite spread"):
            space.sample(3, spread=spread)
    with pytest.raises(InvalidInput, match="shape"):
        space.check(torch.eye(3))
    with pytest.raises(InvalidInput, match="needs n"):
        SPD(1, unit_determinant=True)
    with pytest.raises(InvalidInput, match="count >= 0"):
        space.sample(3, spread=-1)
