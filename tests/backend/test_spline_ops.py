"""The native parts of spline surfaces against their definition."""

import pytest
import torch
from torch.nn.functional import normalize

from geokit.backend import spline_ops as ops
from geokit.geometry.mesh import Mesh
from geokit.geometry.topology import topology
from tests.reference import spline_surface as reference
from tests.reference.comparison import assert_close, threads

TOLERANCE = {torch.float64: 1e-12, torch.float32: 2e-5}


def lattice(dtype=torch.float64, points=40, seed=0):
    """A ragged lattice with holes, points in some of its cells and random coefficients."""
    g = torch.Generator().manual_seed(seed)
    cells = torch.randint(-3, 4, (9, 3), generator=g)
    keys = ops.dilate(ops.keys_of(cells).unique())
    keys = keys[torch.rand(len(keys), generator=g) < 0.9]
    own = keys[torch.randperm(len(keys), generator=g)[:6].sort().values]
    member = torch.randint(6, (points,), generator=g).sort().values
    offsets = torch.searchsorted(member, torch.arange(7))
    places = torch.rand(points, 3, generator=g, dtype=torch.float64) - 0.5
    normals = normalize(torch.randn(points, 3, generator=g, dtype=torch.float64), dim=1)
    weights = torch.rand(points, generator=g, dtype=torch.float64)
    centers = torch.searchsorted(keys, own).to(torch.int32)
    cell_of = torch.full((len(keys),), -1, dtype=torch.int32)
    cell_of[centers.long()] = torch.arange(6, dtype=torch.int32)
    real = [t.to(dtype) for t in (places, normals, weights)]
    fit = ops.FitPoints(ops.around(keys, keys), centers, cell_of, offsets, *real)
    x = torch.randn(len(keys), generator=g, dtype=torch.float64)
    where = ops.cells_of(own)[member] + 0.5 + places
    return keys, fit, x.to(dtype), where


def test_dilation_and_neighbours():
    cells = torch.randint(-5, 5, (30, 3), generator=torch.Generator().manual_seed(1))
    keys = ops.keys_of(cells).unique()
    steps = torch.cartesian_prod(*(torch.arange(-1, 2),) * 3)
    grown = ops.dilate(keys)
    assert torch.equal(grown, ops.keys_of(cells[:, None] + steps).unique())
    assert torch.equal(ops.keys_of(ops.cells_of(grown)), grown)
    around = ops.nodes_of(ops.around(grown, grown))
    wanted = ops.keys_of(ops.cells_of(grown)[:, None] + steps)
    there = torch.isin(wanted, grown)
    assert torch.equal(around >= 0, there)
    assert torch.equal(grown[around][there], wanted[there])
    assert len(ops.dilate(keys[:0])) == 0
    anywhere = torch.randint(-9, 9, (500, 3), generator=torch.Generator().manual_seed(2))
    asked = ops.keys_of(anywhere)
    found = ops.nodes_of(ops.around(grown, asked))
    wanted = ops.keys_of(anywhere[:, None] + steps)
    assert torch.equal(found >= 0, torch.isin(wanted, grown))
    assert torch.equal(grown[found][found >= 0], wanted[found >= 0])
    assert torch.equal(ops.nodes_of(ops._around_by_formula(grown, asked)), found)
    assert bool((ops.nodes_of(ops.around(grown[:0], asked)) == -1).all())
    assert bool((ops.nodes_of(ops._around_by_formula(grown[:0], asked)) == -1).all())


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_gradient_and_diagonal_of_the_fit(dtype):
    keys, fit, x, where = lattice(dtype)
    exact = x.double().requires_grad_()
    cells, normals = ops.cells_of(keys), fit.normals.double()
    terms = (cells, exact, where, normals, fit.weights.double(), 3.0, 0.7)
    expected = torch.autograd.grad(reference.energy(*terms), exact)[0]
    assert_close("gradient", ops.fit_gradient(x, fit, 3.0, 0.7), expected, TOLERANCE[dtype])
    matrix = torch.stack([ops.fit_gradient(row, fit, 3.0, 0.7, wanted=False) for row in torch.eye(len(x)).to(dtype)])
    assert_close("symmetry", matrix, matrix.T.double(), TOLERANCE[dtype])
    assert_close("diagonal", ops.fit_diagonal(fit, 3.0, 0.7), matrix.diagonal().double(), TOLERANCE[dtype])


