"""Distance fields of meshes: exact on a sphere, within the budget, the right sign on open and on broken meshes, clear
about what cannot be."""

import math
from pathlib import Path

import pytest
import torch
from torch import Tensor

from geokit.errors import InvalidInput, UnreadableFile
from geokit.fields import DistanceField, fit_sdf, load_field, save_field
from geokit.geometry.distance import closest_points, winding_number
from geokit.geometry.mesh import Mesh
from geokit.geometry.surface_sampling import sample_surface
from geokit.geometry.topology import half_edges
from geokit.io.meshes import load_mesh
from tests.reference.spline_distance import spline_sum


def sphere(count: int = 48, dtype: torch.dtype = torch.float32, open_below: float = -2.0) -> Mesh:
    """A unit sphere of 2 count^2 faces, without those whose middle is below a height."""
    theta = torch.arange(1, count, dtype=torch.float64) * (math.pi / count)
    phi = torch.arange(2 * count, dtype=torch.float64) * (math.pi / count)
    t, p = torch.meshgrid(theta, phi, indexing="ij")
    rings = torch.stack([t.sin() * p.cos(), t.sin() * p.sin(), t.cos()], -1).reshape(-1, 3)
    places = torch.cat([rings, torch.tensor([[0.0, 0, 1], [0, 0, -1]], dtype=torch.float64)])
    wide = 2 * count
    row = torch.arange(wide)
    a = (torch.arange(count - 2)[:, None] * wide + row).flatten()
    b = (torch.arange(count - 2)[:, None] * wide + (row + 1) % wide).flatten()
    last = (count - 2) * wide
    faces = torch.cat(
        [
            torch.stack([a, a + wide, b + wide], 1),
            torch.stack([a, b + wide, b], 1),
            torch.stack([torch.full_like(row, len(rings)), row, (row + 1) % wide], 1),
            torch.stack([torch.full_like(row, len(rings) + 1), last + (row + 1) % wide, last + row], 1),
        ]
    )
    kept = places[faces].mean(1)[:, 2] > open_below
    return Mesh(places.to(dtype), faces[kept])


def together(first: Mesh, second: Mesh) -> Mesh:
    faces = torch.cat([first.faces, second.faces + len(first.vertices)])
    return Mesh(torch.cat([first.vertices, second.vertices]), faces)


def shell(count: int, low: float, high: float, dtype: torch.dtype = torch.float32) -> Tensor:
    """Places between two distances from the origin."""
    generator = torch.Generator().manual_seed(2)
    ways = torch.nn.functional.normalize(torch.randn(count, 3, generator=generator, dtype=torch.float64), dim=1)
    return (ways * (low + (high - low) * torch.rand(count, 1, generator=generator, dtype=torch.float64))).to(dtype)


@pytest.fixture(scope="module")
def ball() -> DistanceField:
    return fit_sdf(sphere(), 12_000)


def test_a_sphere_is_exact_within_a_tolerance(ball: DistanceField) -> None:
    x = shell(4000, 0.85, 1.15)
    exact = x.norm(dim=1) - 1
    assert (ball(x)[:, 0] - exact).abs().max() < 0.02
    near = shell(4000, 0.99, 1.01)
    assert (ball(near)[:, 0] - (near.norm(dim=1) - 1)).abs().mean() < 6e-4
    assert (ball.gradient(near)[:, 0].norm(dim=1) - 1).abs().mean() < 0.02
    far = shell(2000, 0.0, 1.1)
    assert (ball(far)[:, 0] - (far.norm(dim=1) - 1)).abs().mean() < 0.05
    # Outside of its box a field goes on as the distance does, nearly.
    beyond = shell(500, 2.5, 4.0)
    assert ((ball(beyond)[:, 0] - (beyond.norm(dim=1) - 1)) / beyond.norm(dim=1)).abs().max() < 0.2


def test_the_field_is_the_plain_sum_of_splines(ball: DistanceField) -> None:
    field = ball.double()
    x = shell(40, 0.2, 1.1, torch.float64)
    spacings = [field.spacing / 2**level for level in range(field.levels)]
    expected = spline_sum(x - field.bounds[0], spacings, field.nodes(), list(field.shares))
    torch.testing.assert_close(field(x)[:, 0], expected, atol=1e-12, rtol=0)
    ball.float()


