"""Eigenbases against closed forms, dense solvers and each other."""

import warnings
from dataclasses import replace

import pytest
import torch

from geokit.errors import InvalidInput, NumericalFailure
from geokit.geometry.mesh import Mesh
from geokit.geometry.sparse import SparseMatrix
from geokit.spectral.cotangent import cotangent_laplacian
from geokit.spectral.eigen import Eigenbasis, eigenbasis
from geokit.spectral.operator import Laplacian
from tests.geometry.shapes import sphere
from tests.spectral.shapes_of_known_spectrum import bumpy, copies, dense_eigenvalues, flat_torus


def check(basis: Eigenbasis, laplacian: Laplacian, tolerance: float = 1e-8) -> None:
    """Residuals as promised, told truly, and an orthonormal basis of determined signs."""
    phi, masses = basis.eigenvectors, laplacian.masses
    weighted = masses[:, None] * phi
    size = (laplacian.stiffness @ phi - weighted * basis.eigenvalues).norm(dim=0) / weighted.norm(dim=0)
    torch.testing.assert_close(basis.residuals, size / float(basis.eigenvalues[-1]), rtol=1e-3, atol=1e-13)
    assert float(basis.residuals.max()) <= tolerance
    torch.testing.assert_close(phi.T @ weighted, torch.eye(len(basis), dtype=phi.dtype), rtol=0, atol=1e-9)
    assert bool((basis.eigenvalues.diff() >= 0).all())
    assert bool((phi.amax(0) >= -(1 - 2e-6) * phi.amin(0)).all())


def test_the_spectrum_of_the_sphere_has_every_multiplicity_and_converges():
    wanted = torch.cat([torch.full((2 * n + 1,), float(n * (n + 1)), dtype=torch.float64) for n in range(10)])
    errors = []
    for level in (3, 4):
        laplacian = cotangent_laplacian(sphere(level))
        basis = eigenbasis(laplacian, 100)
        check(basis, laplacian)
        errors.append(float(((basis.eigenvalues - wanted).abs() / wanted.clamp_min(1)).max()))
    assert errors[1] < 0.04
    assert errors[1] < 0.3 * errors[0]  # of second order


def test_the_spectrum_of_a_flat_torus_is_exact():
    laplacian, wanted = flat_torus(40, 40)
    basis = eigenbasis(laplacian, 101)
    check(basis, laplacian)
    torch.testing.assert_close(basis.eigenvalues, wanted[:101], rtol=1e-9, atol=1e-8)


@pytest.mark.parametrize("count", [1, 2, 7, 60])
def test_the_smallest_of_a_bumpy_shape_are_those_of_the_dense_solver(count):
    laplacian = bumpy(3)
    wanted = dense_eigenvalues(laplacian)[:count]
    basis = eigenbasis(laplacian, count)
    torch.testing.assert_close(basis.eigenvalues, wanted, rtol=1e-9, atol=1e-8)
    assert float(basis.residuals.max()) <= 1e-8


def test_multiplicities_larger_than_a_block_are_complete():
    one = cotangent_laplacian(sphere(1))
    laplacian = copies(one, 45)
    basis = eigenbasis(laplacian, 200)
    check(basis, laplacian)
    wanted = dense_eigenvalues(one).repeat_interleave(45)[:200]
    torch.testing.assert_close(basis.eigenvalues, wanted, rtol=1e-9, atol=1e-8)
    assert int((basis.eigenvalues < 1e-8).sum()) == 45


def test_every_component_has_its_constant_function_and_isolated_vertices_none():
    mesh = sphere(3)
    moved = Mesh(
        torch.cat([torch.zeros(2, 3, dtype=torch.float64), mesh.vertices, mesh.vertices * 0.7 + 5]),
        torch.cat([mesh.faces + 2, mesh.faces + 2 + len(mesh.vertices)]),
    )
    laplacian = cotangent_laplacian(moved)
    basis = eigenbasis(laplacian, 30)
    assert int((basis.eigenvalues < 1e-8).sum()) == 2
    assert bool((basis.eigenvectors[:2] == 0).all())
    assert bool((basis.eigenvectors[2:].abs().sum(1) > 0).all())
    alone = dense_eigenvalues(cotangent_laplacian(mesh))
    wanted = torch.cat([alone, alone / 0.7**2]).sort().values[:30]
    torch.testing.assert_close(basis.eigenvalues, wanted, rtol=1e-9, atol=1e-8)


