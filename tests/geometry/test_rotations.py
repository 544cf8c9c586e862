import math
from itertools import product

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation, Slerp

from geokit.errors import InvalidInput
from geokit.geometry import rotations as r
from tests.reference import projection, scenes
from tests.reference import rotations as slow

QUATS = scenes.normal(scenes.generator(0), 50, 4)
EYE = torch.eye(3, dtype=torch.float64)
CLOSE = {"rtol": 0, "atol": 1e-13}
ANGLES = (0.0, 1e-300, 1e-160, 1e-12, 1e-7, 1e-3, 0.19, 0.21, 0.7, 1.5, 3.0, math.pi - 1e-3, math.pi - 1e-7, math.pi)

vectors = st.lists(st.floats(-4, 4), min_size=3, max_size=3).map(lambda v: torch.tensor(v, dtype=torch.float64))
directions = vectors.filter(lambda v: float(v.norm()) > 1e-3).map(lambda v: v / v.norm())
angles = st.one_of(st.floats(0, math.pi), st.sampled_from(ANGLES))
turns = st.builds(lambda axis, angle: r.matrix_from_axis_angle(axis * angle), directions, angles)
law = settings(max_examples=60, deadline=None)


def random_turns(count: int, n: int = 3, seed: int = 0) -> torch.Tensor:
    return r.random_rotations(count, n, torch.Generator().manual_seed(seed))


def assert_rotations(matrices: torch.Tensor, atol: float = 1e-13) -> None:
    eye = torch.eye(matrices.shape[-1], dtype=matrices.dtype).expand_as(matrices)
    torch.testing.assert_close(matrices @ matrices.mT, eye, rtol=0, atol=atol)
    torch.testing.assert_close(
        torch.linalg.det(matrices), torch.ones(matrices.shape[:-2]).to(matrices), rtol=0, atol=atol
    )


# Quaternions


def test_agrees_with_the_reference():
    torch.testing.assert_close(r.matrix_from_quaternion(QUATS), projection.rotation_matrices(QUATS))


def test_is_a_rotation_for_quaternions_of_any_length():
    matrices = r.matrix_from_quaternion(QUATS)
    assert_rotations(matrices)
    for factor in (1e-3, -1.0, 40.0):
        torch.testing.assert_close(r.matrix_from_quaternion(factor * QUATS), matrices)
    assert torch.equal(r.matrix_from_quaternion(torch.zeros(4)), torch.eye(3))


def test_turns_about_the_axis_by_the_right_hand():
    angle = 0.7
    for axis in range(3):
        quat = torch.zeros(4, dtype=torch.float64)
        quat[0], quat[1 + axis] = math.cos(angle / 2), math.sin(angle / 2)
        first, second = (axis + 1) % 3, (axis + 2) % 3
        expected = EYE.clone()
        expected[first, first] = expected[second, second] = math.cos(angle)
        expected[second, first], expected[first, second] = math.sin(angle), -math.sin(angle)
        torch.testing.assert_close(r.matrix_from_quaternion(quat), expected)


def test_keeps_the_batch_and_the_dtype_and_has_gradients():
    assert r.matrix_from_quaternion(torch.randn(2, 0, 5, 4)).shape == (2, 0, 5, 3, 3)
    assert r.matrix_from_quaternion(QUATS.float()).dtype == torch.float32
    assert torch.autograd.gradcheck(r.matrix_from_quaternion, QUATS[:3].clone().requires_grad_())


@law
@given(turns, turns, vectors)
def test_quaternions_multiply_invert_and_turn_as_matrices_do(a, b, v):
    p, q = r.quaternion_from_matrix(a), r.quaternion_from_matrix(b)
    torch.testing.assert_close(r.matrix_from_quaternion(r.quaternion_product(p, q)), a @ b, **CLOSE)
    torch.testing.assert_close(r.matrix_from_quaternion(r.quaternion_conjugate(p)), a.mT, **CLOSE)
    torch.testing.assert_close(r.rotate_by_quaternion(p, v), a @ v, **CLOSE)
    torch.testing.assert_close(r.matrix_from_quaternion(-p), a, **CLOSE)