def test_derivatives_across_cells_and_levels(ball: DistanceField) -> None:
    field = fit_sdf(sphere(16, torch.float64), 5000)
    x = torch.cat([shell(200, 0.3, 1.12, torch.float64), shell(40, 2.2, 3.0, torch.float64)])
    step = 1e-6
    shifts = step * torch.eye(3, dtype=torch.float64)
    first = torch.stack([(field(x + s) - field(x - s)) / (2 * step) for s in shifts], -1)
    torch.testing.assert_close(field.gradient(x), first, atol=1e-7, rtol=1e-6)
    second = torch.stack([(field.gradient(x + s) - field.gradient(x - s)) / (2 * step) for s in shifts], -1)
    torch.testing.assert_close(field.laplacian(x), second.diagonal(dim1=-2, dim2=-1).sum(-1), atol=1e-5, rtol=1e-4)
    # Values and gradients are continuous at the faces of cells of every size: cross them by a hair.
    for level in range(field.levels):
        spacing = field.spacing / 2**level
        at = x[:200] - field.bounds[0]
        at[:, 0] = (at[:, 0] / spacing).round() * spacing
        at = at + field.bounds[0]
        hair = torch.tensor([1e-9, 0, 0], dtype=torch.float64)
        torch.testing.assert_close(field(at - hair), field(at + hair), atol=1e-8, rtol=0)
        torch.testing.assert_close(field.gradient(at - hair), field.gradient(at + hair), atol=1e-6, rtol=0)


def test_gradcheck_by_places_and_shares() -> None:
    field = fit_sdf(sphere(8, torch.float64), 3000)
    x = shell(4, 0.9, 1.05, torch.float64).requires_grad_()
    assert torch.autograd.gradcheck(field.values, (x,))
    some = field.shares[-1].requires_grad_()
    field(x.detach()).sum().backward()
    assert some.grad is not None
    number = int(some.grad.abs().argmax())
    x = x.detach()
    before = float(field(x).sum().detach())
    with torch.no_grad():
        some[number] += 1e-3
    assert math.isclose(float(field(x).sum().detach()) - before, 1e-3 * float(some.grad[number]), rel_tol=1e-6)


def test_budget_is_kept_used_and_worth_it() -> None:
    mesh, errors = sphere(), []
    places = sample_surface(mesh, 3000).points
    for budget in (2500, 6000, 15_000):
        field = fit_sdf(mesh, budget)
        assert 0.9 * budget < field.parameter_count <= budget
        errors.append(float(field(places).abs().mean()))
    assert errors[0] > 2 * errors[1]
    assert errors[1] > 1.1 * errors[2]


def test_details_get_the_nodes() -> None:
    """A small sphere beside a large one has its share of the finest nodes."""
    small = sphere(24)
    mesh = together(sphere(24), Mesh(small.vertices * 0.06 + torch.tensor([1.3, 0, 0]), small.faces))
    field = fit_sdf(mesh, 15_000)
    x = shell(2000, 0.05, 0.07) + torch.tensor([1.3, 0, 0])
    exact = (x - torch.tensor([1.3, 0, 0])).norm(dim=1) - 0.06
    assert (field(x)[:, 0] - exact).abs().mean() < 2e-3


def test_same_seed_same_field() -> None:
    first, second, third = (fit_sdf(sphere(12), 4000, seed=seed) for seed in (1, 1, 2))
    x = shell(100, 0.8, 1.2)
    assert torch.equal(first(x), second(x))
    assert not torch.equal(first(x), third(x))


def test_threads_change_nothing() -> None:
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        one = fit_sdf(sphere(12), 4000)
        torch.set_num_threads(2)
        two = fit_sdf(sphere(12), 4000)
    finally:
        torch.set_num_threads(before)
    assert all(torch.equal(a, b) for a, b in zip(one.nodes(), two.nodes()))
    x = shell(100, 0.8, 1.2)
    torch.testing.assert_close(one(x), two(x), atol=1e-5, rtol=0)


