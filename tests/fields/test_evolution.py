"""Shapes that move: spheres by their curvature, any by a flow, against what is known in closed form."""

import math

import pytest
import torch
from torch import Tensor

from geokit.errors import InvalidInput, NumericalFailure
from geokit.fields import EvolvedField, Field, GaussianField, evolve
from geokit.fields.curvature_grid import curvature_speed, curvature_steps
from geokit.fields.spline_grid import spline_coefficients, spline_values
from geokit.geometry.mesh import Mesh

CENTRE = [0.1, -0.05, 0.0]
BOX = [[-1.0] * 2, [1.0] * 2]


def ball(x: Tensor) -> Tensor:
    """The distance to a sphere of radius 0.6."""
    return (x - torch.tensor(CENTRE[: x.shape[1]]).to(x)).norm(dim=1) - 0.6


def on_sphere(d: int, radius: float) -> Tensor:
    rays = torch.randn(200, d, dtype=torch.float64, generator=torch.Generator().manual_seed(d))
    return torch.tensor(CENTRE[:d], dtype=torch.float64) + radius * rays / rays.norm(dim=1, keepdim=True)


@pytest.mark.parametrize(("d", "resolution", "error"), [(2, 64, 1e-4), (3, 32, 1e-3)])
def test_spheres_shrink_by_their_curvature(d: int, resolution: int, error: float) -> None:
    time = 0.1 / (d - 1)
    field = evolve(ball, "mean curvature", time, [[-1.0] * d, [1.0] * d], resolution)
    for t in (0.0, 0.01 * time, 0.3 * time, time):
        radius = math.sqrt(0.36 - 2 * (d - 1) * t)
        assert float(field.at(on_sphere(d, radius), t).abs().max()) < error
    # Of the exact field sqrt(r^2 + 2 (d - 1) t) - R_0.
    x = torch.cat([on_sphere(d, 0.55), torch.full((200, 1), 0.6 * time)], 1).double()
    gradient = field.gradient(x)[:, 0]
    length = math.sqrt(0.55**2 + 2 * (d - 1) * 0.6 * time)
    away = x[:, :d] - torch.tensor(CENTRE[:d], dtype=torch.float64)
    torch.testing.assert_close(gradient[:, :d], away / length, rtol=0, atol=20 * error)
    torch.testing.assert_close(gradient[:, d], torch.full_like(x[:, 0], (d - 1) / length), rtol=0, atol=100 * error)


def test_curvature_speed_converges() -> None:
    errors = []
    for n in (33, 65):
        axis = torch.linspace(-1, 1, n, dtype=torch.float64)
        x, y = torch.meshgrid(axis, axis, indexing="ij")
        f = (1.3 * x + 0.5 * y).sin() + 2 * y + x
        a, b = 1.3 * (1.3 * x + 0.5 * y).cos() + 1, 0.5 * (1.3 * x + 0.5 * y).cos() + 2
        s = -(1.3 * x + 0.5 * y).sin()
        exact = s * (1.3**2 * b**2 - 2 * 1.3 * 0.5 * a * b + 0.5**2 * a**2) / (a**2 + b**2)
        inside = (slice(4, -4), slice(4, -4))
        errors.append(float((curvature_speed(f, 2 / (n - 1)) - exact)[inside].abs().max()))
    assert errors[1] < errors[0] / 12


def test_flat_fields_stay() -> None:
    f = torch.full((9, 9, 9), 2.5, dtype=torch.float64)
    for values, rates in curvature_steps(f, 0.1, [0.1, 0.3]):
        torch.testing.assert_close(values, f)
        torch.testing.assert_close(rates, torch.zeros_like(f))


def test_steps_of_any_length_agree() -> None:
    axis = torch.linspace(-1, 1, 65, dtype=torch.float64)
    x, y = torch.meshgrid(axis, axis, indexing="ij")
    f = (x**2 + 2 * y**2 + 0.1).sqrt() - 0.7
    (whole, _), *_ = curvature_steps(f, 1 / 32, [0.06])
    *_, (parts, _) = curvature_steps(f, 1 / 32, [0.06 * k / 60 for k in range(1, 61)])
    assert float((whole - parts)[parts.abs() < 0.1].abs().max()) < 2e-4


