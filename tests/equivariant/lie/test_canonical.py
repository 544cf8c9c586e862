"""Canonical frames: they move with what they belong to, whatever the group; flat clouds, weights, gradients."""

import pytest
import torch

from geokit.equivariant.lie import CSO, SE, SL, SO, Affine, GLPlus, canonical_points, polar
from geokit.equivariant.lie.canonical import changes_size, frames, moments
from geokit.errors import InvalidInput

GROUPS = [kind(n) for n in (2, 3) for kind in (GLPlus, SL, CSO, SO)]
UNIT = 1.7


def cloud(n, count=30, seed=0, batch=4):
    generator = torch.Generator().manual_seed(seed)
    points = torch.randn(batch, count, n, generator=generator, dtype=torch.float64).exp()
    return points, torch.rand(batch, count, generator=generator, dtype=torch.float64)


def moved(group, points, seed=0):
    generator = torch.Generator().manual_seed(seed)
    a = group.sample(len(points), spread=0.4, generator=generator)
    b = torch.randn(len(points), group.n, generator=generator, dtype=torch.float64)
    return a, b, points @ a.mT + b[:, None]


def frames_of(group, points, weights):
    return frames(*moments(points, weights), group, UNIT)


def test_moments_are_those_of_the_definition():
    points, weights = cloud(3)
    mean, covariance = moments(points, weights)
    for i in range(4):
        total = float(weights[i].sum())
        wanted = sum(w * p for w, p in zip(weights[i], points[i])) / total
        spread = sum(w * torch.outer(p - wanted, p - wanted) for w, p in zip(weights[i], points[i])) / total
        assert torch.allclose(mean[i], wanted)
        assert torch.allclose(covariance[i], spread)
    shared = moments(points[0], weights)
    assert torch.allclose(shared[1][2], moments(points[:1], weights[2:3])[1][0])


@pytest.mark.parametrize("group", GROUPS, ids=repr)
@pytest.mark.parametrize("seed", range(3))
def test_frames_move_with_the_points(group, seed):
    """mean' = A mean + b and matrix' = A matrix k^-1, with k a rotation."""
    points, weights = cloud(group.n, seed=seed)
    a, b, after = moved(group, points, seed)
    first, second = frames_of(group, points, weights), frames_of(group, after, weights)
    assert torch.allclose(second.mean, (a @ first.mean[..., None])[..., 0] + b, atol=1e-11)
    assert torch.allclose(second.matrix @ second.inverse, torch.eye(group.n).double().expand_as(a), atol=1e-12)
    k = second.inverse @ a @ first.matrix
    SO(group.n).check(k, tolerance=1e-9)
    assert torch.allclose(polar(a @ first.matrix)[1], k, atol=1e-9)
    determinants = torch.linalg.det(second.matrix) / torch.linalg.det(first.matrix)
    scaled = torch.linalg.det(a) if changes_size(group) else torch.ones(4, dtype=torch.float64)
    assert torch.allclose(determinants, scaled)
    if not changes_size(group):
        assert torch.allclose(torch.linalg.det(first.matrix), torch.tensor(UNIT).double() ** group.n)


@pytest.mark.parametrize("group", GROUPS, ids=repr)
@pytest.mark.parametrize("seed", range(3))
def test_canonical_points_of_moved_clouds_differ_by_a_rotation(group, seed):
    points, weights = cloud(group.n, seed=seed)
    _, _, after = moved(group, points, seed)
    first, second = (canonical_points(p, group, weights, UNIT) for p in (points, after))
    # The rotation that carries the first to the second, from all points; then nothing is left.
    turn = polar(second.mT @ (weights[..., None] * first))[1]
    SO(group.n).check(turn, tolerance=1e-9)
    assert torch.allclose(second, first @ turn.mT, atol=1e-9)
    assert float(moments(second, weights)[0].abs().max()) < 1e-10
    if group == GLPlus(group.n):
        identity = torch.eye(group.n, dtype=torch.float64).expand(4, -1, -1)
        assert torch.allclose(moments(second, weights)[1], identity, atol=1e-9)
    if group == SO(group.n):
        assert torch.allclose(first * UNIT, points - moments(points, weights)[0][:, None])


