"""Pictures of a correspondence: colours by the place on one shape, carried to the other."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from geokit.geometry.framing import frame_camera
from geokit.geometry.mesh import Mesh
from geokit.geometry.render_mesh import render_mesh
from geokit.pipelines.standing import broad_view, matching_view, up_direction
from geokit.spectral.match_shape import vertex_areas
from geokit.spectral.matching import Match

_HEIGHT = 560  # pixels of a panel
_NARROWEST, _WIDEST = 0.55, 1.5  # width of a panel over its height


@dataclass(frozen=True)
class View:
    """up, direction: (3,) float64, upwards in the shape's world and from it to the camera."""

    up: Tensor
    direction: Tensor

    def behind(self) -> "View":
        """The same from the other side."""
        return View(self.up, 2 * (self.direction @ self.up) * self.up - self.direction)


def position_colors(points: Tensor, masses: Tensor, up: Tensor) -> Tensor:
    """(N, 3) sRGB colours of places: left and right, top and bottom, front and back differ everywhere.

    In Oklab (Ottosson 2020): from blue to yellow along the longest axis of points (N, 3) of masses (N,), from green to
    red along the second, from dark to light along the third. The last two change most near the middle, so that two
    legs differ as clearly as two hands.
    """
    weights = masses / masses.sum()
    level = points - (points * weights[:, None]).sum(0)
    axes = torch.linalg.eigh((level * weights[:, None]).T @ level)[1].flip(1)
    axes = axes * torch.where((axes.T @ up).abs() > 0.5, (axes.T @ up).sign(), 1)
    along = level @ axes
    low, high = along.amin(0), along.amax(0)
    u, v, w = (2 * (along - low) / (high - low).clamp(min=1e-12) - 1).unbind(1)
    return _srgb_of_oklab(0.72 + 0.07 * (2 * w).tanh(), 0.15 * (3.5 * v).tanh(), 0.15 * u)


def _srgb_of_oklab(lightness: Tensor, a: Tensor, b: Tensor) -> Tensor:
    long = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3
    middle = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3
    short = (lightness - 0.0894841775 * a - 1.2914855480 * b) ** 3
    linear = torch.stack(
        [
            4.0767416621 * long - 3.3077115913 * middle + 0.2309699292 * short,
            -1.2684380046 * long + 2.6097574011 * middle - 0.3413193965 * short,
            -0.0041960863 * long - 0.7034186147 * middle + 1.7076147010 * short,
        ],
        -1,
    ).clamp(0, 1)
    return torch.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear.clamp(min=1e-9) ** (1 / 2.4) - 0.055)


def shape_colors(mesh: Mesh) -> Tensor:
    """(V, 3) colours of the vertices of a mesh by their places."""
    points, masses = mesh.vertices.double(), vertex_areas(mesh)
    return position_colors(points, masses, up_direction(points, masses))


def colored(match: Match) -> tuple[Mesh, Mesh]:
    """Both shapes as given, with colours at the vertices: by place on shape 1, and carried to shape 2."""
    mesh1, mesh2 = match.shape1.given, match.shape2.given
    colors = shape_colors(mesh1)
    return _painted(mesh1, colors), _painted(mesh2, match.transfer(colors).clamp(0, 1))


def _painted(mesh: Mesh, colors: Tensor) -> Mesh:
    return mesh.replace(uv=None, texture=None).replace(colors=colors.to(mesh.vertices))


def own_view(mesh: Mesh) -> View:
    """From where to look at a shape that is seen alone."""
    points, masses = mesh.vertices.double(), vertex_areas(mesh)
    up = up_direction(points, masses)
    return View(up, broad_view(points, masses, up))


def view_beside(mesh: Mesh, look: View, image: Tensor) -> View:
    """The view of a mesh from the side from which `look` sees the places (V, 3) that its vertices go to."""
    points, masses = mesh.vertices.double(), vertex_areas(mesh)
    up = up_direction(points, masses)
    return View(*matching_view(image.double(), points, masses, look.up, look.direction, up))


def match_picture(match: Match, meshes: tuple[Mesh, Mesh]) -> Tensor:
    """(H, W, 3) both shapes beside each other, in the colours of `colored`, from the front and from behind."""
    front = own_view(meshes[0])
    looks = (front, view_beside(meshes[1], front, meshes[0].vertices[match.p2p_21]))
    behind = tuple(look.behind() for look in looks)
    aspect = max(_aspect(mesh, look) for mesh, look in zip(meshes, looks))
    width = round(_HEIGHT * min(max(aspect * 1.04, _NARROWEST), _WIDEST))
    pairs = [torch.cat([panel(m, v, width, _HEIGHT) for m, v in zip(meshes, side)], 1) for side in (looks, behind)]
    return torch.cat(pairs, 0 if aspect > 1 else 1)


def contact_sheet(first: Mesh, others: Sequence[tuple[Mesh, Tensor]]) -> Tensor:
    """(H, W, 3) a shape and, in its colours, others with the vertices (V,) of it that theirs go to."""
    colors, front = shape_colors(first), own_view(first)
    meshes, looks = [_painted(first, colors)], [front]
    for mesh, p2p in others:
        meshes.append(_painted(mesh, colors[p2p]))
        looks.append(view_beside(mesh, front, first.vertices[p2p]))
    aspect = max(_aspect(mesh, look) for mesh, look in zip(meshes, looks))
    height = 260
    width = round(height * min(max(aspect * 1.04, _NARROWEST), _WIDEST))
    columns = min(len(meshes), max(2, round((len(meshes) * height / width * 1.6) ** 0.5)))
    panels = [panel(mesh, look, width, height) for mesh, look in zip(meshes, looks)]
    panels += [torch.ones_like(panels[0])] * (-len(panels) % columns)
    rows = [torch.cat(panels[i : i + columns], 1) for i in range(0, len(panels), columns)]
    return torch.cat(rows, 0)


def panel(mesh: Mesh, look: View, width: int, height: int) -> Tensor:
    """(height, width, 3) one shape, as large as it fits."""
    centered = mesh.vertices.double() - mesh.vertices.double().mean(0)
    plain = mesh.replace(normals=None).to(torch.float32).replace(vertices=centered.float())
    camera = frame_camera(plain, look.direction.tolist(), look.up.tolist(), width, height, margin=0.03)
    return render_mesh(plain, camera, supersample=2).image.clamp(0, 1)


def _aspect(mesh: Mesh, look: View) -> float:
    """Width over height, seen from afar."""
    side = torch.linalg.cross(look.up, look.direction)
    above = torch.linalg.cross(look.direction, side)
    flat = mesh.vertices.double() @ torch.stack([side / side.norm(), above / above.norm()], 1)
    width, height = (flat.amax(0) - flat.amin(0)).tolist()
    return width / max(height, 1e-12)