def test_splines_hold_samples_and_cubics() -> None:
    axis = torch.arange(12, dtype=torch.float64)
    samples = torch.stack([(axis[:, None] / 3).sin() * (axis / 4).cos(), axis[:, None] + 0 * axis])
    coefficients = torch.stack([spline_coefficients(sample) for sample in samples])
    places = torch.cartesian_prod(axis, axis)
    torch.testing.assert_close(spline_values(coefficients, places), samples.flatten(1))
    inside = (3 + 5 * torch.rand(20, 2, dtype=torch.float64)).requires_grad_()
    found = spline_values(coefficients, inside)
    exact = (inside[:, 0] / 3).sin() * (inside[:, 1] / 4).cos()
    torch.testing.assert_close(found[0], exact, rtol=0, atol=1e-3)
    slope = torch.autograd.grad(found[1].sum(), inside)[0]
    torch.testing.assert_close(slope[:, 0], torch.ones(20, dtype=torch.float64), rtol=0, atol=0.05)
    assert torch.autograd.gradcheck(lambda p: spline_values(coefficients, p), (inside,))
    outside = torch.tensor([[-2.0, 3.0], [40.0, 3.0]], dtype=torch.float64)
    torch.testing.assert_close(spline_values(coefficients, outside)[1], torch.tensor([0.0, 11.0], dtype=torch.float64))


@pytest.mark.parametrize("d", [2, 3])
def test_translations_are_exact(d: int) -> None:
    shift = torch.tensor([0.3, -0.1, 0.2][:d], dtype=torch.float64)
    field = evolve(ball, lambda x, t: shift.expand_as(x), 2.0, [[-1.0] * d, [1.0] * d])
    x = on_sphere(d, 0.8)
    torch.testing.assert_close(field.at(x, 1.5), ball(x - 1.5 * shift))


def spin(x: Tensor, t: Tensor) -> Tensor:
    """A rotation by t radians per time at time t."""
    return t[:, None] * torch.stack([-x[:, 1], x[:, 0]], 1)


def test_rotations_that_grow_faster() -> None:
    field = evolve(ball, spin, 2.0, BOX, tolerance=1e-8)
    x = on_sphere(2, 0.7)
    angle = -(1.2**2) / 2
    turn = torch.tensor([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]], dtype=torch.float64)
    torch.testing.assert_close(field.at(x, 1.2), ball(x @ turn.T), rtol=0, atol=1e-7)
    # f_t = -V . grad f
    places = torch.cat([x, torch.full((200, 1), 0.9, dtype=torch.float64)], 1)
    gradient = field.gradient(places)[:, 0]
    along = (spin(x, places[:, 2]) * gradient[:, :2]).sum(1)
    torch.testing.assert_close(gradient[:, 2], -along, rtol=0, atol=1e-5)


def vortex(x: Tensor, t: Tensor) -> Tensor:
    """A vortex in the unit square that turns back after t = 1 (LeVeque 1996)."""
    a, b = (math.pi * x).T
    strength = (math.pi * t / 2).cos()
    return torch.stack([-strength * a.sin() ** 2 * (2 * b).sin(), strength * b.sin() ** 2 * (2 * a).sin()], 1)


def test_a_vortex_there_and_back() -> None:
    def disc(x: Tensor) -> Tensor:
        return (x - torch.tensor([0.5, 0.75]).to(x)).norm(dim=1) - 0.15

    field = evolve(disc, vortex, 2.0, [[0.0, 0.0], [1.0, 1.0]])
    axis = (torch.arange(200, dtype=torch.float64) + 0.5) / 200
    x = torch.cartesian_prod(axis, axis)
    assert float((field.at(x, 2.0) - disc(x)).abs().max()) < 1e-4
    middle = field.at(x, 1.0)
    assert float(((middle < 0) != (disc(x) < 0)).double().mean()) > 0.03
    assert float((middle < 0).double().mean()) == pytest.approx(math.pi * 0.15**2, rel=1e-2)


def cube() -> Mesh:
    corners = torch.cartesian_prod(*[torch.tensor([-0.5, 0.5])] * 3)
    quads = [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)]
    faces = [f for a, b, c, d in quads for f in ((a, b, c), (a, c, d))]
    return Mesh(corners, torch.tensor(faces))


def volume(mesh: Mesh) -> float:
    a, b, c = mesh.corners.double().unbind(1)
    return float((a * torch.linalg.cross(b, c)).sum() / 6)