def test_spheres_that_cut_each_other() -> None:
    """The sheets inside are not boundaries: signs are right everywhere, also beside them, and so is the distance."""
    apart = torch.tensor([0.5, 0, 0])
    one = sphere(32)
    mesh = together(Mesh(one.vertices - apart, one.faces), Mesh(one.vertices + apart, one.faces))
    field = fit_sdf(mesh, 25_000)
    generator = torch.Generator().manual_seed(5)
    x = (torch.rand(20_000, 3, generator=generator) * 2 - 1) * torch.tensor([1.7, 1.2, 1.2])
    exact = torch.minimum((x - apart).norm(dim=1), (x + apart).norm(dim=1)) - 1
    clear = exact.abs() > 0.01
    found = field(x)[:, 0]
    assert ((found < 0) == (exact < 0))[clear].all()
    middle = torch.tensor([[0.0, 0, 0], [0.5, 0, 0], [-0.5, 0, 0], [0.4, 0.1, 0.1]])
    deep = torch.tensor([0.75**0.5, 1.0, 1.0, 0.75**0.5])  # the boundary is the circle where the spheres meet
    assert (field(middle)[:, 0] + deep).abs().max() < 0.3
    made = field.mesh(64)
    assert made.volume() == pytest.approx(8 / 3 * math.pi - 5 / 12 * math.pi, rel=0.01)


def test_an_open_mesh_is_capped() -> None:
    mesh = sphere(32, open_below=-0.6)
    field = fit_sdf(mesh, 15_000)
    generator = torch.Generator().manual_seed(5)
    x = (torch.rand(20_000, 3, generator=generator) * 2 - 1) * 1.1
    inside = winding_number(mesh, x, exact=True) > 0.5
    agree = (field(x)[:, 0] < 0) == inside
    assert agree.double().mean() > 0.995
    made = field.mesh(64)
    assert float((made.vertices[:, 2]).min()) > -1.0
    # The cap is where the winding number is 1/2, and away from it the field is the distance to the nearer of both.
    cap = made.vertices[closest_points(mesh, made.vertices).distances > 0.15]
    assert len(cap) > 20
    assert (winding_number(mesh, cap, exact=True) - 0.5).abs().max() < 0.08


def test_without_a_sign() -> None:
    """A sheet, and a mesh whose faces look inward: distances on both sides, and surfaces at a distance."""
    corners = torch.tensor([[0.0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]])
    sheet = Mesh(corners, torch.tensor([[0, 1, 2], [0, 2, 3]]))
    field = fit_sdf(sheet, 10_000, signed=False)
    x = torch.rand(3000, 3, generator=torch.Generator().manual_seed(1)) * torch.tensor([1.0, 1, 0.2]) - torch.tensor(
        [0.0, 0, 0.1]
    )
    assert (field(x)[:, 0] - x[:, 2].abs()).abs().mean() < 8e-3
    around = field.mesh(64, level=0.08)
    assert (closest_points(sheet, around.vertices).distances - 0.08).abs().mean() < 8e-3
    assert around.volume() > 0
    with pytest.raises(InvalidInput, match="encloses nothing"):
        fit_sdf(sheet, 10_000)


def test_mesh_looks_outward_and_is_closed(ball: DistanceField) -> None:
    for resolution in (16, 40, 100):
        made = ball.mesh(resolution)
        assert made.volume() == pytest.approx(4 / 3 * math.pi, rel=0.01)
        assert (made.vertices.norm(dim=1) - 1).abs().max() < 5e-3
        assert bool((half_edges(made.faces).twins >= 0).all())
    assert ball.mesh(64, level=0.05).volume() > ball.mesh(64).volume()


