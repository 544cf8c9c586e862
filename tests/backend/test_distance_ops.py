"""The tree's kernels against every triangle in float64, and as torch operators."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from geokit.backend import distance_ops as ops
from geokit.geometry.distance import Bvh, closest_points, ray_cast, winding_number
from geokit.geometry.mesh import Mesh
from tests.reference import triangles
from tests.reference.comparison import threads

DTYPES = (torch.float32, torch.float64)


def soup(seed, faces, dtype=torch.float64, size=0.2, degenerate=True):
    """Unconnected triangles of mixed sizes, some of them segments and points if `degenerate`."""
    g = torch.Generator().manual_seed(seed)
    centres = torch.rand(faces, 1, 3, generator=g, dtype=torch.float64)
    sizes = size * torch.rand(faces, 1, 1, generator=g, dtype=torch.float64) ** 2
    corners = centres + sizes * torch.randn(faces, 3, 3, generator=g, dtype=torch.float64)
    if degenerate:
        corners[::7, 2] = corners[::7, 1]
        corners[::11, 1:] = corners[::11, :1]
        corners[3::13, 2] = corners[3::13, :2].mean(1)
    corners = corners.to(dtype)
    return Mesh(corners.reshape(-1, 3), torch.arange(3 * faces).reshape(-1, 3))


def places(seed, count, dtype=torch.float64, spread=2.0):
    g = torch.Generator().manual_seed(100 + seed)
    return ((torch.rand(count, 3, generator=g, dtype=torch.float64) - 0.5) * spread + 0.5).to(dtype)


def check_tree(bvh):
    """Every face is in one leaf, and every box holds what is below it."""
    inside = [None] * len(bvh.boxes)
    blocks = bvh.triangles[:, :9].reshape(-1, 3, 3, 8)
    seen = []
    for node in range(len(bvh.boxes) - 1, -1, -1):
        lows, highs = [], []
        for slot, child in enumerate(bvh.children[node].tolist()):
            if child == -(2**31):
                continue
            if child < 0:
                low, high = blocks[~child].amin((0, 2)), blocks[~child].amax((0, 2))
                seen += set(bvh.face_ids[~child].tolist())
            else:
                low, high = inside[child]
            box = bvh.boxes[node, :, slot]
            assert (box[:3] <= low).all()
            assert (box[3:] >= high).all()
            lows.append(low), highs.append(high)
        inside[node] = torch.stack(lows).amin(0), torch.stack(highs).amax(0)
    assert sorted(seen) == list(range(len(bvh)))


@pytest.mark.parametrize("faces", [1, 2, 8, 9, 65, 1000])
@pytest.mark.parametrize("dtype", DTYPES)
def test_tree_holds_every_face_once(faces, dtype):
    check_tree(Bvh(soup(faces, faces, dtype)))


def test_tree_of_equal_faces_and_of_faces_in_a_geometric_series():
    same = Mesh(torch.rand(3, 3), torch.tensor([[0, 1, 2]]).expand(5000, 3).contiguous())
    check_tree(Bvh(same))
    series = torch.rand(200, 3, 3, dtype=torch.float64) * 2.0 ** -torch.arange(200, dtype=torch.float64)[:, None, None]
    check_tree(Bvh(Mesh(series.reshape(-1, 3), torch.arange(600).reshape(-1, 3))))


def assert_closest(mesh, queries, tolerance):
    found = closest_points(mesh, queries)
    squared, _ = triangles.closest(queries, mesh.corners)
    torch.testing.assert_close(found.distances.double(), squared.amin(1).sqrt(), rtol=tolerance, atol=tolerance)
    # the face, the point, the weights and the distance tell the same story
    of_face = squared.gather(1, found.face_ids[:, None])[:, 0].sqrt()
    torch.testing.assert_close(of_face, found.distances.double(), rtol=tolerance, atol=tolerance)
    corners = mesh.corners[found.face_ids].double()
    again = (found.barycentrics.double()[..., None] * corners).sum(1)
    torch.testing.assert_close(again, found.points.double(), rtol=tolerance, atol=tolerance)
    torch.testing.assert_close(
        (found.points - queries).double().norm(dim=1), found.distances.double(), rtol=tolerance, atol=tolerance
    )
    assert (found.barycentrics >= 0).all()
    torch.testing.assert_close(found.barycentrics.sum(1), torch.ones_like(found.distances))


@pytest.mark.parametrize("faces", [1, 7, 8, 40, 700])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-6), (torch.float64, 1e-12)])
def test_closest_points_of_a_soup_with_degenerate_faces(faces, dtype, tolerance):
    assert_closest(soup(faces, faces, dtype), places(faces, 500, dtype), tolerance)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 60), st.floats(-40, 40))
def test_closest_points_at_every_scale(seed, faces, exponent):
    scale = 10.0**exponent if abs(exponent) < 17 else 10.0 ** (exponent / 3)
    mesh = soup(seed, faces, torch.float32)
    mesh = mesh.replace(vertices=mesh.vertices * scale)
    queries = places(seed, 30, torch.float32) * scale
    found = closest_points(mesh, queries)
    expected = triangles.closest(queries, mesh.corners)[0].amin(1).sqrt()
    torch.testing.assert_close(found.distances.double() / scale, expected / scale, rtol=1e-5, atol=1e-6)


def test_queries_on_the_surface_are_at_distance_zero():
    mesh = soup(3, 300, torch.float32)
    found = closest_points(mesh, mesh.vertices)
    assert float(found.distances.max()) < 1e-7
    assert float(closest_points(mesh, mesh.corners.mean(1)).distances.max()) < 2e-7


def test_thin_triangles_are_measured_as_exactly_as_round_ones():
    g = torch.Generator().manual_seed(8)
    ends = torch.rand(400, 2, 3, generator=g, dtype=torch.float64)
    third = ends.mean(1, keepdim=True) + 1e-6 * torch.randn(400, 1, 3, generator=g, dtype=torch.float64)
    corners = torch.cat([ends, third], 1).float()
    assert_closest(Mesh(corners.reshape(-1, 3), torch.arange(1200).reshape(-1, 3)), places(8, 400, torch.float32), 1e-6)


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 3e-6), (torch.float64, 1e-12)])
def test_exact_winding_number(dtype, tolerance):
    mesh, queries = soup(5, 300, dtype), places(5, 300, dtype)
    found = winding_number(mesh, queries, exact=True)
    torch.testing.assert_close(found.double(), triangles.winding(queries, mesh.corners), rtol=0, atol=tolerance)


def test_fast_winding_number_converges_with_the_third_power_of_beta():
    mesh, queries = soup(6, 3000, size=0.05), places(6, 400)
    exact = triangles.winding(queries, mesh.corners)
    errors = [float((winding_number(mesh, queries, beta) - exact).abs().mean()) for beta in (2.0, 4.0, 8.0)]
    assert errors[0] < 1e-2
    assert errors[1] < errors[0] / 6
    assert errors[2] < errors[1] / 6


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.float64, 1e-11)])
def test_rays_hit_the_first_face(dtype, tolerance):
    mesh, origins = soup(9, 500, dtype), places(9, 2000, dtype)
    directions = 3 * places(10, 2000, dtype) - origins
    directions[::5, 0] = 0
    directions[::10, 1] = 0
    directions[7] = 0
    hits = ray_cast(mesh, origins, directions)
    expected, margin = triangles.first_hits(origins, directions, mesh.corners)
    clear = margin > 1e3 * tolerance
    assert clear.sum() > 1000
    torch.testing.assert_close(hits.t[clear].double(), expected[clear], rtol=tolerance, atol=tolerance)
    assert torch.equal(hits.t.isinf(), hits.face_ids < 0)
    hit = hits.face_ids >= 0
    assert 100 < hit.sum() < 1900
    assert not hit[7]
    on_face = (hits.barycentrics[hit].unsqueeze(2) * mesh.corners[hits.face_ids[hit]]).sum(1)
    on_ray = origins[hit] + hits.t[hit].unsqueeze(1) * directions[hit]
    torch.testing.assert_close(on_face, on_ray, rtol=0, atol=10 * tolerance)
    assert not hits.barycentrics[~hit].any()


def test_no_ray_slips_through_the_edges_of_a_closed_surface():
    corners = torch.tensor([[x, y, z] for x in (0, 1) for y in (0, 1) for z in (0, 1)], dtype=torch.float32)
    quads = torch.tensor([[0, 1, 3, 2], [4, 6, 7, 5], [0, 4, 5, 1], [2, 3, 7, 6], [0, 2, 6, 4], [1, 5, 7, 3]])
    cube = Mesh(corners + 0.123, torch.cat([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]]))
    g = torch.Generator().manual_seed(0)
    origins = (0.4 + 0.2 * torch.rand(30_000, 3, generator=g)) + 0.123
    edges = torch.cat([cube.corners[:, [0, 1]], cube.corners[:, [1, 2]], cube.corners[:, [2, 0]]])
    ends = edges[torch.randint(len(edges), (30_000,), generator=g)]
    weights = torch.rand(30_000, 1, generator=g)
    targets = ends[:, 0] * (1 - weights) + ends[:, 1] * weights
    assert bool((ray_cast(cube, origins, targets - origins).face_ids >= 0).all())


@pytest.mark.parametrize("dtype", DTYPES)
def test_results_do_not_depend_on_the_thread_count(dtype):
    mesh, queries = soup(11, 20_000, dtype, size=0.02), places(11, 5000, dtype)
    results = []
    for count in (1, 2, 3):
        with threads(count):
            bvh = Bvh(mesh)
            found = closest_points(bvh, queries)
            hits = ray_cast(bvh, queries, queries - 0.3)
            results.append(
                [*bvh.tree, bvh.moments, winding_number(bvh, queries), *vars(found).values(), *vars(hits).values()]
            )
    for other in results[1:]:
        assert all(torch.equal(a, b) for a, b in zip(results[0], other))


def arguments(seed=1, faces=12, count=15):
    mesh = soup(seed, faces, size=0.8, degenerate=False)
    bvh = Bvh(mesh)
    return places(seed, count), mesh, bvh


def test_gradients_of_closest_points():
    queries, mesh, bvh = arguments()
    above = mesh.corners[:5].mean(1) + 1e-2 * mesh.face_normals()[:5]
    queries = torch.cat([queries, above])
    inputs = [queries.requires_grad_(), mesh.vertices.clone().requires_grad_()]

    def found(q, v):
        moved = mesh.replace(vertices=v)
        points, distances, _, weights = ops.closest_points(q, v, mesh.faces, *Bvh(moved).tree, Bvh(moved).scale)
        return points, distances, weights

    assert torch.autograd.gradcheck(found, inputs)
    cases = (closest_points(bvh, queries).barycentrics > 0).sum(1)
    assert set(cases.tolist()) == {1, 2, 3}


def test_gradients_of_rays():
    queries, mesh, _ = arguments(2, 20, 20)
    directions = mesh.corners.mean(1) - queries
    mesh_slopes = (mesh.face_normals() * torch.nn.functional.normalize(directions)).sum(1).abs()
    queries, directions = queries[mesh_slopes > 0.3].clone(), directions[mesh_slopes > 0.3].clone()
    assert len(queries) > 8
    inputs = [queries.requires_grad_(), directions.requires_grad_(), mesh.vertices.clone().requires_grad_()]

    def found(o, d, v):
        t = ray_cast(mesh.replace(vertices=v), o, d).t
        return torch.where(t.isinf(), 0, t)

    assert torch.autograd.gradcheck(found, inputs)


def test_opcheck():
    queries, mesh, bvh = arguments()
    q, v = queries.requires_grad_(), mesh.vertices.clone().requires_grad_()
    torch.library.opcheck(ops.build, (mesh.vertices, mesh.faces, 1.0))
    torch.library.opcheck(ops.moments, bvh.tree)
    torch.library.opcheck(ops.query_order, (queries.detach(), *bvh.tree, bvh.scale))
    torch.library.opcheck(ops.winding_number, (queries.detach(), *bvh.tree, bvh.moments, bvh.scale, 2.0))
    torch.library.opcheck(ops.closest_points, (q, v, mesh.faces, *bvh.tree, bvh.scale))
    directions = (0.5 - queries).detach().requires_grad_()
    torch.library.opcheck(ops.ray_cast, (q, directions, v, mesh.faces, *bvh.tree, bvh.scale))
    found = closest_points(bvh, queries)
    bars = torch.rand_like(queries), torch.rand(len(queries)).double(), torch.rand_like(queries)
    backward = (queries, mesh.vertices, mesh.faces, found.face_ids, found.barycentrics, *bars)
    torch.library.opcheck(ops._closest_points_backward, tuple(t.detach() for t in backward))
