"""The contract of every field, on one whose derivatives are known."""

from typing import Any

import pytest
import torch
from torch import Tensor

from geokit.errors import InvalidInput
from geokit.fields import Field

BOX = torch.tensor([[-1.0, 0.0], [1.0, 2.0]], dtype=torch.float64)


class Waves(Field):
    """sin(a x) cos(b y), a x y^2 and a constant."""

    def __init__(self) -> None:
        super().__init__(BOX, 3)
        self.a = torch.nn.Parameter(torch.tensor(1.3, dtype=torch.float64))

    def values(self, x: Tensor) -> Tensor:
        u, v = x.T
        return torch.stack([(self.a * u).sin() * (2 * v).cos(), self.a * u * v**2, torch.ones_like(u)], 1)

    def config(self) -> dict[str, Any]:
        return {}


def test_derivatives() -> None:
    x = torch.rand(5, 7, 2, dtype=torch.float64)
    u, v = x.unbind(-1)
    a, field = 1.3, Waves()
    zero = torch.zeros_like(u)
    expected = [
        torch.stack([a * (a * u).cos() * (2 * v).cos(), -2 * (a * u).sin() * (2 * v).sin()], -1),
        torch.stack([a * v**2, 2 * a * u * v], -1),
        torch.stack([zero, zero], -1),
    ]
    with torch.no_grad():
        gradient, laplacian = field.gradient(x), field.laplacian(x)
    assert not gradient.requires_grad
    torch.testing.assert_close(gradient, torch.stack(expected, -2))
    waves = -(a**2 + 4) * (a * u).sin() * (2 * v).cos()
    torch.testing.assert_close(laplacian, torch.stack([waves, 2 * a * u, zero], -1))


def test_derivatives_can_be_trained() -> None:
    field = Waves()
    x = torch.rand(4, 2, dtype=torch.float64)
    field.gradient(x)[:, 1, 0].sum().backward()
    torch.testing.assert_close(field.a.grad, (x[:, 1] ** 2).sum())
    field.zero_grad()
    field.laplacian(x)[:, 1].sum().backward()
    torch.testing.assert_close(field.a.grad, (2 * x[:, 0]).sum())


@pytest.mark.parametrize(
    ("x", "words"),
    [
        (torch.rand(3, 3, dtype=torch.float64), "2 coordinates"),
        (torch.rand(3, 2), "float64"),
        (torch.zeros((), dtype=torch.float64), "2 coordinates"),
    ],
)
def test_wrong_points(x: Tensor, words: str) -> None:
    for call in (Waves(), Waves().gradient, Waves().laplacian):
        with pytest.raises(InvalidInput, match=words):
            call(x)


@pytest.mark.parametrize("box", [BOX.flip(0), BOX * float("nan"), torch.zeros(3, 2), torch.zeros(2, 2).long()])
def test_wrong_bounds(box: Tensor) -> None:
    with pytest.raises(InvalidInput, match="bounds"):
        Field(box, 1)
