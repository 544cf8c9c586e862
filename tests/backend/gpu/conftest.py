"""Where the kernels of the GPU run in these tests: on the emulated GPU, and on a GPU where there is one.

The threads of the emulated GPU run in one of three orders, chosen by the name of the test; GEOKIT_EMULATED_ORDERS=all
runs every test in each.
"""

import os
import zlib
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

ORDERS = {"by index": 0, "from the last thread": 1, "shuffled": 20}
EMULATED = list(ORDERS) if os.environ.get("GEOKIT_EMULATED_ORDERS") == "all" else ["emulated"]


class Device:
    """Calls a function with its tensors on the device, and returns what it returns on the CPU."""

    def __init__(self, name: str, order: int = 0) -> None:
        self.name, self.order = name, order

    def __call__(self, function: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
        if self.name == "cuda":
            return _to(function(*_to(arguments, "cuda"), **_to(options, "cuda")), "cpu")
        emulated.set_order(self.order)
        with pretend_gpu(emulated):
            return _to(function(*_to(arguments, "cuda"), **_to(options, "cuda")), "cpu")

    def in_every_order(self) -> list["Device"]:
        """The same device with its threads in each order; a GPU, which has its own, twice."""
        return [self, self] if self.name == "cuda" else [Device(self.name, order) for order in ORDERS.values()]


@pytest.fixture(params=[*EMULATED, "cuda"])
def device(request) -> Device:
    """A `Device`; skips where it cannot be had."""
    if request.param == "cuda":
        if not torch.cuda.is_available():
            pytest.skip("there is no GPU here: the kernels are tested on the emulated one only")
        gpu.kernels(torch.device("cuda"))
    elif emulated is None:
        pytest.skip("geokit._emulated is not in this build; install with pip install -e '.[test]'")
    by_name = list(ORDERS.values())[zlib.crc32(request.node.nodeid.encode()) % len(ORDERS)]
    return Device(request.param, ORDERS.get(request.param, by_name))


def _to(value: Any, where: str) -> Any:
    if isinstance(value, torch.Tensor):
        moved = value.detach().to(where)
        return moved.requires_grad_() if value.requires_grad else moved
    if isinstance(value, (list, tuple)):
        return type(value)(_to(part, where) for part in value)
    if isinstance(value, dict):
        return {name: _to(part, where) for name, part in value.items()}
    return value
