"""Transforms of simplices against quadrature, known transforms and the laws that they obey."""

import numpy as np
import pytest
import torch

from geokit.errors import InvalidInput
from geokit.fields.simplex_fourier import simplex_contents, simplex_fourier, simplex_fourier_at
from tests.reference import simplex_fourier as reference
from tests.reference.comparison import assert_close, threads

CASES = [(d, j) for d in (2, 3) for j in range(d + 1)]
FLAT = {  # corners whose phases coincide at many modes, or at all
    "on the axes": [[0, 0, 0], [0.25, 0, 0], [0, 0.25, 0], [0, 0, 0.25]],
    "along the diagonal": [[0.1, 0.1, 0.1], [0.35, 0.35, 0.35], [0.6, 0.1, 0.1], [0.1, 0.6, 0.1]],
    "nearly equal phases": [[0, 0, 0], [0.3, 1e-9, 0], [1e-7, 0.3, 0], [0, 1e-5, 0.3]],
    "no content": [[0.1, 0.2, 0.3]] * 4,
    "in one plane": [[0, 0, 0.5], [0.5, 0, 0.5], [0, 0.5, 0.5], [0.5, 0.5, 0.5]],
}


def soup(d, j, count=3, seed=0):
    g = torch.Generator().manual_seed(10 * d + j + seed)
    vertices = torch.rand(count + 4, d, generator=g, dtype=torch.float64)
    simplices = torch.stack([torch.randperm(count + 4, generator=g)[: j + 1] for _ in range(count)])
    return vertices, simplices, torch.randn(count, generator=g, dtype=torch.float64)


def cube(low=(0.2, 0.3, 0.1), high=(0.7, 0.8, 0.9)):
    places = torch.cartesian_prod(*(torch.tensor(p, dtype=torch.float64) for p in zip(low, high)))
    faces = [[0, 1, 3], [0, 3, 2], [4, 6, 7], [4, 7, 5], [0, 4, 5], [0, 5, 1], [2, 3, 7], [2, 7, 6], [0, 2, 6]]
    return places, torch.tensor([*faces, [0, 6, 4], [1, 5, 7], [1, 7, 3]])


@pytest.mark.parametrize(("d", "j"), CASES)
def test_values_agree_with_quadrature(d, j):
    vertices, simplices, densities = soup(d, j, 2)
    sizes, period = ([5, 4], [1.5, 2.0]) if d == 2 else ([3, 4, 3], [1.5, 2.0, 1.25])
    found = simplex_fourier(vertices, simplices, densities, sizes, period)
    frequencies = reference.grid(sizes, period)
    nodes = 10 if j == 3 else 20
    expected = reference.spectrum(vertices.numpy(), simplices.numpy(), densities.numpy(), frequencies, nodes)
    assert_close("spectrum", torch.view_as_real(found), torch.view_as_real(torch.tensor(expected)), 1e-9)
    listed = simplex_fourier_at(vertices, simplices, torch.tensor(frequencies).reshape(-1, d), densities)
    assert_close("list", torch.view_as_real(listed.reshape(found.shape)), torch.view_as_real(found), 1e-12)


@pytest.mark.parametrize("name", FLAT)
@pytest.mark.parametrize("j", [1, 2, 3])
def test_coinciding_phases(name, j):
    corners = torch.tensor(FLAT[name], dtype=torch.float64)[: j + 1]
    # Densities that make up for the content, which may be zero: what is left is the divided difference itself.
    from geokit.backend.simplex_ops import simplex_fourier as transform

    modes = torch.tensor([[-2.0, -3.0, 0.0], [1.0, 1.0, 1.0]], dtype=torch.float64)
    found = transform(corners[None], torch.ones(1, 1, dtype=torch.float64), modes, [3, 4, 3])[0]
    axes = [np.arange(n) + m for n, m in zip((3, 4, 3), (-2, -3, 0))]
    frequencies = 2 * np.pi * np.stack(np.meshgrid(*axes, indexing="ij"), -1)
    unit = np.concatenate((np.zeros((1, j)), np.eye(j)))
    places, nodes = corners.numpy(), 11 if j == 3 else 20
    turned = (frequencies @ (places[1:] - places[0]).T).reshape(-1, j)
    values = [reference.transform(unit, k, nodes) for k in turned]
    expected = np.array(values).reshape(3, 4, 3) * np.exp(-1j * frequencies @ places[0])
    assert_close(name, found, torch.view_as_real(torch.tensor(expected)), 1e-9)
    single = transform(corners[None].float(), torch.ones(1, 1), modes, [3, 4, 3])[0]
    assert_close("float32", single, torch.view_as_real(torch.tensor(expected)), 3e-6)


