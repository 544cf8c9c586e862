"""Sums of radial kernels against the reference, and the pairs that they run over against brute force."""

import pytest
import torch

from geokit.backend.radial_ops import PROFILES, radial_sum
from geokit.backend.radial_pairs import MOST_PAIRS, radial_pairs
from geokit.errors import InvalidInput
from tests.reference import radial as reference
from tests.reference.comparison import assert_close, threads

TOLERANCE = {torch.float64: 1e-11, torch.float32: 3e-4}
SUPPORT = 2.5


def inputs(d, n=37, m=9, f=3, waves=False, dtype=torch.float64, seed=0):
    """Points, shapes and features, the kernels a third of the unit box wide."""
    g = torch.Generator().manual_seed(seed)
    x = torch.rand(n, d, generator=g, dtype=torch.float64)
    rows, columns = torch.tril_indices(d, d)
    factors = torch.randn(m, len(rows), generator=g, dtype=torch.float64)
    factors = torch.where(rows == columns, 4 + 4 * torch.rand(factors.shape, generator=g, dtype=torch.float64), factors)
    shapes = [torch.rand(m, d, generator=g, dtype=torch.float64), factors]
    if waves:
        shapes.append(2 * torch.randn(m, d + 1, generator=g, dtype=torch.float64))
    features = torch.randn(m, f, generator=g, dtype=torch.float64)
    return [t.to(dtype) for t in (x, torch.cat(shapes, 1), features)]