@law
@given(turns)
def test_quaternions_of_matrices_are_unit_in_the_upper_half_and_go_back(a):
    q = r.quaternion_from_matrix(a)
    assert float(q[0]) >= 0
    assert abs(float(q.norm()) - 1) < 1e-14
    torch.testing.assert_close(r.matrix_from_quaternion(q), a, **CLOSE)


def test_quaternion_of_every_half_turn():
    for axis in [v for v in product((-1.0, 0.0, 1.0), repeat=3) if any(v)]:
        axis = torch.tensor(axis, dtype=torch.float64)
        axis = axis / axis.norm()
        q = r.quaternion_from_matrix(2 * torch.outer(axis, axis) - EYE)
        torch.testing.assert_close(q[1:] * (q[1:] @ axis).sign(), axis, **CLOSE)


# Axis and angle


@law
@given(directions, angles)
def test_logarithm_undoes_the_exponential_at_every_angle(axis, angle):
    v = axis * angle
    found = r.axis_angle_from_matrix(r.matrix_from_axis_angle(v))
    if float(found @ v) < 0 and angle > math.pi - 1e-12:
        found = -found  # of half turns both signs are right
    torch.testing.assert_close(found, v, rtol=0, atol=2e-15 if angle < 1e-3 else 1e-14)


@law
@given(turns, directions)
def test_exponential_undoes_the_logarithm_and_moves_with_the_frame(a, axis):
    v = r.axis_angle_from_matrix(a)
    assert float(v.norm()) <= math.pi + 1e-15
    torch.testing.assert_close(r.matrix_from_axis_angle(v), a, **CLOSE)
    frame = r.matrix_from_axis_angle(2 * axis)
    torch.testing.assert_close(r.matrix_from_axis_angle(frame @ v), frame @ a @ frame.mT, **CLOSE)
    torch.testing.assert_close(r.matrix_from_axis_angle(-v), a.mT, **CLOSE)


@law
@given(vectors)
def test_exponential_is_the_matrix_exponential(v):
    expected = slow.exponential(v)
    torch.testing.assert_close(r.matrix_from_axis_angle(v), expected, **CLOSE)
    torch.testing.assert_close(r.matrix_from_quaternion(r.quaternion_from_axis_angle(v)), expected, **CLOSE)
    torch.testing.assert_close(r.vector_from_skew(r.skew_matrix(v)), v)
    if 0.1 < float(v.norm()) < 3:
        torch.testing.assert_close(r.axis_angle_from_matrix(expected), slow.logarithm(expected), rtol=0, atol=1e-11)


@pytest.mark.parametrize("angle", [0.0, 1e-8, 0.69, 0.72, 2.0, 3.1, 6.0])
def test_left_jacobian_is_the_mean_turn_on_the_way(angle):
    v = angle * torch.tensor([2.0, -1.0, 2.0], dtype=torch.float64) / 3
    torch.testing.assert_close(r.left_jacobian(v), slow.jacobian(v), rtol=0, atol=1e-6)


