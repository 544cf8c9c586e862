import pytest
import torch

from geokit.equivariant.lie.kernels import Localised, disc_mask, make_kernel
from geokit.errors import InvalidInput


def radial(radii: list[float], d: int) -> torch.Tensor:
    """Points at those distances from the origin, each in a direction of its own."""
    directions = torch.randn(len(radii), d, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    return directions / directions.norm(dim=1, keepdim=True) * torch.tensor(radii, dtype=torch.float64)[:, None]


@pytest.mark.parametrize("d", [1, 2, 3])
def test_the_smooth_mask_is_one_inside_and_zero_outside(d):
    mask = disc_mask(radial([0.0, 0.3, 0.49, 0.8, 1.001, 5.0], d), inner=0.5)
    assert torch.equal(mask[:3], torch.ones(3, dtype=torch.float64))
    assert 0 < mask[3] < 1
    assert torch.equal(mask[4:], torch.zeros(2, dtype=torch.float64))


def test_the_hard_mask_steps_at_one():
    assert disc_mask(radial([0.0, 0.999, 1.001], 2), inner=None).tolist() == [1, 1, 0]


@pytest.mark.parametrize("inner", [0.0, 0.5, 0.9])
def test_the_smooth_mask_has_a_continuous_derivative(inner):
    radii = torch.linspace(0, 1.2, 200001, dtype=torch.float64)[:, None].requires_grad_()
    (slope,) = torch.autograd.grad(disc_mask(radii, inner).sum(), radii)
    assert slope.diff(dim=0).abs().max() < 5e-3 * slope.abs().max()
    assert slope.abs().max() > 1


def test_gradients_are_finite_at_the_origin_and_right_elsewhere():
    x = torch.cat([torch.zeros(1, 2, dtype=torch.float64), radial([0.2, 0.7, 0.9], 2)]).requires_grad_()
    assert torch.autograd.gradcheck(disc_mask, (x,))


def test_a_localised_kernel_ends_with_its_spatial_coordinates_only_and_keeps_its_size():
    torch.manual_seed(0)
    kernel = Localised(make_kernel("siren", 4, 32, fan_in=20), spatial=2)
    x = torch.rand(4096, 4) * 2 - 1
    values = kernel(x)
    outside = x[:, :2].norm(dim=1) >= 1
    assert (values[outside] == 0).all()
    assert (values[~outside & (x[:, 2:].norm(dim=1) > 1)] != 0).any()
    assert (20 * values.square().mean()).item() == pytest.approx(1, rel=0.15)


def test_two_runs_of_coordinates_have_a_disc_each():
    torch.manual_seed(0)
    kernel = Localised(make_kernel("siren", 4, 32), spatial=(2, 1))
    x = torch.rand(4096, 4) * 2 - 1
    assert (kernel(x)[x[:, :2].norm(dim=1) >= 1] == 0).all()
    x[:, 2] = 1.1
    assert (kernel(x) == 0).all()
    x[:, 2], x[:, :2] = 0, x[:, :2] / 2
    assert (kernel(x).abs().sum(1) > 0).all()


def test_bad_arguments_are_told():
    with pytest.raises(InvalidInput, match="inner radius of a disc mask"):
        disc_mask(torch.zeros(1, 2), inner=1.0)
    with pytest.raises(InvalidInput, match="spatial must be between 1 and 2 coordinates, got 3"):
        Localised(make_kernel("siren", 2, 1), spatial=3)
