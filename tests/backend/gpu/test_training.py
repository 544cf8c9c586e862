"""Whole training steps on the GPU, against the CPU."""

import pytest
import torch

from geokit.geometry import Splats
from geokit.splatting import densify, list_rooms, photographs, trainer, waves
from geokit.splatting.list_rooms import ListRooms
from geokit.splatting.schedule import TrainConfig
from geokit.splatting.trainer import Trainer
from tests.splatting.test_trainer import CAMERAS, KINDS, PHOTOGRAPHS, perturbed_start


class ReadAtOnce:
    """In place of a `LateReading`, which has the GPU write into main memory."""

    def __init__(self):
        self.number = None

    def ask(self, number):
        self.number = int(number)

    def answer(self):
        number, self.number = self.number, None
        return number

    def forget(self):
        self.number = None


@pytest.fixture
def ahead(device, monkeypatch):
    """Python runs ahead of the emulated GPU too, which has no generator and no limit of its memory."""
    if device.name != "cuda":
        for module in (trainer, densify, photographs, waves):
            monkeypatch.setattr(module, "runs_ahead", lambda _: True)
        monkeypatch.setattr(trainer, "_generator", lambda device, seed: None)
        monkeypatch.setattr(list_rooms, "LateReading", ReadAtOnce)
        monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (1 << 40, 1 << 40))


def start() -> list[torch.Tensor]:
    return list(perturbed_start().tensors().values())


@pytest.mark.parametrize("kind", KINDS)
def test_the_losses_of_a_run(device, kind, request):
    """Until splats are added, the same steps; opacities begin too high for noise, which has other random numbers."""
    config = TrainConfig(**({"steps": 400, "max_splats": 80} | KINDS[kind]))

    def losses(*fields):
        run = Trainer(CAMERAS, PHOTOGRAPHS, Splats(*fields), config)
        steps = [run.step(progress) for progress in (0.0,) * 5 + (0.09,) * 5]
        return torch.tensor([[step.loss, step.psnr] for step in steps]), run.splats.means

    expected, means = losses(*start())
    request.getfixturevalue("ahead")
    found, there = device(losses, *start())
    torch.testing.assert_close(found, expected, rtol=2e-3, atol=1e-4)
    torch.testing.assert_close(there, means, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("kind", KINDS)
def test_a_step_whose_lists_do_not_fit_is_not_taken(device, ahead, kind, monkeypatch):
    """And the next one has room."""
    begin, config = ListRooms._begin, TrainConfig(**({"steps": 400, "max_splats": 80} | KINDS[kind]))

    def begin_with_little(rooms, needed):
        begin(rooms, needed)
        rooms._room.capacity = 20

    def moved(*fields):
        run, moves = Trainer(CAMERAS, PHOTOGRAPHS, Splats(*fields), config), []
        for _ in range(4):
            before = {name: tensor.clone() for name, tensor in run.optimizer.state().items()}
            run.step(0.0)
            moves.append(any(bool((t != before[name]).any()) for name, t in run.optimizer.state().items()))
        return torch.tensor(moves)

    monkeypatch.setattr(ListRooms, "_begin", begin_with_little)
    assert device(moved, *start()).tolist() == [True, False, True, True]