@pytest.mark.parametrize("angle", ANGLES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_derivatives_of_logarithm_and_exponential_are_the_jacobian_and_its_inverse(angle, dtype):
    axis = torch.tensor([2.0, -1.0, 2.0], dtype=torch.float64) / 3
    v = angle * axis
    exact = r.left_jacobian(v)
    derivative = torch.autograd.functional.jacobian(r.matrix_from_axis_angle, v.to(dtype)).double()
    turned = r.matrix_from_axis_angle(v)
    found = r.vector_from_skew(derivative.permute(2, 0, 1) @ turned.mT).mT
    precision = 1e-5 if dtype == torch.float32 else 1e-13
    torch.testing.assert_close(found, exact, rtol=0, atol=precision)

    def logarithm(step):
        return r.axis_angle_from_matrix(r.matrix_from_axis_angle(step) @ turned.to(dtype))

    start = torch.zeros(3, dtype=dtype)
    found = torch.autograd.functional.jacobian(logarithm, start).double()
    exact = r.left_jacobian(logarithm(start).double()).inverse()
    torch.testing.assert_close(found, exact, rtol=0, atol=10 * precision)


@pytest.mark.parametrize("angle", [0.0, 1e-7, 0.2, 2.0, math.pi - 1e-4])
def test_gradients_by_differences(angle):
    v = (angle * torch.tensor([[0.6, 0.0, -0.8], [0.0, 1.0, 0.0]], dtype=torch.float64)).requires_grad_()
    assert torch.autograd.gradcheck(r.matrix_from_axis_angle, v)
    assert torch.autograd.gradcheck(r.quaternion_from_axis_angle, v)
    assert torch.autograd.gradcheck(r.left_jacobian, v)
    assert torch.autograd.gradcheck(lambda v: r.axis_angle_from_matrix(r.matrix_from_axis_angle(v)), v)
    assert torch.autograd.gradgradcheck(r.matrix_from_axis_angle, v)


# Euler angles


@pytest.mark.parametrize("convention", r.CONVENTIONS)
def test_euler_angles_agree_with_scipy(convention):
    given_angles = scenes.normal(scenes.generator(1), 40, 3)
    expected = Rotation.from_euler(convention, given_angles.numpy()).as_matrix()
    matrices = r.matrix_from_euler(given_angles, convention)
    np.testing.assert_allclose(matrices, expected, atol=1e-14)
    np.testing.assert_allclose(
        r.euler_from_matrix(matrices, convention), Rotation.from_matrix(expected).as_euler(convention), atol=1e-10
    )


@pytest.mark.parametrize("convention", r.CONVENTIONS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_euler_angles_in_gimbal_lock_and_near_it(convention, dtype):
    same = convention[0] == convention[2]
    for locked in (0.0, math.pi) if same else (-math.pi / 2, math.pi / 2):
        for off in (0.0, 1e-9, -1e-7, 1e-4):
            start = torch.tensor([0.4, locked + off, -1.1], dtype=dtype)
            matrix = r.matrix_from_euler(start, convention).requires_grad_()
            found = r.euler_from_matrix(matrix, convention)
            again = r.matrix_from_euler(found, convention)
            torch.testing.assert_close(again, matrix, rtol=0, atol=2e-6 if dtype == torch.float32 else 1e-13)
            found.square().sum().backward()
            assert bool(torch.isfinite(matrix.grad).all())
            if off == 0:
                assert float(found[2].detach()) == 0


def test_euler_gradients():
    start = torch.tensor([[0.3, 0.9, -0.7], [2.0, 1.1, -2.5]], dtype=torch.float64, requires_grad=True)
    for convention in ("xyz", "ZYX", "zxz", "YZY"):
        assert torch.autograd.gradcheck(lambda a, c=convention: r.matrix_from_euler(a, c), start)
        assert torch.autograd.gradcheck(
            lambda a, c=convention: r.euler_from_matrix(r.matrix_from_euler(a, c), c), start
        )


# Continuous representations


@pytest.mark.parametrize("n", [2, 3, 4, 6])
def test_gram_schmidt_agrees_with_its_definition(n):
    columns = scenes.normal(scenes.generator(n), 10, n, n - 1)
    found = r.gram_schmidt(columns)
    assert_rotations(found)
    torch.testing.assert_close(found, torch.stack([slow.gram_schmidt(c) for c in columns]), **CLOSE)
    torch.testing.assert_close(r.gram_schmidt(found[..., : n - 1]), found, **CLOSE)
    assert torch.autograd.gradcheck(r.gram_schmidt, columns[:2].clone().requires_grad_())
    # At the identity minors of the matrix are singular.
    assert torch.autograd.gradcheck(r.gram_schmidt, torch.eye(n).double()[:, : n - 1].clone().requires_grad_())


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("n", [2, 3, 4])
def test_gram_schmidt_makes_a_rotation_of_anything(n, dtype):
    scales = (0.0, 1e-25, 1e-12, 1.0, 1e12)
    for scale, dependent in product(scales, (False, True)):
        columns = scale * scenes.normal(scenes.generator(n), n, n - 1).to(dtype)
        if dependent and n > 2:
            columns[:, 1] = 3 * columns[:, 0]
        columns.requires_grad_()
        found = r.gram_schmidt(columns)
        assert_rotations(found.detach(), 1e-5 if dtype == torch.float32 else 1e-13)
        (found * scenes.normal(scenes.generator(9), n, n).to(dtype)).sum().backward()
        assert bool(torch.isfinite(columns.grad).all()), (scale, dependent)
    nearly = torch.tensor([[1.0, 1.0], [1e-4, 1e-4 + 1e-9], [0.0, 1e-9]], dtype=dtype)
    assert_rotations(r.gram_schmidt(nearly), 1e-6 if dtype == torch.float32 else 1e-14)


def test_projection_and_unprojection_agree_with_the_paper():
    points = scenes.normal(scenes.generator(3), 20, 4)
    torch.testing.assert_close(r.normalized_projection(points), torch.stack([slow.projection(p) for p in points]))
    torch.testing.assert_close(
        r.stereographic_unprojection(points), torch.stack([slow.unprojection(p) for p in points])
    )
    points[:, 1:] /= points[:, 1:].norm(dim=-1, keepdim=True)
    torch.testing.assert_close(r.stereographic_unprojection(r.normalized_projection(points)), points)


@pytest.mark.parametrize(("n", "projections"), [(n, k) for n in (3, 4, 5) for k in range(1, n - 1)])
def test_reduced_representations_go_there_and_back(n, projections):
    turned = random_turns(20, n)
    short = r.reduced_from_matrix(turned, projections)
    assert short.shape == (20, n * n - n - projections)
    torch.testing.assert_close(r.matrix_from_reduced(short, n, projections), turned, rtol=0, atol=1e-12)
    free = scenes.normal(scenes.generator(n), *short.shape)
    assert_rotations(r.matrix_from_reduced(free, n, projections))
    inputs = free[:2].clone().requires_grad_()
    assert torch.autograd.gradcheck(lambda v: r.matrix_from_reduced(v, n, projections), inputs)
    degenerate = torch.zeros(short.shape[-1], dtype=torch.float64, requires_grad=True)
    matrix = r.matrix_from_reduced(degenerate, n, projections)
    assert_rotations(matrix.detach())
    assert bool(torch.isfinite(torch.autograd.grad(matrix.sum(), degenerate)[0]).all())


def test_six_and_five_numbers_are_the_paper_s():
    turned = random_turns(20)
    six = r.rotation_6d_from_matrix(turned)
    assert torch.equal(six, torch.cat([turned[..., 0], turned[..., 1]], dim=-1))
    torch.testing.assert_close(r.matrix_from_rotation_6d(six * 3), turned, **CLOSE)
    five = r.rotation_5d_from_matrix(turned)
    expected = torch.stack([torch.cat([g[:2], slow.projection(g[2:])]) for g in six])
    torch.testing.assert_close(five, expected, rtol=1e-11, atol=1e-13)
    torch.testing.assert_close(r.matrix_from_rotation_5d(five), turned, rtol=0, atol=1e-12)


def test_six_numbers_stay_near_where_angles_and_quaternions_jump():
    axis = torch.tensor([0.0, 0.0, 1.0], dtype=torch.float64)
    before, after = (r.matrix_from_axis_angle(axis * (math.pi + d)) for d in (-1e-6, 1e-6))
    for near in (r.rotation_6d_from_matrix, r.rotation_5d_from_matrix):
        assert float((near(before) - near(after)).norm()) < 1e-5
    for jumps in (r.axis_angle_from_matrix, r.quaternion_from_matrix):
        assert float((jumps(before) - jumps(after)).norm()) > 1


# The nearest rotation


@pytest.mark.parametrize("n", [1, 2, 3, 5])
def test_nearest_rotation_agrees_with_the_svd_and_is_nearest(n):
    matrices = scenes.normal(scenes.generator(n), 30, n, n)
    found = r.nearest_rotation(matrices)
    assert_rotations(found)
    torch.testing.assert_close(found, torch.stack([slow.procrustes(m) for m in matrices]), **CLOSE)
    others = random_turns(200, n, 5)
    distance = (found - matrices).norm(dim=(-1, -2))
    assert bool(((others[:, None] - matrices).norm(dim=(-1, -2)) >= distance - 1e-12).all())
    torch.testing.assert_close(r.nearest_rotation(7 * found), found, **CLOSE)


@pytest.mark.parametrize(
    "values", [(3.0, 2.0, 1.0), (1.0, 1.0, 1.0), (2.0, 2.0, 1.0), (2.0, 1.0, 1.0), (2.0, 1.0, 0.0)]
)
@pytest.mark.parametrize("reflected", [False, True])
def test_gradients_of_the_nearest_rotation_at_repeated_singular_values(values, reflected):
    u, v = random_turns(2)
    signs = torch.tensor([1.0, 1.0, -1.0 if reflected else 1.0], dtype=torch.float64)
    matrix = (u @ torch.diag(torch.tensor(values, dtype=torch.float64) * signs) @ v).requires_grad_()
    if reflected and values[1] == values[2]:
        gradient = torch.autograd.grad(r.nearest_rotation(matrix).sum(), matrix)[0]
        assert bool(torch.isfinite(gradient).all())
        assert float(gradient.norm()) < 10
        return
    assert torch.autograd.gradcheck(r.nearest_rotation, matrix)
    assert torch.autograd.gradgradcheck(r.nearest_rotation, matrix)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_nearest_rotation_of_degenerate_matrices(dtype):
    ones = torch.ones(3, 3, dtype=dtype)
    for matrix in (
        0 * ones,
        ones,
        torch.diag(ones[0] * torch.tensor([1, 1, -1])),
        1e-30 * torch.eye(3).to(dtype),
        1e30 * ones,
    ):
        matrix = matrix.clone().requires_grad_()
        found = r.nearest_rotation(matrix)
        assert_rotations(found.detach(), 1e-5)
        found[0].sum().backward()
        assert bool(torch.isfinite(matrix.grad).all())
    assert r.nearest_rotation(torch.zeros(0, 3, 3)).shape == (0, 3, 3)


def test_nearest_rotation_under_function_transforms():
    matrices = scenes.normal(scenes.generator(2), 4, 3, 3)
    mapped = torch.func.vmap(torch.func.jacrev(r.nearest_rotation))(matrices)
    one = torch.autograd.functional.jacobian(r.nearest_rotation, matrices[1])
    torch.testing.assert_close(mapped[1], one)


# Distances, paths, samples


@law
@given(turns, turns, directions, angles)
def test_geodesic_distance_is_the_angle_and_invariant(a, b, axis, angle):
    turned = a @ r.matrix_from_axis_angle(axis * angle)
    distance = r.geodesic_distance(a, turned)
    assert abs(float(distance) - angle) < 3e-15 + 1e-15 * angle
    torch.testing.assert_close(r.geodesic_distance(turned, a), distance, **CLOSE)
    torch.testing.assert_close(r.geodesic_distance(b @ a, b @ turned), distance, **CLOSE)
    torch.testing.assert_close(r.geodesic_distance(a @ b, turned @ b), distance, **CLOSE)
    assert float(r.geodesic_distance(a, b)) <= float(distance + r.geodesic_distance(turned, b)) + 1e-14


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("angle", [0.0, 1e-30, 1e-7, 1e-3, 1.0, 3.0, math.pi - 1e-3, math.pi - 1e-7, math.pi])
def test_gradient_of_the_distance_has_length_one_and_no_nan(angle, dtype):
    axis = torch.tensor([0.6, 0.0, 0.8], dtype=dtype)
    v = (axis * angle).requires_grad_()
    gradient = torch.autograd.grad(r.rotation_angle(r.matrix_from_axis_angle(v)), v)[0]
    assert bool(torch.isfinite(gradient).all())
    if angle > 1e-30:
        torch.testing.assert_close(gradient.abs(), axis, rtol=0, atol=1e-5 if dtype == torch.float32 else 1e-8)
    elif not angle:
        assert not gradient.any()


def test_slerp_agrees_with_scipy_and_has_gradients_where_ends_meet():
    p, q = torch.nn.functional.normalize(QUATS[:2], dim=-1)
    t = torch.linspace(0, 1, 11, dtype=torch.float64)
    ends = Rotation.from_quat(torch.stack([p, q]).numpy()[:, [1, 2, 3, 0]])
    expected = torch.from_numpy(Slerp([0, 1], ends)(t.numpy()).as_matrix())
    for other in (q, -q):
        torch.testing.assert_close(r.matrix_from_quaternion(r.slerp(p, other, t)), expected, rtol=0, atol=1e-12)
    assert torch.autograd.gradcheck(lambda q: r.slerp(p, q, t), q.clone().requires_grad_())
    assert torch.autograd.gradcheck(lambda q: r.slerp(p, q, 0.3), p.clone().requires_grad_())
    torch.testing.assert_close(r.slerp(p, p, 0.5), p)


@pytest.mark.parametrize("n", [1, 2, 3, 4])
def test_samples_are_rotations_uniform_and_repeatable(n):
    sample = random_turns(20_000, n)
    assert_rotations(sample)
    assert torch.equal(sample, random_turns(20_000, n))
    assert r.random_rotations((2, 3), n, dtype=torch.float32).shape == (2, 3, n, n)
    if n > 2:
        # Entries have mean 0 and variance 1 / n; the fixed turn of a uniform sample is as uniform.
        assert float(sample.mean(0).abs().max()) < 0.02
        torch.testing.assert_close(sample.square().mean(0), torch.full((n, n), 1 / n).double(), rtol=0, atol=0.01)
    if n == 3:
        # The angle's density is (1 - cos a) / pi.
        angle = r.rotation_angle(sample)
        for bound in (0.5, 1.5, 2.5):
            share = float((angle < bound).double().mean())
            assert abs(share - (bound - math.sin(bound)) / math.pi) < 0.012


# Everything


@pytest.mark.parametrize(
    ("name", "tail"),
    [
        ("matrix_from_quaternion", (4,)), ("quaternion_from_matrix", (3, 3)), ("quaternion_conjugate", (4,)),
        ("quaternion_from_axis_angle", (3,)), ("matrix_from_axis_angle", (3,)), ("axis_angle_from_quaternion", (4,)),
        ("axis_angle_from_matrix", (3, 3)), ("skew_matrix", (3,)),
        ("vector_from_skew", (3, 3)), ("left_jacobian", (3,)),
        ("matrix_from_rotation_6d", (6,)), ("rotation_6d_from_matrix", (3, 3)), ("matrix_from_rotation_5d", (5,)),
        ("rotation_5d_from_matrix", (3, 3)), ("nearest_rotation", (3, 3)), ("rotation_angle", (3, 3)),
        ("gram_schmidt", (3, 2)),
    ],
)  # fmt: skip
def test_batches_dtypes_and_wrong_arguments(name, tail):
    function = getattr(r, name)
    for dtype in (torch.float32, torch.float64):
        values = torch.rand(2, 5, *tail, dtype=dtype)
        found = function(values)
        assert found.dtype == dtype
        assert found.shape[:2] == (2, 5)
        torch.testing.assert_close(function(values[1, 2]), found[1, 2])
        assert function(values[:0]).shape == (0, *found.shape[1:])
    with pytest.raises(InvalidInput, match="must have shape"):
        function(torch.zeros(2, *tail[:-1], tail[-1] + 1))
    with pytest.raises(InvalidInput, match="must be float32 or float64"):
        function(torch.zeros(*tail, dtype=torch.int64))
    with pytest.raises(InvalidInput, match="must be a tensor"):
        function([1.0])


def test_wrong_options():
    with pytest.raises(InvalidInput, match="an Euler convention is three axes"):
        r.matrix_from_euler(torch.zeros(3), "xxy")
    with pytest.raises(InvalidInput, match="an Euler convention is three axes"):
        r.euler_from_matrix(torch.eye(3), "Xyz")
    with pytest.raises(InvalidInput, match="between 1 and n - 2"):
        r.matrix_from_reduced(torch.zeros(4), 3, 2)
    with pytest.raises(InvalidInput, match="at least one dimension"):
        r.random_rotations(3, 0)
    with pytest.raises(InvalidInput, match=r"\(\.\.\., n, n - 1\)"):
        r.gram_schmidt(torch.zeros(3, 3))
