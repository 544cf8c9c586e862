import pytest
import torch

from geokit.equivariant.lie.kernels import KERNELS, FlexibleKernel, Localised, PointKernel, make_kernel
from geokit.errors import InvalidInput

NAMES = list(KERNELS)


def domain(count: int, d: int, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    return torch.rand(count, d, dtype=dtype, generator=torch.Generator().manual_seed(1)) * 2 - 1


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("d", [1, 2, 4])
def test_shapes_and_dtypes(name, d):
    kernel = make_kernel(name, d, 6)
    assert kernel(torch.zeros(2, 3, d)).shape == (2, 3, 6)
    assert kernel(torch.zeros(0, d)).shape == (0, 6)
    assert kernel(torch.zeros(d)).shape == (6,)
    assert kernel.double()(torch.zeros(2, d, dtype=torch.float64)).dtype == torch.float64


@pytest.mark.parametrize("name", NAMES)
def test_kernels_are_built_in_the_default_dtype(name):
    torch.set_default_dtype(torch.float64)
    try:
        kernel = Localised(make_kernel(name, 2, 32, fan_in=50))
        variance = 50 * kernel(domain(30000, 2, torch.float64)).square().mean()
    finally:
        torch.set_default_dtype(torch.float32)
    assert variance.dtype == torch.float64
    assert variance.item() == pytest.approx(1, rel=0.15)


# FlexConv draws its widths by torch.distributions, which looks at their values.
@pytest.mark.parametrize("name", [name for name in NAMES if name != "flexconv"])
def test_kernels_are_built_on_the_meta_device(name):
    single = make_kernel(name, 2, 32, fan_in=50)
    with torch.device("meta"):
        empty = make_kernel(name, 2, 32, fan_in=50)
    assert all(parameter.is_meta for parameter in empty.parameters())
    # Room for the values of another one.
    empty.to_empty(device="cpu").load_state_dict(single.state_dict())
    assert torch.equal(empty(domain(5, 2)), single(domain(5, 2)))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("d", "gain"), [(1, 1.0), (2, 1.0), (2, 0.5), (4, 1.0)])
def test_a_sum_of_fan_in_products_has_the_variance_that_was_asked_for(name, d, gain):
    kernel = make_kernel(name, d, 32, fan_in=50, gain=gain)
    variance = 50 * kernel(domain(30000, d)).square().mean()
    assert variance.item() == pytest.approx(gain**2, rel=0.15)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("d", [1, 2])
def test_gradients_by_coordinates_and_every_parameter(name, d):
    torch.manual_seed(2)
    options = {"points": 6, "radius": 0.7} if name == "points" else {"hidden": 4}
    kernel = make_kernel(name, d, 2, **options).double()
    names, parameters = zip(*kernel.named_parameters())
    x = domain(3, d, torch.float64).requires_grad_()

    def run(x, *values):
        return torch.func.functional_call(kernel, dict(zip(names, values)), (x,))

    values = [p.detach().clone().requires_grad_() for p in parameters]
    assert torch.autograd.gradcheck(run, (x, *values))
    # Every parameter matters.
    run(domain(200, d, torch.float64), *values).square().sum().backward()
    for label, value in zip(names, values):
        assert value.grad is not None, label
        assert value.grad.abs().max() > 1e-8, label


@pytest.mark.parametrize("name", NAMES)
def test_the_same_seed_gives_the_same_kernel_and_the_same_state_after_it(name):
    kernels, numbers = [], []
    for _ in range(2):
        torch.manual_seed(3)
        kernels.append(make_kernel(name, 2, 4))
        numbers.append(torch.rand(3))
    x = domain(10, 2)
    assert torch.equal(kernels[0](x), kernels[1](x))
    assert torch.equal(numbers[0], numbers[1])


@pytest.mark.parametrize("name", ["siren", "ckconv", "gabor", "flexconv"])
def test_a_larger_omega_oscillates_more(name):
    def wiggles(omega):
        torch.manual_seed(4)
        options = {"width": 2.0} if name == "flexconv" else {}
        if name == "gabor":
            options = {"spread": omega / 2}
        values = make_kernel(name, 1, 16, omega=omega, **options)(torch.linspace(-1, 1, 2001)[:, None])
        return (values[1:].sign() != values[:-1].sign()).sum().item()

    assert wiggles(30.0) > 1.5 * wiggles(6.0)


def test_points_kernel_is_the_sum_that_it_says():
    torch.manual_seed(5)
    kernel = PointKernel(2, 6, points=5, groups=3).double()
    x, positions, radii = domain(40, 2, torch.float64), kernel.positions, kernel.radii
    expected = torch.zeros(40, 6, dtype=torch.float64)
    for n in range(40):
        for group in range(3):
            covering = [i for i in range(5) if (x[n] - positions[group, i]).abs().sum() < radii[group, i]]
            for i in covering:
                height = 1 - (x[n] - positions[group, i]).abs().sum() / radii[group, i]
                expected[n, 2 * group : 2 * group + 2] += height * kernel.weights[group, i] / len(covering)
    assert (expected != 0).any()
    assert torch.allclose(kernel(x), expected, atol=1e-12)


