"""Parts matched to wholes."""

import pytest
import torch

from geokit.errors import InvalidInput
from geokit.geometry.mesh import Mesh
from geokit.spectral.partial import area_ratio, grow_partial, match_partial
from geokit.spectral.shape import prepare
from tests.geometry.shapes import sphere
from tests.spectral.asymmetric import blob, permuted


def upper(mesh: Mesh, height: float) -> tuple[Mesh, torch.Tensor]:
    """The faces whose middle is above a height, their vertices in another order, and which vertices (N2,) they are."""
    keep = mesh.corners.mean(1)[:, 2] > height
    used, faces = torch.unique(mesh.faces[keep], return_inverse=True)
    part, order = permuted(Mesh(mesh.vertices[used], faces))
    return part, used[order]


@pytest.fixture(scope="module")
def cut():
    mesh = blob(3)
    part, truth = upper(mesh, -0.3)
    return prepare(part, 50), prepare(mesh, 80), truth, part.area() / mesh.area()


def misses(found, truth, whole):
    """Distances of images from the true ones in lengths of edges."""
    places = whole.mesh.vertices
    edge = (whole.mesh.corners[:, 0] - whole.mesh.corners[:, 1]).norm(dim=1).mean()
    return (places[found.p2p] - places[truth]).norm(dim=1) / edge


@pytest.mark.parametrize("known", [True, False])
def test_a_cut_shape_is_found_where_it_was(cut, known):
    part, whole, truth, ratio = cut
    chosen = torch.tensor([5, 100, 200, 300])
    found = match_partial(part, whole, torch.stack([chosen, truth[chosen]], 1) if known else None)
    assert (misses(found, truth, whole) < 0.5).double().mean() > 0.9
    assert misses(found, truth, whole).mean() < 0.3
    assert found.ratio == pytest.approx(ratio, rel=1e-9)
    inside = torch.zeros(len(whole), dtype=torch.bool)
    inside[truth] = True
    assert ((found.indicator > 0.5) == inside).double().mean() > 0.93
    assert float((found.indicator * whole.basis.masses).sum()) == pytest.approx(ratio, rel=0.1)
    size2, size1 = found.functional_map.shape
    assert size2 == pytest.approx(ratio * size1, abs=1)
    squares = found.functional_map @ found.functional_map.T
    assert (squares.diagonal() > 0.5).double().mean() > 0.9


def test_half_a_sphere_has_half_its_area_and_goes_back_to_its_half():
    mesh = sphere(3)
    part, truth = upper(mesh, 0.0)
    half, whole = prepare(part, 40), prepare(mesh, 80)
    assert area_ratio(half, whole) == pytest.approx(0.5, abs=0.02)
    found = grow_partial(truth, half, whole)
    assert misses(found, truth, whole).mean() < 1
    assert (found.indicator[mesh.vertices[:, 2] > 0.25] > 0.5).all()
    assert (found.indicator[mesh.vertices[:, 2] < -0.25] < 0.5).all()


def test_the_whole_is_a_part_of_itself(cut):
    _, whole, _, _ = cut
    found = grow_partial(torch.arange(len(whole)), whole, whole)
    assert torch.equal(found.p2p, torch.arange(len(whole)))
    assert found.ratio == 1
    assert found.stretch == pytest.approx(1)
    torch.testing.assert_close(found.indicator, torch.ones_like(found.indicator))


def test_what_cannot_be_a_part_is_told(cut):
    part, whole, _, _ = cut
    with pytest.raises(InvalidInput, match="give the part first"):
        match_partial(whole, part)
    with pytest.raises(InvalidInput, match="landmark 1 names vertex"):
        match_partial(part, whole, torch.tensor([[len(part), 0]]))
