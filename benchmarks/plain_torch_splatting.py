"""Front-to-back blending in plain vectorised torch: what one would write without a native kernel. The peer to beat."""

import torch
from torch import Tensor

TILE = 16


def composite(
    means2d: Tensor,
    conics: Tensor,
    depths: Tensor,
    opacities: Tensor,
    colors: Tensor,
    background: Tensor,
    width: int,
    height: int,
    gather_once: bool = False,
) -> Tensor:
    """The image (H, W, 3) of projected splats, arguments as `rasterize` has them; autograd does the rest.

    Splats are put into tiles by the bounding box of their ellipse alpha >= 1/255; each tile is then one dense problem
    (pixels, splats): exp, cumprod, matrix product. Each tile gathers its splats; with `gather_once` those of all tiles
    are gathered by one index, whose backward is then one scatter rather than one a tile.
    """
    ids, counts = tile_lists(means2d, conics, depths, opacities, width, height)
    packed = torch.cat([means2d, conics, opacities[:, None], colors], dim=1)
    lists = packed[ids].split(counts) if gather_once else [packed[tile] for tile in ids.split(counts)]
    y, x = torch.meshgrid(torch.arange(TILE) + 0.5, torch.arange(TILE) + 0.5, indexing="ij")
    corner = torch.stack([x.reshape(-1), y.reshape(-1)], dim=1)
    columns, rows = -(-width // TILE), -(-height // TILE)
    tiles = []
    for number, splats in enumerate(lists):
        pixels = corner + torch.tensor([number % columns * TILE, number // columns * TILE])
        tiles.append(_blend(splats, pixels, background))
    image = torch.stack(tiles).view(rows, columns, TILE, TILE, -1).permute(0, 2, 1, 3, 4)
    return image.reshape(rows * TILE, columns * TILE, -1)[:height, :width]


def _blend(splats: Tensor, pixels: Tensor, background: Tensor) -> Tensor:
    """(P, 3) colours of the pixels under the splats (M, 9), front to back."""
    if not len(splats):
        return background.expand(len(pixels), 3)
    dx = pixels[:, None, 0] - splats[:, 0]
    dy = pixels[:, None, 1] - splats[:, 1]
    power = -0.5 * (splats[:, 2] * dx * dx + splats[:, 4] * dy * dy) - splats[:, 3] * dx * dy
    alpha = splats[:, 5] * torch.exp(power)
    alpha = torch.where(alpha >= 1 / 255, alpha.clamp_max(0.999), 0.0)
    after = torch.cumprod(1 - alpha, dim=1)
    before = torch.cat([torch.ones_like(after[:, :1]), after[:, :-1]], dim=1)
    return (before * alpha) @ splats[:, 6:] + after[:, -1:] * background


@torch.no_grad()
def tile_lists(
    means2d: Tensor, conics: Tensor, depths: Tensor, opacities: Tensor, width: int, height: int
) -> tuple[Tensor, list[int]]:
    """The splats of every tile one after the other, front to back, and how many each tile has."""
    a, b, c = conics.unbind(1)
    determinant = a * c - b * b
    reach = 2 * torch.log(255 * opacities)
    order = depths.argsort()
    order = order[(depths[order] > 0) & (reach[order] > 0)]
    half = (reach[order, None] * torch.stack([c, a], 1)[order] / determinant[order, None]).sqrt()
    low, high = (means2d[order] - half) / TILE, (means2d[order] + half) / TILE
    columns, rows = torch.arange(-(-width // TILE))[:, None], torch.arange(-(-height // TILE))[:, None]
    in_column = (low[:, 0] < columns + 1) & (high[:, 0] > columns)
    in_row = (low[:, 1] < rows + 1) & (high[:, 1] > rows)
    hits = (in_row[:, None] & in_column[None]).flatten(0, 1)
    return order[hits.nonzero()[:, 1]], hits.sum(1).tolist()