@pytest.mark.parametrize(("d", "j"), CASES)
@pytest.mark.parametrize("size", [1.0, 0.03, 1e-3])
def test_float32_agrees_with_float64(d, j, size):
    vertices, simplices, densities = soup(d, j, 40)
    vertices = (0.4 + size * vertices).float()
    modes = 33 if d == 2 else 24
    for one in (0, 7):  # of single simplices, whose spectra may be small at high frequencies, by the mass
        some = simplices[one : one + 1]
        single = simplex_fourier(vertices, some, densities[one : one + 1].float(), modes)
        double = simplex_fourier(vertices.double(), some, densities[one : one + 1], modes)
        assert_close("one", torch.view_as_real(single), torch.view_as_real(double), 3e-6)
    single = simplex_fourier(vertices, simplices, densities.abs().float(), modes)
    double = simplex_fourier(vertices.double(), simplices, densities.abs(), modes)
    assert_close("all", torch.view_as_real(single), torch.view_as_real(double), 1e-6)


@pytest.mark.parametrize(("d", "j"), CASES)
def test_laws(d, j):
    vertices, simplices, densities = soup(d, j, 20)
    spectrum = simplex_fourier(vertices, simplices, densities, 9)
    contents = torch.tensor([reference.content(vertices[s].numpy()) for s in simplices], dtype=torch.float64)
    assert_close("contents", simplex_contents(vertices, simplices), contents, 1e-9)
    mass = (densities * contents).sum()
    assert abs(spectrum.flatten()[0] - mass) < 1e-9
    # A turn of corners changes nothing; a shift multiplies by a phase; whole periods change nothing.
    turned = simplex_fourier(vertices, simplices.flip(1), densities, 9)
    assert_close("order", torch.view_as_real(turned), torch.view_as_real(spectrum), 1e-12)
    shift = torch.linspace(0.1, 0.7, d, dtype=torch.float64)
    phases = torch.tensor(reference.grid([9] * d, [1.0] * d)) @ shift
    moved = simplex_fourier(vertices + shift, simplices, densities, 9)
    assert_close("shift", torch.view_as_real(moved), torch.view_as_real(spectrum * torch.exp(-1j * phases)), 1e-12)
    wrapped = simplex_fourier(vertices - 3, simplices, densities, 9)
    assert_close("period", torch.view_as_real(wrapped), torch.view_as_real(spectrum), 1e-12)
    # Linear in the densities, of which each channel is by itself.
    both = simplex_fourier(vertices, simplices, torch.stack((densities, 2 - densities), 1), 9)
    assert_close("channels", torch.view_as_real(both[0]), torch.view_as_real(spectrum), 1e-12)
    whole = simplex_fourier(vertices, simplices, None, 9)
    assert_close("linear", torch.view_as_real(both.sum(0)), torch.view_as_real(2 * whole), 1e-12)


@pytest.mark.parametrize(("d", "j"), [case for case in CASES if case[1]])
def test_parts_add_up_to_the_whole(d, j):
    vertices, simplices, _ = soup(d, j, 6)
    first, second = simplices[:, 0], simplices[:, 1]
    middles = 0.3 * vertices[first] + 0.7 * vertices[second]
    new = len(vertices) + torch.arange(len(simplices))
    parts = torch.cat((torch.column_stack((new, simplices[:, 1:])), torch.column_stack((first, new, simplices[:, 2:]))))
    whole, split = (
        simplex_fourier(v, s, modes=16) for v, s in ((vertices, simplices), (torch.cat((vertices, middles)), parts))
    )
    assert_close("subdivision", torch.view_as_real(split), torch.view_as_real(whole), 1e-12)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_known_transforms(dtype):
    tolerance = 1e-12 if dtype == torch.float64 else 1e-6
    places, faces = (t.to(dtype) if t.is_floating_point() else t for t in cube())
    low, high = places.double().amin(0).numpy(), places.double().amax(0).numpy()
    frequencies = reference.grid([130, 5, 7], [1.0] * 3)
    expected = torch.view_as_real(torch.tensor(reference.box(low, high, frequencies)))
    tetrahedra = torch.cat((torch.full((len(faces), 1), 8), faces), 1)  # about a vertex inside
    inside = torch.cat((places, places.mean(0, keepdim=True)))
    sizes = [130, 5, 7]
    for found in (
        simplex_fourier(inside, tetrahedra, None, sizes),
        simplex_fourier(places, faces, None, sizes, solid=True),
    ):
        assert_close("box", torch.view_as_real(found), expected, tolerance)
    corners = torch.tensor([[0.2, 0.1], [0.6, 0.1], [0.6, 0.9], [0.2, 0.9]], dtype=dtype)
    low, high = corners.double().numpy()[[0, 2]]
    expected = torch.view_as_real(torch.tensor(reference.box(low, high, reference.grid([6, 260], [1.0] * 2))))
    found = [simplex_fourier(corners, torch.tensor([[0, 1, 2], [0, 2, 3]]), None, [6, 260])]
    found += [simplex_fourier(corners, torch.tensor([[0, 1], [1, 2], [2, 3], [3, 0]]), None, [6, 260], solid=True)]
    for value in found:
        assert_close("rectangle", torch.view_as_real(value), expected, tolerance)
    # A segment along x is sinc-shaped along kx and does not depend on ky.
    segment = simplex_fourier(corners, torch.tensor([[0, 1]]), None, [32, 8])
    k = reference.grid([32, 8], [1.0] * 2)
    a, b = corners.double().numpy()[:2]
    wanted = (b - a)[0] * np.sinc(k[..., 0] * (b - a)[0] / 2 / np.pi) * np.exp(-1j * k @ (a + b) / 2)
    assert_close("segment", torch.view_as_real(segment), torch.view_as_real(torch.tensor(wanted)), tolerance)


