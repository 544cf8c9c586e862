"""Broken meshes made whole."""

import math

import numpy as np
import pytest
import torch

from geokit.errors import InvalidInput
from geokit.geometry.mesh import Mesh
from geokit.geometry.repair import repair
from geokit.geometry.topology import topology


def ball(rows=10, columns=14, radius=1.0, center=(0.0, 0.0, 0.0)):
    """A closed sphere of latitudes and longitudes."""
    theta = torch.linspace(0, math.pi, rows + 1)[1:-1]
    phi = torch.arange(columns) * 2 * math.pi / columns
    t, p = torch.meshgrid(theta, phi, indexing="ij")
    ring = torch.stack([t.sin() * p.cos(), t.sin() * p.sin(), t.cos()], dim=-1).reshape(-1, 3)
    vertices = torch.cat([ring, torch.tensor([[0.0, 0, 1], [0.0, 0, -1]])]).double() * radius
    faces = []
    for j in range(columns):
        k = (j + 1) % columns
        for i in range(rows - 2):
            a, b, c, d = i * columns + j, i * columns + k, (i + 1) * columns + j, (i + 1) * columns + k
            faces += [[a, c, b], [b, c, d]]
        last = (rows - 2) * columns
        faces += [[len(ring), j, k], [len(ring) + 1, last + k, last + j]]
    return Mesh(vertices + torch.tensor(center).double(), torch.tensor(faces))


def box(low=(0.0, 0.0, 0.0), high=(1.0, 1.0, 1.0)):
    corners = torch.tensor([[(low, high)[i >> d & 1][d] for d in range(3)] for i in range(8)]).double()
    faces = [[0, 2, 1], [1, 2, 3], [4, 5, 6], [5, 7, 6], [0, 1, 4], [1, 5, 4], [2, 6, 3], [3, 6, 7], [0, 4, 2],
             [2, 4, 6], [1, 3, 5], [3, 7, 5]]  # fmt: skip
    return Mesh(corners, torch.tensor(faces))


def together(*meshes):
    offsets = np.cumsum([0] + [len(m.vertices) for m in meshes])
    return Mesh(torch.cat([m.vertices for m in meshes]), torch.cat([m.faces + o for m, o in zip(meshes, offsets)]))


def check_closed(mesh, volume=None):
    found = topology(mesh)
    assert found.watertight, found
    assert found.manifold, found
    assert not found.duplicate_faces
    assert not found.unreferenced
    if volume is not None:
        assert mesh.volume() == pytest.approx(volume)
    return found


def test_a_sound_mesh_is_left_alone():
    whole = ball().replace(colors=torch.rand(128, 3, dtype=torch.float64))
    fixed, report = repair(whole)
    assert str(report) == "nothing to repair"
    assert torch.equal(fixed.vertices[fixed.faces], whole.vertices[whole.faces])
    assert torch.equal(fixed.colors[fixed.faces], whole.colors[whole.faces])
    again, report = repair(fixed)
    assert str(report) == "nothing to repair"
    assert torch.equal(again.faces, fixed.faces)


def test_everything_at_once():
    whole = ball()
    g = torch.Generator().manual_seed(0)
    soup = whole.vertices[whole.faces].reshape(-1, 3)
    faces = torch.arange(len(soup)).reshape(-1, 3)
    turned = torch.rand(len(faces), generator=g) < 0.4
    faces = torch.where(turned[:, None], faces.flip(1), faces)
    faces = torch.cat([faces[5:40], faces[41:], faces[60:70], torch.tensor([[3, 3, 4]])])
    broken = Mesh(torch.cat([soup, torch.rand(7, 3, generator=g, dtype=torch.float64)]), faces)
    fixed, report = repair(broken)
    check_closed(fixed)
    assert fixed.volume() == pytest.approx(whole.volume(), rel=0.05)
    assert report.duplicate_faces == 10
    assert report.degenerate_faces == 1
    assert report.flipped_faces > 50
    assert report.filled_holes == 2
    assert report.merged_vertices > 600
    assert report.unreferenced_vertices >= 7


@pytest.mark.parametrize("count", [1, 2, 6, 20])
def test_holes_are_closed_up_to_a_size(count):
    whole = ball()
    kept = torch.ones(len(whole), dtype=torch.bool)
    kept[torch.randperm(len(whole), generator=torch.Generator().manual_seed(count))[:count]] = False
    fixed, report = repair(whole.replace(faces=whole.faces[kept]))
    check_closed(fixed)
    assert fixed.volume() == pytest.approx(whole.volume(), rel=0.1)
    assert report.filled_holes >= 1
    left_open, _ = repair(whole.replace(faces=whole.faces[kept]), largest_hole=0)
    assert not topology(left_open).watertight


