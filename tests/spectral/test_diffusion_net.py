from dataclasses import replace

import pytest
import torch

from geokit.errors import InvalidInput
from geokit.geometry.mesh import Mesh
from geokit.geometry.sparse import SparseMatrix
from geokit.spectral.diffusion_net import (
    DiffusionNet,
    GradientFeatures,
    LearnedDiffusion,
    SurfaceOperators,
    network_inputs,
    surface_operators,
)
from geokit.spectral.shape import SpectralShape, prepare
from tests.geometry.shapes import sphere


@pytest.fixture(scope="module")
def bean() -> SpectralShape:
    """A body without symmetry."""
    mesh = sphere(2)
    x, y, z = mesh.vertices.T
    return prepare(
        Mesh(torch.stack((x * (1.2 + 0.3 * y), y + 0.3 * x * x, 0.8 * z + 0.2 * x * y * z), 1), mesh.faces), 40
    )


def network(in_channels: int, out_channels: int = 6, **options) -> DiffusionNet:
    """Small, with random times, float64, in evaluation mode."""
    torch.manual_seed(0)
    found = DiffusionNet(in_channels, out_channels, 8, 2, **options).double().eval()
    for block in found.blocks:
        torch.nn.init.uniform_(block.diffusion.times, 0, 0.05)
    return found


def turned(surface: SurfaceOperators, seed: int = 1) -> SurfaceOperators:
    """Every tangent frame turned by an angle of its own."""
    angle = 6.28 * torch.rand(len(surface), generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    cosine, sine = angle.cos()[surface.x.rows], angle.sin()[surface.x.rows]
    x = surface.x.replace(values=cosine * surface.x.values + sine * surface.y.values)
    y = surface.y.replace(values=cosine * surface.y.values - sine * surface.x.values)
    return replace(surface, x=x, y=y)


def test_the_product_is_that_of_complex_numbers():
    torch.manual_seed(0)
    features = GradientFeatures(5).double()
    x, y = torch.randn(2, 7, 5).double()
    matrix = torch.complex(features.real.weight, features.imaginary.weight)
    gradient = torch.complex(x, y)
    assert torch.allclose(features(x, y), torch.tanh((gradient.conj() * (gradient @ matrix.T)).real))


def test_turned_tangent_frames_do_not_matter(bean):
    surface, inputs = surface_operators(bean, 40, torch.float64), network_inputs(bean, "wks", 8, torch.float64)
    right, wrong = network(8), network(8, legacy=True)
    assert torch.allclose(right(inputs, turned(surface)), right(inputs, surface), atol=1e-12)
    assert not torch.allclose(wrong(inputs, turned(surface)), wrong(inputs, surface), atol=1e-6)


def test_renumbered_vertices_give_renumbered_features(bean):
    order = torch.randperm(len(bean), generator=torch.Generator().manual_seed(2))
    place = torch.argsort(order)
    moved = prepare(Mesh(bean.mesh.vertices[order], place[bean.mesh.faces]), 40)
    for kind, channels in (("xyz", 3), ("hks", 8)):
        net = network(channels)
        here, there = (
            net(network_inputs(shape, kind, channels, torch.float64), surface_operators(shape, 40, torch.float64))
            for shape in (bean, moved)
        )
        assert torch.allclose(here[order], there, atol=1e-6)


def test_a_turned_shape_has_the_same_features_from_intrinsic_inputs(bean):
    turn = torch.linalg.qr(torch.randn(3, 3, generator=torch.Generator().manual_seed(3), dtype=torch.float64))[0]
    moved = prepare(Mesh(5 * bean.mesh.vertices @ (turn * torch.linalg.det(turn)).T + 2, bean.mesh.faces), 40)
    net, other = network(8), network(3)
    for kind in ("hks", "wks"):
        here, there = (
            net(network_inputs(shape, kind, 8, torch.float64), surface_operators(shape, 40, torch.float64))
            for shape in (bean, moved)
        )
        assert torch.allclose(here, there, atol=1e-6)
    here, there = (
        other(network_inputs(shape, "xyz", dtype=torch.float64), surface_operators(shape, 40, torch.float64))
        for shape in (bean, moved)
    )
    assert not torch.allclose(here, there, atol=1e-3)


def test_a_mirrored_shape_has_other_features(bean):
    mirrored = prepare(Mesh(bean.mesh.vertices * torch.tensor([-1.0, 1, 1]), bean.mesh.faces.flip(1)), 40)
    net = network(8)
    here, there = (
        net(network_inputs(shape, "wks", 8, torch.float64), surface_operators(shape, 40, torch.float64))
        for shape in (bean, mirrored)
    )
    assert not torch.allclose(here, there, rtol=0, atol=1e-6)


def test_diffusion_is_the_heat_equation(bean):
    surface = surface_operators(bean, 40, torch.float64)
    layer = LearnedDiffusion(3).double()
    layer.times.data = torch.tensor([-1.0, 0.02, 100]).double()
    functions = surface.eigenvectors[:, [5, 5, 5]] + 0.3 * surface.eigenvectors[:, :1]
    got = layer(functions, surface)
    decay = torch.exp(-surface.eigenvalues[5] * torch.tensor([1e-8, 0.02, 100]).double())
    wanted = surface.eigenvectors[:, [5]] * decay + 0.3 * surface.eigenvectors[:, :1]
    assert torch.allclose(got, wanted, atol=1e-9)
    got.square().sum().backward()
    assert float(layer.times.grad[0]) != 0  # a time below zero can come back


def test_outputs_at_faces_and_of_the_whole(bean):
    surface, inputs = surface_operators(bean, 40, torch.float64), network_inputs(bean, "hks", 8, torch.float64)
    net = network(8)
    at_vertices = net(inputs, surface)
    net.outputs = "faces"
    assert torch.allclose(net(inputs, surface), at_vertices[bean.mesh.faces].mean(1))
    net.outputs = "mean"
    assert torch.allclose(net(inputs, surface), surface.masses @ at_vertices / surface.masses.sum())


def test_dropout_acts_in_training_only(bean):
    surface, inputs = surface_operators(bean, 40, torch.float64), network_inputs(bean, "hks", 8, torch.float64)
    net = network(8)
    assert torch.equal(net(inputs, surface), net(inputs, surface))
    net.train()
    assert not torch.equal(net(inputs, surface), net(inputs, surface))


def test_gradients_pass_gradcheck():
    mesh = sphere(0)
    shape = prepare(Mesh(mesh.vertices * torch.tensor([1.0, 1.3, 0.7]), mesh.faces), 6)
    surface, net = surface_operators(shape, 6, torch.float64), network(3, 2, hidden=(4,))
    inputs = shape.mesh.vertices.clone().requires_grad_()
    parameters = [inputs, *net.parameters()]
    names = [name for name, _ in net.named_parameters()]

    def output(features, *values):
        return torch.func.functional_call(net, dict(zip(names, values)), (features, surface))

    assert torch.autograd.gradcheck(output, parameters, fast_mode=True)


def test_wrong_arguments_are_named(bean):
    with pytest.raises(InvalidInput, match="one of xyz, hks, wks, got 'shot'"):
        network_inputs(bean, "shot")
    with pytest.raises(InvalidInput, match="one of vertices, faces, mean, got 'edges'"):
        DiffusionNet(3, 3, outputs="edges")
    with pytest.raises(InvalidInput, match=r"features must have shape \(162, 3\)"):
        DiffusionNet(3, 3, 4, 1)(torch.zeros(162, 4), surface_operators(bean))
    assert isinstance(surface_operators(bean).x, SparseMatrix)
