"""Laws of every group, near and far from the identity, in both dtypes."""

import math

import pytest
import torch
from torch import Tensor

from geokit.equivariant.lie import CSO, SE, SL, SO, Affine, GLPlus, LieGroup, O, Sim
from tests.reference import lie as reference

GROUPS = [
    SO(1), SO(2), SO(3), SO(4), O(2), O(3), SE(1), SE(2), SE(3), SE(4), CSO(2), CSO(3), Sim(2), Sim(3), SL(2), SL(3),
    SL(4), GLPlus(1), GLPlus(2), GLPlus(3), GLPlus(4), Affine(GLPlus(2)), Affine(GLPlus(3)), Affine(SL(2)),
    Affine(O(2)), Affine(CSO(2)),
]  # fmt: skip
REGIMES = ("identity", "1e-6", "1e-3", "generic", "far")
TOLERANCE = {torch.float64: 1e-10, torch.float32: 1e-5}
CONDITION = 1e3


def stretches(group: LieGroup) -> bool:
    linear = group.linear if isinstance(group, Affine) else group
    return isinstance(linear, GLPlus) and linear.n > 1


def elements(group: LieGroup, regime: str, count: int = 16, seed: int = 0) -> Tensor:
    """float64 elements; far ones have the condition number 1e3, or scales up to 1e3 and translations of that size."""
    generator = torch.Generator().manual_seed(seed)
    if regime == "identity":
        return group.identity(count)
    if regime == "generic":
        return group.sample(count, spread=0.5, generator=generator)
    if regime == "far":
        if stretches(group):
            return group.sample(count, condition=CONDITION, generator=generator)
        g = group.sample(count, spread=2.0, generator=generator)
        if group.size > group.n:
            g[:, : group.n, group.n] *= 1e3
        return g
    x = group.hat(float(regime) * torch.randn(count, group.dim, generator=generator, dtype=torch.float64))
    return group.exp(x)


def error(got: Tensor, want: Tensor) -> float:
    """The worst difference relative to the norm of what is compared."""
    assert got.shape == want.shape
    assert got.dtype == want.dtype
    if not want.numel():
        return 0.0
    size = torch.linalg.matrix_norm(want)
    return float((torch.linalg.matrix_norm(got - want) / torch.where(size > 0, size, 1.0)).max())


def tolerance(dtype: torch.dtype, condition: float = 1.0) -> float:
    """The bar, or what rounding makes of a condition number where it is more."""
    return max(TOLERANCE[dtype], 8 * torch.finfo(dtype).eps * condition)


def conditions(group: LieGroup, g: Tensor) -> float:
    """The largest |g| |g^-1| of the matrices as they stand, translations among them."""
    return float((torch.linalg.matrix_norm(g.double()) * torch.linalg.matrix_norm(group.inverse(g.double()))).max())


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=["f32", "f64"])
@pytest.mark.parametrize("regime", REGIMES)
@pytest.mark.parametrize("group", GROUPS, ids=repr)
def test_laws(group, regime, dtype):
    g, h, f = (elements(group, regime, seed=seed).to(dtype) for seed in range(3))
    one = group.identity(len(g), dtype=dtype)
    bar = tolerance(dtype)
    condition = conditions(group, g)
    x, k = group.decompose(g)
    # Relative errors of exp(x) are absolute ones of x.
    assert error(group.recompose(x, k), g) < bar * max(1.0, float(torch.linalg.matrix_norm(x).max()))
    assert error(group.compact_inverse(k) @ k, one) < bar
    assert error(group.complement_hat(group.complement_vee(x)), x) < bar
    # Products of an element and its inverse are as large as the condition number before they cancel.
    assert error(group.compose(group.inverse(g), g), one) < tolerance(dtype, condition)
    assert error(group.compose(g, group.inverse_from(x, k)), one) < tolerance(dtype, condition)
    left, right = group.compose(group.compose(g, h), f), group.compose(g, group.compose(h, f))
    # Relative to the factors: of far ones the product may be smaller.
    size = math.prod(float(torch.linalg.matrix_norm(m).max()) for m in (g, h, f))
    assert float((left - right).abs().max()) < bar * size
    assert error(group.compose(g, one), g) == 0
    points = torch.randn(len(g), 5, group.n, dtype=dtype)
    twice = group.act(g[:, None], group.act(h[:, None], points))
    assert float((group.act(group.compose(g, h)[:, None], points) - twice).abs().max()) < bar * size
    assert bool(group.contains(g).all())


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=["f32", "f64"])
@pytest.mark.parametrize("regime", REGIMES)
@pytest.mark.parametrize("group", GROUPS, ids=repr)
def test_exponential_and_logarithm(group, regime, dtype):
    """Both ways. Of a logarithm rounding leaves eps times the condition number, whatever its own size."""
    generator = torch.Generator().manual_seed(3)
    scale = {"identity": 0.0, "1e-6": 1e-6, "1e-3": 1e-3, "generic": 0.4, "far": 0.4}[regime]
    x = group.hat(scale * torch.randn(16, group.dim, generator=generator, dtype=torch.float64))
    if regime == "far" and stretches(group):
        x = group.stretched(group.complement_hat(group.complement_vee(x)), CONDITION)
    elif regime == "far" and group.complement_dim:
        x = x + group.complement_hat(
            4 * torch.randn(16, group.complement_dim, generator=generator, dtype=torch.float64)
        )
    x = x.to(dtype)
    g = group.exp(x)
    want = torch.stack([reference.exponential(one) for one in x.double()]).to(dtype)
    assert error(g, want) < tolerance(dtype)
    assert bool(group.contains(g).all())
    back = group.log(g)
    condition = conditions(group, g)
    assert float((back - x).abs().max()) < tolerance(dtype, condition) * max(1.0, float(x.abs().max()))
    assert error(group.exp(back), g) < tolerance(dtype, condition)
    assert float((group.vee(x) - group.vee(group.hat(group.vee(x)))).abs().max() if group.dim else 0.0) < 1e-6
    assert bool(torch.allclose(group.inner(x, x), group.vee(x).square().sum(-1), rtol=1e-5))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=["f32", "f64"])
