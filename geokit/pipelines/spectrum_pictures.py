"""Pictures of eigenfunctions on their shape."""

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from geokit.geometry.mesh import Mesh
from geokit.pipelines.colormap import diverging
from geokit.pipelines.match_pictures import own_view, panel
from geokit.spectral.eigen import Eigenbasis

_SHOWN = (1, 2, 3, 4, 6, 9, 14, 20, 30, 50, 100, 199)  # eigenfunctions, the constant one being number 0
_COLUMNS, _WIDTH, _HEIGHT, _CAPTION = 4, 300, 300, 34  # pixels
_INK = (40, 42, 48)


def shown_functions(basis: Eigenbasis) -> tuple[int, ...]:
    """The numbers of those that `eigenfunction_sheet` is best given: some of all wavelengths."""
    return tuple(number for number in _SHOWN if number < len(basis)) or (0,)


def eigenfunction_sheet(mesh: Mesh, basis: Eigenbasis, numbers: tuple[int, ...]) -> Tensor:
    """(H, W, 3) uint8: these eigenfunctions on the V vertices of a mesh, red above zero and blue below."""
    look = own_view(mesh)
    columns = min(_COLUMNS, len(numbers))
    rows = -(-len(numbers) // columns)
    sheet = Image.new("RGB", (columns * _WIDTH, rows * (_HEIGHT + _CAPTION)), (255, 255, 255))
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(18)
    for place, number in enumerate(numbers):
        left, top = place % columns * _WIDTH, place // columns * (_HEIGHT + _CAPTION)
        colors = signed_colors(basis.eigenvectors[:, number]).to(mesh.vertices)
        picture = panel(mesh.replace(uv=None, texture=None, colors=colors), look, _WIDTH, _HEIGHT)
        sheet.paste(Image.fromarray((picture * 255).round().to(torch.uint8).numpy()), (left, top))
        caption = f"{number}:  {float(basis.eigenvalues[number]):.4g}"
        draw.text((left + _WIDTH / 2, top + _HEIGHT + 4), caption, _INK, font, "mt")
    return torch.from_numpy(np.array(sheet))


def signed_colors(values: Tensor) -> Tensor:
    """(V, 3) sRGB colours of numbers (V,): pale at zero, full red and blue at the size that 98 % stay below."""
    sizes = values.abs()
    top = sizes.sort().values[int(0.98 * (len(sizes) - 1))].clamp_min(1e-300)
    return diverging(values / top / 2 + 0.5)
