import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from geokit.backend import intrinsic_ops
from geokit.errors import InvalidInput
from geokit.geometry.point_cloud import PointCloud
from geokit.spectral.eigen import eigenbasis
from geokit.spectral.laplacian import laplacian, point_laplacian
from geokit.spectral.point_laplacian import local_triangles
from tests.geometry.shapes import sphere


def spread_over_sphere(count: int) -> torch.Tensor:
    """A spiral of equal areas."""
    z = 1 - 2 * (torch.arange(count, dtype=torch.float64) + 0.5) / count
    angle = torch.arange(count, dtype=torch.float64) * math.pi * (3 - math.sqrt(5))
    ring = (1 - z.square()).sqrt()
    return torch.stack((ring * angle.cos(), ring * angle.sin(), z), 1)


def test_spectrum_of_the_sphere():
    got = laplacian(PointCloud(spread_over_sphere(2000)))
    assert math.isclose(got.area, 4 * math.pi, rel_tol=0.01)
    want = torch.tensor([0] + [2] * 3 + [6] * 5 + [12] * 7, dtype=torch.float64)
    assert torch.allclose(eigenbasis(got, 16).eigenvalues, want, rtol=0.02, atol=1e-8)


@pytest.mark.parametrize("kind", ["random", "grid"])
def test_a_square_is_covered_three_times(kind):
    """Also where four points lie on a circle: the diagonals agree."""
    if kind == "random":
        flat = torch.rand(400, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
        flat = torch.cat([flat, torch.tensor([[0.0, 0], [1, 0], [0, 1], [1, 1]], dtype=torch.float64)])
    else:
        flat = torch.cartesian_prod(*[torch.linspace(0, 1, 17, dtype=torch.float64)] * 2)
    points = torch.cat([flat, torch.zeros(len(flat), 1, dtype=torch.float64)], 1)
    faces = local_triangles(points)
    corners = points[faces]
    areas = torch.linalg.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]).norm(dim=1) / 2
    found, times = torch.unique(faces.sort(1).values, dim=0, return_counts=True)
    if kind == "grid":
        assert bool((times == 3).all())
        assert math.isclose(float(areas.sum()), 3, rel_tol=1e-9)
        assert math.isclose(point_laplacian(PointCloud(points)).area, 1, rel_tol=1e-9)
    else:  # along the rim long thin triangles reach beyond the neighbours of some of their corners
        inside = (points[found].mean(1)[:, :2] - 0.5).abs().amax(1) < 0.35
        assert bool((times[inside] == 3).all())
        assert math.isclose(float(areas.sum()), 3, rel_tol=0.05)


def brute_star(points: torch.Tensor, center: int) -> set[frozenset[int]]:
    """Triangles with `center` whose circumcircle in the plane z = 0 holds no other point."""
    found = set()
    others = [i for i in range(len(points)) if i != center]
    for at, a in enumerate(others):
        for b in others[at + 1 :]:
            p, q = points[a] - points[center], points[b] - points[center]
            area = float(p[0] * q[1] - p[1] * q[0])
            if abs(area) < 1e-12:
                continue
            square = torch.stack([p @ p, q @ q])
            middle = torch.linalg.solve(2 * torch.stack([p[:2], q[:2]]), square)
            distances = (points[others, :2] - points[center, :2] - middle).norm(dim=1)
            if float(distances.min()) > float(middle.norm()) - 1e-9:
                found.add(frozenset((a, b)))
    return found


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 2**31))
def test_stars_are_delaunay(seed):
    generator = torch.Generator().manual_seed(seed)
    points = torch.rand(9, 3, generator=generator, dtype=torch.float64)
    points[:, 2] = 0
    near = torch.stack([torch.tensor([j for j in range(9) if j != i]) for i in range(9)])
    order = torch.cdist(points, points).gather(1, near).argsort(1)
    normals = torch.tensor([[0.0, 0, 1]], dtype=torch.float64).repeat(9, 1)
    stars, closed = intrinsic_ops.local_stars(points, normals, near.gather(1, order))
    for i in range(9):
        star = [j for j in stars[i].tolist() if j >= 0]
        pairs = list(zip(star, star[1:] + star[:1] if bool(closed[i]) else star[1:]))
        assert {frozenset(pair) for pair in pairs} == brute_star(points, i)
        assert len(pairs) == len(star) - (not bool(closed[i]))


def test_laws_on_a_noisy_cloud_with_duplicates():
    generator = torch.Generator().manual_seed(3)
    points = torch.randn(60, 3, generator=generator, dtype=torch.float64)
    points = torch.cat([points, points[:5]])
    got = point_laplacian(PointCloud(points), 12)
    dense = got.stiffness.dense()
    assert torch.equal(dense, dense.T)
    assert float(dense.sum(1).abs().max()) < 1e-11
    assert float((dense - torch.diag(dense.diagonal())).max()) <= 1e-9
    assert float(torch.linalg.eigvalsh(dense)[0]) > -1e-11
    assert float(got.masses.min()) > 0


def test_order_motion_and_scale():
    points = sphere(2).vertices + 0.01 * torch.randn(162, 3, generator=torch.Generator().manual_seed(0))
    got = point_laplacian(PointCloud(points))
    generator = torch.Generator().manual_seed(1)
    order = torch.randperm(len(points), generator=generator)
    turn = torch.linalg.qr(torch.randn(3, 3, generator=generator, dtype=torch.float64))[0]
    moved = point_laplacian(PointCloud((100 * points @ turn.T + 50)[order]))
    assert torch.allclose(moved.stiffness.dense(), got.stiffness.dense()[order][:, order], atol=1e-6)
    assert torch.allclose(moved.masses, 1e4 * got.masses[order], rtol=1e-6)


def test_operator_and_bad_arguments():
    points = sphere(1).vertices
    near = torch.cdist(points, points).argsort(1)[:, 1:8].contiguous()
    torch.library.opcheck(intrinsic_ops.local_stars, (points, points, near))
    with pytest.raises(InvalidInput, match="4 points"):
        point_laplacian(PointCloud(points[:3]))
    with pytest.raises(InvalidInput, match="kind"):
        laplacian(PointCloud(points), kind="cotangent")
    with pytest.raises(ValueError, match="neighbors"):
        intrinsic_ops.local_stars(points, points, near + 40)
