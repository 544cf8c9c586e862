"""What geokit draws of a scene: each kind as its own renderer draws it, nearer before farther."""

import geokit.viewer.render_scene as scene_module
import numpy as np
import pytest
import torch
from geokit.viewer.drawables import Points, Segments, SplatCloud, Triangles
from geokit.viewer.layers.mesh import MeshLayer
from geokit.viewer.layers.points import PointsLayer
from geokit.viewer.layers.splats import SplatsLayer
from geokit.viewer.render_scene import render_drawables, render_layers, seen_depth

from geokit.geometry import Cameras, Mesh, PointCloud, frame_camera
from geokit.geometry.render_mesh import render_mesh
from geokit.geometry.splats import SH_C0
from geokit.splatting import render
from tests.viewer.tools.scenes import ball, cloud, splats

FRONT = (0.0, 0.0, 1.0)


def camera_of(points: torch.Tensor, width: int = 96, height: int = 72, direction=FRONT) -> Cameras:
    return frame_camera(points, direction, (0.0, 1.0, 0.0), width, height)


def quad(z: float, color: tuple[float, float, float], half: float = 1.0) -> Triangles:
    corners = np.array([[-half, -half, z], [half, -half, z], [half, half, z], [-half, half, z]], float)
    faces = np.array([[0, 1, 2], [0, 2, 3]])
    return Triangles(corners, faces, np.tile(np.asarray(color, float), (4, 1)), shading="unlit")


RED, GREEN, BLUE = (1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)


def one_splat(z: float, color: tuple[float, float, float], opacity: float, size: float = 3.0) -> SplatCloud:
    drawn = splats(1, degree=0, waves=0).replace(
        means=torch.tensor([[0.0, 0.0, z]]),
        log_scales=torch.tensor([[size, size, 0.01]]).log(),
        quats=torch.tensor([[1.0, 0, 0, 0]]),
        logit_opacities=torch.tensor([opacity]).logit(),
        sh_coeffs=((torch.tensor(color) - 0.5) / SH_C0)[None, None],
    )
    return SplatCloud(drawn)


def test_a_mesh_alone_is_what_render_mesh_draws():
    layer = MeshLayer("ball", ball())
    camera = camera_of(layer.shape.vertices)
    wanted = render_mesh(layer.shape, camera).image
    assert (render_layers([layer], camera) - wanted).abs().mean() < 2e-3
    layer.visible = False
    assert (render_layers([layer], camera) == 1).all()


def test_splats_alone_are_what_the_rasterizer_draws():
    layer = SplatsLayer("splats", splats())
    camera = camera_of(layer.shape.means.double())
    wanted = render(layer.shape, camera, background=torch.ones(3)).image.clamp(0, 1)
    assert (render_layers([layer], camera) - wanted).abs().max() < 1e-4


def test_points_have_their_size_in_the_world():
    points = np.array([[-1.0, 0, 0], [1.0, 0, -4.0]])
    piece = Points(points, np.zeros((2, 3)), 0.5)
    pose = torch.eye(4, dtype=torch.float64)
    pose[2, 2] = pose[1, 1] = -1
    pose[2, 3] = 4
    K = torch.tensor([[100.0, 0, 100], [0, 100.0, 50], [0, 0, 1]], dtype=torch.float64)
    camera = Cameras(pose[None], K[None], ((200, 100),))
    _, alpha = render_drawables([piece], camera)
    near, far = alpha[:, :100].sum(), alpha[:, 100:].sum()
    # An octagon in a circle has 0.9 of its area; the farther point is twice as far away.
    assert float(near) == pytest.approx(0.9 * np.pi * 6.25**2, rel=0.06)
    assert float(far) == pytest.approx(float(near) / 4, rel=0.15)