@pytest.mark.parametrize("size", [1.0, 1e-3])
def test_solids_of_both_orientations_and_small_ones(size):
    places, faces = cube()
    places = 0.5 + size * (places - 0.5)
    listed = torch.tensor([[0.0, 0, 0], [1, 2, 3], [40, 0, -7]], dtype=torch.float64)
    expected = reference.box(places.amin(0).numpy(), places.amax(0).numpy(), listed.numpy())
    found = simplex_fourier_at(places, faces, listed, solid=True)
    assert_close("solid", torch.view_as_real(found), torch.view_as_real(torch.tensor(expected)), 1e-9)
    reverse = simplex_fourier_at(places, faces.flip(1), listed, solid=True)
    assert_close("reverse", torch.view_as_real(reverse), torch.view_as_real(-found), 1e-12)
    rounded = places.float()
    single = simplex_fourier(rounded, faces, modes=8, solid=True)
    double = simplex_fourier(rounded.double(), faces, modes=8, solid=True)
    assert_close("float32", torch.view_as_real(single), torch.view_as_real(double), 1e-5)


@pytest.mark.parametrize(("d", "j"), CASES)
def test_gradients(d, j):
    vertices, simplices, densities = soup(d, j, 3)
    inputs = (vertices.requires_grad_(), torch.stack((densities, densities + 1), 1).requires_grad_())
    sizes = [5, 4] if d == 2 else [3, 2, 3]
    assert torch.autograd.gradcheck(lambda v, w: simplex_fourier(v, simplices, w, sizes, 1.3), inputs)
    listed = torch.randn(5, d, dtype=torch.float64) * 9
    assert torch.autograd.gradcheck(lambda v, w: simplex_fourier_at(v, simplices, listed, w), inputs)
    if j == d - 1:
        ring = torch.tensor([[0, 1], [1, 2], [2, 0]] if d == 2 else [[0, 2, 1], [0, 1, 3], [1, 2, 3], [0, 3, 2]])
        assert torch.autograd.gradcheck(lambda v: simplex_fourier(v, ring, None, sizes, 1.3, solid=True), inputs[:1])


@pytest.mark.parametrize("j", [1, 2, 3])
def test_gradients_where_phases_coincide(j):
    corners = torch.tensor(FLAT["on the axes"], dtype=torch.float64)[: j + 1] * 3
    one = torch.arange(j + 1)[None]
    assert torch.autograd.gradcheck(lambda v: simplex_fourier(v, one, None, [5, 4, 5]), (corners.requires_grad_(),))
    point = torch.full((4, 3), 0.3).requires_grad_()  # no content
    (pull,) = torch.autograd.grad(simplex_fourier(point, one, None, 4).real.sum(), point)
    assert bool(pull.isfinite().all())