def test_vertices_without_mass_follow_their_neighbours():
    laplacian = bumpy(3)
    massless = replace(laplacian, masses=laplacian.masses.index_fill(0, torch.tensor([3, 100, 101]), 0.0))
    few, many = eigenbasis(massless, 20), eigenbasis(massless, 300)  # by iterations, and by the dense solver
    torch.testing.assert_close(few.eigenvalues, many.eigenvalues[:20], rtol=1e-9, atol=1e-9)
    for basis in (few, many):
        pull = massless.stiffness @ basis.eigenvectors
        assert float(pull[[3, 100, 101]].abs().max()) < 1e-9
        assert float(basis.residuals.max()) < 1e-8


def test_doubled_pairs_of_a_complex_problem_are_both_found():
    laplacian = bumpy(3)
    stiffness, size = laplacian.stiffness, len(laplacian)
    # A Hermitian matrix A + iB as the real matrix [[A, -B], [B, A]]: B of a rotation of every edge.
    angle = torch.sin(stiffness.rows.double() * 0.1) - torch.sin(stiffness.columns.double() * 0.1)
    real, imaginary = stiffness.values * angle.cos(), stiffness.values * angle.sin()
    i, j = stiffness.rows, stiffness.columns
    doubled = SparseMatrix.from_triplets(
        torch.cat([i, i, i + size, i + size]),
        torch.cat([j, j + size, j, j + size]),
        torch.cat([real, -imaginary, imaginary, real]),
        (2 * size, 2 * size),
    )
    basis = eigenbasis(Laplacian(doubled, laplacian.masses.repeat(2)), 81)
    # These rotations can be undone vertex by vertex: the eigenvalues are those of the real problem, twice.
    wanted = dense_eigenvalues(laplacian).repeat_interleave(2)[:81]
    torch.testing.assert_close(basis.eigenvalues, wanted, rtol=1e-9, atol=1e-8)


def test_a_permuted_shape_has_the_same_spectrum_and_functions():
    laplacian = bumpy(3)
    order = torch.randperm(len(laplacian), generator=torch.Generator().manual_seed(0))
    place = order.argsort()
    stiffness = laplacian.stiffness
    moved = SparseMatrix.from_triplets(
        place[stiffness.rows], place[stiffness.columns], stiffness.values, stiffness.shape
    )
    basis, other = eigenbasis(laplacian, 40), eigenbasis(Laplacian(moved, laplacian.masses[order]), 40)
    torch.testing.assert_close(other.eigenvalues, basis.eigenvalues, rtol=1e-9, atol=1e-9)
    same = (other.eigenvectors * (laplacian.masses[:, None] * basis.eigenvectors)[order]).sum(0).abs()
    torch.testing.assert_close(same, torch.ones(40, dtype=torch.float64), rtol=0, atol=1e-6)


