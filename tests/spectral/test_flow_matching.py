"""Flows on surfaces: conditional ways against great circles, uniform stays uniform, likelihoods are densities."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from geokit.errors import InvalidInput
from geokit.geometry.mesh import Mesh
from geokit.spectral.eigen import eigenbasis
from geokit.spectral.flow_matching import Flow, FlowMesh, FlowSphere, fit_flow
from geokit.spectral.laplacian import laplacian
from geokit.spectral.spectral_distances import spectral_embedding
from tests.spectral.test_geodesics import sphere


@pytest.fixture(scope="module")
def ball() -> FlowMesh:
    """The unit sphere as a mesh, with biharmonic distance."""
    mesh: Mesh = sphere(3)
    return FlowMesh(mesh, spectral_embedding(eigenbasis(laplacian(mesh), 64)))


@given(seed=st.integers(0, 10**6), time=st.floats(0, 0.99))
@settings(deadline=None, max_examples=5)
def test_conditional_ways_are_great_circles_at_constant_speed(seed, time):
    surface = FlowSphere()
    start, end = surface.uniform(8, seed), surface.uniform(8, seed + 1)
    times = torch.tensor([time, 1.0], dtype=torch.float64)
    (places, arrived), (field, _) = surface.ways(start, end, times)
    angle = torch.acos((start * end).sum(1))
    torch.testing.assert_close(torch.acos((places * end).sum(1)), (1 - time) * angle, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(field.norm(dim=1), angle)
    torch.testing.assert_close(field, surface.conditional(places, end, times[:1]), rtol=1e-6, atol=1e-8)
    normal = torch.linalg.cross(start, end)
    assert float((places * normal).sum(1).abs().max()) < 1e-12
    torch.testing.assert_close(arrived, end)


def test_a_flow_of_one_target_ends_there():
    surface = FlowSphere()
    end = surface.uniform(1, 5)
    flow = Flow(surface, lambda places, times: surface.conditional(places, end.expand_as(places), times))
    torch.testing.assert_close(flow.sample(50, steps=100), end.expand(50, 3), rtol=0, atol=1e-4)


def test_spectral_distance_shrinks_evenly_on_conditional_ways(ball):
    start, end = ball.uniform(64, 0), ball.uniform(64, 1)
    whole = (ball.embed(start) - ball.embed(end)).norm(dim=1)
    times = torch.linspace(0.02, 0.98, 49, dtype=torch.float64)
    places, _ = ball.ways(start, end, times)
    for time, at in zip(times[::8].tolist(), places[::8]):
        left = (ball.embed(at) - ball.embed(end)).norm(dim=1) / whole
        assert float((left - (1 - time)).abs().median()) < 0.03
    assert float((places[-1] - end).norm(dim=1).median()) < 0.15


def test_no_field_keeps_the_uniform_density(ball):
    for surface in (FlowSphere(), ball):
        flow = Flow(surface, lambda places, times: torch.zeros_like(places))
        places = surface.uniform(20, 0)
        torch.testing.assert_close(flow.carry(places, 5), places)
        wanted = torch.full((20,), -math.log(surface.area), dtype=torch.float64)
        torch.testing.assert_close(flow.log_likelihood(places, 5), wanted)


def test_likelihood_of_a_flow_along_an_axis_is_its_closed_form(ball):
    """The field s (e - (e x) x) moves z = e x by s (1 - z^2): the density is 1 / (4 pi (cosh s - z sinh s)^2)."""
    axis, speed = torch.tensor([0.0, 0.0, 1.0], dtype=torch.float64), 1.2
    for surface, tolerance in ((FlowSphere(), 1e-4), (ball, 0.08)):
        flow = Flow(surface, lambda places, times: (speed * axis).expand_as(places))
        places = surface.uniform(200, 3)
        z = torch.nn.functional.normalize(places, dim=1)[:, 2]
        wanted = -math.log(4 * math.pi) - 2 * torch.log(math.cosh(speed) - z * math.sinh(speed))
        assert float((flow.log_likelihood(places, 60) - wanted).abs().mean()) < tolerance
        carried = surface.project(flow.carry(surface.uniform(4000, 4), 60))
        mean = 1 / math.tanh(speed) - speed / math.sinh(speed) ** 2
        assert abs(float(carried[:, 2].mean()) - mean) < 0.03


def test_a_fitted_flow_is_a_density_like_its_samples():
    surface = FlowSphere()
    noise = torch.randn(1000, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    samples = surface.project(torch.tensor([0, 0, 1.0]) + 0.6 * noise)
    flow = fit_flow(surface, samples, ways=300, steps=200, width=48)
    assert float((flow.sample(1000, 1, 20).mean(0) - samples.mean(0)).norm()) < 0.12
    everywhere = surface.uniform(1000, 2)
    mass = float(flow.log_likelihood(everywhere, 12).exp().mean()) * surface.area
    assert abs(mass - 1) < 0.08
    assert -float(flow.log_likelihood(samples[:200], 12).mean()) < math.log(surface.area) - 0.2


def test_training_gives_the_same_twice_and_bad_arguments_are_told(ball):
    samples = ball.uniform(30, 0)
    flows = [fit_flow(ball, samples, ways=8, steps=2, batch=8, width=8) for _ in range(2)]
    assert torch.equal(flows[0].sample(5, steps=3), flows[1].sample(5, steps=3))
    with pytest.raises(InvalidInput, match="samples"):
        fit_flow(ball, samples[:, :2])
    with pytest.raises(InvalidInput, match="got 0"):
        fit_flow(ball, samples[:0])
    with pytest.raises(InvalidInput, match="embedding"):
        FlowMesh(ball.mesh, ball.embedding[:-1])
