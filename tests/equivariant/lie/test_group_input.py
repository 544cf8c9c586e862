"""Input that no group can take: one clear sentence from every method, and not a number where the mathematics ends."""

import inspect
import math

import pytest
import torch

from geokit.equivariant.lie import CSO, SE, SL, SO, Affine, GLPlus, O, Sim
from geokit.equivariant.lie.checked import MATRICES
from geokit.errors import InvalidInput

GROUPS = [SO(2), SO(3), O(3), SL(2), SL(3), GLPlus(2), GLPlus(3), CSO(2), SE(2), Sim(3), Affine(GLPlus(2))]
# What takes other arguments besides matrices.
OTHERS = {"act": {"points": 1}, "stretched": {"condition": 2.0}}


def methods(group):
    """Names of the public methods that take matrices, and how many."""
    for name, method in inspect.getmembers(type(group), inspect.isfunction):
        count = len(MATRICES.intersection(inspect.signature(method).parameters))
        if count and name != "check" and not name.startswith("_"):
            yield name, count


@pytest.mark.parametrize("group", GROUPS, ids=repr)
def test_every_method_refuses_matrices_of_another_size(group):
    found = list(methods(group))
    assert len(found) > 20
    for name, count in found:
        others = dict(OTHERS.get(name, {}))
        if "points" in others:
            others["points"] = torch.zeros(group.n, dtype=torch.float64)
        for size in (group.size - 1, group.size + 1):
            wrong = torch.eye(size, dtype=torch.float64)
            for place in range(count):
                arguments = [group.identity() for _ in range(count)]
                arguments[place] = wrong
                with pytest.raises(InvalidInput, match=rf"has shape \({size}, {size}\); elements of"):
                    getattr(group, name)(*arguments, **others)
        with pytest.raises(InvalidInput, match=r"is torch\.int64"):
            getattr(group, name)(*[torch.eye(group.size, dtype=torch.int64)] * count, **others)
        if count == 2:
            with pytest.raises(InvalidInput, match="make them agree"):
                getattr(group, name)(group.identity(), group.identity(dtype=torch.float32), **others)


def test_matrices_given_by_name_are_looked_at():
    with pytest.raises(InvalidInput, match=r"g has shape \(3, 3\); elements of GLPlus\(2\) are \(\.\.\., 2, 2\)"):
        GLPlus(2).inverse(g=torch.eye(3))


@pytest.mark.parametrize("group", GROUPS, ids=repr)
def test_coordinates_and_points_of_another_size(group):
    for method, count in ((group.hat, group.dim), (group.complement_hat, group.complement_dim)):
        with pytest.raises(InvalidInput, match=rf"of shape \(\.\.\., {count}\)"):
            method(torch.zeros(2, count + 1))
        with pytest.raises(InvalidInput, match="int64"):
            method(torch.zeros(2, count, dtype=torch.int64))
    for points in (torch.zeros(4, group.n + 1, dtype=torch.float64), torch.zeros(4, group.n)):
        with pytest.raises(InvalidInput, match="points are"):
            group.act(group.identity(), points)


@pytest.mark.parametrize("n", [1, 2, 3, 4])
@pytest.mark.parametrize("count", [5, 600])
def test_decompositions_are_not_a_number_outside_the_group(n, count):
    """Reflections, singular matrices, and what is not finite: these alone, whatever stands beside them."""
    group = GLPlus(n)
    g = group.sample(count, generator=torch.Generator().manual_seed(0))
    want = group.decompose(g[4:])
    g[0, 0] *= -1
    g[1, :, 0] = 0
    g[2, 0, 0], g[3, n - 1, n - 1] = math.nan, math.inf
    for got, expected in zip(group.decompose(g), want):
        assert bool(got[:4].isnan().all())
        assert torch.allclose(got[4:], expected, atol=1e-14)
    if n == 3:
        mirror = torch.diag(torch.tensor([-1.0, 2.0, 3.0]))
        assert all(bool(part.isnan().all()) for part in group.decompose(mirror))


@pytest.mark.parametrize("n", [2, 3, 4])
@pytest.mark.parametrize("count", [4, 600])
def test_functions_of_what_is_not_finite(n, count):
    group = GLPlus(n)
    x = group.decompose(group.sample(count))[0]
    good = group.complement_exp(x), group.log(group.complement_exp(x)), group.phi1_inverse(x), group.haar_density(x)
    p = group.complement_exp(x)
    x[1, 0, 0], p[1, 0, 0] = math.nan, math.nan
    for got, want in zip((group.complement_exp(x), group.log(p), group.phi1_inverse(x), group.haar_density(x)), good):
        assert bool(got[1].isnan().any())
        assert torch.allclose(got[[0, 2, 3]], want[[0, 2, 3]], atol=1e-12)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("n", [2, 3, 4])