@pytest.mark.parametrize("bits", [None, 8, 12, 16])
def test_files(tmp_path: Path, ball: DistanceField, bits: int | None) -> None:
    path = tmp_path / "ball.field"
    size = save_field(path, ball, bits)
    loaded = load_field(path)
    assert isinstance(loaded, DistanceField)
    assert loaded.signed
    x = shell(1000, 0.8, 1.2)
    if bits is None:
        assert torch.equal(loaded(x), ball(x))
        assert loaded.parameter_count == ball.parameter_count
    else:
        assert size < (bits + 8) / 32 * save_field(tmp_path / "all.field", ball)
        most = 0.3 * 2.0 ** (1 - bits)
        assert (loaded(x) - ball(x)).abs().max() < most
        # What was rounded once is stored exactly.
        again = tmp_path / "again.field"
        save_field(again, loaded)
        assert torch.equal(load_field(again)(x), loaded(x))


def test_damaged_files(tmp_path: Path, ball: DistanceField) -> None:
    path = tmp_path / "ball.field"
    save_field(path, ball, 10)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(UnreadableFile):
        load_field(path)
    config, tensors = ball.config(), ball.stored()
    del tensors["shares_1"]
    with pytest.raises(KeyError):
        DistanceField.restored(config, tensors)
    with pytest.raises(InvalidInput):
        DistanceField.restored(config, ball.stored() | {"shares_1": torch.zeros(3)})


def test_flat_faces_and_unused_vertices_do_not_matter() -> None:
    mesh = sphere(12)
    places = torch.cat([mesh.vertices, torch.tensor([[50.0, 0, 0]])])
    flat = torch.tensor([[0, 0, 1], [3, 3, 3]])
    field = fit_sdf(Mesh(places, torch.cat([mesh.faces, flat])), 4000)
    x = shell(500, 0.9, 1.1)
    assert (field(x) - fit_sdf(mesh, 4000)(x)).abs().max() < 5e-3


def test_units_and_places_do_not_matter() -> None:
    mesh, x = sphere(12, torch.float64), shell(300, 0.9, 1.1, torch.float64)
    plain = fit_sdf(mesh, 4000)(x)
    moved = torch.tensor([3e4, -2e4, 1e4], dtype=torch.float64)
    large = fit_sdf(Mesh(mesh.vertices * 1e3 + moved, mesh.faces), 4000)
    torch.testing.assert_close(large(x * 1e3 + moved) / 1e3, plain, atol=2e-3, rtol=0)


def test_bad_input() -> None:
    mesh = sphere(8)
    one = Mesh(torch.eye(3), torch.tensor([[0, 1, 2]]))
    with pytest.raises(InvalidInput, match="at least one face"):
        fit_sdf(Mesh(torch.zeros(0, 3), torch.zeros(0, 3, dtype=torch.int64)))
    with pytest.raises(InvalidInput, match="finite"):
        fit_sdf(Mesh(mesh.vertices * math.nan, mesh.faces))
    with pytest.raises(InvalidInput, match="an extent"):
        fit_sdf(Mesh(torch.ones(3, 3), torch.tensor([[0, 1, 2]])))
    with pytest.raises(InvalidInput, match="encloses nothing"):
        fit_sdf(one)
    with pytest.raises(InvalidInput, match="encloses nothing"):
        fit_sdf(Mesh(mesh.vertices, mesh.faces.flip(1)))
    with pytest.raises(InvalidInput, match="allow more"):
        fit_sdf(mesh, 500)
    with pytest.raises(InvalidInput, match="at most"):
        fit_sdf(mesh, 10**9)
    field = fit_sdf(one, 4000, signed=False)
    assert float(field(torch.tensor([[1.0, 1, 1]]))) == pytest.approx(2 / 3**0.5, rel=0.05)
    with pytest.raises(InvalidInput, match="resolution"):
        field.mesh(1)
    with pytest.raises(InvalidInput, match="never crosses"):
        field.mesh(16, level=99.0)


@pytest.mark.data
def test_a_part_with_edges(data_folder: Path) -> None:
    mesh = load_mesh(data_folder / "meshes" / "abc_00016513_mesh.ply")
    field = fit_sdf(mesh, 30_000)
    generator = torch.Generator().manual_seed(1)
    low, high = mesh.vertices.amin(0), mesh.vertices.amax(0)
    x = low + (high - low) * torch.rand(50_000, 3, generator=generator)
    inside, found = winding_number(mesh, x) > 0.5, field(x)[:, 0] < 0
    assert float((inside & found).sum() / (inside | found).sum()) > 0.98
