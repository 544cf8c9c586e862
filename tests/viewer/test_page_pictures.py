"""The page in a real browser, opened from the disk, shows what geokit renders."""

import numpy as np
import pytest
import torch
from geokit.viewer.drawables import Triangles
from geokit.viewer.home import home_camera, upward
from geokit.viewer.layers.cameras import CamerasLayer
from geokit.viewer.layers.mesh import MeshLayer
from geokit.viewer.layers.points import PointsLayer
from geokit.viewer.layers.splats import SplatsLayer
from geokit.viewer.page import save_page

from geokit.geometry import Cameras, Mesh, PointCloud, Splats, look_at
from geokit.geometry.render_mesh import render_mesh
from geokit.geometry.render_points import render_points
from geokit.splatting import render
from tests.viewer.browser import ssim
from tests.viewer.pages import HEIGHT, WIDTH, drawn, knot, opened_page, some_splats


def camera_for(layer) -> Cameras:
    return home_camera([layer], upward([layer]), WIDTH, HEIGHT)


def ahead(distance: float = 4.0, focal: float = 300.0) -> Cameras:
    """From -z, y down."""
    pose = look_at(
        torch.tensor([[0.0, 0.0, -distance]]).double(), torch.zeros(3).double(), torch.tensor([0.0, -1.0, 0]).double()
    )
    K = torch.tensor([[[focal, 0, WIDTH / 2], [0, focal, HEIGHT / 2], [0, 0, 1]]], dtype=torch.float64)
    return Cameras(pose, K, ((WIDTH, HEIGHT),))


def rendered(splats: Splats, camera: Cameras, background: np.ndarray | None = None, **options) -> np.ndarray:
    """On white, or over a picture (H, W, 3)."""
    seen = render(splats, camera, **options)
    behind = 1.0 if background is None else torch.from_numpy(background)
    picture = seen.image.double() + (1 - seen.alpha.double())[..., None] * behind
    return picture.clamp(0, 1).numpy()


@pytest.mark.parametrize(
    ("count", "options", "antialiased", "background"),
    [
        (2000, {"degree": 3}, False, None),
        (2000, {"degree": 1, "size": -4.5}, True, None),
        (50, {"degree": 2, "waves": 3, "size": -1.6}, False, None),
        (50, {"waves": 2, "colored": True, "size": -1.6}, False, (1.0, 1.0, 1.0)),
    ],
    ids=["harmonics", "antialiased", "Gabor", "Gabor with coloured waves"],
)
def test_splats_are_those_of_the_rasterizer(browser, tmp_path, count, options, antialiased, background):
    layer = SplatsLayer("splats", some_splats(count, **options), antialiased=antialiased)
    camera = camera_for(layer)
    given = {} if background is None else {"background": torch.tensor(background)}
    if background is None:
        wanted = rendered(layer.shape, camera, antialiased=antialiased)
    else:  # each colour has a coverage of its own
        wanted = render(layer.shape, camera, **given).image.clamp(0, 1).double().numpy()
    with opened_page(browser, save_page(tmp_path / "page.html", [layer])) as page:
        seen = drawn(page, camera)
    assert (wanted < 0.9).any(-1).mean() > 0.02
    assert ssim(seen, wanted) > 0.998
    assert np.abs(seen - wanted).max() < 0.02  # five of 255 steps


@pytest.mark.parametrize("shading", ["smooth", "flat", "unlit", "texture"])
def test_surfaces_are_lit_as_in_geokits_pictures(browser, tmp_path, shading):
    layer = MeshLayer("knot", knot(textured=shading == "texture"))
    layer.shading = "smooth" if shading == "texture" else shading
    camera = camera_for(layer)
    options = {"lighting": None} if shading == "unlit" else {"flat": shading == "flat"}
    wanted = render_mesh(layer.shape, camera, **options)
    with opened_page(browser, save_page(tmp_path / "page.html", [layer])) as page:
        seen = drawn(page, camera)
    assert ssim(seen, wanted.image.numpy()) > 0.99
    inside = wanted.alpha.numpy() > 0.999
    assert np.abs(seen - wanted.image.numpy())[inside].mean() < 0.004


def test_points_are_discs_of_their_size(browser, tmp_path):
    g = torch.Generator().manual_seed(3)
    places = torch.rand(40, 3, generator=g).double() * torch.tensor([1.6, 1.2, 0.0]) - torch.tensor([0.8, 0.6, 0.0])
    layer = PointsLayer("points", PointCloud(places, torch.rand(40, 3, generator=g).double()))
    layer.size = 0.12
    radius = 0.06 / 4 * 300  # pixels, seen from 4 away
    wanted = render_points(layer.shape, ahead(), radius, lighting=None, supersample=4).image.numpy()
    with opened_page(browser, save_page(tmp_path / "page.html", [layer])) as page:
        seen = drawn(page, ahead())
    assert ssim(seen, wanted) > 0.95
    # The polygons of eight sides that geokit draws cover a little less than discs.
    assert (seen < 0.99).any(-1).sum() == pytest.approx((wanted < 0.99).any(-1).sum(), rel=0.1)


