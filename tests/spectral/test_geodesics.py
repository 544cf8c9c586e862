"""Distances along surfaces against great circles, planes, exact ones, and the laws that distances obey."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from geokit.backend import geodesic_ops
from geokit.errors import InvalidInput
from geokit.geometry.mesh import Mesh
from geokit.spectral.geodesics import (
    HeatGeodesics,
    MarchingGeodesics,
    SurfacePoints,
    geodesic_distances,
    geodesics,
)
from geokit.spectral.geodesics_base import nearby_order
from geokit.spectral.geodesics_sources import seeds_of

METHODS = ("fast_marching", "heat", "dijkstra")


def sphere(levels: int) -> Mesh:
    """An octahedron refined `levels` times, vertices on the unit sphere."""
    places = torch.tensor([[1.0, 0, 0], [-1, 0, 0], [0, 1, 0], [0, -1, 0], [0, 0, 1], [0, 0, -1]], dtype=torch.float64)
    faces = torch.tensor([[0, 2, 4], [2, 1, 4], [1, 3, 4], [3, 0, 4], [2, 0, 5], [1, 2, 5], [3, 1, 5], [0, 3, 5]])
    for _ in range(levels):
        ends = torch.stack([faces, faces.roll(-1, 1)], 2).reshape(-1, 2).sort(1).values
        edges, slot = torch.unique(ends, dim=0, return_inverse=True)
        middle = slot.reshape(-1, 3) + len(places)
        places = torch.cat([places, torch.nn.functional.normalize(places[edges].mean(1), dim=1)])
        (a, b, c), (ab, bc, ca) = faces.T, middle.T
        corners = [[a, ab, ca], [ab, b, bc], [ca, bc, c], [ab, bc, ca]]
        faces = torch.cat([torch.stack(corner, 1) for corner in corners])
    return Mesh(places, faces)


def plane(side: int, seed: int = 0, moved: float = 0.25) -> Mesh:
    """A unit square of side x side vertices, those inside moved a little."""
    line = torch.linspace(0, 1, side, dtype=torch.float64)
    x, y = (axis.reshape(-1) for axis in torch.meshgrid(line, line, indexing="ij"))
    inside = (x > 0) & (x < 1) & (y > 0) & (y < 1)
    noise = torch.randn(side * side, 2, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    noise *= moved / side
    places = torch.stack([x, y, torch.zeros_like(x)], 1)
    places[:, :2] += noise.clamp(-0.4 / side, 0.4 / side) * inside[:, None]
    i = torch.arange(side * side).reshape(side, side)
    a, b, c, d = i[:-1, :-1].reshape(-1), i[1:, :-1].reshape(-1), i[1:, 1:].reshape(-1), i[:-1, 1:].reshape(-1)
    return Mesh(places, torch.cat([torch.stack([a, b, c], 1), torch.stack([a, c, d], 1)]))


def great_circles(mesh: Mesh, source: int) -> Tensor:
    places = torch.nn.functional.normalize(mesh.vertices, dim=1)
    return 2 * torch.asin(((places - places[source]).norm(dim=1) / 2).clamp(max=1))


def relative_error(found: Tensor, wanted: Tensor) -> float:
    away = wanted > 0
    return float(((found - wanted).abs()[away] / wanted[away]).mean())


@pytest.mark.parametrize(("method", "finest"), [("fast_marching", 0.002), ("heat", 0.02)])
def test_distances_on_a_sphere_tend_to_great_circles(method, finest):
    errors = [relative_error(geodesic_distances(m := sphere(n), 5, method), great_circles(m, 5)) for n in (4, 5)]
    assert errors[1] < errors[0]
    assert errors[1] < finest


def test_marching_is_exact_on_a_plane():
    mesh = plane(20)
    for source in (0, 210, 399):
        wanted = (mesh.vertices - mesh.vertices[source]).norm(dim=1)
        torch.testing.assert_close(geodesic_distances(mesh, source), wanted, rtol=1e-5, atol=1e-12)


def test_ways_bend_around_a_boundary():
    """An L: from one end to the other around the inner corner."""
    mesh = plane(21, moved=0)
    centers = mesh.corners.mean(1)
    bent = Mesh(mesh.vertices, mesh.faces[~((centers[:, 0] > 0.5) & (centers[:, 1] > 0.5))])
    grid = torch.arange(441).reshape(21, 21)
    corner, start, end = (bent.vertices[i] for i in (grid[10, 10], grid[20, 10], grid[10, 20]))
    wanted = float((start - corner).norm() + (corner - end).norm())
    assert float(geodesic_distances(bent, int(grid[20, 10]))[grid[10, 20]]) == pytest.approx(wanted, rel=1e-5)


def test_dijkstra_follows_edges():
    mesh = plane(5, seed=1)
    found = geodesic_distances(mesh, 0, "dijkstra")
    assert float(found[1]) == pytest.approx(float((mesh.vertices[1] - mesh.vertices[0]).norm()))
    assert bool((found >= geodesic_distances(mesh, 0) - 1e-9).all())


def test_marching_agrees_with_exact_distances():
    pytest.importorskip("igl")
    mesh = sphere(3)
    mesh = mesh.replace(vertices=mesh.vertices * (1 + 0.3 * torch.sin(4 * mesh.vertices[:, :1])))
    exact = geodesic_distances(mesh, [3], "exact")
    assert relative_error(geodesic_distances(mesh, [3]), exact) < 0.006
    with pytest.raises(InvalidInput, match="vertices only"):
        geodesic_distances(mesh, SurfacePoints(torch.tensor([0]), torch.full((1, 3), 1 / 3)), "exact")


@pytest.mark.parametrize("method", METHODS)
def test_several_sources_are_the_nearest_of_each(method):
    mesh = sphere(4)
    solver = geodesics(mesh, method)
    each = solver.distances_each([0, 1, 77])
    assert each.shape == (len(mesh.vertices), 3)
    together = solver.distances([0, 1, 77])
    tolerance = 0.08 if method == "heat" else 1e-5  # heat of several sources mixes
    torch.testing.assert_close(together, each.amin(1), rtol=0, atol=tolerance)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_all_pairs_are_symmetric_and_obey_the_triangle_inequality(method, dtype):
    mesh = sphere(4)
    solver = geodesics(mesh, method)
    seen = []
    pairs = solver.all_pairs(dtype, progress=lambda done, total: seen.append((done, total)))
    assert pairs.dtype == dtype
    assert torch.equal(pairs, pairs.T)
    assert not bool(pairs.diagonal().any())
    assert seen[-1] == (len(solver), len(solver))
    through = pairs[:, :50] + pairs[:50, 7]  # from everywhere to vertex 7 by way of fifty others
    assert float((pairs[:, [7]] - through).max()) < 0.05
    torch.testing.assert_close(pairs[:, 7].double(), solver.distances(7), rtol=0, atol=0.05)


def test_many_sources_march_together():
    solver = MarchingGeodesics(sphere(4))
    many = torch.arange(0, 200, 2)
    torch.testing.assert_close(
        solver.distances(many), solver.distances_each(many).amin(1), rtol=0, atol=0.6 * solver.scale
    )


def test_all_pairs_refuses_what_does_not_fit():
    with pytest.raises(InvalidInput, match="all pairs of 1,026 vertices take"):
        MarchingGeodesics(sphere(4)).all_pairs(most_bytes=1000)


@settings(deadline=None, max_examples=10)
@given(seed=st.integers(0, 1000))
def test_the_numbering_of_vertices_does_not_matter(seed):
    mesh = sphere(3)
    order = torch.randperm(len(mesh.vertices), generator=torch.Generator().manual_seed(seed))
    place = torch.argsort(order)
    renumbered = Mesh(mesh.vertices[order], place[mesh.faces])
    torch.testing.assert_close(
        geodesic_distances(renumbered, int(place[9])), geodesic_distances(mesh, 9)[order], rtol=1e-4, atol=1e-9
    )


@pytest.mark.parametrize("method", METHODS)
def test_sources_inside_faces_are_continuous_with_vertices(method):
    solver = geodesics(sphere(4), method)
    face = 40
    vertex = int(solver.mesh.faces[face, 1])
    at_vertex = solver.distances(vertex)
    point = SurfacePoints(torch.tensor([face]), torch.tensor([[1e-7, 1 - 2e-7, 1e-7]], dtype=torch.float64))
    tolerance = 1e-5
    torch.testing.assert_close(solver.distances(point), at_vertex, rtol=0, atol=tolerance)


@pytest.mark.parametrize("weights", [[1 / 3, 1 / 3, 1 / 3], [0.5, 0.5, 0.0]])
def test_a_source_inside_a_face_or_on_an_edge_of_a_plane_is_exact(weights):
    mesh = plane(12)
    point = torch.tensor([weights], dtype=torch.float64)
    place = (point[..., None] * mesh.corners[[60]]).sum(1)
    found = geodesic_distances(mesh, SurfacePoints(torch.tensor([60]), point))
    torch.testing.assert_close(found, (mesh.vertices - place).norm(dim=1), rtol=1e-4, atol=1e-9)


@pytest.mark.parametrize("method", METHODS)
def test_other_pieces_are_infinitely_far(method):
    one = sphere(4)
    count = len(one.vertices)
    lone = torch.zeros(1, 3, dtype=torch.float64)
    both = Mesh(torch.cat([one.vertices, one.vertices + 5, lone]), torch.cat([one.faces, one.faces + count]))
    found = geodesic_distances(both, 3, method)
    assert bool(torch.isinf(found[count:]).all())
    torch.testing.assert_close(found[:count], geodesic_distances(one, 3, method), rtol=0, atol=0.05)
    assert bool(torch.isfinite(geodesic_distances(both, [3, count + 3], method)[:-1]).all())


def test_results_do_not_depend_on_the_number_of_threads():
    solver = MarchingGeodesics(sphere(4))
    heat = HeatGeodesics(sphere(4))
    before = torch.get_num_threads()
    try:
        found = []
        for threads in (1, 3):
            torch.set_num_threads(threads)
            found.append((solver.all_pairs(), heat.distances_each(range(40))))
    finally:
        torch.set_num_threads(before)
    assert torch.equal(found[0][0], found[1][0])
    torch.testing.assert_close(found[0][1], found[1][1], rtol=1e-12, atol=1e-12)


def test_faces_without_area_and_lengths_of_any_size_are_taken():
    mesh = plane(12)
    pinched = Mesh(torch.cat([mesh.vertices, mesh.vertices[[5]]]), torch.cat([mesh.faces, torch.tensor([[5, 6, 144]])]))
    found = geodesic_distances(pinched, 0)
    assert bool(torch.isfinite(found).all())
    torch.testing.assert_close(found[:144], geodesic_distances(mesh, 0), rtol=1e-4, atol=1e-9)
    for scale in (1e-12, 1e12):
        torch.testing.assert_close(
            geodesic_distances(Mesh(mesh.vertices * scale, mesh.faces), 0), scale * geodesic_distances(mesh, 0)
        )


def test_bad_questions_are_refused():
    mesh = sphere(2)
    for sources, words in (([], "at least one"), (66, "source is 66, but the mesh has 66 vertices"), ([-1], "is -1")):
        with pytest.raises(InvalidInput, match=words):
            geodesic_distances(mesh, sources)
    with pytest.raises(InvalidInput, match="whole numbers"):
        geodesic_distances(mesh, torch.tensor([0.5]))
    with pytest.raises(InvalidInput, match="sum to 1"):
        geodesic_distances(mesh, SurfacePoints(torch.tensor([0]), torch.ones(1, 3)))
    with pytest.raises(InvalidInput, match="one of fast_marching"):
        geodesic_distances(mesh, 0, "guess")  # type: ignore[arg-type]
    with pytest.raises(InvalidInput, match="mesh with faces"):
        MarchingGeodesics(Mesh(mesh.vertices, mesh.faces[:0]))
    with pytest.warns(UserWarning, match="coarse"):
        HeatGeodesics(mesh)


def test_neighbouring_places_stay_together():
    places = torch.rand(500, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    order = nearby_order(places)
    assert torch.equal(order.sort().values, torch.arange(500))
    runs = places[order][:496].reshape(31, 16, 3)
    assert float((runs - runs.mean(1, keepdim=True)).norm(dim=2).mean()) < 0.3 * math.sqrt(3) / 2


def test_sets_of_seeds_are_taken_in_any_order():
    seeds = seeds_of(sphere(2), SurfacePoints(torch.tensor([3, 8]), torch.full((2, 3), 1 / 3)))
    turned = seeds.take(torch.tensor([1, 0]))
    assert torch.equal(turned.vertices, torch.cat([seeds.vertices[3:], seeds.vertices[:3]]))
    assert torch.equal(turned.offsets, seeds.offsets)


def test_columns_that_walk_together_and_alone_agree():
    """Sixteen neighbours, the same one by one, and places all over the mesh."""
    mesh = sphere(4)
    marching = MarchingGeodesics(mesh)
    near = nearby_order(mesh.vertices)[:16]
    alone = torch.stack([marching.distances(int(source)) for source in near], 1)
    torch.testing.assert_close(marching.distances_each(near), alone, rtol=1e-3, atol=0)
    apart = torch.arange(0, len(mesh.vertices), 61)
    each = marching.distances_each(apart)
    assert relative_error(each, torch.stack([great_circles(mesh, int(source)) for source in apart], 1)) < 0.006


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_operators_pass_opcheck(dtype):
    mesh = sphere(1)
    marching, heat = MarchingGeodesics(mesh), torch.rand(len(mesh.vertices), 3, dtype=dtype)
    fronts = marching._fronts[torch.float64].to(dtype)
    seeds = torch.tensor([0, 1, 2]), torch.tensor([4, 9], dtype=torch.int32), torch.zeros(2, dtype=dtype)
    torch.library.opcheck(geodesic_ops.march_fronts, (*fronts.tensors(), *seeds))
    hats = torch.rand(len(mesh), 6, dtype=dtype)
    torch.library.opcheck(geodesic_ops.heat_flow, (mesh.faces.to(torch.int32), hats, heat))
