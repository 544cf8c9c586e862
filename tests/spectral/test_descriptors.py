from dataclasses import replace

import pytest
import torch

from geokit.errors import InvalidInput
from geokit.spectral.descriptors import (
    heat_kernel_signature,
    heat_times,
    scale_invariant_signature,
    unit_norms,
    wave_energies,
    wave_kernel_signature,
)
from geokit.spectral.eigen import Eigenbasis
from geokit.spectral.shape import prepare
from tests.geometry.shapes import sphere, torus

KINDS = (heat_kernel_signature, wave_kernel_signature)


def some_basis(count: int = 12, vertices: int = 30, seed: int = 0) -> Eigenbasis:
    """Any numbers of the right shapes: eigenvalues in pairs."""
    generator = torch.Generator().manual_seed(seed)
    values = torch.rand(count // 2, generator=generator, dtype=torch.float64).cumsum(0).repeat_interleave(2)
    values = torch.cat((torch.zeros(1).double(), values))[:count]
    vectors = torch.randn(vertices, count, generator=generator, dtype=torch.float64)
    masses = torch.rand(vertices, generator=generator, dtype=torch.float64) + 0.1
    return Eigenbasis(values, vectors, masses, torch.zeros(count).double())


@pytest.mark.parametrize("landmarks", [None, torch.tensor([3, 7, 1])])
@pytest.mark.parametrize("scaled", [False, True])
def test_they_agree_with_pyfm_to_rounding(landmarks, scaled):
    signatures = pytest.importorskip("pyFM.signatures")
    basis = some_basis(40)
    given = [t.numpy() for t in (basis.eigenvalues, basis.eigenvectors)]
    points = None if landmarks is None else landmarks.numpy()
    for ours, theirs in ((heat_kernel_signature, signatures.auto_HKS), (wave_kernel_signature, signatures.auto_WKS)):
        wanted = torch.from_numpy(theirs(*given, 25, landmarks=points, scaled=scaled))
        assert torch.allclose(ours(basis, 25, landmarks, scaled), wanted, rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize("kind", KINDS)
def test_signs_and_rotations_inside_eigenspaces_do_not_matter(kind):
    basis = some_basis(13)
    angle = torch.tensor(0.7).double()
    turn = torch.stack((torch.stack((angle.cos(), -angle.sin())), torch.stack((angle.sin(), angle.cos()))))
    vectors = basis.eigenvectors.clone()
    for k in range(1, 12, 2):
        vectors[:, k : k + 2] = vectors[:, k : k + 2] @ turn
    vectors[:, 0] *= -1
    other = replace(basis, eigenvectors=vectors)
    for landmarks in (None, torch.tensor([4, 5])):
        assert torch.allclose(kind(other, 9, landmarks), kind(basis, 9, landmarks), atol=1e-12)


def test_on_a_sphere_all_vertices_look_alike():
    shape = prepare(sphere(3), 49)  # whole eigenspaces: 1 + 3 + 5 + ... + 13
    for kind in KINDS:
        signature = kind(shape.basis, 16)
        assert float((signature.std(0) / signature.mean(0)).max()) < 0.02


def test_heat_on_a_sphere_follows_the_closed_form():
    # Unit area: lambda_l = 4 pi l (l + 1), and the 2 l + 1 squared harmonics of degree l sum to 2 l + 1.
    shape = prepare(sphere(4), 64)
    times = torch.tensor([0.003, 0.01, 0.05]).double()
    degree = torch.arange(8).double()
    wanted = ((2 * degree + 1) * torch.exp(-times[:, None] * 4 * torch.pi * degree * (degree + 1))).sum(1)
    got = heat_kernel_signature(shape.basis, scaled=False, times=times).mean(0)
    assert torch.allclose(got, wanted, rtol=0.01)


def test_heat_goes_where_it_should():
    shape = prepare(sphere(3), 100)
    pole = shape.mesh.vertices[:, 2].argmax()[None]
    heat = heat_kernel_signature(shape.basis, landmarks=pole, scaled=False, times=torch.tensor([0.01, 0.02]).double())
    # Heat is kept: with the masses it sums to one at every time, and it is warmest at its source.
    assert torch.allclose(shape.basis.masses @ heat, torch.ones(2).double(), atol=1e-8)
    assert heat.argmax(0).tolist() == [int(pole)] * 2


def test_a_part_is_the_sum_of_its_vertices():
    basis = some_basis()
    part = torch.zeros(30, 1).double()
    part[[2, 9]] = 1
    for kind in KINDS:
        points = kind(basis, 5, torch.tensor([2, 9])).unflatten(1, (2, 5))
        wanted = (points * basis.masses[[2, 9]][None, :, None]).sum(1)
        assert torch.allclose(kind(basis, 5, part), wanted)


def test_scaled_signatures_have_the_mean_of_one_over_the_area():
    shape = prepare(torus(24, 12), 30)
    for kind in KINDS:
        assert torch.allclose(shape.basis.masses @ kind(shape.basis, 8), torch.ones(8).double())


def test_a_scaled_shape_has_the_same_descriptors_up_to_its_area():
    basis = some_basis()
    larger = replace(basis, eigenvalues=basis.eigenvalues / 9, eigenvectors=basis.eigenvectors / 3)
    for kind in KINDS:
        assert torch.allclose(9 * kind(larger, 7), kind(basis, 7))
    assert torch.allclose(scale_invariant_signature(larger, 6), scale_invariant_signature(basis, 6), atol=1e-10)


def test_unit_norms():
    basis = some_basis()
    scaled = unit_norms(wave_kernel_signature(basis, 5), basis.masses)
    assert torch.allclose((basis.masses[:, None] * scaled.square()).sum(0), torch.ones(5).double())


def test_two_pieces_do_not_spoil_the_times():
    basis = some_basis()
    two = replace(basis, eigenvalues=basis.eigenvalues.index_fill(0, torch.tensor([0, 1]), 0))
    assert bool(torch.isfinite(heat_times(two, 5)).all())
    assert bool(torch.isfinite(wave_kernel_signature(two, 5)).all())


@pytest.mark.parametrize("kind", [*KINDS, scale_invariant_signature])
def test_gradients_pass_gradcheck(kind):
    basis = some_basis(7, 5)

    def signature(values, vectors):
        return kind(replace(basis, eigenvalues=values, eigenvectors=vectors), 4)

    # Eigenvalues apart, the first left at zero; the width of waves is a constant of the shape, so it is given.
    values = torch.tensor([0.0, 1, 2.5, 3, 4.2, 5, 7]).double()
    arguments = (values, basis.eigenvectors.requires_grad_())
    assert torch.autograd.gradcheck(signature, arguments)
    times, energies = torch.tensor([0.1, 0.7]).double(), torch.tensor([0.3, 1.2]).double()

    def fixed(values, at):
        given = replace(basis, eigenvalues=torch.cat((values.new_zeros(1), values)))
        if kind is heat_kernel_signature:
            return kind(given, times=at)
        return wave_kernel_signature(given, energies=at, width=0.4)

    at = times if kind is heat_kernel_signature else energies
    assert torch.autograd.gradcheck(fixed, (values[1:].requires_grad_(), at.requires_grad_()))


def test_wrong_arguments_are_named():
    basis = some_basis()
    flat = Eigenbasis(*(t[..., :1] for t in (basis.eigenvalues, basis.eigenvectors)), basis.masses, torch.zeros(1))
    with pytest.raises(InvalidInput, match="none that varies"):
        heat_kernel_signature(flat, 3)
    with pytest.raises(InvalidInput, match="landmarks reach from 2 to 30; want vertices, 0 to 29"):
        wave_kernel_signature(basis, 3, torch.tensor([2, 30]))
    with pytest.raises(InvalidInput, match="width must be a positive number"):
        wave_kernel_signature(basis, energies=torch.zeros(3))
    with pytest.raises(InvalidInput, match="count must be at least 1"):
        wave_energies(basis, 0)
    with pytest.raises(InvalidInput, match="two different eigenvalues"):
        wave_energies(basis.first(3), 5)