@pytest.mark.parametrize(("d", "j"), CASES)
def test_gradients_of_float32_and_any_number_of_threads(d, j):
    vertices, simplices, densities = soup(d, j, 50)
    probe = torch.randn(*([64, 33] if d == 2 else [20, 20, 11]), dtype=torch.complex128)

    def pulls(dtype):
        inputs = [vertices.to(dtype).requires_grad_(), densities.to(dtype).requires_grad_()]
        spectrum = simplex_fourier(inputs[0], simplices, inputs[1], 64 if d == 2 else 20)
        return [spectrum.detach(), *torch.autograd.grad((spectrum * probe.to(spectrum.dtype)).real.sum(), inputs)]

    for single, double in zip(pulls(torch.float32)[1:], pulls(torch.float64)[1:]):
        assert_close("float32", single, double, 1e-4)
    with threads(1):
        alone = pulls(torch.float32)
    with threads(3):
        together = pulls(torch.float32)
    assert all(torch.equal(a, b) for a, b in zip(alone, together))


def test_invalid_input():
    vertices, simplices, densities = soup(3, 2, 4)
    places, faces = cube()
    bad = {
        "3 coordinates": lambda: simplex_fourier(vertices[:, :1], simplices),
        "finite": lambda: simplex_fourier(vertices * float("nan"), simplices),
        "float32 or float64": lambda: simplex_fourier(vertices.half(), simplices),
        "at least one simplex": lambda: simplex_fourier(vertices, simplices[:0]),
        "name the vertices": lambda: simplex_fourier(vertices, simplices + 7),
        "name the vertices -1": lambda: simplex_fourier(vertices, simplices - 1 - simplices.min()),
        "int64": lambda: simplex_fourier(vertices, simplices.int()),
        "1 to 3 corners": lambda: simplex_fourier(vertices[:, :2].contiguous(), torch.zeros(1, 4, dtype=torch.int64)),
        "1 to 4 corners": lambda: simplex_fourier(vertices, torch.zeros(1, 5, dtype=torch.int64)),
        "densities must be (4,)": lambda: simplex_fourier(vertices, simplices, densities[:3]),
        "densities must be finite": lambda: simplex_fourier(vertices, simplices, densities / 0),
        "densities must be float64": lambda: simplex_fourier(vertices, simplices, densities.float()),
        "positive size": lambda: simplex_fourier(vertices, simplices, modes=0),
        "as many as coordinates": lambda: simplex_fourier(vertices, simplices, modes=[4, 4]),
        "at most": lambda: simplex_fourier(vertices, simplices, modes=5000),
        "period must be": lambda: simplex_fourier(vertices, simplices, modes=4, period=[1.0, 1.0, 0.0]),
        "waves away": lambda: simplex_fourier(vertices * 1e15, simplices, modes=4),
        "waves away from": lambda: simplex_fourier(vertices, simplices, modes=4, period=1e-310),
        "shortest waves": lambda: simplex_fourier_at(vertices * 1e300, simplices, 1e10 * vertices),
        "frequencies must have shape": lambda: simplex_fourier_at(vertices, simplices, torch.zeros(4, 2)),
        "frequencies must be finite": lambda: simplex_fourier_at(vertices, simplices, vertices / 0),
        "frequencies must hold": lambda: simplex_fourier_at(vertices, simplices, vertices[:0]),
        "closed boundary": lambda: simplex_fourier(places, faces[1:], solid=True),
        "agree in orientation": lambda: simplex_fourier(places, torch.cat((faces[1:], faces[:1].flip(1))), solid=True),
        "bounded by triangles": lambda: simplex_fourier(places, faces[:, :2].contiguous(), solid=True),
        "density 1": lambda: simplex_fourier(places, faces, torch.ones(12, dtype=torch.float64), solid=True),
    }
    for message, call in bad.items():
        with pytest.raises(InvalidInput) as caught:
            call()
        assert message in str(caught.value), (message, str(caught.value))


@pytest.mark.parametrize("channels", [3, 40])
def test_each_channel_is_by_itself(channels):
    vertices, simplices, _ = soup(3, 2, 5)
    densities = torch.randn(5, channels, dtype=torch.float64)
    found = simplex_fourier(vertices, simplices, densities, [4, 70, 6])
    for c in range(channels):
        alone = simplex_fourier(vertices, simplices, densities[:, c], [4, 70, 6])
        assert torch.equal(found[c], alone)


def test_float32_far_from_the_origin():
    vertices, simplices, _ = soup(3, 3, 5)
    vertices = (vertices * 1024).round() / 1024  # the shift is exact in float32
    found = simplex_fourier((vertices + 1024).float(), simplices, None, 17)
    expected = simplex_fourier(vertices, simplices, None, 17)
    assert_close("1024 periods away", torch.view_as_real(found), torch.view_as_real(expected), 1e-6)