@pytest.mark.parametrize("condition", [1.0, 10.0, 1e3])
def test_membership_of_unimodular_matrices(n, condition, dtype):
    """Rounded elements are in, determinants off by more than rounding explains are not, however large the matrix."""
    group = SL(n)
    g = group.sample(100, condition=condition, generator=torch.Generator().manual_seed(0))
    assert bool(group.contains(g.to(dtype)).all())
    assert bool(Affine(group).contains(Affine(group).from_parts(g, g[..., 0]).to(dtype)).all())
    off = max(2e-4, 2 * 64 * 2.0**-23 * condition) if dtype == torch.float32 else 1e-8
    for factor in (1 + off, 1 - off, 10.0):
        assert not bool(group.contains((g * factor ** (1 / n)).to(dtype)).any())
    assert not bool(group.contains(torch.cat([-g[..., :1], g[..., 1:]], dim=-1).to(dtype)).any())


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_singular_matrices_are_not_unimodular(dtype):
    for diagonal in ([100, 0.1, 0], [100, 0.1, 1e-30], [1e6, 1e6, 1e-9], [-1, -1, -1]):
        matrix = torch.diag(torch.tensor(diagonal, dtype=dtype))
        assert not bool(SL(3).contains(matrix))
    with pytest.raises(InvalidInput, match="determinant is 0, a positive one was wanted"):
        SL(3).check(torch.diag(torch.tensor([100, 0.1, 0], dtype=dtype)))


def test_samples_are_finite():
    for options in ({"spread": math.nan}, {"spread": math.inf}, {"spread": -1.0}):
        with pytest.raises(InvalidInput, match="finite spread >= 0"):
            GLPlus(2).sample(3, **options)
    for condition in (math.inf, math.nan):
        with pytest.raises(InvalidInput, match="cannot be had"):
            GLPlus(2).sample(3, condition=condition)


def test_the_default_device_does_not_move_a_group():
    """Everything is drawn and kept on the CPU; the meta device stands for any other."""
    with torch.device("meta"):
        groups = [GLPlus(2), SL(3), SO(3), CSO(2), Affine(GLPlus(2)), O(4)]
        samples = [group.sample(2, generator=torch.Generator().manual_seed(0)) for group in groups]
    for group, g in zip(groups, samples):
        assert group.basis.device.type == g.device.type == "cpu"
        assert torch.equal(g, group.sample(2, generator=torch.Generator().manual_seed(0)))


@pytest.mark.parametrize(
    ("group", "matrix", "message"),
    [
        (GLPlus(2), torch.diag(torch.tensor([1.0, -1.0])), "determinant is -1"),
        (GLPlus(3), torch.zeros(3, 3), "determinant is 0"),
        (SL(2), 2 * torch.eye(2), "determinant is 4"),
        (SO(2), torch.tensor([[1.0, 1.0], [0.0, 1.0]]), "differs from the identity by 1"),
        (SO(3), -torch.eye(3), r"determinant is -1.*use O\(3\)"),
        (O(2), 2 * torch.eye(2), "differs from the identity by 3"),
        (Sim(2), torch.diag(torch.tensor([1.0, 2.0, 1.0])), "over its scale"),
        (Sim(2), torch.diag(torch.tensor([1.0, -1.0, 1.0])), "determinant is -1"),
        (SE(2), torch.eye(3) + torch.tensor([[0.0], [0.0], [1.0]]), "last row"),
        (Affine(GLPlus(2)), torch.full((3, 3), math.nan), "not finite"),
    ],
)  # fmt: skip
def test_check_tells_what_is_wrong(group, matrix, message):
    good = group.identity(2, dtype=torch.float32)
    assert group.check(good) is good
    with pytest.raises(InvalidInput, match=rf"moves\[2\].*{message}"):
        group.check(torch.cat([good, matrix[None]]), "moves")


def test_wrong_shapes_dtypes_and_options():
    with pytest.raises(InvalidInput, match=r"shape \(3, 3\); elements of SL\(2\) are \(\.\.\., 2, 2\)"):
        SL(2).check(torch.eye(3))
    with pytest.raises(InvalidInput, match="float16"):
        SL(2).check(torch.eye(2, dtype=torch.float16))
    for build in (lambda: SO(0), lambda: SL(1), lambda: Sim(1), lambda: SE(0), lambda: GLPlus(0)):
        with pytest.raises(InvalidInput, match="needs n >="):
            build()
    with pytest.raises(InvalidInput, match="left"):
        GLPlus(2).haar_density(torch.zeros(2, 2), side="middle")
    with pytest.raises(InvalidInput, match="condition number 1"):
        SE(2).sample(3, condition=10)
    with pytest.raises(InvalidInput, match="cannot be had"):
        GLPlus(2).sample(3, condition=0.5)
    with pytest.raises(InvalidInput, match="count >= 0"):
        GLPlus(2).sample(-1)