def test_the_operators_are_sound():
    keys, fit, x, _ = lattice()
    assert torch.autograd.gradcheck(lambda x: ops.fit_gradient(x, fit, 2.0, 0.3), x.requires_grad_())
    torch.library.opcheck(torch.ops.geokit.spline_gradient, (x, fit.arrays(), fit.normals, 2.0, 0.3))
    torch.library.opcheck(torch.ops.geokit.lattice_around, (keys, keys[:7]))
    torch.library.opcheck(torch.ops.geokit.lattice_dilate, (keys,))


def test_the_same_for_every_number_of_threads():
    _, fit, x, _ = lattice(torch.float32, points=4000)
    found = []
    for count in (1, 3):
        with threads(count):
            found.append(ops.fit_gradient(x, fit, 2.0, 0.3))
    assert torch.equal(*found)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_planes_meet_where_the_reference_says(dtype):
    g = torch.Generator().manual_seed(0)
    places = torch.rand(150, 3, generator=g, dtype=torch.float64) * torch.tensor([4.0, 3.0, 2.0])
    normals = normalize(torch.randn(150, 3, generator=g, dtype=torch.float64) + torch.tensor([0.0, 0, 2]), dim=1)
    keys, order = ops.keys_of(places.floor().long()).sort(stable=True)
    own, counts = keys.unique_consecutive(return_counts=True)
    offsets = torch.cat([counts.new_zeros(1), counts.cumsum(0)])
    places, normals = places[order], normals[order]
    found = ops.plane_meet(places.to(dtype), normals.to(dtype), own, offsets, 1.7, 0.5, 0.05)
    expected = reference.plane_meet(places, normals, 1.7, 0.5, 0.05)
    for name, a, b in zip(("places", "normals"), found, expected):
        assert_close(name, a, b, 1e-10 if dtype == torch.float64 else 2e-4)


@pytest.mark.parametrize("parts", [1, 2])
def test_marching_makes_closed_oriented_manifolds_of_noise(parts):
    """Random coefficients have every case and every ambiguous face; a rim of ones closes the surface."""
    g = torch.Generator().manual_seed(parts)
    cells = torch.cartesian_prod(*(torch.arange(-5, 6),) * 3)
    x = torch.where(cells.abs().amax(1) < 4, torch.randn(len(cells), generator=g, dtype=torch.float64), 1.0)
    keys = ops.keys_of(cells)
    around = ops.around(keys, keys)
    whole = (around & 7 == 7).all(1)
    edges, shares = ops.march(around[whole], cells[whole].to(torch.int32), x, parts)
    unique, faces = edges.unique(return_inverse=True)
    share = torch.empty(len(unique), dtype=torch.float64)
    share[faces.reshape(-1)] = shares.reshape(-1)
    mask, axis = (1 << 20) - 1, unique & 3
    corners = torch.stack([unique >> 42, (unique >> 22) & mask, (unique >> 2) & mask], 1) - ops.BIAS
    ends = corners + torch.eye(3, dtype=torch.int64)[axis]
    at = torch.lerp(corners.double(), ends.double(), share[:, None])
    low, high = (reference.spline_field(cells, x, c.double() / parts) for c in (corners, ends))
    assert bool(((low < 0) != (high < 0)).all())
    torch.testing.assert_close(share, (low / (low - high)).clamp(0, 1), atol=1e-9, rtol=0)
    found = topology(Mesh(at, faces))
    assert found.watertight
    assert found.manifold
    assert Mesh(at, faces).volume() > 0
    assert len(faces) > 500