@pytest.mark.parametrize("turned", [False, True])
def test_the_nearer_surface_hides_the_farther_in_any_order(turned):
    pieces = [quad(0.0, RED), quad(1.0, BLUE, 0.4)]
    camera = camera_of(torch.tensor([[-1.0, -1, 0], [1.0, 1, 1]]).double())
    color, alpha = render_drawables(pieces[::-1] if turned else pieces, camera)
    assert color[36, 48].tolist() == pytest.approx(BLUE, abs=1e-5)
    assert color[36, 20].tolist() == pytest.approx(RED, abs=1e-5)
    assert float(alpha[36, 48]) == pytest.approx(1)


@pytest.mark.parametrize(("opacity", "z", "wanted"), [(0.6, 1.0, (0.4, 0.6, 0.0)), (0.6, -1.0, RED)])
def test_splats_are_blended_over_what_is_behind_them_alone(opacity, z, wanted):
    camera = camera_of(torch.tensor([[-1.0, -1, 0], [1.0, 1, 0]]).double())
    color, _ = render_drawables([quad(0.0, RED), one_splat(z, GREEN, opacity)], camera)
    assert color[36, 48].tolist() == pytest.approx(wanted, abs=0.02)


def test_lines_have_their_width_and_stop_at_the_camera():
    ends = np.array([[[-5.0, 0, 0], [5.0, 0, 0]], [[0.3, 0.5, 0.0], [0.3, 0.5, 1e4]]])
    piece = Segments(ends, np.zeros((2, 3)), 3.0)
    camera = camera_of(torch.tensor([[-1.0, -1, 0], [1.0, 1, 0]]).double())
    color, alpha = render_drawables([piece], camera)
    assert float(alpha[30:42, 10].sum()) == pytest.approx(3, abs=0.35)
    assert torch.isfinite(color).all()


def test_a_picture_in_bands_is_the_picture(monkeypatch):
    layers = [MeshLayer("ball", ball()), SplatsLayer("splats", splats()), PointsLayer("cloud", cloud())]
    camera = camera_of(layers[2].shape.points)
    whole = render_layers(layers, camera)
    monkeypatch.setattr(scene_module, "_AT_ONCE", 96 * 10)
    assert (render_layers(layers, camera) - whole).abs().mean() < 1e-3


def test_far_from_the_origin_nothing_trembles():
    away = torch.tensor([600_000.0, 5_000_000.0, 100.0], dtype=torch.float64)
    here, there = ball(), ball().replace(vertices=ball().vertices + away)
    near = render_layers([MeshLayer("a", here)], camera_of(here.vertices))
    far = render_layers([MeshLayer("b", there)], camera_of(there.vertices))
    assert (near - far).abs().max() < 0.02
    points = PointsLayer("c", PointCloud(there.vertices))
    assert render_layers([points], camera_of(there.vertices)).min() < 0.9


@pytest.mark.parametrize("shading", ["smooth", "flat", "unlit", "wireframe"])
def test_every_shading_is_drawn(shading):
    layer = MeshLayer("ball", ball(level=1))
    layer.shading = shading
    _, alpha = render_drawables(layer.drawables(), camera_of(layer.shape.vertices))
    assert float(alpha.mean()) > (0.03 if shading == "wireframe" else 0.3)
    assert (float(alpha.mean()) < 0.3) == (shading == "wireframe")


def test_depth_is_that_of_the_nearest_that_covers():
    camera = camera_of(torch.tensor([[-1.0, -1, 0], [1.0, 1, 1]]).double())
    depth = seen_depth([quad(0.0, RED), quad(1.0, BLUE, 0.4), one_splat(3.0, GREEN, 0.2)], camera)
    eye = float(camera.centers[0, 2])
    assert float(depth[36, 48]) == pytest.approx(eye - 1, abs=1e-4)
    assert float(depth[36, 20]) == pytest.approx(eye, abs=1e-4)
    assert torch.isinf(depth[0, 0])


def test_of_nothing_the_background_is_left():
    empty = Mesh(torch.zeros(0, 3), torch.zeros(0, 3, dtype=torch.int64))
    picture = render_layers([MeshLayer("none", empty)], camera_of(torch.eye(3).double()), (0.2, 0.4, 0.6))
    assert picture[5, 5].tolist() == pytest.approx([0.2, 0.4, 0.6])
