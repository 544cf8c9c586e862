import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import wasserstein_distance

from geokit.errors import InvalidInput
from geokit.geometry.mesh import Mesh
from geokit.spectral.varifold import slicing_directions, varifold_distance, wasserstein
from tests.geometry.shapes import sphere


def bumpy(seed: int = 0, level: int = 1) -> Mesh:
    mesh = sphere(level)
    waves = torch.randn(3, 4, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return Mesh(mesh.vertices * (1 + 0.05 * torch.sin(2 * mesh.vertices @ waves).sum(1, keepdim=True)), mesh.faces)


@settings(deadline=None, max_examples=50)
@given(seed=st.integers(0, 10_000), n=st.integers(1, 9), m=st.integers(1, 9))
def test_on_a_line_it_is_that_of_scipy(seed, n, m):
    generator = torch.Generator().manual_seed(seed)
    # Whole numbers, so that places coincide now and then.
    x, y = (torch.randint(0, 6, (1, k), generator=generator).double() for k in (n, m))
    u, v = (torch.randint(1, 5, (k,), generator=generator).double() for k in (n, m))
    wanted = wasserstein_distance(x[0].numpy(), y[0].numpy(), u.numpy(), v.numpy())
    assert abs(float(wasserstein(x, y, u, v, power=1)[0]) - wanted) < 1e-12


def test_gaussians_on_a_line_have_the_closed_form():
    quantiles = (torch.arange(4000).double() + 0.5) / 4000
    normal = torch.special.ndtri(quantiles)[None]
    even = torch.ones(4000).double()
    got = wasserstein(normal, 3 + 2 * normal[:, ::7], even, even[::7])
    assert abs(float(got[0]) - (9 + 1)) < 0.05  # (difference of means)^2 + (difference of deviations)^2


def test_a_translation_costs_the_square_of_its_projections():
    mesh, shift = bumpy(), torch.tensor([0.3, -0.2, 0.5]).double()
    directions = slicing_directions(50)
    got = varifold_distance(mesh, Mesh(mesh.vertices + shift, mesh.faces), directions=directions)
    assert torch.allclose(got, (directions[:, :3] @ shift).square().mean(), atol=1e-12)
    # Over all directions the mean is |shift|^2 / 6.
    many = varifold_distance(mesh, Mesh(mesh.vertices + shift, mesh.faces), directions=2000)
    assert torch.allclose(many, shift.square().sum() / 6, rtol=0.1)


def test_neither_the_order_of_faces_nor_that_of_vertices_matters():
    mesh = bumpy()
    generator = torch.Generator().manual_seed(1)
    order = torch.randperm(len(mesh.vertices), generator=generator)
    other = Mesh(mesh.vertices[order], torch.argsort(order)[mesh.faces][torch.randperm(len(mesh), generator=generator)])
    assert float(varifold_distance(mesh, mesh)) == 0
    assert float(varifold_distance(mesh, other)) < 1e-12


def test_a_face_in_pieces_counts_as_one():
    mesh = sphere(3)
    finer = sphere(4)
    assert float(varifold_distance(mesh, finer)) < 1e-4
    assert float(varifold_distance(mesh, Mesh(1.2 * finer.vertices, finer.faces))) > 1e-3


def test_it_is_symmetric_and_sees_orientation():
    a, b = bumpy(1), bumpy(2, level=2)
    there, back = (varifold_distance(x, y, normal_length=0.3) for x, y in ((a, b), (b, a)))
    assert torch.allclose(there, back, rtol=1e-12)
    inside_out = Mesh(a.vertices, a.faces.flip(1))
    assert float(varifold_distance(a, inside_out, normal_length=0.3)) > 0.01
    assert float(varifold_distance(a, inside_out, normal_length=0.0)) < 1e-12


def test_gradients_pass_gradcheck():
    a, b = bumpy(3, level=0), bumpy(4, level=0)

    def distance(v, w):
        return varifold_distance(Mesh(v, a.faces), Mesh(w, b.faces[3:]), directions=5, normal_length=0.4)

    assert torch.autograd.gradcheck(distance, (a.vertices.requires_grad_(), (1.1 * b.vertices).requires_grad_()))
    generator = torch.Generator().manual_seed(0)
    lines = [torch.randn(2, n, generator=generator, dtype=torch.float64, requires_grad=True) for n in (4, 6)]
    masses = [torch.rand(n, generator=generator, dtype=torch.float64, requires_grad=True) for n in (4, 6)]
    assert torch.autograd.gradcheck(wasserstein, (*lines, *masses))


def test_gradient_descent_brings_a_sphere_home():
    target = bumpy(5)
    vertices = (0.7 * sphere(1).vertices + 0.4).requires_grad_()
    optimizer = torch.optim.Adam([vertices], lr=0.02)
    start = float(varifold_distance(Mesh(vertices, target.faces), target))
    for step in range(100):
        optimizer.zero_grad()
        varifold_distance(Mesh(vertices, target.faces), target, directions=32, seed=step).backward()
        optimizer.step()
    assert float(varifold_distance(Mesh(vertices.detach(), target.faces), target)) < start / 100


def test_wrong_arguments_are_named():
    mesh = bumpy()
    with pytest.raises(InvalidInput, match="weights1 must have a positive sum"):
        varifold_distance(Mesh(0 * mesh.vertices, mesh.faces), mesh)
    with pytest.raises(InvalidInput, match=r"directions must have shape \(D, 6\)"):
        varifold_distance(mesh, mesh, directions=torch.zeros(4, 3))
    with pytest.raises(InvalidInput, match="at least one direction"):
        slicing_directions(0)
