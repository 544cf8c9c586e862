"""Whole training steps on the GPU, against the CPU."""

import pytest
import torch

from geokit.splatting import densify, photographs, trainer, waves
from geokit.splatting.schedule import TrainConfig
from geokit.splatting.trainer import Trainer
from tests.splatting.test_trainer import CAMERAS, KINDS, PHOTOGRAPHS, perturbed_start


@pytest.fixture
def ahead(device, monkeypatch):
    """Python runs ahead of the emulated GPU too."""
    if device.name != "cuda":
        for module in (trainer, densify, photographs, waves):
            monkeypatch.setattr(module, "runs_ahead", lambda _: True)


@pytest.mark.parametrize("kind", KINDS)
def test_the_losses_of_a_run(device, kind, monkeypatch, request):
    """Until splats are added, the same steps; opacities begin too high for noise, which has other random numbers."""
    config = TrainConfig(**({"steps": 400, "max_splats": 80} | KINDS[kind]))

    def losses(splats):
        run = Trainer(CAMERAS, PHOTOGRAPHS, splats, config)
        steps = [run.step(progress) for progress in (0.0,) * 8 + (0.09,) * 8]
        return torch.tensor([[step.loss, step.psnr] for step in steps]), run.splats.means

    expected, means = losses(perturbed_start())
    request.getfixturevalue("ahead")
    found, there = device(losses, perturbed_start())
    torch.testing.assert_close(found, expected, rtol=2e-3, atol=1e-4)
    torch.testing.assert_close(there, means, rtol=1e-3, atol=1e-3)