def test_segments_are_lines_of_their_width(browser, tmp_path):
    pose = look_at(
        torch.tensor([[0.3, 0.2, 0.0]]).double(),
        torch.tensor([0.0, 0.0, 1.0]).double(),
        torch.tensor([0.0, -1.0, 0]).double(),
    )
    K = torch.tensor([[[100.0, 0, 80], [0, 100, 60], [0, 0, 1]]], dtype=torch.float64)
    layer = CamerasLayer("cameras", Cameras(pose, K, ((160, 120),)))
    layer.size = 0.8
    camera = ahead(focal=500.0)
    wanted = lines(layer, camera)
    with opened_page(browser, save_page(tmp_path / "page.html", [layer])) as page:
        seen = drawn(page, camera)
    assert ssim(seen, wanted) > 0.9
    assert (1 - seen).sum() == pytest.approx((1 - wanted).sum(), rel=0.12)


def lines(layer: CamerasLayer, camera: Cameras) -> np.ndarray:
    """The lines of a cameras layer on white, by the distance of each pixel from each line, in linear light."""
    (piece,) = layer.drawables()
    y, x = np.mgrid[:HEIGHT, :WIDTH] + 0.5
    ink = np.zeros((HEIGHT, WIDTH))
    pose, K = camera.world_to_camera[0].numpy(), camera.K[0].numpy()
    for ends in piece.ends:
        a, b = (ends @ pose[:3, :3].T + pose[:3, 3]) @ K.T @ np.diag([1, 1, 1])
        a, b = a[:2] / a[2], b[:2] / b[2]
        along = np.clip(((x - a[0]) * (b - a)[0] + (y - a[1]) * (b - a)[1]) / ((b - a) @ (b - a)), 0, 1)
        distance = np.hypot(x - a[0] - along * (b - a)[0], y - a[1] - along * (b - a)[1])
        ink = np.maximum(ink, np.clip(piece.width / 2 + 0.5 - distance, 0, 1))
    color = np.where(piece.colors[0] <= 0.04045, piece.colors[0] / 12.92, ((piece.colors[0] + 0.055) / 1.055) ** 2.4)
    light = color * ink[..., None] + 1 - ink[..., None]
    return np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)


def wall(depth: float = 0.0) -> Mesh:
    """A square of half width one at z = depth."""
    corners = torch.tensor([[-1.0, -1, depth], [1, -1, depth], [1, 1, depth], [-1, 1, depth]]).double()
    return Mesh(
        corners, torch.tensor([[0, 1, 2], [0, 2, 3]]), colors=torch.tensor([0.2, 0.5, 0.3]).double().expand(4, 3)
    )


def test_splats_and_surfaces_hide_each_other(browser, tmp_path):
    splats = some_splats(80, degree=1, size=-2.3)
    splats = splats.replace(means=splats.means - torch.tensor([10.0, -20.0, 5.0]))
    camera, surface = ahead(focal=160.0), MeshLayer("wall", wall(-0.3))
    surface.shading = "unlit"
    background = render_mesh(surface.shape, camera, lighting=None).image.double().numpy()
    front = splats[splats.means[:, 2] < -0.3]
    wanted = rendered(front, camera, background)
    outside = render_mesh(surface.shape, camera).alpha.numpy() < 1e-3
    wanted[outside] = rendered(splats, camera)[outside]
    with opened_page(browser, save_page(tmp_path / "page.html", [splats, surface])) as page:
        seen = drawn(page, camera)
    assert np.abs(rendered(splats, camera, background) - wanted).mean() > 0.004  # the order matters
    assert ssim(seen, wanted) > 0.99


def test_what_is_seen_through_shows_what_is_behind(browser, tmp_path):
    class Glass(MeshLayer):
        def drawables(self):
            (piece,) = super().drawables()
            return [Triangles(piece.vertices, piece.faces, piece.colors, shading="unlit", opacity=0.4)]

    behind = MeshLayer("behind", wall(0.5))
    behind.shading = "unlit"
    behind.paint(np.tile([[0.9, 0.1, 0.1]], (4, 1)))
    glass = Glass("glass", wall(0.0))
    with opened_page(browser, save_page(tmp_path / "page.html", [glass, behind])) as page:
        middle = drawn(page, ahead(focal=100.0))[HEIGHT // 2, WIDTH // 2]
    light = 0.4 * linear(np.array([0.2, 0.5, 0.3])) + 0.6 * linear(np.array([0.9, 0.1, 0.1]))
    assert np.abs(linear(middle) - light).max() < 0.01


def linear(color: np.ndarray) -> np.ndarray:
    return np.where(color <= 0.04045, color / 12.92, ((color + 0.055) / 1.055) ** 2.4)