def test_an_open_sheet_is_not_doubled():
    grid = torch.cartesian_prod(torch.arange(4.0), torch.arange(4.0))
    vertices = torch.cat([grid, torch.zeros(16, 1)], dim=1)
    faces = [[i, i + 4, i + 1] for i in range(11) if i % 4 < 3] + [
        [i + 1, i + 4, i + 5] for i in range(11) if i % 4 < 3
    ]
    fixed, report = repair(Mesh(vertices, torch.tensor(faces)))
    assert report.filled_holes == 0
    assert len(fixed) == 18


def test_fins_and_inner_walls_go_and_touching_pieces_part():
    whole = ball()
    tip = torch.tensor([[2.0, 2.0, 2.0]]).double()
    blade = torch.tensor([[int(whole.faces[50, 0]), int(whole.faces[50, 1]), len(whole.vertices)]])
    fin = Mesh(torch.cat([whole.vertices, tip]), torch.cat([whole.faces, blade]))
    fixed, report = repair(fin)
    assert report.nonmanifold_faces == 1
    check_closed(fixed, whole.volume())

    cube, wall = box(), torch.tensor([[0, 3, 7], [0, 7, 4]])
    fixed, report = repair(cube.replace(faces=torch.cat([cube.faces, wall])))
    assert report.nonmanifold_faces == 2
    check_closed(fixed, 1.0)

    touching = together(box(), box((1.0, 1.0, 0.0), (2.0, 2.0, 1.0)))
    fixed, report = repair(touching)
    assert report.nonmanifold_faces == 0
    assert report.split_vertices == 2
    assert check_closed(fixed, 2.0).components == 2


def test_outside_and_cavities():
    shell, inner = box((-1.0,) * 3, (2.0,) * 3), box()
    apart = box((5.0, 0.0, 0.0), (6.0, 1.0, 1.0))
    for turned in (inner, inner.replace(faces=inner.faces.flip(1))):
        fixed, _ = repair(together(shell, turned, apart.replace(faces=apart.faces.flip(1))))
        check_closed(fixed, 27.0 - 1.0 + 1.0)


def test_a_vertex_in_the_middle_of_an_edge():
    """One face of a cube is cut at the middle of a shared edge, its neighbour is not."""
    cube = box()
    vertices = torch.cat([cube.vertices, torch.tensor([[0.5, 0.0, 0.0]]).double()])  # on the edge from 0 to 1
    faces = [face for face in cube.faces.tolist() if face != [0, 2, 1]] + [[0, 2, 8], [8, 2, 1]]
    fixed, report = repair(Mesh(vertices, torch.tensor(faces)))
    check_closed(fixed, 1.0)
    assert report.filled_holes == 1
    assert float(fixed.face_areas().min()) > 0.1


def test_vertices_nearby_are_merged_on_request():
    whole = ball()
    soup = whole.vertices[whole.faces].reshape(-1, 3)
    soup = soup + 1e-5 * torch.rand(soup.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    faces = torch.arange(len(soup)).reshape(-1, 3)
    assert topology(repair(Mesh(soup, faces))[0]).components == len(faces)
    fixed, _ = repair(Mesh(soup, faces), merge=1e-4)
    check_closed(fixed)
    assert len(fixed.vertices) == len(whole.vertices)


def test_texture_places_follow_their_faces():
    whole = ball()
    uv = torch.rand(len(whole), 3, 2, dtype=torch.float64)
    textured = whole.replace(uv=uv, texture=torch.rand(4, 4, 3, dtype=torch.float64))
    fixed, _ = repair(textured.replace(faces=whole.faces[3:], uv=uv[3:]))
    assert torch.equal(fixed.uv[: len(whole) - 3], uv[3:])
    assert fixed.uv.shape == (len(fixed), 3, 2)


def test_empty_and_impossible():
    empty = Mesh(torch.zeros(0, 3), torch.zeros(0, 3, dtype=torch.int64))
    assert len(repair(empty)[0]) == 0
    only_bad = Mesh(torch.zeros(3, 3), torch.tensor([[0, 1, 2], [0, 0, 1]]))
    assert len(repair(only_bad)[0]) == 0
    with pytest.raises(InvalidInput, match="must not be negative"):
        repair(ball(), merge=-1)