def pairs_of(x, shapes, profile, support=SUPPORT):
    d = x.shape[1]
    factors = shapes[:, d : d + d * (d + 1) // 2]
    return radial_pairs(x, shapes[:, :d], factors, support, profile == "hat")


def every_case():
    for profile in PROFILES:
        for d in (1, 2, 3):
            for order in (0, 1) if profile == "hat" else (0, 1, 2):
                yield profile, d, order, False
                if profile == "gaussian" or (profile == "wendland2" and d == 2):
                    yield profile, d, order, True


CASES = list(every_case())


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("sines", [False, True])
@pytest.mark.parametrize(("profile", "d", "order", "waves"), CASES)
def test_values_and_gradients_agree_with_the_reference(profile, d, order, waves, sines, dtype):
    leaves = [t.requires_grad_() for t in inputs(d, waves=waves, dtype=dtype)]
    exact = [t.detach().double().requires_grad_() for t in leaves]
    f = torch.tensor([0.5, 2.0, 5.0], dtype=torch.float64) if sines else None
    options = {"order": order, "waves": waves}
    pairs = pairs_of(leaves[0], leaves[1], profile)
    given = f if f is None else f.to(dtype)
    found = radial_sum(*leaves, pairs, profile, SUPPORT, frequencies=given, **options)
    expected = reference.radial_sum(*exact, profile, SUPPORT, frequencies=f, **options)
    assert found.dtype == dtype
    assert_close("sums", found, expected, TOLERANCE[dtype])
    probe = torch.randn(expected.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    ours = torch.autograd.grad((found * probe.to(dtype)).sum(), leaves)
    theirs = torch.autograd.grad((expected * probe).sum(), exact, materialize_grads=True)
    for name, a, b in zip(("x", "shapes", "features"), ours, theirs):
        assert_close(name, a, b, 10 * TOLERANCE[dtype])


@pytest.mark.parametrize(("profile", "d", "order", "waves"), [
    ("inverse_quadratic", 2, 2, False),
    ("wendland4", 3, 1, False),
    ("gaussian", 3, 2, True),
    ("hat", 2, 1, False),
])  # fmt: skip
def test_first_derivatives(profile, d, order, waves):
    leaves = [t.requires_grad_() for t in inputs(d, n=7, m=3, f=2, waves=waves, seed=2)]
    pairs = pairs_of(leaves[0], leaves[1], profile)
    wide = radial_pairs(leaves[0], leaves[1][:, :d], leaves[1][:, d : d + d * (d + 1) // 2], 2 * SUPPORT)
    assert len(wide) > len(pairs)
    for lists in (pairs, wide):
        assert torch.autograd.gradcheck(
            lambda *t, lists=lists: radial_sum(*t, lists, profile, SUPPORT, order, waves=waves), leaves
        )


@pytest.mark.parametrize("profile", ["gaussian", "hat", "wendland2"])
def test_the_gradient_of_values_can_be_trained(profile):
    """A network of the values has derivatives by points that are trained in their turn."""
    results = []
    for sums in (
        lambda x, s, w: radial_sum(x, s, w, pairs_of(x, s, profile), profile, SUPPORT)[:, 0],
        lambda x, s, w: reference.radial_sum(x, s, w, profile, SUPPORT)[:, 0],
    ):
        x, shapes, features = (t.requires_grad_() for t in inputs(2))
        slope = torch.autograd.grad(sums(x, shapes, features).tanh().sum(), x, create_graph=True)[0]
        results.append(torch.autograd.grad((slope.square().sum(1) - 1).square().sum(), (x, shapes, features)))
    if profile == "hat":  # whose second derivatives at a point of measure zero are a convention
        results = [r[1:] for r in results]
    for a, b in zip(*results):
        assert_close("gradient", a, b, 1e-9)


@pytest.mark.parametrize("profile", [p for p in PROFILES if p != "hat"])
def test_nothing_jumps_where_a_support_begins(profile):
    """Along a line through ten supports, values, slopes and Laplacians are those of the differences between steps."""
    x = torch.linspace(-0.5, 1.5, 20001, dtype=torch.float64)[:, None] * torch.tensor([[1.0, 0.3]], dtype=torch.float64)
    _, shapes, features = inputs(2, m=10, f=1)
    pairs = pairs_of(x, shapes, profile)
    changes = (pairs.by_query[0].diff().diff() != 0).sum()
    assert changes >= 8
    value, dx, dy, curved = radial_sum(x, shapes, features, pairs, profile, SUPPORT, 2)[:, :, 0].T
    step = x[1] - x[0]
    along = dx * step[0] + dy * step[1]
    assert (value.diff() - (along[1:] + along[:-1]) / 2).abs().max() < 1e-8 * value.abs().max()
    assert curved.diff().abs().max() < 0.02 * curved.abs().max()
    second = torch.zeros_like(curved)
    for k, h in enumerate(1e-5 * torch.eye(2, dtype=torch.float64)):
        ahead, behind = (
            radial_sum(at, shapes, features, pairs_of(at, shapes, profile), profile, SUPPORT, 1)[:, 1 + k, 0]
            for at in (x + h, x - h)
        )
        second += (ahead - behind) / 2e-5
    assert (second - curved).abs().max() < 1e-3 * curved.abs().max()


def brute_force(x, centres, factors, support, hat):
    d = x.shape[1]
    rows, columns = torch.tril_indices(d, d)
    a = factors.new_zeros(len(factors), d, d)
    a[:, rows, columns] = factors
    u = torch.einsum("mkl,nml->nmk", a, x[:, None] - centres)
    return (u.abs().amax(2) < 1) if hat else (u.square().sum(2) < support**2)


@pytest.mark.parametrize("hat", [False, True])
@pytest.mark.parametrize("d", [1, 2, 3])
@pytest.mark.parametrize("name", ["even", "clusters", "one outlier", "a line", "one place", "none", "one"])
def test_pairs_are_those_of_brute_force(name, d, hat):
    g = torch.Generator().manual_seed(3)
    n = {"none": 0, "one": 1}.get(name, 700)
    x = torch.rand(n, d, generator=g, dtype=torch.float64)
    if name == "clusters":
        x = x**8
    elif name == "one outlier":
        x[5] = 1e6
    elif name == "a line":
        x = x[:, :1].expand(-1, d).contiguous()
    elif name == "one place":
        x = x[:1].repeat(n, 1)
    # From kernels over everything to some a thousand times smaller, as long as they are thin, around some points too.
    size = 10 ** (-3 * torch.rand(60, 1, generator=g, dtype=torch.float64))
    factors = torch.randn(60, d * (d + 1) // 2, generator=g, dtype=torch.float64)
    for k in range(d):
        factors[:, k * (k + 3) // 2] = 0.1 + 3 * factors[:, k * (k + 3) // 2].abs()
    factors /= size
    centres = 1.4 * torch.rand(60, d, generator=g, dtype=torch.float64) - 0.2
    if n:
        centres[:30] = x[torch.randint(n, (30,), generator=g)]
    pairs = radial_pairs(x, centres, factors, 1.3, hat)
    inside = brute_force(x, centres, factors, 1.3, hat)
    queries, kernels = pairs.owners()
    assert torch.equal(torch.stack([queries, kernels]).T[torch.argsort(queries * 1000 + kernels)], inside.nonzero())
    offsets, ids = pairs.by_kernel
    owners = torch.arange(60).repeat_interleave(offsets.diff())
    assert torch.equal(torch.stack([owners, ids.long()]).T[torch.argsort(owners * 1000 + ids)], inside.T.nonzero())


def test_results_do_not_depend_on_the_thread_count():
    results = []
    for count in (1, 2):
        with threads(count):
            x, shapes, features = (t.requires_grad_() for t in inputs(2, n=4000, m=300, dtype=torch.float32))
            pairs = pairs_of(x, shapes, "gaussian")
            out = radial_sum(x, shapes, features, pairs, "gaussian", SUPPORT, 2)
            bars = torch.autograd.grad((out**2).sum(), (x, shapes, features))
            results.append([*pairs.lists(), out, *bars])
    assert all(torch.equal(a, b) for a, b in zip(*results))


def test_operators_are_complete():
    x, shapes, features = (t.requires_grad_() for t in inputs(2, n=5, m=4))
    pairs = pairs_of(x, shapes, "bump")
    lists = pairs.lists()
    sines = torch.tensor([1.0, 2.0, 3.0], dtype=torch.float64)
    tail = (1, PROFILES.index("bump"), False, SUPPORT)
    torch.library.opcheck(torch.ops.geokit.radial_sum, (x, shapes, features, sines, lists, *tail))
    bar = torch.randn(5, 9, dtype=torch.float64)
    plain = [t.detach() for t in (x, shapes, features)]
    torch.library.opcheck(torch.ops.geokit.radial_queries_backward, (*plain, sines, bar, lists, *tail))
    for by_shapes in (False, True):
        arguments = (*plain, sines, bar, lists, *tail, by_shapes)
        torch.library.opcheck(torch.ops.geokit.radial_kernels_backward, arguments)
    arguments = (plain[0], plain[1][:, :2].contiguous(), plain[1][:, 2:5].contiguous(), SUPPORT, False, 1 << 20)
    torch.library.opcheck(
        torch.ops.geokit.radial_pairs, arguments, test_utils=("test_schema", "test_autograd_registration")
    )


def test_bad_input_is_told():
    x, shapes, features = inputs(2)
    pairs = pairs_of(x, shapes, "gaussian")
    good = {"x": x, "shapes": shapes, "features": features, "pairs": pairs, "profile": "gaussian", "support": SUPPORT}
    for wrong, words in (
        ({"x": x.float()}, "float"),
        ({"x": torch.rand(3, 4, dtype=torch.float64)}, "1, 2 or 3 coordinates"),
        ({"shapes": shapes[:, :4]}, "shapes must have shape"),
        ({"features": features[:5]}, "features must have shape"),
        ({"profile": "gauss"}, "one of inverse_quadratic"),
        ({"order": 3}, "order must be"),
        ({"profile": "hat", "order": 2}, "hat has neither"),
        ({"x": x[:4]}, "pairs must be those"),
        ({"frequencies": torch.ones(2, dtype=torch.float64)}, "frequencies"),
        ({"waves": True}, "shapes must have shape"),
    ):
        with pytest.raises(InvalidInput, match=words):
            radial_sum(**{**good, **wrong})
    centres, factors = shapes[:, :2], shapes[:, 2:5]
    for arguments, words in (
        ((x * float("nan"), centres, factors, 1.0), "finite"),
        ((x, centres, -factors, 1.0), "positive diagonals"),
        ((x, centres, factors[:, :2], 1.0), "factors must have shape"),
        ((x, centres, factors, 0.0), "support must be"),
        ((x, centres, factors, 9.0, False, 10), "more than 10"),
    ):
        with pytest.raises(InvalidInput, match=words):
            radial_pairs(*arguments)
    assert MOST_PAIRS < 2**31
