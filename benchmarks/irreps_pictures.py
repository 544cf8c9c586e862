"""The pictures of docs/irreps.md: products of functions on the sphere, and a learned map of land and ocean.

The map needs the test data (GEOKIT_TEST_DATA, or shared/data beside the repository).
"""

import math

import torch
from common import ROOT
from irreps_networks import land_and_ocean, trained
from PIL import Image, ImageDraw
from torch import Tensor

from geokit.equivariant.irreps import LocationEncoder, bracket_product, gaunt_product, spherical_harmonics

IMAGES = ROOT / "docs" / "images"
RED, BLUE = torch.tensor([178.0, 24, 43]), torch.tensor([33.0, 102, 172])


def sphere(function: Tensor, size: int = 260) -> Tensor:
    """(size, size, 3) of coefficients (K,): the near half of the sphere, red where positive, blue where negative."""
    axis = torch.linspace(-1.06, 1.06, size)
    x, y = axis.expand(size, size), -axis[:, None].expand(size, size)
    square = x * x + y * y
    directions = torch.stack([x, y, (1 - square).clamp(min=0).sqrt()], dim=-1)
    tilt = torch.tensor([[1.0, 0, 0], [0, 0.9, 0.436], [0, -0.436, 0.9]])
    values = spherical_harmonics(math.isqrt(len(function)) - 1, directions @ tilt) @ function
    values = (values / values[square < 1].abs().max())[..., None]
    tint = 247 + values.abs() * (torch.where(values > 0, RED, BLUE) - 247)
    shaded = tint * (0.72 + 0.28 * directions[..., 2:])
    return torch.where((square < 1)[..., None], shaded, 255.0)


def products() -> Image.Image:
    """Two functions of degree 3, their product and their bracket."""
    torch.manual_seed(5)
    first, second = torch.randn(2, 16)
    shown = [first, second, gaunt_product(first, second, 6), bracket_product(first, second, 5)]
    picture = Image.fromarray(torch.cat([sphere(function) for function in shown], dim=1).byte().numpy())
    canvas = Image.new("RGB", (picture.width, picture.height + 28), "white")
    canvas.paste(picture)
    draw = ImageDraw.Draw(canvas)
    for number, name in enumerate(("f", "g", "f g", "{f, g}")):
        draw.text((260 * number + 130, 274), name, "black", anchor="mm", font_size=18)
    return canvas


def land(width: int = 1040) -> Image.Image:
    """The probability of land that is learned from 5,000 places, and of these every fourth."""
    torch.manual_seed(0)
    encoder = trained(LocationEncoder(30, 1))
    longitude = (torch.arange(width) + 0.5) * (2 * math.pi / width) - math.pi
    latitude = math.pi / 2 - (torch.arange(width // 2) + 0.5) * (2 * math.pi / width)
    places = torch.stack(torch.meshgrid(longitude, latitude, indexing="xy"), dim=-1)
    with torch.no_grad():
        probability = encoder(places).sigmoid()
    ocean, ground = torch.tensor([214.0, 229, 240]), torch.tensor([120.0, 148, 92])
    picture = Image.fromarray((ocean + probability * (ground - ocean)).byte().numpy())
    draw = ImageDraw.Draw(picture)
    for (x, y), is_land in zip(*(values[::4].tolist() for values in land_and_ocean(0))):
        at = (x / (2 * math.pi) + 0.5) * width, (0.5 - y / math.pi) * width / 2
        draw.circle(at, 1.7, fill=(60, 90, 30) if is_land else (70, 120, 180))
    return picture


if __name__ == "__main__":
    products().save(IMAGES / "irreps_products.jpg", quality=88)
    land().save(IMAGES / "irreps_land.jpg", quality=85)