def test_points_without_weight_do_not_count():
    points, weights = cloud(3)
    weights[:, 20:] = 0
    padded = points.clone()
    padded[:, 20:] = 99.0
    for group in (GLPlus(3), SL(3)):
        got = canonical_points(padded, group, weights)[:, :20]
        assert torch.allclose(got, canonical_points(points, group, weights)[:, :20])
    equal = canonical_points(points, GLPlus(3))
    assert torch.allclose(canonical_points(points, GLPlus(3), torch.full((4, 30), 2.5).double()), equal)
    # Without any weight every point counts.
    assert torch.allclose(canonical_points(points, GLPlus(3), torch.zeros(4, 30).double()), equal)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_empty_batches_and_dtypes(dtype):
    for group in (GLPlus(3), SO(3)):
        assert canonical_points(torch.zeros(0, 5, 3, dtype=dtype), group).shape == (0, 5, 3)
    points = cloud(3)[0].to(dtype)
    got = canonical_points(points, GLPlus(3))
    assert got.dtype == dtype
    assert torch.allclose(got.double(), canonical_points(points.double(), GLPlus(3)), atol=1e-4)


@pytest.mark.parametrize("n", [2, 3])
def test_flat_clouds_are_refused(n):
    points, _ = cloud(n)
    points[2, :, -1] = 0.3 * points[2, :, 0] + 2
    for group in (GLPlus(n), SL(n)):
        with pytest.raises(InvalidInput, match=rf"cloud 2 is flat .* use SO\({n}\)"):
            canonical_points(points, group)
    assert bool(canonical_points(points, SO(n)).isfinite().all())
    single = torch.zeros(1, 1, n, dtype=torch.float64)
    with pytest.raises(InvalidInput, match="cloud 0 is flat"):
        canonical_points(single, GLPlus(n))


def test_groups_that_cannot_be():
    points, _ = cloud(2)
    for group in (GLPlus(3), Affine(GLPlus(2)), SE(2)):
        with pytest.raises(InvalidInput, match=r"a linear group that acts on R\^2 is needed"):
            canonical_points(points, group)
    with pytest.raises(InvalidInput, match="unit of canonical coordinates must be positive, got 0"):
        canonical_points(points, SL(2), unit=0.0)


@pytest.mark.parametrize("group", [GLPlus(2), SO(2)], ids=repr)
def test_wrong_points_and_weights(group):
    points, weights = cloud(2)
    broken = points.clone()
    broken[1, 2, 0] = torch.nan
    for bad, of, message in [
        (broken, None, "points must be finite"),
        ((10 * points).long(), None, "points must be float32 or float64, got int64"),
        (points[0], None, r"points must have shape \(B, N, n\), got \(30, 2\)"),
        (points[:, :0], None, r"a cloud without points has no canonical frame, got shape \(4, 0, 2\)"),
        (points, weights.float(), "weights must be float64, got float32"),
        (points, weights[:, :5], r"weights must have shape \(4, 30\), got \(4, 5\)"),
        (points, weights / 0, "weights must be finite"),
        (points, weights - 0.5, "weights of points must not be negative"),
    ]:
        with pytest.raises(InvalidInput, match=message):
            canonical_points(bad, group, of)


@pytest.mark.parametrize("group", [GLPlus(2), GLPlus(3), SL(3), CSO(2), SO(3)], ids=repr)
def test_gradients(group):
    points, weights = cloud(group.n, count=5, batch=2)

    def function(points, weights):
        return canonical_points(points, group, weights, UNIT)

    assert torch.autograd.gradcheck(function, (points.requires_grad_(), (weights + 0.1).requires_grad_()))


def test_gradients_are_finite_where_spreads_are_equal():
    corners = torch.tensor([[[1.0, 0], [0, 1], [-1, 0], [0, -1]]], dtype=torch.float64).requires_grad_()
    canonical_points(corners, GLPlus(2))[0, 0, 0].backward()
    assert bool(corners.grad.isfinite().all())