@pytest.mark.parametrize("scale", [1e-6, 1e5])
def test_scale_changes_nothing_but_units(scale):
    laplacian = bumpy(3)
    basis, scaled = eigenbasis(laplacian, 30), eigenbasis(replace(laplacian, masses=laplacian.masses * scale**2), 30)
    torch.testing.assert_close(scaled.eigenvalues * scale**2, basis.eigenvalues, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(scaled.eigenvectors * scale, basis.eigenvectors, rtol=0, atol=1e-5)
    assert float(scaled.residuals.max()) <= 1e-8


def test_results_do_not_depend_on_threads_or_earlier_calls():
    laplacian, threads = bumpy(3), torch.get_num_threads()
    try:
        results = []
        for count in (1, 3, 1):
            torch.set_num_threads(count)
            results.append(eigenbasis(laplacian, 30))
    finally:
        torch.set_num_threads(threads)
    assert torch.equal(results[0].eigenvectors, results[2].eigenvectors)
    torch.testing.assert_close(results[1].eigenvectors, results[0].eigenvectors, rtol=0, atol=1e-7)


def test_almost_all_and_all_eigenpairs_are_those_of_the_dense_solver():
    laplacian = cotangent_laplacian(sphere(2))
    wanted = dense_eigenvalues(laplacian)
    for count in (161, 162):
        basis = eigenbasis(laplacian, count)
        check(basis, laplacian)
        torch.testing.assert_close(basis.eigenvalues, wanted[:count], rtol=1e-10, atol=1e-9)
    with pytest.raises(InvalidInput, match="count must be 1 to 162"):
        eigenbasis(laplacian, 163)
    with pytest.raises(InvalidInput, match="count must be 1 to 162"):
        eigenbasis(laplacian, 0)


def test_eigenvalues_are_differentiable():
    laplacian = cotangent_laplacian(sphere(0))
    generator = torch.Generator().manual_seed(0)
    stiffness = laplacian.stiffness
    noise = torch.rand(12, generator=generator, dtype=torch.float64) + 1
    i, j = stiffness.rows, stiffness.columns

    def smallest(weights, masses):
        """Of a symmetric matrix with as many free weights as entries."""
        values = stiffness.values * (weights[i] * weights[j])
        return eigenbasis(Laplacian(stiffness.replace(values=values).add_diagonal(weights), masses), 6).eigenvalues

    assert torch.autograd.gradcheck(
        smallest, (noise.requires_grad_(), (laplacian.masses * noise.detach()).requires_grad_())
    )


def test_the_vertices_of_a_mesh_get_the_gradient_of_an_eigenvalue():
    mesh = sphere(1)
    bump = torch.rand(42, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(1)) * 0.3
    vertices = (mesh.vertices + bump).requires_grad_()

    def first(vertices):
        return eigenbasis(cotangent_laplacian(Mesh(vertices, mesh.faces)), 4).eigenvalues

    assert torch.autograd.gradcheck(first, (vertices,))


def test_what_cannot_be_is_refused_in_one_sentence():
    laplacian = bumpy(3)
    with pytest.raises(InvalidInput, match="vertex 5 is -1"):
        eigenbasis(replace(laplacian, masses=laplacian.masses.index_fill(0, torch.tensor([5]), -1.0)), 10)
    with pytest.raises(InvalidInput, match="finite"):
        eigenbasis(replace(laplacian, masses=laplacian.masses.index_fill(0, torch.tensor([5]), float("nan"))), 10)
    with pytest.raises(InvalidInput, match="the masses must have shape"):
        eigenbasis(replace(laplacian, masses=laplacian.masses[1:]), 10)
    downwards = laplacian.stiffness.replace(values=-laplacian.stiffness.values)
    with pytest.raises(NumericalFailure, match="not positive semi-definite"):
        eigenbasis(replace(laplacian, stiffness=downwards), 10)


def test_needles_are_solved_or_told(recwarn):
    mesh = sphere(4)
    squeezed = mesh.vertices * torch.tensor([1.0, 1.0, 1e-4], dtype=torch.float64)
    laplacian = cotangent_laplacian(Mesh(squeezed, mesh.faces))
    basis = eigenbasis(laplacian, 20)
    assert float(basis.residuals.max()) <= 1e-8 or any("rounding" in str(w.message) for w in recwarn)


def test_first_project_and_synthesize_belong_together():
    laplacian = bumpy(2)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        basis = eigenbasis(laplacian, 25)
    coefficients = torch.randn(25, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(basis.project(basis.synthesize(coefficients)), coefficients)
    torch.testing.assert_close(basis.first(10).project(basis.synthesize(coefficients)), coefficients[:10])
    assert "25 of 162 vertices" in repr(basis)