@pytest.mark.parametrize("regime", REGIMES)
@pytest.mark.parametrize("group", [group for group in GROUPS if group.dim], ids=repr)
def test_adjoint(group, regime, dtype):
    g, h = elements(group, regime, seed=5).to(dtype), elements(group, "generic", seed=6).to(dtype)
    generator = torch.Generator().manual_seed(7)
    v, w = (0.3 * torch.randn(2, len(g), group.dim, generator=generator, dtype=torch.float64)).to(dtype)
    x, y = group.hat(v), group.hat(w)
    ad = group.adjoint(g)
    # Errors are relative to the factors, and those of the inverses are as large as the condition number makes them.
    size = float((torch.linalg.matrix_norm(ad) * torch.linalg.matrix_norm(group.adjoint(h))).max())
    condition = conditions(group, group.compose(g, h))
    bar = tolerance(dtype, condition) * size
    assert float((group.adjoint(group.compose(g, h)) - ad @ group.adjoint(h)).abs().max()) < bar
    moved = (ad @ v[..., None])[..., 0]
    assert float((group.vee(group.conjugate(g, x)) - moved).abs().max()) < bar
    assert float((group.conjugate(g, x) - group.hat(moved)).abs().max()) < bar
    both = group.vee(group.bracket(group.conjugate(g, x), group.conjugate(g, y)))
    assert float((both - (ad @ group.vee(group.bracket(x, y))[..., None])[..., 0]).abs().max()) < bar * size
    if regime in ("far",):
        return
    # exp(Ad X) is exponentially large with Ad: only where Ad is moderate.
    conjugated = group.compose(group.compose(g, group.exp(x)), group.inverse(g))
    assert error(group.exp(group.hat(moved)), conjugated) < 100 * tolerance(dtype, condition)


@pytest.mark.parametrize("group", GROUPS, ids=repr)
def test_basis_is_orthonormal_and_closed(group):
    flat = group.basis.flatten(1)
    assert torch.allclose(flat @ flat.T, torch.eye(group.dim, dtype=torch.float64), atol=1e-14)
    if group.dim:
        x, y = group.basis[:, None], group.basis[None]
        bracket = group.bracket(x, y)
        assert torch.allclose(group.hat(group.vee(bracket)), bracket, atol=1e-14)


def test_basis_of_two_dimensions():
    r = 0.5**0.5
    want = [[[1, 0], [0, 0]], [[0, r], [r, 0]], [[0, 0], [0, 1]], [[0, -r], [r, 0]]]
    assert torch.equal(GLPlus(2).basis, torch.tensor(want, dtype=torch.float64))


@pytest.mark.parametrize("group", GROUPS, ids=repr)
def test_decomposition_is_the_polar_one(group):
    """Against scipy; and [[A, b]] = [[exp(X) k, phi1(X) u]]."""
    g = elements(group, "generic", 6)
    x, k = group.decompose(g)
    n = group.n
    for i in range(len(g)):
        a = g[i, :n, :n]
        log, rotation = reference.polar(a)
        assert float((k[i, :n, :n] - rotation).abs().max()) < 1e-12
        assert float((x[i, :n, :n] - log).abs().max()) < 1e-12
        if group.size > n:
            moved = reference.phi1(x[i, :n, :n]) @ x[i, :n, n]
            assert float((moved - g[i, :n, n]).abs().max()) < 1e-12


