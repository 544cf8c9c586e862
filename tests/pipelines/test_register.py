import math

import pytest
import torch

from geokit.pipelines.register import rotation_angle


@pytest.mark.parametrize("angle", [0, 1e-9, 0.3, 1.57, 3.0, math.pi - 1e-7, math.pi])
def test_the_angle_of_a_rotation(angle):
    axis = torch.nn.functional.normalize(torch.tensor([1.0, -2, 0.5], dtype=torch.float64), dim=0)
    x, y, z = axis.tolist()
    cross = torch.tensor([[0, -z, y], [z, 0, -x], [-y, x, 0]], dtype=torch.float64)
    matrix = torch.linalg.matrix_exp(angle * cross)
    assert rotation_angle(matrix) == pytest.approx(angle, abs=1e-9)
    assert rotation_angle(2 * matrix) == pytest.approx(angle, abs=1e-9)