def test_points_and_radii_stay_within_their_bounds_however_hard_they_are_pushed():
    kernel = PointKernel(1, 2, points=4, least_radius=0.01, largest_radius=0.5)
    with torch.no_grad():
        kernel.raw_positions += 100
        kernel.raw_radii += 100
    assert kernel.positions.max() <= 1
    assert kernel.radii.max() <= 0.5 + 1e-6
    with torch.no_grad():
        kernel.raw_radii -= 200
    assert kernel.radii.min() >= 0.01 - 1e-6


@pytest.mark.parametrize("layers", [1, 3])
def test_nothing_of_a_flexible_kernel_lies_above_its_bandwidth(layers):
    torch.manual_seed(6)
    kernel = FlexibleKernel(1, 16, layers=layers, omega=25.0, width=0.15).double()
    spacing = 1 / 256
    x = torch.arange(-4, 4, spacing, dtype=torch.float64)[:, None]
    power = torch.fft.rfft(kernel(x), dim=0).abs().square()
    frequencies = torch.fft.rfftfreq(len(x), spacing)
    above = power[frequencies > kernel.bandwidth().item()].sum(0) / power.sum(0)
    assert above.max() < 1e-4
    # And the bound is not idle: a good part of it is used.
    assert (power[frequencies > 0.3 * kernel.bandwidth().item()].sum(0) / power.sum(0)).max() > 1e-4


def test_the_aliasing_penalty_brings_the_bandwidth_below_nyquist():
    torch.manual_seed(7)
    kernel, spacing = FlexibleKernel(2, 4, omega=60.0), 0.1
    nyquist = 0.5 / spacing
    assert kernel.bandwidth().max() > nyquist
    optimizer = torch.optim.Adam(kernel.parameters(), 0.5)
    for _ in range(400):
        optimizer.zero_grad()
        penalty = kernel.aliasing_penalty(spacing)
        if penalty == 0:
            break
        penalty.backward()
        optimizer.step()
    assert kernel.aliasing_penalty(spacing) == 0
    assert (kernel.bandwidth() <= nyquist).all()


def test_the_extent_is_where_the_mask_is_at_the_threshold():
    kernel = FlexibleKernel(2, 3, width=0.2, center=0.1)
    lower, upper = kernel.extent(0.1)
    for axis in range(2):
        for end in (lower, upper):
            x = kernel.center.detach().clone()
            x[axis] = end[axis]
            assert kernel.mask(x).item() == pytest.approx(0.1, abs=1e-5)
    lower, upper = FlexibleKernel(1, 3, width=5.0).extent()
    assert (lower.item(), upper.item()) == (-1, 1)


@pytest.mark.parametrize("name", NAMES)
def test_compiles_in_one_graph(name):
    torch.manual_seed(8)
    kernel, x = make_kernel(name, 2, 3), domain(7, 2)
    compiled = torch.compile(kernel, fullgraph=True, backend="aot_eager")
    assert torch.allclose(compiled(x), kernel(x), atol=1e-6)


@pytest.mark.parametrize(
    ("message", "arguments"),
    [
        ("kernel must be one of siren, gabor", {"name": "spline"}),
        ("coordinates of a kernel must be a whole number", {"coordinates": 0}),
        ("values of a kernel must be a whole number", {"values": 1.5}),
        ("fan_in of a kernel must be positive", {"fan_in": 0.0}),
        ("hidden of a kernel must be a whole number", {"hidden": 0}),
        ("omega of a kernel must be positive", {"omega": -1.0}),
        ('kernel "siren" has no option spread; it has hidden, layers, omega, gain', {"spread": 2.0}),
        ("groups of a point kernel must divide its values", {"name": "points", "groups": 3}),
        ("radius must lie between", {"name": "points", "radius": 2.0}),
        ("width of a kernel must be positive", {"name": "flexconv", "width": 0.0}),
    ],
)
def test_bad_arguments_are_told(message, arguments):
    with pytest.raises(InvalidInput, match=message):
        make_kernel(**{"name": "siren", "coordinates": 2, "values": 4, **arguments})


def test_bad_coordinates_thresholds_and_spacings_are_told():
    kernel = FlexibleKernel(2, 3)
    with pytest.raises(InvalidInput, match=r"must be \(\.\.\., 2\), got \(5, 3\)"):
        kernel(torch.zeros(5, 3))
    with pytest.raises(InvalidInput, match="threshold must lie between 0 and 1"):
        kernel.extent(1.0)
    with pytest.raises(InvalidInput, match="spacing of the grid must be positive"):
        kernel.aliasing_penalty(0.0)