@pytest.mark.parametrize("group", [group for group in GROUPS if group.dim], ids=repr)
def test_features_are_continuous_and_coordinates_invert(group):
    g = elements(group, "generic", 50)
    near = group.compose(g, group.exp(group.hat(1e-7 * torch.ones(50, group.dim, dtype=torch.float64))))
    assert float((group.features(g) - group.features(near)).abs().max()) < 1e-5
    if not isinstance(group, O) and not (isinstance(group, Affine) and isinstance(group.linear, O)):
        v = group.coordinates(g)
        split = group.complement_dim
        x = group.complement_hat(v[:, :split])
        k = group.exp(group.hat(torch.cat([torch.zeros_like(v[:, :split]), v[:, split:]], dim=-1)))
        assert error(group.recompose(x, k), g) < 1e-10


def test_features_do_not_jump_where_the_angle_does():
    angles = torch.tensor([math.pi - 1e-9, -math.pi + 1e-9], dtype=torch.float64)
    k = SO(2).exp(SO(2).hat(2**0.5 * angles[:, None]))
    assert float((GLPlus(2).coordinates(k)[0] - GLPlus(2).coordinates(k)[1]).abs().max()) > 8
    assert float((GLPlus(2).features(k)[0] - GLPlus(2).features(k)[1]).abs().max()) < 1e-8


@pytest.mark.parametrize("n", [2, 3, 4])
def test_no_logarithm_outside_its_domain(n):
    """exp is not onto GL+: negative eigenvalues that differ have no real logarithm, but a decomposition."""
    g = torch.diag(torch.tensor([-1.0, -2.0] + [1.0] * (n - 2), dtype=torch.float64))
    group = GLPlus(n)
    assert bool(group.log(g).isnan().all())
    assert error(group.recompose(*group.decompose(g)), g) < 1e-14


@pytest.mark.parametrize("group", GROUPS, ids=repr)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=["f32", "f64"])
def test_empty_batches(group, dtype):
    g = group.sample(0, dtype=dtype)
    assert g.shape == (0, group.size, group.size)
    x, k = group.decompose(g)
    results = [
        group.recompose(x, k), group.inverse_from(x, k), group.inverse(g), group.compose(g, g), group.log(g),
        group.exp(x),
    ]  # fmt: skip
    assert all(result.shape == g.shape for result in results)
    assert group.adjoint(g).shape == (0, group.dim, group.dim)
    assert group.coordinates(g).shape == (0, group.dim)
    assert group.act(g[:, None], torch.zeros(0, 4, group.n, dtype=dtype)).shape == (0, 4, group.n)
    for numbers in (group.haar_density(x), group.modular(g), group.determinant(g), group.contains(g)):
        assert numbers.shape == (0,)
    assert group.features(g).shape[0] == 0
    group.check(g)


@pytest.mark.parametrize("group", [GLPlus(2), GLPlus(3), SE(3), Affine(SL(2))], ids=repr)
def test_leading_dimensions_broadcast(group):
    g = elements(group, "generic", 6).reshape(2, 3, group.size, group.size)
    x, _ = group.decompose(g)
    assert x.shape == g.shape
    flat = torch.stack([group.decompose(one)[0] for one in g.flatten(0, 1)]).reshape(g.shape)
    assert torch.allclose(x, flat, atol=1e-14)
    assert group.adjoint(g).shape == (2, 3, group.dim, group.dim)
    product = group.compose(g[:, :1], g[:1])
    assert torch.allclose(product[1, 2], g[1, 0] @ g[0, 2], atol=1e-14)


def test_determinants_and_modular_function():
    group = Affine(GLPlus(2))
    g, h = elements(group, "generic", 9), elements(group, "generic", 9, seed=1)
    want = torch.linalg.det(g[:, :2, :2])
    assert torch.allclose(group.determinant(g), want)
    assert torch.allclose(group.modular(g), 1 / want)
    assert torch.allclose(group.modular(group.compose(g, h)), group.modular(g) * group.modular(h))
    # |det Ad| is the other way to say it.
    assert torch.allclose(torch.linalg.det(group.adjoint(g)).abs(), 1 / group.modular(g))
    assert [group.unimodular for group in (SE(2), Sim(2), GLPlus(2), Affine(SL(2)), group)] == [
        True,
        False,
        True,
        True,
        False,
    ]


def test_condition_numbers_of_samples():
    for group in (GLPlus(2), SL(3), Affine(GLPlus(3))):
        g = group.sample(20, condition=1e3)
        assert torch.allclose(torch.linalg.cond(group.linear_part(g)), torch.tensor(1e3, dtype=torch.float64))
        assert bool(group.contains(g).all())


def test_groups_compare_by_name():
    assert Affine(SL(2)) == Affine(SL(2)) != Affine(GLPlus(2))
    assert len({SO(2), SO(2), O(2)}) == 2
    for n in (2, 3):
        assert SE(n) == Affine(SO(n)) != SE(n + 1)
        assert Affine(CSO(n)) == Sim(n) != SE(n)
        assert len({SE(n), Affine(SO(n)), Sim(n), Affine(CSO(n))}) == 2
    assert SE(2) != SO(2) != SE(2)
    assert repr(Affine(SL(2))) == "Affine(SL(2))"