def test_meshes_flow() -> None:
    field = evolve(cube(), lambda x, t: -x / 2, 1.0)
    assert isinstance(field, EvolvedField)
    moved = field.mesh(1.0, 40)
    assert volume(moved) == pytest.approx(math.exp(-1.5), rel=2e-2)
    assert abs(volume(cube())) == pytest.approx(1.0)
    x = torch.tensor([[0.0, 0.0, 0.6]])
    grown = math.exp(0.5)
    assert float(field.at(x, 1.0)) == pytest.approx(0.6 * grown - 0.5, abs=1e-4)


def test_corners_round_off() -> None:
    field = evolve(cube(), "mean curvature", 0.02, resolution=32)
    start, end = field.mesh(0.0, 32), field.mesh(0.02, 32)
    assert volume(start) == pytest.approx(1.0, rel=2e-2)
    assert 0.6 < volume(end) < 0.95
    far = [float(mesh.vertices.norm(dim=1).max()) for mesh in (start, end)]
    assert far[1] < far[0] - 0.1
    assert float(end.vertices.abs().max()) == pytest.approx(0.5, abs=0.02)


def test_fields_flow() -> None:
    start = GaussianField([[-1.0, -1.0], [1.0, 1.0]], 1)
    with torch.no_grad():
        start.features.fill_(1.0)
    field = evolve(start, lambda x, t: torch.ones_like(x), 0.5)
    x = torch.rand(9, 2, dtype=torch.float64)
    torch.testing.assert_close(field.at(x, 0.25), start(x - 0.25)[:, 0].detach())


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"time": -1.0}, InvalidInput, "time must be positive"),
        ({"time": math.nan}, InvalidInput, "time must be positive"),
        ({"velocity": lambda x, t: t}, InvalidInput, r"velocity must give a tensor \(256, 2\)"),
        ({"velocity": lambda x, t: x / 0}, InvalidInput, "velocity must be finite"),
        ({"velocity": "mean"}, InvalidInput, 'or "mean curvature"'),
        ({"velocity": lambda x, t: 1e6 * (1e4 * x.flip(1)).sin()}, NumericalFailure, "paths of the flow"),
        ({"bounds": None}, InvalidInput, "needs bounds"),
        ({"bounds": [[0.0, 0.0], [1.0, -1.0]]}, InvalidInput, "extent along each"),
        ({"bounds": [[0.0], [1.0, -1.0]]}, InvalidInput, "two corners"),
        ({"bounds": [[0.0] * 4, [1.0] * 4]}, InvalidInput, "extent along each of 2 or 3"),
        ({"resolution": 4, "velocity": "mean curvature"}, InvalidInput, "resolution must be at least 8"),
        ({"resolution": 10**5, "velocity": "mean curvature"}, InvalidInput, "resolution must be"),
        ({"tolerance": 0.0}, InvalidInput, "tolerance must be"),
        ({"shape": lambda x: x, "velocity": "mean curvature"}, InvalidInput, "the shape's values must have shape"),
        ({"shape": lambda x: x[:, 0] / 0, "velocity": "mean curvature"}, InvalidInput, "must be finite"),
        ({"shape": 3}, InvalidInput, "a shape is a Field, a Mesh or a function"),
        (
            {"shape": Mesh(torch.zeros(0, 3), torch.zeros(0, 3, dtype=torch.int64)), "bounds": None},
            InvalidInput,
            "faces",
        ),
    ],
)
def test_what_cannot_be(options: dict[str, object], error: type[Exception], words: str) -> None:
    arguments = {"shape": ball, "velocity": spin, "time": 1.0, "bounds": BOX} | options
    with pytest.raises(error, match=words):
        evolve(**arguments)


def test_questions_that_cannot_be() -> None:
    field = evolve(ball, spin, 1.0, BOX)
    with pytest.raises(InvalidInput, match="from time 0 to 1, got times 2"):
        field.at(torch.zeros(3, 2, dtype=torch.float64), 2.0)
    with pytest.raises(InvalidInput, match="a mesh has 3 dimensions"):
        field.mesh(0.5)
    with pytest.raises(InvalidInput, match="no file"):
        field.config()
    with pytest.raises(InvalidInput, match="one channel"):
        evolve(Two(), spin, 1.0)


class Two(Field):
    """A field of two channels."""

    def __init__(self) -> None:
        super().__init__(torch.tensor(BOX), 2)
