"""Functions of places on the globe."""

import json
import math

import pytest
import torch

from geokit.equivariant.irreps.location_encoder import LocationEncoder, directions_of
from geokit.errors import InvalidInput


def trained(places: torch.Tensor, land: torch.Tensor, degree: int, steps: int) -> LocationEncoder:
    torch.manual_seed(0)
    encoder = LocationEncoder(degree, 1)
    optimizer = torch.optim.Adam(encoder.parameters(), lr=1e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 1e-3, total_steps=steps)
    for _ in range(steps):
        batch = torch.randint(len(places), (512,))
        loss = torch.nn.functional.binary_cross_entropy_with_logits(encoder(places[batch])[:, 0], land[batch].float())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    return encoder


def accuracy(encoder: LocationEncoder, places: torch.Tensor, land: torch.Tensor) -> float:
    with torch.no_grad():
        return float(((encoder(places)[:, 0] > 0) == land).float().mean())


def random_places(count: int) -> torch.Tensor:
    longitude = (2 * torch.rand(count) - 1) * math.pi
    return torch.stack([longitude, (2 * torch.rand(count) - 1).asin()], dim=1)


def test_learns_islands_across_the_date_line_and_at_a_pole():
    torch.manual_seed(1)
    centers = directions_of(torch.tensor([[math.pi, 0.2], [0.5, -0.6], [0.0, math.pi / 2]]))

    def islands(places):
        return (directions_of(places) @ centers.T > math.cos(0.5)).any(1)

    places, tests = random_places(3000), random_places(2000)
    encoder = trained(places, islands(places), 10, 200)
    assert accuracy(encoder, tests, islands(tests)) > 0.95


@pytest.mark.data
def test_land_and_ocean(data_folder):
    sets = []
    for number in (0, 1):
        path = data_folder / "equivariance" / "landocean" / f"landoceansdataset{number}.geojson"
        if not path.is_file():
            pytest.skip(f"no {path}")
        features = json.loads(path.read_text())["features"]
        degrees = torch.tensor([feature["geometry"]["coordinates"] for feature in features])
        land = torch.tensor([feature["properties"]["land"] for feature in features])
        sets.append((degrees.deg2rad().float(), land))
    assert accuracy(trained(*sets[0], 20, 300), *sets[1]) > 0.94


def test_the_date_line_and_the_poles_are_no_seam():
    encoder = LocationEncoder(12, 3).double()
    places = torch.tensor(
        [[-math.pi, 0.3], [math.pi, 0.3], [0.2, math.pi / 2], [-2.0, math.pi / 2]], dtype=torch.float64
    )
    values = encoder(places)
    torch.testing.assert_close(values[0], values[1], atol=1e-6, rtol=0)
    torch.testing.assert_close(values[2], values[3], atol=1e-6, rtol=0)


def test_compiles_and_exports():
    encoder, places = LocationEncoder(4, 2), random_places(6)
    torch.testing.assert_close(torch.compile(encoder, fullgraph=True, backend="aot_eager")(places), encoder(places))
    torch.testing.assert_close(torch.export.export(encoder, (places,)).module()(places), encoder(places))


def test_wrong_shape_is_told():
    with pytest.raises(InvalidInput, match="radians"):
        LocationEncoder(4, 2)(torch.randn(5, 3))
