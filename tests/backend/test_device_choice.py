"""What the words auto, cpu and cuda mean."""

import pytest
import torch

from geokit.backend import gpu
from geokit.backend.device_choice import chosen_device, device_name, unused_gpu
from geokit.errors import InvalidInput, MissingDependency


@pytest.fixture
def machine(monkeypatch):
    """Pretends to have a GPU, and that something keeps geokit from computing on it."""

    def pretend(there: bool, obstacle: str | None = None) -> None:
        monkeypatch.setattr(torch.cuda, "is_available", lambda: there)
        monkeypatch.setattr(gpu, "obstacle", lambda index: obstacle)

    return pretend


def test_without_a_gpu(machine):
    machine(False)
    assert chosen_device("auto") == chosen_device("cpu") == torch.device("cpu")
    assert unused_gpu() is None
    with pytest.raises(InvalidInput, match=r"--device cuda needs an NVIDIA GPU, but .*; leave --device out or use cpu"):
        chosen_device("cuda")


def test_with_a_gpu(machine):
    machine(True)
    assert chosen_device("auto") == chosen_device("cuda") == torch.device("cuda")
    assert chosen_device("cpu") == torch.device("cpu")
    assert unused_gpu() is None


def test_with_a_gpu_that_the_kernels_do_not_run_on(machine):
    machine(True, "the driver is old")
    assert chosen_device("auto") == torch.device("cpu")
    assert unused_gpu() == "the driver is old"
    with pytest.raises(MissingDependency, match="the driver is old"):
        chosen_device("cuda")


@pytest.mark.parametrize("there", [False, True])
def test_other_words(machine, there):
    machine(there)
    with pytest.raises(InvalidInput, match="must be auto, cpu or cuda, got 'tpu'"):
        chosen_device("tpu")


def test_names():
    assert device_name(torch.device("cpu")) == "CPU"
