"""Where the kernels of the GPU run in these tests: on the emulated GPU, in three orders of its threads; on a GPU."""

from collections.abc import Callable
from typing import Any

import pytest
import torch

from geokit.backend import gpu
from tests.reference.pretend_gpu import pretend_gpu

try:
    import geokit._emulated as emulated
except ImportError:  # a build that is not for development
    emulated = None

ORDERS = {"emulated": 0, "emulated from the last thread": 1, "emulated in a shuffled order": 20}


class Device:
    """Calls a function with its tensors on the device, and returns what it returns on the CPU."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __call__(self, function: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
        if self.name == "cuda":
            return _to(function(*_to(arguments, "cuda"), **_to(options, "cuda")), "cpu")
        emulated.set_order(ORDERS[self.name])
        with pretend_gpu(emulated):
            return _to(function(*_to(arguments, "cuda"), **_to(options, "cuda")), "cpu")


@pytest.fixture(params=[*ORDERS, "cuda"])
def device(request) -> Device:
    """A `Device`; skips where it cannot be had."""
    if request.param == "cuda":
        if not torch.cuda.is_available():
            pytest.skip("there is no GPU here: the kernels are tested on the emulated one only")
        gpu.kernels(torch.device("cuda"))
    elif emulated is None:
        pytest.skip("geokit._emulated is not in this build; install with pip install -e '.[test]'")
    return Device(request.param)


def _to(value: Any, where: str) -> Any:
    if isinstance(value, torch.Tensor):
        moved = value.detach().to(where)
        return moved.requires_grad_() if value.requires_grad else moved
    if isinstance(value, (list, tuple)):
        return type(value)(_to(part, where) for part in value)
    if isinstance(value, dict):
        return {name: _to(part, where) for name, part in value.items()}
    return value
