"""All that is shown, rendered by geokit and put together by depth: what screenshots and videos are made of."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from geokit.geometry import Cameras

from .drawables import Drawable, SplatCloud
from .layers.layer import Layer
from .render_pieces import Piece, render_piece

if TYPE_CHECKING:
    from .viewer import Viewer

WHITE = (1.0, 1.0, 1.0)
_AT_ONCE = 2_000_000  # pixels: larger pictures of surfaces are made in bands
_SOLID = 0.5  # coverage from which on a pixel's depth is that of what covers it


def visible_drawables(layers: Iterable[Layer]) -> list[Drawable]:
    """The pieces of the layers that are visible, as they are at this moment; shapes never change in place."""
    return [drawable for layer in layers if layer.visible for drawable in layer.drawables()]


def scene_drawables(viewer: Viewer) -> list[Drawable]:
    """The pieces of the visible layers and the guides that are switched on, as they are at this moment."""
    with viewer.lock:
        return [*visible_drawables(viewer.layers.values()), *viewer.parts["Guides"].drawables()]


def render_layers(layers: Iterable[Layer], camera: Cameras, background: Sequence[float] = WHITE) -> Tensor:
    """(H, W, 3) sRGB in [0, 1]: the visible layers through one camera, as geokit's renderers draw them.

    Splats are rendered with all their harmonics and waves, meshes lit, points as discs of their size. Where several
    cover a pixel the nearer is blended over the farther; the depth of splats is the one behind which less than half of
    the light is left.
    """
    image, alpha = render_drawables(visible_drawables(layers), camera)
    return (image + (1 - alpha)[..., None] * image.new_tensor(tuple(background))).clamp(0, 1)


@torch.no_grad()
def render_drawables(drawables: Sequence[Drawable], camera: Cameras) -> tuple[Tensor, Tensor]:
    """The colours times coverage (H, W, 3), sRGB, and the coverage (H, W) of pieces through one camera."""
    width, height = camera.sizes[0]
    rows = max(1, _AT_ONCE // width)
    # Splats are drawn whole: their shape far outside of a picture depends on where the picture ends.
    splats = [d for d in drawables if isinstance(d, SplatCloud)]
    surfaces = [d for d in drawables if not isinstance(d, SplatCloud)]
    whole = _pieces(splats, camera)
    bands = []
    for first in range(0, height, rows):
        band = _band(camera, first, min(rows, height - first))
        bands.append(_blended([_empty(band), *(piece.rows(first, rows) for piece in whole), *_pieces(surfaces, band)]))
    return torch.cat([color for color, _ in bands]), torch.cat([alpha for _, alpha in bands])


@torch.no_grad()
def seen_depth(drawables: Sequence[Drawable], camera: Cameras) -> Tensor:
    """(H, W) the depth, the camera's z in world units, of the nearest piece that covers half of a pixel; else inf."""
    width, height = camera.sizes[0]
    nearest = torch.full((height, width), torch.inf)
    for piece in _pieces(drawables, camera):
        nearest = torch.minimum(nearest, torch.where(piece.alpha >= _SOLID, piece.depth, torch.inf))
    return nearest


def _pieces(drawables: Sequence[Drawable], camera: Cameras) -> list[Piece]:
    return [piece for drawable in drawables if (piece := render_piece(drawable, camera)) is not None]


def _empty(camera: Cameras) -> Piece:
    width, height = camera.sizes[0]
    return Piece(torch.zeros(height, width, 3), torch.zeros(height, width), torch.full((height, width), torch.inf))


def _band(camera: Cameras, first: int, rows: int) -> Cameras:
    """The camera of `rows` rows of the picture from row `first` on."""
    K = camera.K.clone()
    K[:, 1, 2] -= first
    return Cameras(camera.world_to_camera, K, ((camera.sizes[0][0], rows),), camera.names)


def _blended(pieces: Sequence[Piece]) -> tuple[Tensor, Tensor]:
    """Front to back at every pixel."""
    order = torch.stack([piece.depth for piece in pieces]).argsort(dim=0, stable=True)
    colors = torch.stack([torch.cat([piece.color, piece.alpha[..., None]], -1) for piece in pieces])
    blended = torch.zeros_like(colors[0])
    for place in order:
        layer = colors.gather(0, place[None, ..., None].expand(1, *colors.shape[1:]))[0]
        blended = blended + (1 - blended[..., 3:]) * layer
    return blended[..., :3], blended[..., 3]
